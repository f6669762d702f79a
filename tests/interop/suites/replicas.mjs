// Two replicas behind nginx, one after the other in turn, with one Redis: every step of a sign-in reaches the other one;
// one is killed, Redis is killed, both are restarted under load.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Person } from '../lib/person.mjs';
import { freePort, ready, start, stop } from '../lib/processes.mjs';
import { GATEWAY } from '../lib/stack.mjs';
import * as stranger from '../lib/stranger.mjs';

export const title = 'two replicas with one Redis';

const SECRET = 'the-root-secret-that-both-replicas-have-0123456789';
/** nginx says where a request went. */
const REPLICA = 'x-replica';
/** Longer than half of it, and a refresh of ours asks the provider, too. */
const PROVIDER_TOKEN_SECONDS = 20;

export async function run({ checks, openStack, dir }) {
  const [redisPort, nginxPort] = [await freePort(), await freePort()];
  const redis = new Redis(dir, redisPort);
  await redis.start();
  const publicUrl = `http://127.0.0.1:${nginxPort}`;
  const stack = await openStack({
    publicUrl,
    providerTokenSeconds: PROVIDER_TOKEN_SECONDS,
    extra: {
      secret: SECRET,
      storage: { backend: 'redis', url: `redis://127.0.0.1:${redisPort}` },
      trusted_proxies: ['127.0.0.1'],
      limits: { drain_timeout: '2s', token_requests_per_minute: 100000 },
    },
  });
  const replicas = [new Replica(stack, 0), new Replica(stack, 1)];
  replicas[0].adopt(stack.gateway);
  await replicas[1].configure();
  await replicas[1].start();
  await nginx(dir, nginxPort, replicas);
  const resource = `${publicUrl}/mcp`;
  const world = { checks, stack, replicas, redis, resource };

  const signedIn = await everyStepElsewhere(world);
  await usedOnce(world, signedIn);
  await parallelRefreshes(world);
  await revocation(world);
  await signingKeys(world);
  await oneReplicaDies(world);
  await redisDies(world);
  await rollingRestart(world);
}

/** Discovery, registration, consent, callback, code, token, refresh: never twice in a row at the same replica. */
async function everyStepElsewhere({ checks, resource }) {
  const { server } = await stranger.discover(resource);
  const registered = await stranger.register(server);
  const client = registered.body;
  const request = stranger.authorization(server, client, resource);
  const person = new Person();
  const callback = await person.walk(request.url, stranger.REDIRECT_URI);
  const code = callback.searchParams.get('code');
  const exchanged = await stranger.exchange(server, client, resource, { code, verifier: request.verifier });
  checks.equal(exchanged.status, 200, 'a sign-in over two replicas ends with tokens');
  const refreshed = await stranger.refresh(server, client, exchanged.body.refresh_token);
  checks.equal(refreshed.status, 200, 'and a refresh at the other one');
  const own = person.visited.filter((page) => page.headers.has(REPLICA));
  const way = [registered, ...own, exchanged, refreshed].map((answer) => answer.headers.get(REPLICA));
  checks.ok(way.length >= 6 && way.every((replica, step) => step === 0 || replica !== way[step - 1]), `each of ${way.length} steps was at another replica than the one before`, way.join('\n'));
  const session = await new stranger.Session(resource, refreshed.body.access_token).open();
  checks.equal([await session.call('echo', { message: 'one' }), await session.call('echo', { message: 'two' })], ['one', 'two'], 'both replicas accept the token, and pass on the same session');
  return { server, client, person, code, request, callback: person.visited.map((page) => page.url).find((url) => url.includes('/auth/callback')) };
}

/** S01, S57: what was used at one replica is used at the other one. */
async function usedOnce({ checks, resource }, { server, client, person, code, request, callback }) {
  for (const which of ['one', 'the other']) {
    const page = await new Person({ jar: person.jar }).load({ url: callback });
    checks.ok(page.status === 400 && page.body.includes('already finished'), `the callback, loaded again at ${which} replica, does nothing`, page.body);
  }
  const again = await stranger.exchange(server, client, resource, { code, verifier: request.verifier });
  checks.equal([again.status, again.body.error], [400, 'invalid_grant'], 'the code works once for both');
}

