// The provider is down when the gateway starts, comes up, and is in trouble later: nobody loses anything but the wait.

import { setTimeout as sleep } from 'node:timers/promises';
import { Person } from '../lib/person.mjs';
import * as stranger from '../lib/stranger.mjs';

export const title = 'a provider that is down, comes back, and is in trouble';

export async function run({ checks, openStack }) {
  const stack = await openStack({ providerDown: true, providerTokenSeconds: 1 });
  const resource = `${stack.origin}/mcp`;

  const [provider] = (await stack.readiness()).providers;
  checks.ok(!provider.ready && provider.reason.includes(stack.providerOrigin), 'readiness says which provider is down, and why', JSON.stringify(provider));
  const { server } = await stranger.discover(resource);
  checks.equal(server.issuer, stack.origin, 'metadata are served while the provider is down');
  const client = (await stranger.register(server)).body;
  const early = await consented(stack, server, client, resource);
  checks.ok(early.status === 503 && early.headers.get('retry-after'), 'a sign-in is told to come back (503, Retry-After)', `${early.status} ${early.body.slice(0, 500)}`);

  await stack.startProvider();
  checks.ok(await within(30, async () => (await stack.readiness()).providers[0].ready), 'it recovers by itself');
  const { tokens, client: owner } = await stranger.signIn(resource);
  checks.ok(tokens.refresh_token, 'and a sign-in works');

  await sleep(1100); // The provider's access token has a second to live.
  for (const trouble of ['unavailable', 'silent']) {
    await stack.troubleProvider(trouble);
    const refused = await stranger.refresh(server, owner, tokens.refresh_token);
    checks.ok(
      refused.status === 503 && refused.body?.error === 'temporarily_unavailable' && refused.headers.get('retry-after'),
      `a refresh while the provider is ${trouble} is temporarily_unavailable`,
      `${refused.status} ${refused.text}`,
    );
  }
  await stack.troubleProvider('none');
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
