// The examples' servers and configurations, as they are but for ports and the provider.

import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run as runToEnd, start } from '../lib/processes.mjs';
import { GATEWAY, PYTHON_EXAMPLES } from '../lib/stack.mjs';
import * as stranger from '../lib/stranger.mjs';

export const title = 'the examples';

const EXAMPLES = fileURLToPath(new URL('../../../examples', import.meta.url));
/** Below this folder's node_modules, so that the copy of the TypeScript server finds its packages. */
const COPIES = fileURLToPath(new URL('../out', import.meta.url));

const KINDS = {
  'typescript-server': { file: 'server.ts', command: process.execPath },
  'python-server': { file: 'server.py', command: PYTHON_EXAMPLES },
  'rust-server': { file: 'src/main.rs', command: fileURLToPath(new URL('../../../target/rust-server/debug/rust-server', import.meta.url)), prepare: build },
};

export async function run({ checks, openStack, dir }) {
  mkdirSync(COPIES, { recursive: true });
  writeFileSync(join(COPIES, 'package.json'), '{ "type": "module" }\n');
  for (const [name, { file, command, prepare = copy }] of Object.entries(KINDS)) {
    const server = async (port, options) => start(name, command, await prepare(name, file, port), options);
    const stack = await openStack({ routes: { '/mcp': server }, example: join(EXAMPLES, name, 'vestibule.yaml') });
    const check = await runToEnd('check', GATEWAY, ['check', ...stack.configArguments], { log: join(dir, 'check.log'), env: stack.variables });
    checks.ok(check.code === 0 && check.output.includes(`${stack.origin}/auth/callback`), `${name}: \`vestibule check\` names the callback URL`, check.output);
    const resource = `${stack.origin}/mcp`;
    const { tokens } = await stranger.signIn(resource);
    const session = await new stranger.Session(resource, tokens.access_token).open();
    const who = JSON.parse(await session.call('whoami'));
    checks.equal([who.subject, who.email], ['alice', 'alice@example.com'], `${name}: whoami knows who is calling`);
    checks.match(await session.call('add', { a: 2, b: 3 }), /^5(\.0)?$/, `${name}: add adds`);
    await stack.close();
  }
}

/** The example's server on another port: the arguments that run it. */
function copy(name, file, port) {
  const target = join(COPIES, name, file);
  cpSync(join(EXAMPLES, name), join(COPIES, name), { recursive: true, filter: (path) => !/node_modules|\.venv|\/target|\.md$/.test(path.slice(EXAMPLES.length)) });
  writeFileSync(target, readFileSync(target, 'utf8').replaceAll('3000', String(port)));
  return [target];
}

/** The same for one that has to be compiled. */
async function build(name, file, port) {
  copy(name, file, port);
  const target = dirname(dirname(KINDS[name].command));
  const made = await runToEnd('cargo', 'cargo', ['build', '--locked', '--quiet', '--manifest-path', join(COPIES, name, 'Cargo.toml'), '--target-dir', target], { log: join(COPIES, `${name}.log`), seconds: 1200 });
  if (made.code !== 0) throw new Error(made.output);
  return [];
}