/** S55, S56, T1. */
async function parallelRefreshes({ checks, stack, resource }) {
  const { server, client, tokens } = await stranger.signIn(resource);
  await sleep((PROVIDER_TOKEN_SECONDS * 1000) / 2 + 1000);
  const before = refreshesSeen(await stack.seenByProvider());
  const answers = await Promise.all(Array.from({ length: 50 }, () => stranger.refresh(server, client, tokens.refresh_token)));
  checks.ok(answers.every(({ status }) => status === 200), '50 refreshes of one token at once over both replicas all succeed', answers.map(({ status, text }) => `${status} ${text}`).find((text) => !text.startsWith('200')));
  checks.ok(new Set(answers.map(({ headers }) => headers.get(REPLICA))).size === 2, 'at both of them');
  const successors = new Set(answers.map(({ body }) => body.refresh_token));
  checks.equal(successors.size, 1, 'with one successor');
  checks.equal(refreshesSeen(await stack.seenByProvider()) - before, 1, 'and one refresh at the provider');
  const next = await stranger.refresh(server, client, [...successors][0]);
  checks.equal(next.status, 200, 'which works');
}

function refreshesSeen(seen) {
  return seen.filter(({ route, grant_type: type }) => route === 'token' && type === 'refresh_token').length;
}

async function revocation({ checks, resource }) {
  const { server, client, tokens } = await stranger.signIn(resource);
  const streams = [];
  // Each request goes to the other replica, so an odd number of them between leaves both with one stream.
  while (new Set(streams.map((stream) => stream.replica)).size < 2 && streams.length < 6) streams.push(await openStream(resource, tokens.access_token));
  checks.equal(new Set(streams.map((stream) => stream.replica)).size, 2, 'streams are open at both replicas');
  await sleep(1000);
  checks.ok(streams.every((stream) => !stream.ended), 'and stay open');
  const begun = performance.now();
  await stranger.revoke(server, client, tokens.refresh_token);
  await Promise.race([Promise.all(streams.map((stream) => stream.end)), sleep(5000)]);
  const took = performance.now() - begun;
  checks.ok(streams.every((stream) => stream.ended) && took < 1000, `a revocation at one ends the streams of both within a second (${took.toFixed(0)} ms)`, `${took}`);
}

/** A stream from the server that stays open. */
async function openStream(resource, accessToken) {
  const session = await new stranger.Session(resource, accessToken).open();
  const response = await fetch(resource, { method: 'GET', headers: { ...session.headers(), accept: 'text/event-stream' } });
  if (response.status !== 200) throw new Error(`a stream was answered ${response.status}`);
  const stream = { replica: response.headers.get(REPLICA), ended: false };
  stream.end = (async () => {
    try {
      for await (const _ of response.body);
    } catch {
      // Cut is an end, too.
    }
    stream.ended = true;
  })();
  return stream;
}

/** One replica makes a new key: what it signs is accepted by the other one, which signs with it, too. */
async function signingKeys({ checks, replicas, resource }) {
  const keys = async (replica) => (await (await fetch(`${replica.adminOrigin}/keys`)).json()).signing;
  const kids = async (replica) => (await keys(replica)).map(({ kid }) => kid);
  checks.equal(await kids(replicas[0]), await kids(replicas[1]), 'both replicas have the same signing key');
  const old = await stranger.signIn(resource);
  const rotated = await (await fetch(`${replicas[0].adminOrigin}/keys/rotate?now=true`, { method: 'POST' })).json();
  const made = rotated.find(({ state }) => state === 'signs').kid;
  const signedBy = (token) => JSON.parse(Buffer.from(token.split('.')[0], 'base64url')).kid;
  let fresh;
  for (let tries = 0; tries < 6 && (!fresh || signedBy(fresh.tokens.access_token) !== made); tries += 1) fresh = await stranger.signIn(resource);
  checks.equal(signedBy(fresh.tokens.access_token), made, 'a new key signs at once where it was made');
  const session = await new stranger.Session(resource, fresh.tokens.access_token).open();
  checks.equal([await session.status(), await session.status()], [200, 200], 'both replicas accept what it signed, the other one without having been told');
  const follows = async () => (await keys(replicas[1])).find(({ state }) => state === 'signs').kid === made;
  const begun = performance.now();
  while (!(await follows()) && performance.now() - begun < 12_000) await sleep(100);
  checks.equal(await kids(replicas[0]), await kids(replicas[1]), 'within ten seconds the other one signs with it, too');
  const before = await new stranger.Session(resource, old.tokens.access_token).open();
  checks.equal([await before.status(), await before.status()], [200, 200], 'and both accept what the key of before signed');
}

