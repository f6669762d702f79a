// The operator ends access: `vestibule grants` and `vestibule clients` against a running gateway.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Person } from '../lib/person.mjs';
import { run as runToEnd } from '../lib/processes.mjs';
import { GATEWAY } from '../lib/stack.mjs';
import * as stranger from '../lib/stranger.mjs';

export const title = 'grants and clients, listed and revoked';

export async function run({ checks, openStack, dir }) {
  const audit = join(dir, 'audit.jsonl');
  const stack = await openStack({ extra: { audit } });
  const resource = `${stack.origin}/mcp`;
  const vestibule = (...args) => runToEnd(args.join(' '), GATEWAY, [...args, '--admin', stack.adminOrigin], { log: join(dir, 'commands.log') });
  const list = async (...args) => JSON.parse((await vestibule(...args, '--json')).output);

  const nobody = await vestibule('grants', 'list');
  checks.ok(nobody.code === 0 && nobody.output.startsWith('nobody has given'), 'without a sign-in there is nothing', nobody.output);

  const first = await signIn(resource, 'One client');
  const second = await signIn(resource, 'One client');
  const other = await signIn(resource, 'Another client');

  const { grants, more } = await list('grants', 'list');
  checks.equal([grants.length, more], [3, false], 'three sign-ins, three grants');
  const emails = grants.map(({ email }) => email);
  checks.equal(emails.filter((email) => email === 'alice@example.com').length, 3, 'the person is named');
  const text = (await vestibule('grants', 'list')).output;
  const secrets = [first, second, other].flatMap(({ tokens }) => [tokens.access_token, tokens.refresh_token]);
  checks.ok(secrets.every((secret) => !text.includes(secret) && !JSON.stringify(grants).includes(secret)), 'no token is among it');

  const picked = async (...filter) => (await list('grants', 'list', ...filter)).grants.length;
  checks.equal(await picked('--email', 'Alice@Example.com'), 3, 'by e-mail address');
  checks.equal(await picked('--subject', 'alice'), 3, 'by subject');
  checks.equal(await picked('--subject', 'bob'), 0, 'by a subject that nobody has');
  checks.equal(await picked('--client', second.client.client_id), 2, 'by client');
  checks.equal(await picked('--client', grants.find(({ client_name: name }) => name === 'Another client').client), 1, 'by the short form of a client');
  checks.equal(await picked('--route', grants[0].route, '--provider', grants[0].provider), 3, 'by route and provider');
  checks.equal(await picked('--route', 'example/other'), 0, 'by a route that nobody uses');

  const clients = await list('clients', 'list');
  checks.equal(clients.map(({ name, grants: count, people }) => [name, count, people]), [['Another client', 1, 1], ['One client', 2, 1]], 'clients with what they have');

  const careless = await vestibule('grants', 'revoke');
  checks.ok(careless.code === 64 && careless.output.includes('--all'), 'a revocation without a filter is refused', careless.output);
  const wrong = await fetch(`${stack.adminOrigin}/grants/revoke`, { method: 'POST' });
  checks.equal(wrong.status, 400, 'also by HTTP');
  const typo = await fetch(`${stack.adminOrigin}/grants/revoke?subjekt=alice`, { method: 'POST' });
  checks.equal(typo.status, 400, 'a filter that does not exist is refused, and not ignored');
  const page = await fetch(`${stack.adminOrigin}/grants/revoke-all`, { method: 'POST', headers: { origin: 'https://attacker.example', 'sec-fetch-site': 'cross-site' } });
  checks.equal(page.status, 403, 'a web page revokes nothing');
  checks.equal(await picked(), 3, 'all are still there');

  const cut = second.session.call('count', { to: 600, pause_ms: 100 }).then(() => 'finished', () => performance.now());
  const revoked = await vestibule('grants', 'revoke', '--id', grantOf(second), '--subject', 'alice', '--provider', 'example');
  const at = performance.now();
  checks.equal([revoked.code, revoked.output], [0, '1 grant ended\n'], 'one sign-in is ended');
  const ended = await cut;
  checks.ok(typeof ended === 'number' && ended - at < 1000, 'an open stream ends within a second', ended);
  checks.equal(await second.session.status(), 401, 'the access token is dead');
  const refreshed = await stranger.refresh(second.server, second.client, second.tokens.refresh_token);
  checks.equal([refreshed.status, refreshed.body?.error], [400, 'invalid_grant'], 'so is the refresh token');
  checks.equal(await first.session.status(), 200, 'others go on');
  const again = await vestibule('grants', 'revoke', '--id', grantOf(second));
  checks.equal([again.code, again.output], [0, '0 grants ended\n'], 'a second time there is nothing to end');

  const gone = await vestibule('clients', 'revoke', clients.find(({ name }) => name === 'Another client').client);
  checks.equal([gone.code, gone.output], [0, '1 grant ended\n'], 'a client loses everything');
  checks.equal([await other.session.status(), await first.session.status()], [401, 200], 'and no other client does');
  checks.equal((await vestibule('clients', 'revoke', 'ffffffffffff')).code, 1, 'an unknown client is told');
  const all = await vestibule('grants', 'revoke', '--all');
  checks.equal([all.output, await first.session.status()], ['1 grant ended\n', 401], 'everybody has to sign in again');

  const lines = readFileSync(audit, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  const actions = lines.filter(({ event, by }) => event === 'admin_action' && by === 'revoke_grants');
  checks.ok(actions.length >= 4, 'each revocation is in the audit log', JSON.stringify(actions));
  const byOperator = lines.filter(({ event, by }) => event === 'grant_revoked' && by === 'admin');
  checks.equal(byOperator.map(({ subject }) => subject).sort(), ['alice', 'alice', 'alice'], 'and each grant that ended');
  checks.ok((await stack.metric('vestibule_revocations_total', { initiator: 'admin' })) === 3, 'they are counted');
  const seen = await stack.seenByProvider();
  checks.ok(seen.filter(({ route, status }) => route === 'revocation' && status === 200).length >= 3, 'the provider was told');

  await stack.close();
  const down = await vestibule('grants', 'list');
  checks.equal(down.code, 69, 'without an instance the command says so');
}

/** The `sid` of its access token. */
const grantOf = ({ tokens }) => JSON.parse(Buffer.from(tokens.access_token.split('.')[1], 'base64url')).sid;

/** Signs in with a client of a name of its own. */
async function signIn(resource, clientName) {
  const { server } = await stranger.discover(resource);
  const client = (await stranger.register(server, { client_name: clientName })).body;
  const request = stranger.authorization(server, client, resource);
  const callback = await new Person().walk(request.url, stranger.REDIRECT_URI);
  const tokens = (await stranger.exchange(server, client, resource, { code: callback.searchParams.get('code'), verifier: request.verifier })).body;
  const session = await new stranger.Session(resource, tokens.access_token).open();
  return { server, client, tokens, session };
}
