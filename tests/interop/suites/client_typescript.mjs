// The official TypeScript client does its own OAuth against the TypeScript SDK's own server behind the gate.

import { setTimeout as sleep } from 'node:timers/promises';
import * as next from '@modelcontextprotocol/client';
import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Person } from '../lib/person.mjs';
import * as stranger from '../lib/stranger.mjs';

export const CALLBACK = 'http://localhost:33420/callback';

export const title = 'the official TypeScript client, 1.x and 2.x';

export const SDKS = {
  '1.x': {
    Client,
    StreamableHTTPClientTransport,
    UnauthorizedError,
    // 1.x does not look at `iss`.
    answerOf: (callback) => callback.get('code'),
    callTool: (client, call, options) => client.callTool(call, undefined, options),
  },
  '2.x': { ...next, answerOf: (callback) => callback, callTool: (client, call, options) => client.callTool(call, options) },
};

export async function run({ checks, openStack }) {
  for (const [version, sdk] of Object.entries(SDKS)) {
    checks.print(`  (${version})`);
    await oneClient(sdk, { checks, openStack });
  }
}

async function oneClient({ Client, StreamableHTTPClientTransport, UnauthorizedError, answerOf, callTool }, { checks, openStack }) {
  const stack = await openStack({ lifetimes: { access_token: '3s' }, providerTokenSeconds: 2 });
  const resource = new URL(`${stack.origin}/mcp`);
  const keeper = new Keeper();

  const first = new StreamableHTTPClientTransport(resource, { authProvider: keeper });
  const refused = await new Client({ name: 'interop', version: '1' }).connect(first).then(
    () => undefined,
    (error) => error,
  );
  checks.ok(refused instanceof UnauthorizedError && keeper.asked.length === 1, 'finds its own way to the authorization URL', refused);
  const callback = await new Person().walk(keeper.asked[0], CALLBACK);
  checks.equal(callback.searchParams.get('state'), keeper.sent.state, 'gets its state back');
  await first.finishAuth(answerOf(callback.searchParams));
  const before = keeper.saved.tokens;
  checks.ok(before?.access_token && before.refresh_token, 'exchanges the code', Object.keys(before ?? {}).join());

  const client = new Client({ name: 'interop', version: '1' });
  await client.connect(new StreamableHTTPClientTransport(resource, { authProvider: keeper }));
  const names = (await client.listTools()).tools.map(({ name }) => name);
  checks.ok(['echo', 'whoami', 'count'].every((name) => names.includes(name)), 'lists the tools', names.join());
  checks.equal(await said(client, 'hello'), 'hello', 'calls a tool');
  const steps = [];
  await callTool(client, { name: 'count', arguments: { to: 3, pause_ms: 50 } }, { onprogress: ({ progress }) => steps.push(progress) });
  checks.equal(steps, [1, 2, 3], 'gets progress on the way');

  await refusal(resource, before.access_token, 30);
  checks.equal(await said(client, 'later'), 'later', 'calls a tool after its token has expired');
  const after = keeper.saved.tokens;
  checks.ok(after.access_token !== before.access_token && after.refresh_token !== before.refresh_token, 'both tokens were renewed');
  checks.equal(keeper.asked.length, 1, 'the person was not asked again');
  await client.close();

  const { server } = await stranger.discover(resource.href);
  const revoked = await stranger.revoke(server, keeper.saved.client, keeper.saved.tokens.refresh_token);
  checks.equal(revoked.status, 200, 'revokes');
  checks.ok(await refusal(resource, keeper.saved.tokens.access_token, 1), 'is refused within a second of its revocation');
  const refreshes = (await stack.seenByProvider()).filter(({ grant_type: type, status }) => type === 'refresh_token' && status === 200);
  checks.ok(refreshes.length > 0, "the provider's own token was refreshed, too");
  await stack.close();
}

/** What the client would keep between two starts. */
export class Keeper {
  saved = {};
  sent = {};
  asked = [];

  get redirectUrl() {
    return CALLBACK;
  }

  get clientMetadata() {
    return { client_name: 'Official TypeScript client', redirect_uris: [CALLBACK], grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'], token_endpoint_auth_method: 'none' };
  }

  state() {
    this.sent.state = crypto.randomUUID();
    return this.sent.state;
  }

  clientInformation() {
    return this.saved.client;
  }

  saveClientInformation(client) {
    this.saved.client = client;
  }

  tokens() {
    return this.saved.tokens;
  }

  saveTokens(tokens) {
    this.saved.tokens = tokens;
  }

  /** 2.x binds the answer to the authorization server that was found before. */
  discoveryState() {
    return this.saved.discovery;
  }

  saveDiscoveryState(discovery) {
    this.saved.discovery = discovery;
  }

  redirectToAuthorization(url) {
    this.asked.push(url.href);
  }

  saveCodeVerifier(verifier) {
    this.saved.verifier = verifier;
  }

  codeVerifier() {
    return this.saved.verifier;
  }
}

async function said(client, message) {
  return (await client.callTool({ name: 'echo', arguments: { message } })).content[0].text;
}

/** Asks with this token until the answer is 401. */
async function refusal(resource, accessToken, seconds) {
  const deadline = Date.now() + seconds * 1000;
  const session = new stranger.Session(resource, accessToken);
  while (Date.now() < deadline) {
    if ((await session.status()) === 401) return true;
    await sleep(50);
  }
  return false;
}
