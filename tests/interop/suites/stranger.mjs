// A client that nobody prepared anything for: from a 401 to tool calls, refresh and revocation, by plain HTTP.

import { createRemoteJWKSet, jwtVerify } from 'jose';
import { Person } from '../lib/person.mjs';
import * as stranger from '../lib/stranger.mjs';

export const title = 'a stranger by plain HTTP: discovery to revocation';

export async function run({ checks, openStack }) {
  const stack = await openStack({ routes: { '/mcp': 'typescript', '/python': 'python' }, providerTokenSeconds: 5 });
  const resource = `${stack.origin}/mcp`;

  for (const method of ['POST', 'GET', 'DELETE', 'HEAD']) {
    const { response, header, challenge } = await stranger.knock(resource, { method });
    checks.equal(response.status, 401, `${method} without a token is 401`);
    checks.ok(/^Bearer /.test(header) && !('error' in challenge), `${method}: a Bearer challenge without an error`, header);
    checks.equal(challenge.resource_metadata, `${stack.origin}/.well-known/oauth-protected-resource/mcp`, `${method}: the challenge names the metadata`);
  }

  const { protectedResource, server } = await stranger.discover(resource);
  checks.equal(protectedResource.resource, resource, 'protected resource metadata echo the URL');
  checks.equal(protectedResource.authorization_servers, [stack.origin], 'protected resource metadata name the authorization server');
  checks.ok(!protectedResource.scopes_supported?.includes('offline_access'), 'offline_access is not a scope of the resource');
  checks.equal(server.issuer, stack.origin, 'the issuer is the one that was asked for');
  checks.equal(server.code_challenge_methods_supported, ['S256'], 'S256 is the only challenge method');
  checks.equal(server.authorization_response_iss_parameter_supported, true, 'iss in the answer is announced');

  const registration = await stranger.register(server);
  const client = registration.body;
  checks.equal(registration.status, 201, 'registration is 201');
  checks.ok(Object.values(client).every((value) => value !== null && value !== ''), 'no null and no empty text in the registration', registration.text);
  checks.ok(!('client_secret' in client), 'a public client gets no secret');

  const person = new Person();
  const request = stranger.authorization(server, client, resource);
  const callback = await person.walk(request.url, stranger.REDIRECT_URI);
  const consent = person.visited[0];
  checks.ok(consent.url.startsWith(stack.origin) && consent.body.includes('A stranger') && consent.body.includes('127.0.0.1:33418'), 'our consent page comes first and names client and target', consent.body);
  checks.match(consent.headers.get('content-security-policy'), /frame-ancestors 'none'/, 'the consent page cannot be framed');
  checks.ok(person.visited.some(({ url }) => url.startsWith(stack.providerOrigin)), 'the person signed in at the provider');
  checks.equal(callback.searchParams.get('state'), request.state, 'state comes back as it was');
  checks.equal(callback.searchParams.get('iss'), server.issuer, 'iss is the issuer');

  const code = callback.searchParams.get('code');
  const wrong = await stranger.exchange(server, client, resource, { code, verifier: 'w'.repeat(43) });
  checks.equal([wrong.status, wrong.body?.error], [400, 'invalid_grant'], 'a wrong code verifier is invalid_grant');
  const exchanged = await stranger.exchange(server, client, resource, { code, verifier: request.verifier });
  const tokens = exchanged.body;
  checks.equal(exchanged.status, 200, 'the code is exchanged');
  checks.match(exchanged.headers.get('cache-control'), /no-store/, 'the token response is not stored');
  checks.ok(Number.isInteger(tokens.expires_in) && /^bearer$/i.test(tokens.token_type) && tokens.refresh_token && tokens.scope, 'the token response is complete', Object.keys(tokens).join());

  const { payload, protectedHeader } = await jwtVerify(tokens.access_token, createRemoteJWKSet(new URL(server.jwks_uri)), { issuer: server.issuer, audience: resource, typ: 'at+jwt' });
  checks.equal([payload.sub, payload.client_id, protectedHeader.alg], ['alice', client.client_id, 'ES256'], 'an independent library verifies the access token');

  const session = await new stranger.Session(resource, tokens.access_token).open();
  checks.equal(await session.call('echo', { message: 'hello' }), 'hello', 'a tool call passes');
  const headers = JSON.parse(await session.call('whoami'));
  checks.ok(!('authorization' in headers) && !('cookie' in headers), 'the token does not reach the server');
  checks.ok(Object.values(headers).includes('alice') && Object.values(headers).includes('alice@example.com'), 'the server is told who calls', JSON.stringify(headers));

  const arrivals = [];
  await session.call('count', { to: 4, pause_ms: 150 }, (_, at) => arrivals.push(at));
  checks.ok(arrivals.length === 5 && arrivals.at(-1) - arrivals[0] > 300, 'a stream arrives piece by piece', arrivals.join(' '));

  const elsewhere = await new stranger.Session(`${stack.origin}/python`, tokens.access_token).post({ jsonrpc: '2.0', id: 1, method: 'ping' });
  await elsewhere.text();
  checks.equal(elsewhere.status, 401, 'the token opens no other route');
  checks.match(elsewhere.headers.get('www-authenticate'), /error="invalid_token"/, 'and the challenge says why');

  const refreshed = await stranger.refresh(server, client, tokens.refresh_token);
  checks.equal(refreshed.status, 200, 'refresh works without scope and resource');
  checks.ok(refreshed.body.refresh_token && refreshed.body.refresh_token !== tokens.refresh_token, 'the refresh token is rotated');
  const second = await new stranger.Session(resource, refreshed.body.access_token).open();
  checks.equal(await second.call('echo', { message: 'again' }), 'again', 'a second tool call passes with the new token');

  const cut = second.call('count', { to: 600, pause_ms: 100 }).then(() => 'finished', () => performance.now());
  const live = refreshed.body;
  const revocation = await stranger.revoke(server, client, live.refresh_token);
  const revokedAt = performance.now();
  checks.equal(revocation.status, 200, 'a public client revokes without a secret');
  checks.equal(await second.status(), 401, 'the access token is dead');
  const dead = await stranger.refresh(server, client, live.refresh_token);
  checks.equal([dead.status, dead.body?.error], [400, 'invalid_grant'], 'the refresh token is dead');
  checks.ok(performance.now() - revokedAt < 1000, 'both within one second');
  const ended = await cut;
  checks.ok(typeof ended === 'number' && ended - revokedAt < 1000, 'an open stream ends within one second', ended);
  checks.equal(await session.status(), 401, 'so is the access token from before the refresh');

  const other = await stranger.signIn(resource, { person });
  checks.equal(await new stranger.Session(resource, other.tokens.access_token).open().then((opened) => opened.status()), 200, 'the same browser signs in again');
  await stranger.revoke(other.server, other.client, other.tokens.access_token, { token_type_hint: 'access_token' });
  checks.equal(await new stranger.Session(resource, other.tokens.access_token).status(), 401, 'revoking the access token ends it');

  await refusals({ checks, stack, server, client, resource });

  const seen = await stack.seenByProvider();
  checks.ok(seen.some(({ route, status }) => route === 'revocation' && status === 200), 'the provider was told of the revocation', JSON.stringify(seen));
  const exchanges = seen.filter(({ route, grant_type: type }) => route === 'token' && type === 'authorization_code');
  checks.ok(exchanges.length > 0 && exchanges.every((exchange) => exchange.code_verifier), 'we use PKCE towards the provider');
  checks.ok(seen.every((entry) => !entry.resource), "the client's resource does not leak to the provider");

  checks.ok((await stack.metric('vestibule_auth_logins_total', { outcome: 'ok' })) >= 2, 'the sign-ins are counted');
  checks.ok((await stack.metric('vestibule_token_requests_total', { grant_type: 'refresh_token', outcome: 'ok' })) === 1, 'so is the refresh');
  checks.ok((await stack.metric('vestibule_token_verifications_total', { outcome: 'revoked' })) >= 1, 'and the revoked token that was tried');
  await stack.close();
  checks.equal(stack.gateway.exit, 0, 'SIGTERM ends it with exit code 0');
}

/** The person says no, here or at the provider. */
async function refusals({ checks, stack, server, client, resource }) {
  const here = stranger.authorization(server, client, resource);
  const denied = await new Person().walk(here.url, stranger.REDIRECT_URI, { decision: 'deny' });
  checks.equal(
    [denied.searchParams.get('error'), denied.searchParams.get('state'), denied.searchParams.get('iss')],
    ['access_denied', here.state, server.issuer],
    'denied on our page: access_denied with state and iss',
  );

  const there = stranger.authorization(server, client, resource);
  const person = new Person();
  const signInPage = await person.walk(there.url, stack.providerOrigin);
  const cancelled = await person.walk(signInPage, stranger.REDIRECT_URI, { decision: 'deny' });
  checks.equal([cancelled.searchParams.get('error'), cancelled.searchParams.get('state')], ['access_denied', there.state], 'cancelled at the provider: access_denied with state');

  const foreign = stranger.authorization(server, client, resource, { redirect_uri: 'https://attacker.example/callback' });
  const page = await new Person().load({ url: foreign.url.href });
  checks.ok(page.status === 400 && !page.headers.get('location'), 'a foreign redirect URI gets a page, not a redirect', page.status);
}