/** kill -9 of a replica in the middle of a sign-in that it has begun. */
async function oneReplicaDies({ checks, replicas, resource }) {
  const { server } = await stranger.discover(resource);
  const client = (await stranger.register(server)).body;
  const request = stranger.authorization(server, client, resource);
  const person = new Person();
  const page = await person.load({ url: request.url.href });
  const begunBy = replicas.find((replica) => replica.address === page.headers.get(REPLICA));
  await begunBy.kill();
  const approved = await person.load(person.fillIn(page, 'approve'));
  const callback = await person.walk(approved.headers.get('location'), stranger.REDIRECT_URI);
  const exchanged = await stranger.exchange(server, client, resource, { code: callback.searchParams.get('code'), verifier: request.verifier });
  checks.equal(exchanged.status, 200, 'a sign-in that a killed replica began ends well at the other one');
  await begunBy.start();
  const refreshed = await Promise.all([1, 2].map(() => stranger.refresh(server, client, exchanged.body.refresh_token)));
  checks.equal(refreshed.map(({ status }) => status), [200, 200], 'and the replica that came back knows its tokens');
}

/** kill -9 of Redis in the middle of a sign-in. */
async function redisDies({ checks, stack, replicas, redis, resource }) {
  const { server, client, tokens } = await stranger.signIn(resource);
  const known = await new stranger.Session(resource, tokens.access_token).open();
  await Promise.all([known.status(), known.status(), known.status(), known.status()]);
  const request = stranger.authorization(server, client, resource);
  const person = new Person();
  const back = await person.walk(request.url, `${new URL(resource).origin}/auth/callback`);
  await redis.kill();
  const refused = await person.load({ url: back.href });
  checks.ok(refused.status === 503 && refused.headers.has('retry-after') && refused.body.includes('cannot finish the sign-in right now'), 'without Redis the callback says on a page that it has to wait', refused.body);
  const refresh = await stranger.refresh(server, client, tokens.refresh_token);
  checks.equal([refresh.status, refresh.body.error], [503, 'temporarily_unavailable'], 'a refresh is told to come back');
  checks.equal([await known.status(), await known.status()], [200, 200], 'tokens that were seen go on at both replicas');
  for (const replica of replicas) {
    const readiness = await fetch(`${replica.adminOrigin}/readyz`);
    const text = await (await fetch(`${replica.adminOrigin}/metrics`)).text();
    checks.ok(readiness.status === 503 && /vestibule_store_ready\{backend="redis"\} 0/.test(text), `replica ${replica.number}: /readyz is 503 and vestibule_store_ready 0`, await readiness.text());
  }
  await redis.start();
  for (const replica of replicas) await replica.isReady();
  const callback = await person.walk(back, stranger.REDIRECT_URI);
  const exchanged = await stranger.exchange(server, client, resource, { code: callback.searchParams.get('code'), verifier: request.verifier });
  checks.equal(exchanged.status, 200, 'when Redis is back, the same callback, loaded again, finishes the sign-in');
  checks.equal((await stranger.refresh(server, client, tokens.refresh_token)).status, 200, 'and the same refresh token works');
  checks.ok(stack.origin.length > 0 && replicas.every((replica) => replica.handle.exit === undefined), 'no replica ended');
}

