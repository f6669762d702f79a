// Child processes with a log file each, a readiness probe instead of a sleep, and one place that ends them all.

import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { createWriteStream, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const running = new Set();

const givenOut = new Set();

/**
 * A loopback port that nobody listens on. It is given back before its user binds it; so it is taken from below the range
 * out of which the kernel gives ports to outgoing connections, and none is given out twice.
 */
export async function freePort() {
  for (let attempts = 0; attempts < 100; attempts += 1) {
    const port = randomInt(20_000, 32_000);
    if (givenOut.has(port)) continue;
    const server = createServer();
    const free = await new Promise((resolve) => {
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    await new Promise((resolve) => server.close(resolve));
    givenOut.add(port);
    return port;
  }
  throw new Error('no free port between 20000 and 32000');
}

/** Starts a process in a group of its own, with what it prints kept in `log`; with `input`, its standard input is open. */
export function start(name, command, args, { log, env = {}, cwd, input = false } = {}) {
  mkdirSync(dirname(log), { recursive: true });
  const sink = createWriteStream(log, { flags: 'a' });
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, detached: true, stdio: [input ? 'pipe' : 'ignore', 'pipe', 'pipe'] });
  const handle = { name, child, log, output: '', exit: undefined };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      sink.write(chunk);
      handle.output = (handle.output + chunk).slice(-100_000);
    });
  }
  handle.ended = new Promise((resolve) => {
    child.once('error', (error) => {
      handle.exit = error.message;
      resolve();
    });
    child.once('close', (code, signal) => {
      handle.exit ??= signal ?? code;
      running.delete(handle);
      sink.end();
      resolve();
    });
  });
  running.add(handle);
  return handle;
}

/** Waits until `probe` returns something truthy; ends early, with the log's tail, when the process dies. */
export async function ready(handle, probe, { seconds = 30 } = {}) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    if (handle.exit !== undefined) throw new Error(`${handle.name} ended (${handle.exit}) before it was ready:\n${tail(handle)}`);
    const answer = await Promise.resolve(probe()).catch(() => undefined);
    if (answer) return answer;
    if (Date.now() > deadline) throw new Error(`${handle.name} is not ready after ${seconds} s:\n${tail(handle)}`);
    await sleep(25);
  }
}

/** Runs to the end; never throws for an exit code. */
export async function run(name, command, args, { seconds = 300, ...options } = {}) {
  const handle = start(name, command, args, options);
  const timer = setTimeout(() => signal(handle, 'SIGKILL'), seconds * 1000);
  await handle.ended;
  clearTimeout(timer);
  return { code: handle.exit, output: handle.output };
}

/** Sends a signal to the process and its children and waits for its end. */
export async function stop(handle, name = 'SIGTERM', { seconds = 10 } = {}) {
  if (handle.exit !== undefined) return handle.exit;
  signal(handle, name);
  const timer = setTimeout(() => signal(handle, 'SIGKILL'), seconds * 1000);
  await handle.ended;
  clearTimeout(timer);
  return handle.exit;
}

export async function stopAll() {
  await Promise.all([...running].map((handle) => stop(handle, 'SIGTERM', { seconds: 3 })));
}

/** Last resort, for a run that is being interrupted. */
export function killAll() {
  for (const handle of running) signal(handle, 'SIGKILL');
}

function signal(handle, name) {
  try {
    process.kill(-handle.child.pid, name);
  } catch {
    // It ended by itself.
  }
}

function tail(handle) {
  return handle.output.split('\n').slice(-25).join('\n') + `\n(log: ${handle.log})`;
}
