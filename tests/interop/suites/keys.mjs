// The signing keys: made here and rotated, or an operator's own as OpenSSL and Node write them. jose, which knows nothing
// but the published key set, verifies every token.

import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { calculateJwkThumbprint, createRemoteJWKSet, decodeProtectedHeader, exportJWK, jwtVerify } from 'jose';
import { run as runToEnd } from '../lib/processes.mjs';
import { GATEWAY } from '../lib/stack.mjs';
import * as stranger from '../lib/stranger.mjs';

export const title = 'signing keys, made here and brought along';

export async function run({ checks, openStack, dir }) {
  const file = join(dir, 'signing.pem');
  const openssl = async (command, ...args) => {
    const made = await runToEnd('openssl', 'openssl', [command, '-out', `${file}.new`, ...args], { log: join(dir, 'openssl.log') });
    if (made.code !== 0) throw new Error(made.output);
    renameSync(`${file}.new`, file);
  };
  await openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256');
  const stack = await openStack({ extra: { signing_key: { file } } });
  const resource = `${stack.origin}/mcp`;
  const jwks = new URL('/.well-known/jwks.json', stack.origin);
  const world = { checks, stack, resource, jwks, tokens: [] };
  const vestibule = (...args) => runToEnd(args.join(' '), GATEWAY, [...args, '--admin', stack.adminOrigin], { log: join(dir, 'commands.log') });
  const list = async () => JSON.parse((await vestibule('keys', 'list', '--json')).output).signing;

  await signs(world, file, 'ES256', 'the P-256 key of `openssl genpkey`, as the documentation says');
  await openssl('ecparam', '-name', 'prime256v1', '-genkey');
  await signs(world, file, 'ES256', 'the key of `openssl ecparam -genkey` (SEC 1), after its parameters');
  await openssl('genpkey', '-algorithm', 'ED25519');
  await signs(world, file, 'EdDSA', 'an Ed25519 key');
  await openssl('genrsa', '-traditional', '2048');
  await signs(world, file, 'RS256', 'the RSA key of `openssl genrsa -traditional` (PKCS#1)');
  for (const [kind, options, alg] of [['ec', { namedCurve: 'P-256' }, 'ES256'], ['ed25519', {}, 'EdDSA'], ['rsa', { modulusLength: 3072 }, 'RS256']]) {
    const { privateKey } = generateKeyPairSync(kind, options);
    writeFileSync(`${file}.new`, JSON.stringify(privateKey.export({ format: 'jwk' })));
    renameSync(`${file}.new`, file);
    await signs(world, file, alg, `a JWK that Node wrote (${kind})`);
  }
  for (const [index, token] of world.tokens.entries()) {
    checks.equal(await call(resource, token), 200, `a token of key ${index + 1}, of before, is accepted`);
  }

  const refused = await vestibule('keys', 'rotate');
  checks.ok(refused.code === 1 && refused.output.includes('signing_key'), 'a key from the configuration is not rotated by command', refused.output);
  const own = await list();
  checks.ok(own.length === world.tokens.length && own.every(({ configured }) => configured), 'all of them are published, and known as the operator’s', JSON.stringify(own));

  const configuration = JSON.parse(readFileSync(join(stack.dir, 'gateway.yaml'), 'utf8'));
  delete configuration.signing_key;
  writeFileSync(join(stack.dir, 'gateway.yaml'), JSON.stringify(configuration));
  const reloaded = await fetch(`${stack.adminOrigin}/reload`, { method: 'POST' });
  checks.equal(reloaded.status, 200, 'without `signing_key` one is made here');
  const made = await issue(world);
  const before = kid(made);
  checks.ok(!own.some((key) => key.kid === before), 'which signs');

  const waits = await vestibule('keys', 'rotate');
  checks.match(waits.output, /is published, and signs from /, 'a rotated key is published');
  const next = (await list()).find(({ state }) => state === 'waits').kid;
  checks.equal(kid(await issue(world)), before, 'and does not sign yet');
  const set = await (await fetch(jwks)).json();
  checks.ok(set.keys.some((key) => key.kid === next), 'it is in the key set');
  checks.equal((await vestibule('keys', 'revoke', before)).code, 1, 'the key that signs cannot be revoked');
  checks.equal((await vestibule('keys', 'rotate', '--now')).code, 0, 'another one can sign at once');
  const session = await new stranger.Session(resource, made).open();
  const revoked = await vestibule('keys', 'revoke', before);
  checks.equal(revoked.code, 0, 'then it can be revoked');
  checks.ok(!revoked.output.includes(before), 'and is gone', revoked.output);
  checks.equal(await session.status(), 401, 'what it signed is refused');
  const { server, client, tokens } = world.last;
  const refreshed = await stranger.refresh(server, client, tokens.refresh_token);
  checks.equal(refreshed.status, 200, 'the client’s refresh token goes on');
  checks.equal(await call(resource, refreshed.body.access_token), 200, 'and nobody had to sign in');
  checks.equal((await vestibule('keys', 'revoke', 'nothing')).code, 1, 'a key that is not there is told');
  checks.match((await vestibule('keys', 'list')).output, /^\S{43} {2}ES256 {2}signs since .*\nroot secret [0-9a-f]{8} {2}seals\n$/ms, 'a person can read the list');
}

/** The key in the file signs, and jose verifies what it signed by the key set alone. */
async function signs(world, file, alg, what) {
  const { checks, resource, jwks, stack } = world;
  const text = readFileSync(file, 'utf8');
  const key = createPrivateKey(text.startsWith('{') ? { key: JSON.parse(text), format: 'jwk' } : text);
  const { d, ...publicHalf } = await exportJWK(key);
  const expected = await calculateJwkThumbprint(publicHalf);
  const published = async () => (await (await fetch(jwks)).json()).keys.some(({ kid: own }) => own === expected);
  for (let tries = 0; tries < 400 && !(await published()); tries += 1) await sleep(25);
  const token = await issue(world);
  const verified = await jwtVerify(token, createRemoteJWKSet(jwks), { issuer: stack.origin, audience: resource, typ: 'at+jwt', algorithms: [alg] }).catch((error) => error);
  checks.ok(d !== undefined && verified.protectedHeader?.kid === expected, what, verified);
  world.tokens.push(token);
}

async function issue(world) {
  world.last = await stranger.signIn(world.resource);
  return world.last.tokens.access_token;
}

const kid = (token) => decodeProtectedHeader(token).kid;

const call = async (resource, token) => (await new stranger.Session(resource, token).open()).status();
