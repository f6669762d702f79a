// Runs the interop suites one after the other, each with an installation of its own, and says what held.
//   node run.mjs [SUITE...]       VESTIBULE=path of the binary, INTEROP_OUT=folder for logs and screenshots

import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Checks } from './lib/checks.mjs';
import { killAll, stopAll } from './lib/processes.mjs';
import { Stack } from './lib/stack.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const OUT = resolve(process.env.INTEROP_OUT ?? join(HERE, '../../target/ci'));
const all = readdirSync(join(HERE, 'suites'))
  .filter((file) => file.endsWith('.mjs'))
  .map((file) => file.slice(0, -'.mjs'.length))
  .sort();
const chosen = process.argv.length > 2 ? process.argv.slice(2) : all;
const unknown = chosen.filter((name) => !all.includes(name));
if (unknown.length > 0) {
  console.error(`no suite ${unknown.join(', ')}; there are: ${all.join(', ')}`);
  process.exit(64);
}

process.on('exit', killAll);
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));

if (chosen === all) rmSync(join(OUT, 'screenshots'), { recursive: true, force: true });
let [passed, failed] = [0, 0];
for (const name of chosen) {
  const dir = join(OUT, 'interop', name);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const lines = [];
  const checks = new Checks((line) => {
    lines.push(line);
    console.log(line);
  });
  const suite = await import(`./suites/${name}.mjs`);
  console.log(`\n${name}: ${suite.title}`);
  const began = Date.now();
  let stacks = 0;
  const openStack = (options) => Stack.open({ ...options, dir: join(dir, `stack${(stacks += 1)}`) });
  try {
    await suite.run({ checks, openStack, dir, screenshots: join(OUT, 'screenshots') });
  } catch (error) {
    checks.fail('the suite ran to its end', error);
  }
  await stopAll();
  if (checks.passed + checks.failed === 0) checks.fail('the suite checked something');
  const sum = `${checks.passed} passed, ${checks.failed} failed, ${((Date.now() - began) / 1000).toFixed(1)} s`;
  console.log(`  ${name}: ${sum}${checks.failed > 0 ? `; logs in ${dir}` : ''}`);
  writeFileSync(join(dir, 'checks.txt'), `${lines.join('\n')}\n${sum}\n`);
  passed += checks.passed;
  failed += checks.failed;
}

console.log(`\nlogs and screenshots: ${OUT}`);
if (existsSync(join(OUT, 'screenshots'))) console.log(`screenshots: ${readdirSync(join(OUT, 'screenshots')).join(', ')}`);
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
