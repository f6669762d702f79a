// The conformance tool's server scenarios, once directly at a server and once through the gate: the gate must change no
// result. The tool cannot send a token, so a hop adds it.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CONFORMANCE, results } from '../lib/conformance.mjs';
import { freePort, ready, run as runToEnd, start } from '../lib/processes.mjs';
import * as stranger from '../lib/stranger.mjs';

export const title = 'the conformance tool: server scenarios of 2025-11-25, direct and through the gate';

const HOP = fileURLToPath(new URL('../fixtures/hop.mjs', import.meta.url));
const FEWEST_SCENARIOS = 30;

export async function run({ checks, openStack, dir }) {
  const stack = await openStack({});
  const resource = `${stack.origin}/mcp`;
  const direct = await scenarios('direct', stack.backends.typescript.url, dir);
  checks.ok(direct.length >= FEWEST_SCENARIOS, `the tool ran ${direct.length} scenarios`, direct.map(({ scenario }) => scenario).join());
  const failing = direct.filter(({ checks: list }) => !passed(list));
  checks.ok(failing.length === 0, 'all pass when asked directly', failing.map(({ scenario, checks: list }) => `${scenario}: ${failures(list)}`).join('\n'));

  const { tokens } = await stranger.signIn(resource);
  const tokenFile = join(dir, 'token');
  writeFileSync(tokenFile, tokens.access_token, { mode: 0o600 });
  const port = await freePort();
  const hop = start('hop', process.execPath, [HOP], { log: join(dir, 'hop.log'), env: { PORT: port, TARGET: stack.origin, TOKEN_FILE: tokenFile } });
  await ready(hop, async () => (await fetch(`http://127.0.0.1:${port}/mcp`, { method: 'DELETE' })).status < 500);

  const through = await scenarios('through-the-gate', `http://127.0.0.1:${port}/mcp`, dir);
  checks.equal(through.map(({ scenario }) => scenario), direct.map(({ scenario }) => scenario), 'the same scenarios ran through the gate');
  for (const { scenario, checks: list } of through) {
    const before = direct.find((other) => other.scenario === scenario)?.checks ?? [];
    checks.equal(verdicts(list), verdicts(before), `through the gate: ${scenario}`);
  }

  writeFileSync(tokenFile, 'not-a-token');
  const refused = await scenarios('without-a-token', `http://127.0.0.1:${port}/mcp`, dir);
  const surviving = refused.filter(({ checks: list }) => passed(list)).map(({ scenario }) => scenario);
  checks.equal(surviving, [], 'without a token no scenario passes');
}

async function scenarios(name, url, dir) {
  const output = join(dir, name);
  await runToEnd('conformance', process.execPath, [CONFORMANCE, 'server', '--url', url, '--requirements', '2025-11-25', '--output-dir', output], { log: `${output}.log` });
  return results(output);
}

/** `id: status` of every check, in a fixed order; what a check only tells (INFO) is not a verdict. */
function verdicts(list) {
  return list.filter(({ status }) => status !== 'INFO').map(({ id, status }) => `${id}: ${status}`).sort();
}

function failures(list) {
  return list.filter(({ status }) => status === 'FAILURE').map(({ id, message }) => `${id}: ${message}`).join('\n');
}

function passed(list) {
  return list.some(({ status }) => status === 'SUCCESS') && list.every(({ status }) => status !== 'FAILURE');
}
