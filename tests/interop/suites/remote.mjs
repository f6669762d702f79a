// `mode: remote`: the official TypeScript client registers and signs in at the provider itself; the gate checks the
// provider's tokens, once JWTs by its keys and once opaque ones by introspection.

import { setTimeout as sleep } from 'node:timers/promises';
import { Person } from '../lib/person.mjs';
import * as stranger from '../lib/stranger.mjs';
import { CALLBACK, Keeper, SDKS } from './client_typescript.mjs';

export const title = 'a provider that issues the tokens itself';

export async function run({ checks, openStack }) {
  for (const remote of ['jwt', 'opaque']) {
    for (const [version, sdk] of Object.entries(SDKS)) {
      checks.print(`  (${remote}, client ${version})`);
      await oneClient(sdk, { checks, openStack, remote });
    }
  }
}

async function oneClient({ Client, StreamableHTTPClientTransport, UnauthorizedError, answerOf }, { checks, openStack, remote }) {
  const stack = await openStack({ remote });
  const resource = new URL(`${stack.origin}/mcp`);
  const { protectedResource } = await stranger.discover(resource.href);
  checks.equal(protectedResource.authorization_servers, [stack.providerOrigin], 'is sent to the provider');
  checks.equal((await fetch(`${stack.origin}/register`, { method: 'POST' })).status, 404, 'nobody registers here');

  const keeper = new NativeKeeper();
  const first = new StreamableHTTPClientTransport(resource, { authProvider: keeper });
  const refused = await new Client({ name: 'interop', version: '1' }).connect(first).then(
    () => undefined,
    (error) => error,
  );
  checks.ok(refused instanceof UnauthorizedError && keeper.asked[0]?.startsWith(stack.providerOrigin), "registers, and finds the provider's own authorization URL", refused);
  const callback = await new Person().walk(keeper.asked[0], CALLBACK);
  await first.finishAuth(answerOf(callback.searchParams));
  const token = keeper.saved.tokens?.access_token ?? '';
  checks.equal(token.split('.').length === 3, remote === 'jwt', 'gets a token of the kind that was meant');

  const client = new Client({ name: 'interop', version: '1' });
  await client.connect(new StreamableHTTPClientTransport(resource, { authProvider: keeper }));
  const echoed = await client.callTool({ name: 'echo', arguments: { message: 'hello' } });
  checks.equal(echoed.content[0].text, 'hello', 'calls a tool');
  const who = JSON.parse((await client.callTool({ name: 'whoami', arguments: {} })).content[0].text);
  checks.match(JSON.stringify(who), /alice/, 'the server knows who is calling');
  await client.close();

  const credential = remote === 'jwt' ? 'jwt' : 'opaque';
  checks.ok((await stack.metric('vestibule_token_verifications_total', { credential, outcome: 'valid' })) > 0, 'checks are counted');
  const changed = remote === 'jwt' ? `${token.slice(0, -4)}AAAA` : `${token.slice(0, -1)}x`;
  checks.equal(await new stranger.Session(resource, changed).status(), 401, 'a changed token is refused');
  if (remote === 'opaque') {
    const server = (await stranger.json(`${stack.providerOrigin}/.well-known/openid-configuration`)).body;
    const revoked = await stranger.revoke(server, keeper.saved.client, token);
    checks.equal(revoked.status, 200, 'revokes at the provider');
    await sleep(2100);
    checks.equal(await new stranger.Session(resource, token).status(), 401, 'is refused when the answer is no longer kept');
  }
  await stack.close();
}

/** Loopback redirects are for native applications (OpenID Connect Registration section 2). */
class NativeKeeper extends Keeper {
  get clientMetadata() {
    return { ...super.clientMetadata, application_type: 'native' };
  }
}
