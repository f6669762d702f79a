// Clients that people have, as `examples/clients` describes them: mcp-remote is run, the others' way in is walked with the
// metadata and the redirect URIs that they use.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Person } from '../lib/person.mjs';
import { freePort, ready, start, stop } from '../lib/processes.mjs';
import * as stranger from '../lib/stranger.mjs';

export const title = 'clients that people have';

const FILES = fileURLToPath(new URL('../../../examples/clients', import.meta.url));
const MCP_REMOTE = fileURLToPath(new URL('../node_modules/mcp-remote/dist/proxy.js', import.meta.url));
const URL_THERE = 'https://mcp.example.com/mcp';

/** What they register, and where they have the browser sent to. */
const CLIENTS = {
  'claude.ai': [{ redirect_uris: ['https://claude.ai/api/mcp/auth_callback'], token_endpoint_auth_method: 'client_secret_post' }],
  'claude.com': [{ redirect_uris: ['https://claude.com/api/mcp/auth_callback'] }],
  ChatGPT: [{ redirect_uris: ['https://chatgpt.com/connector_platform_oauth_redirect'] }],
  'VS Code': [{ redirect_uris: ['https://vscode.dev/redirect', 'http://127.0.0.1/', 'http://127.0.0.1:33418/'] }, 'http://127.0.0.1:51234/'],
  Cursor: [{ redirect_uris: ['cursor://anysphere.cursor-mcp/oauth/callback', 'http://localhost:8787/callback'] }],
};

export async function run({ checks, openStack, dir }) {
  const stack = await openStack();
  const resource = `${stack.origin}/mcp`;
  for (const [name, [metadata, redirectUri = metadata.redirect_uris[0]]] of Object.entries(CLIENTS)) {
    const { server } = await stranger.discover(resource);
    const { status, body: client, text } = await stranger.register(server, { client_name: name, ...metadata });
    if (!checks.ok(status === 201, `${name} registers`, text)) continue;
    const request = stranger.authorization(server, client, resource, { redirect_uri: redirectUri });
    const callback = await new Person().walk(request.url, redirectUri);
    const parameters = { grant_type: 'authorization_code', code: callback.searchParams.get('code'), redirect_uri: redirectUri, client_id: client.client_id, code_verifier: request.verifier, resource };
    const tokens = await stranger.token(server, { ...parameters, ...(client.client_secret && { client_secret: client.client_secret }) });
    checks.equal(tokens.status, 200, `${name} signs in by ${redirectUri.split('?')[0]}`);
    checks.equal(await (await new stranger.Session(resource, tokens.body.access_token).open()).call('echo', { message: name }), name, `${name} calls a tool`);
  }

  const files = { 'vscode.json': ({ servers }) => [servers.tools.url], 'cursor.json': ({ mcpServers }) => [mcpServers.tools.url], 'mcp-remote.json': ({ mcpServers }) => mcpServers.tools.args };
  const read = (file) => files[file](JSON.parse(readFileSync(join(FILES, file), 'utf8')));
  for (const file of Object.keys(files)) checks.equal(read(file).at(-1), URL_THERE, `${file} is JSON and names the route`);
  await mcpRemote({ checks, stack, dir, args: read('mcp-remote.json').slice(2).map((arg) => (arg === URL_THERE ? resource : arg)) });
  await stack.close();
}

/** The bridge for clients that speak over standard input and output: signs in by the URL that it would open in a browser. */
async function mcpRemote({ checks, dir, args }) {
  const port = await freePort();
  const bridge = start('mcp-remote', process.execPath, [MCP_REMOTE, ...args, String(port)], { log: join(dir, 'mcp-remote.log'), env: { MCP_REMOTE_CONFIG_DIR: join(dir, 'mcp-remote'), BROWSER: 'true' }, input: true });
  const authorization = await ready(bridge, () => /https?:\/\/\S+\/authorize\?\S+/.exec(bridge.output)?.[0], { seconds: 60 });
  checks.ok(authorization, 'mcp-remote discovers, registers and wants a browser');
  const callback = await new Person().walk(authorization, new URL(authorization).searchParams.get('redirect_uri'));
  const answer = await fetch(callback);
  checks.equal(answer.status, 200, 'mcp-remote takes the code');

  const messages = [];
  let rest = '';
  bridge.child.stdout.setEncoding('utf8').on('data', (chunk) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop();
    for (const line of lines) if (line.startsWith('{')) messages.push(JSON.parse(line));
  });
  const ask = (message) => bridge.child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  ask({ id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'local', version: '1' } } });
  await ready(bridge, () => messages.find(({ id }) => id === 1));
  ask({ method: 'notifications/initialized' });
  ask({ id: 2, method: 'tools/call', params: { name: 'echo', arguments: { message: 'through the bridge' } } });
  const called = await ready(bridge, () => messages.find(({ id }) => id === 2));
  checks.equal(called.result?.content?.[0]?.text, 'through the bridge', 'a tool called through mcp-remote');
  await stop(bridge);
}
