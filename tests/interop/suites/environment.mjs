// The gateway without a file: the environment alone is its configuration.

import * as stranger from '../lib/stranger.mjs';

export const title = 'configured by the environment alone';

export async function run({ checks, openStack }) {
  const stack = await openStack({ byEnvironment: true });
  const { tokens } = await stranger.signIn(`${stack.origin}/mcp`);
  const session = await new stranger.Session(`${stack.origin}/mcp`, tokens.access_token).open();
  checks.equal(await session.call('echo', { message: 'hello' }), 'hello', 'a stranger signs in and calls a tool');
  checks.ok(stack.gateway.output.includes(`${stack.origin}/auth/callback`), 'start-up prints the callback URL to enter at the provider');
}
