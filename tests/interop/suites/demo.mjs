// `vestibule demo`, as its own instructions say: the commands that it prints are run, the URL that it prints is used.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { launch } from '../lib/chromium.mjs';
import { Person } from '../lib/person.mjs';
import { freePort, ready, run as runToEnd, start, stop } from '../lib/processes.mjs';
import { GATEWAY } from '../lib/stack.mjs';
import * as stranger from '../lib/stranger.mjs';

export const title = 'vestibule demo';

export async function run({ checks, dir, screenshots }) {
  const port = await freePort();
  const demo = start('demo', GATEWAY, ['demo', '--port', port], { log: join(dir, 'demo.log') });
  const resource = await ready(demo, async () => /MCP server\s+(http\S+)/.exec(demo.output)?.[1]);
  checks.equal(new URL(resource).port, String(port), 'prints the URL to paste into a client');
  await ready(demo, async () => /Ctrl-C/.test(demo.output));

  const commands = demo.output.split('\n').map((line) => line.trim()).filter((line) => line.startsWith('curl '));
  checks.equal(commands.length, 2, 'prints the two commands to try');
  const closed = await runToEnd('curl', 'bash', ['-c', commands[0]], { log: join(dir, 'curl.log') });
  checks.match(closed.output, /^HTTP\/1\.1 401[^]*www-authenticate: Bearer .*resource_metadata=/im, 'the first shows the closed door');

  const person = new Person({ name: 'Grace' });
  const { tokens, server, client } = await stranger.signIn(resource, { person });
  const session = await new stranger.Session(resource, tokens.access_token).open();
  checks.equal(await session.call('echo', { text: 'hello' }), 'hello', 'a stranger signs in and calls a tool');
  const arrivals = [];
  await session.call('countdown', { from: 4, interval_ms: 100 }, (_, at) => arrivals.push(at));
  checks.ok(arrivals.length >= 4 && arrivals.at(-1) - arrivals[0] > 200, 'the tool that streams streams', arrivals.join(' '));
  await inChromium({ checks, server, client, resource, screenshots });

  const counted = await runToEnd('curl', 'bash', ['-c', commands[1]], { log: join(dir, 'curl.log') });
  checks.match(counted.output, /^vestibule_auth_logins_total\{[^}]*outcome="ok"[^}]*\} [1-9]/m, 'the second shows what happened');
  checks.equal(await stop(demo, 'SIGINT'), 0, 'Ctrl-C ends it with exit code 0');
}

async function inChromium({ checks, server, client, resource, screenshots }) {
  mkdirSync(screenshots, { recursive: true });
  const browser = await launch();
  try {
    for (const colorScheme of ['light', 'dark']) {
      const page = await browser.newPage({ colorScheme });
      const complaints = [];
      page.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(message.text()));
      await page.goto(stranger.authorization(server, client, resource).url.href);
      await page.getByRole('button', { name: /allow/i }).click();
      await page.getByRole('heading', { name: 'Sign in' }).waitFor();
      await page.screenshot({ path: join(screenshots, `demo-sign-in-${colorScheme}.png`), fullPage: true });
      checks.equal(complaints, [], `the demo's sign-in page, ${colorScheme}: the console is empty`);
      await page.close();
    }
  } finally {
    await browser.close();
  }
}
