// A suite that is a program of its own: it prints one JSON object a line, `{"ok": true, "title": "...", "detail": "..."}`.

import { start } from './processes.mjs';

export async function runForeign(checks, name, command, args, options) {
  const handle = start(name, command, args, options);
  let [rest, heard] = ['', 0];
  handle.child.stdout.setEncoding('utf8').on('data', (chunk) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop();
    for (const line of lines.filter((text) => text.startsWith('{"ok"'))) {
      const { ok, title, detail } = JSON.parse(line);
      checks.ok(ok, title, detail);
      heard += 1;
    }
  });
  const timer = setTimeout(() => process.kill(-handle.child.pid, 'SIGKILL'), 120_000);
  await handle.ended;
  clearTimeout(timer);
  if (handle.exit !== 0 || heard === 0) checks.fail(`${name} ran to its end`, `exit ${handle.exit} after ${heard} checks:\n${handle.output.split('\n').slice(-40).join('\n')}`);
}
