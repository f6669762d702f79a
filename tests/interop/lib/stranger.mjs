// An OAuth client by plain HTTP that knows nothing but the URL of an MCP server. Every step is a function of its own, so
// that a suite can look between them; `signIn` is all of them in a row.

import { createHash, randomBytes } from 'node:crypto';
import { Person } from './person.mjs';

export const REDIRECT_URI = 'http://127.0.0.1:33418/callback';
export const ACCEPT = 'application/json, text/event-stream';

/** Asks without a token. Returns the response and the challenge's parameters. */
export async function knock(resource, { method = 'POST' } = {}) {
  const response = await fetch(resource, {
    method,
    headers: { accept: ACCEPT, ...(method === 'POST' && { 'content-type': 'application/json' }) },
    body: method === 'POST' ? JSON.stringify(initializeRequest()) : undefined,
  });
  await response.arrayBuffer();
  const header = response.headers.get('www-authenticate') ?? '';
  return { response, header, challenge: Object.fromEntries([...header.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, name, value]) => [name, value])) };
}

export async function json(url, options) {
  const response = await fetch(url, options);
  const text = await response.text();
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  return { status: response.status, headers: response.headers, body, text };
}

/** RFC 8414 section 3.1: the well-known part goes between the origin and the issuer's path. */
export function metadataUrl(issuer) {
  const { origin, pathname } = new URL(issuer);
  return `${origin}/.well-known/oauth-authorization-server${pathname === '/' ? '' : pathname}`;
}

/** 401 -> challenge -> protected resource metadata -> authorization server metadata. */
export async function discover(resource) {
  const { challenge } = await knock(resource);
  const protectedResource = (await json(challenge.resource_metadata)).body;
  const server = (await json(metadataUrl(protectedResource.authorization_servers[0]))).body;
  return { challenge, protectedResource, server };
}

export function register(server, metadata = {}) {
  return json(server.registration_endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'A stranger',
      redirect_uris: [REDIRECT_URI],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      ...metadata,
    }),
  });
}

/** The authorization URL, with what is needed to use its answer. */
export function authorization(server, client, resource, parameters = {}) {
  const verifier = randomBytes(32).toString('base64url');
  const state = randomBytes(16).toString('base64url');
  const url = new URL(server.authorization_endpoint);
  const query = {
    response_type: 'code',
    client_id: client.client_id,
    redirect_uri: REDIRECT_URI,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    state,
    resource,
    ...parameters,
  };
  for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
  return { url, verifier, state };
}

export function token(server, parameters) {
  return json(server.token_endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(parameters).toString(),
  });
}

export function exchange(server, client, resource, { code, verifier }) {
  return token(server, { grant_type: 'authorization_code', code, redirect_uri: REDIRECT_URI, client_id: client.client_id, code_verifier: verifier, resource });
}

export function refresh(server, client, refreshToken, parameters = {}) {
  return token(server, { grant_type: 'refresh_token', refresh_token: refreshToken, client_id: client.client_id, ...parameters });
}

export function revoke(server, client, value, parameters = {}) {
  return json(server.revocation_endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ token: value, client_id: client.client_id, ...parameters }).toString(),
  });
}

/** The whole way in; returns everything a client would keep. */
export async function signIn(resource, { person = new Person() } = {}) {
  const { server } = await discover(resource);
  const client = (await register(server)).body;
  const request = authorization(server, client, resource);
  const callback = await person.walk(request.url, REDIRECT_URI);
  const tokens = await exchange(server, client, resource, { code: callback.searchParams.get('code'), verifier: request.verifier });
  if (tokens.status !== 200) throw new Error(`token endpoint answered ${tokens.status}: ${tokens.text}`);
  return { server, client, tokens: tokens.body, person, request, callback };
}

function initializeRequest() {
  return {
    jsonrpc: '2.0',
    id: 0,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'stranger', version: '1' } },
  };
}

/** One MCP session by hand. */
export class Session {
  constructor(resource, accessToken) {
    Object.assign(this, { resource, accessToken, next: 1 });
  }

  headers() {
    return {
      authorization: `Bearer ${this.accessToken}`,
      'content-type': 'application/json',
      accept: ACCEPT,
      'mcp-protocol-version': '2025-11-25',
      ...(this.id && { 'mcp-session-id': this.id }),
    };
  }

  async post(message) {
    return fetch(this.resource, { method: 'POST', headers: this.headers(), body: JSON.stringify(message) });
  }

  async open() {
    const response = await this.post(initializeRequest());
    if (response.status !== 200) throw new Error(`initialize answered ${response.status}: ${await response.text()}`);
    this.id = response.headers.get('mcp-session-id');
    await response.text();
    await (await this.post({ jsonrpc: '2.0', method: 'notifications/initialized' })).text();
    return this;
  }

  /** Calls a tool; `onMessage` gets every message of the answer's stream with its arrival time. */
  async call(name, args = {}, onMessage = () => {}) {
    const id = this.next++;
    const response = await this.post({ jsonrpc: '2.0', id, method: 'tools/call', params: { name, arguments: args, _meta: { progressToken: id } } });
    if (response.status !== 200) throw Object.assign(new Error(`${name} answered ${response.status}: ${await response.text()}`), { response });
    for await (const message of messages(response)) {
      onMessage(message, performance.now());
      if (message.id === id) return message.result?.content?.[0]?.text ?? message;
    }
    throw new Error(`${name}: the stream ended without an answer`);
  }

  /** The status that a request gets with this token now. */
  async status() {
    const response = await this.post({ jsonrpc: '2.0', id: this.next++, method: 'ping' });
    await response.body?.cancel();
    return response.status;
  }
}

/** JSON-RPC messages of a JSON or an event-stream answer. */
async function* messages(response) {
  if (!response.headers.get('content-type')?.includes('text/event-stream')) {
    yield await response.json();
    return;
  }
  let buffer = '';
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    buffer += chunk.replaceAll('\r\n', '\n');
    for (let end = buffer.indexOf('\n\n'); end >= 0; end = buffer.indexOf('\n\n')) {
      const data = buffer.slice(0, end).split('\n').filter((line) => line.startsWith('data:')).map((line) => line.slice(5).trim()).join('\n');
      buffer = buffer.slice(end + 2);
      if (data) yield JSON.parse(data);
    }
  }
}