/** SIGTERM, end, start: first one, then the other, while clients work. */
async function rollingRestart({ checks, replicas, resource }) {
  const failures = [];
  let [requests, working] = [0, true];
  const clients = Array.from({ length: 6 }, async () => {
    let { server, client, tokens } = await stranger.signIn(resource);
    const session = await new stranger.Session(resource, tokens.access_token).open();
    while (working) {
      for (let call = 0; call < 5; call += 1) {
        const status = await session.status().catch((error) => error.message);
        requests += 1;
        if (status !== 200) failures.push(`call: ${status}`);
      }
      const refreshed = await stranger.refresh(server, client, tokens.refresh_token).catch((error) => ({ status: error.message }));
      requests += 1;
      if (refreshed.status === 200) tokens = refreshed.body;
      else failures.push(`refresh: ${refreshed.status} ${refreshed.text ?? ''}`);
      session.accessToken = tokens.access_token;
    }
  });
  await sleep(1000);
  for (const replica of replicas) {
    await replica.stop();
    await sleep(300);
    await replica.start();
    await sleep(500);
  }
  working = false;
  await Promise.all(clients);
  checks.ok(failures.length === 0 && requests > 100, `a rolling restart under load: ${requests} requests, ${failures.length} failed`, failures.slice(0, 10).join('\n'));
}

class Redis {
  constructor(dir, port) {
    Object.assign(this, { dir: join(dir, 'redis'), port, log: join(dir, 'redis.log') });
    mkdirSync(this.dir);
  }

  async start() {
    this.handle = start('redis', 'redis-server', ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.dir, '--save', '', '--appendonly', 'yes', '--appendfsync', 'always'], { log: this.log });
    await ready(this.handle, () => ping(this.port));
  }

  /** As a power cut would. */
  async kill() {
    await stop(this.handle, 'SIGKILL');
  }
}

function ping(port) {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    socket.once('error', reject).once('data', (answer) => {
      socket.destroy();
      resolve(String(answer).startsWith('+PONG'));
    });
    socket.write('PING\r\n');
  });
}

/** One process of the gateway. */
class Replica {
  constructor(stack, number) {
    Object.assign(this, { stack, number, address: stack.address, adminOrigin: stack.adminOrigin, file: join(stack.dir, 'gateway.yaml') });
  }

  /** The one that the stack has started. */
  adopt(handle) {
    this.handle = handle;
  }

  /** Another one with the same configuration at other addresses. */
  async configure() {
    const configuration = JSON.parse(readFileSync(this.file, 'utf8'));
    this.address = `127.0.0.1:${await freePort()}`;
    const admin = `127.0.0.1:${await freePort()}`;
    this.adminOrigin = `http://${admin}`;
    this.file = join(this.stack.dir, `gateway${this.number}.yaml`);
    writeFileSync(this.file, JSON.stringify({ ...configuration, listen: this.address, admin_listen: admin }, null, 2));
  }

  async start() {
    this.handle = start(`replica${this.number}`, GATEWAY, ['serve', '--config', this.file], { log: join(this.stack.dir, `replica${this.number}.log`), cwd: this.stack.dir });
    await this.isReady();
  }

  async isReady() {
    await ready(this.handle, async () => {
      const readiness = await (await fetch(`${this.adminOrigin}/readyz`)).json();
      return readiness.ready && readiness.providers.every((provider) => provider.ready);
    });
  }

  async kill() {
    await stop(this.handle, 'SIGKILL');
  }

  /** Drains. */
  async stop() {
    await stop(this.handle, 'SIGTERM');
  }
}

/** One request here, the next one there. A replica that does not take a connection is passed over. */
async function nginx(dir, port, replicas) {
  const folder = join(dir, 'nginx');
  mkdirSync(folder);
  const servers = replicas.map(({ address }) => `server ${address} max_fails=0;`).join(' ');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${join(folder, kind)};`).join('\n  ');
  writeFileSync(join(folder, 'nginx.conf'), `
daemon off;
worker_processes 1;
pid ${join(folder, 'nginx.pid')};
error_log stderr warn;
events { worker_connections 1024; }
http {
  ${temporary}
  access_log ${join(folder, 'access.log')};
  upstream replicas { ${servers} keepalive 16; }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://replicas;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_buffering off;
      proxy_read_timeout 1h;
      add_header X-Replica $upstream_addr always;
    }
  }
}
`);
  const handle = start('nginx', 'nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], { log: join(dir, 'nginx.log') });
  await ready(handle, async () => (await fetch(`http://127.0.0.1:${port}/mcp`, { method: 'POST' })).status === 401);
}
