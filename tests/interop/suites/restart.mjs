// kill -9 in the middle of a client's day: registration, sign-in under way, code, access and refresh token survive.

import { Person } from '../lib/person.mjs';
import * as stranger from '../lib/stranger.mjs';

export const title = 'kill -9 and restart cost a client nothing';

export async function run({ checks, openStack }) {
  const stack = await openStack({});
  const resource = `${stack.origin}/mcp`;
  const restart = async () => {
    await stack.killGateway();
    await stack.startGateway();
  };

  const { server } = await stranger.discover(resource);
  const client = (await stranger.register(server)).body;
  await restart();

  const person = new Person();
  const request = stranger.authorization(server, client, resource);
  const consent = await person.load({ url: request.url.href });
  checks.equal(consent.status, 200, 'the registration survives');
  await restart();

  const decision = person.fillIn(consent, 'approve');
  const answered = await person.load(decision);
  const signIn = answered.headers.get('location') ?? '';
  checks.ok(answered.status === 303 && signIn.startsWith(stack.providerOrigin), 'a consent page from before is answered', `${answered.status} ${signIn}`);
  await restart();

  const returning = await person.walk(signIn, `${stack.origin}/auth/callback`);
  const callback = await person.walk(returning, stranger.REDIRECT_URI);
  checks.ok(callback.searchParams.get('code'), 'a sign-in from before comes to its end', callback.href);
  await restart();

  const exchanged = await stranger.exchange(server, client, resource, { code: callback.searchParams.get('code'), verifier: request.verifier });
  checks.equal(exchanged.status, 200, 'a code from before is exchanged');
  await restart();

  const session = await new stranger.Session(resource, exchanged.body.access_token).open();
  checks.equal(await session.call('echo', { message: 'still here' }), 'still here', 'the access token works');
  const refreshed = await stranger.refresh(server, client, exchanged.body.refresh_token);
  checks.equal(refreshed.status, 200, 'the refresh token works');
  await restart();

  const again = await stranger.refresh(server, client, refreshed.body.refresh_token);
  checks.equal(again.status, 200, 'the rotated refresh token works');
  session.accessToken = again.body.access_token;
  checks.equal(await session.call('echo', { message: 'same session' }), 'same session', "the server's session goes on");

  await stranger.revoke(server, client, again.body.refresh_token);
  await restart();
  checks.equal(await session.status(), 401, 'a revocation survives, too');
  const dead = await stranger.refresh(server, client, again.body.refresh_token);
  checks.equal([dead.status, dead.body?.error], [400, 'invalid_grant'], 'also for the refresh token');
}
