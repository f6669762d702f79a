// The provider is down when the gateway starts, comes up, and hangs later: nobody loses anything but the wait.

import { setTimeout as sleep } from 'node:timers/promises';
import { Person } from '../lib/person.mjs';
import * as stranger from '../lib/stranger.mjs';

export const title = 'a provider that is down, comes back, and hangs';

export async function run({ checks, openStack }) {
  const stack = await openStack({ providerDown: true, providerTokenSeconds: 1 });
  const resource = `${stack.origin}/mcp`;

  const readiness = await stranger.json(`${stack.adminOrigin}/readyz`);
  checks.ok(readiness.status === 503 && readiness.text.includes('example'), 'not ready, and says which provider', `${readiness.status} ${readiness.text}`);
  const { server } = await stranger.discover(resource);
  checks.equal(server.issuer, stack.origin, 'metadata are served while the provider is down');
  const client = (await stranger.register(server)).body;
  const early = await consented(stack, server, client, resource);
  checks.ok(early.status === 503 && early.headers.get('retry-after'), 'a sign-in is told to come back (503, Retry-After)', `${early.status} ${early.body.slice(0, 500)}`);

  await stack.startProvider();
  checks.ok(await within(30, async () => (await stranger.json(`${stack.adminOrigin}/readyz`)).status === 200), 'it recovers by itself');
  const { tokens, client: owner } = await stranger.signIn(resource);
  checks.ok(tokens.refresh_token, 'and a sign-in works');

  await sleep(1100); // The provider's access token has a second to live.
  process.kill(-stack.provider.child.pid, 'SIGSTOP');
  const hanging = await stranger.refresh(server, owner, tokens.refresh_token);
  checks.ok(hanging.status === 503 && hanging.body?.error === 'temporarily_unavailable' && hanging.headers.get('retry-after'), 'a refresh while the provider hangs is temporarily_unavailable', `${hanging.status} ${hanging.text}`);
  process.kill(-stack.provider.child.pid, 'SIGCONT');
  const later = await stranger.refresh(server, owner, tokens.refresh_token);
  checks.equal(later.status, 200, 'and the same refresh token still works afterwards');
}

/** What the person sees after they have approved: the redirect to the provider, or why there is none. */
async function consented(stack, server, client, resource) {
  const person = new Person();
  const page = await person.load({ url: stranger.authorization(server, client, resource).url.href });
  return page.status === 200 ? person.load(person.fillIn(page, 'approve')) : page;
}

async function within(seconds, condition) {
  for (const deadline = Date.now() + seconds * 1000; Date.now() < deadline; await sleep(100)) if (await condition()) return true;
  return false;
}
