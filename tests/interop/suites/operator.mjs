// Whoever is on call: error pages, client messages, log, audit log and status page lead to the same story.

import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { launch } from '../lib/chromium.mjs';
import { Person } from '../lib/person.mjs';
import { run as runToEnd } from '../lib/processes.mjs';
import { GATEWAY } from '../lib/stack.mjs';
import * as stranger from '../lib/stranger.mjs';

export const title = 'the operator: flows, audit, log, status page';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

export async function run({ checks, openStack, dir, screenshots }) {
  const audit = join(dir, 'audit.jsonl');
  const stack = await openStack({ extra: { audit, log: { filter: 'trace', format: 'json' } } });
  const resource = `${stack.origin}/mcp`;
  const secrets = [stack.clientSecret, ...rootSecrets(stack)];

  const signedIn = await stranger.signIn(resource);
  const { server, client, tokens } = signedIn;
  secrets.push(tokens.access_token, tokens.refresh_token);
  const session = await new stranger.Session(resource, tokens.access_token).open();
  const told = JSON.parse(await session.call('whoami'));
  checks.match(told.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/, 'the backend gets a trace id where the client has none');
  const refreshed = await stranger.refresh(server, client, tokens.refresh_token);
  secrets.push(refreshed.body.access_token, refreshed.body.refresh_token);

  await goodFlow({ checks, stack, resource });
  await failedFlow({ checks, stack, server, client, resource });
  secrets.push(...(await refusedToken({ checks, stack, server, client, resource })));
  await log({ checks, stack, resource, tokens });
  await auditLog({ checks, stack, audit, client, server, live: refreshed.body });
  await pages({ checks, stack, screenshots });

  const upstream = await stack.secretsOfProvider();
  checks.equal(rootSecrets(stack).length, 1, 'the root secret is known');
  checks.ok(upstream.length >= 9, 'codes, verifiers, access, refresh and ID tokens of the provider are known', upstream.length);
  secrets.push(...carried(signedIn), ...upstream);
  const known = [...new Set(secrets.flatMap((secret) => [secret, encodeURIComponent(secret)]))];
  const places = { output: stack.gateway.output, log: readFileSync(stack.gateway.log, 'utf8'), audit: readFileSync(audit, 'utf8') + readFileSync(`${audit}.1`, 'utf8') };
  const ids = (await (await fetch(`${stack.adminOrigin}/flows`)).json()).map(({ id }) => id);
  for (const path of ['/metrics', '/status', '/flows', ...ids.map((id) => `/flows/${id}`), '/config', '/readyz']) {
    for (const accept of ['application/json', 'text/html']) {
      const response = await fetch(`${stack.adminOrigin}${path}`, { headers: { accept } });
      places[`${path} as ${accept}`] = await response.text();
    }
  }
  checks.ok(ids.length >= 4 && places['/flows as text/html'].startsWith('<!') && places[`/flows/${ids[0]} as text/html`].includes('What happened'), 'pages and JSON of every flow are looked at', ids);
  const leaked = known.flatMap((secret) => Object.entries(places).filter(([, text]) => text.includes(secret)).map(([place]) => `${secret.slice(0, 6)}… in ${place}`));
  checks.equal(leaked, [], `none of ${known.length} secrets is in the log at trace level, the audit log, the metrics or a page`);
}

/** What the store keeps where no root secret is configured. */
function rootSecrets(stack) {
  return readdirSync(join(stack.dir, 'state'))
    .filter((name) => name.includes('secret'))
    .map((name) => readFileSync(join(stack.dir, 'state', name), 'utf8').trim());
}

/** What a browser and a client carry through a sign-in: verifier, state, code, cookies, the sealed form. */
function carried({ request, callback, person }) {
  const cookies = person.visited.flatMap((page) => page.headers.getSetCookie()).map((line) => line.split(';', 1)[0].split('=').slice(1).join('='));
  const forms = person.visited.flatMap((page) => [...page.body.matchAll(/name="transaction" value="([^"]+)"/g)].map(([, value]) => value));
  const urls = person.visited.map((page) => new URL(page.url).searchParams).concat(callback.searchParams);
  const parameters = urls.flatMap((query) => ['code', 'state', 'nonce'].map((name) => query.get(name)));
  if (forms.length === 0) throw new Error('the sealed form was not found');
  return [request.verifier, request.state, ...parameters, ...cookies, ...forms].filter((value) => value?.length >= 16);
}

async function flows(stack, ...args) {
  const { code, output } = await runToEnd('flows', GATEWAY, ['flows', ...args, '--admin', stack.adminOrigin], { log: join(stack.dir, 'flows.log') });
  return { code, output };
}

async function goodFlow({ checks, stack, resource }) {
  const list = await flows(stack, 'list');
  const [id] = list.output.match(/^[A-Z]{8}/) ?? [];
  checks.ok(list.code === 0 && id && list.output.includes('A stranger'), 'flows list names the sign-in', list.output);
  const { output } = await flows(stack, 'show', id.toLowerCase());
  const order = ['challenged', 'registered', 'asked', 'consent shown', 'approved', 'sent to provider', 'signed in', 'token issued', 'accepted', 'refreshed'];
  const found = order.map((step) => output.indexOf(`  ${step} `));
  checks.ok(found.every((at, index) => at > (found[index - 1] ?? 0)), 'flows show tells the whole story in order, from the 401 to the first call and the refresh', output);
  checks.ok(output.includes(resource) && output.includes('alice') && /repaired +no scope was asked for/.test(output), 'with resource, person, and what was repaired', output);
  const unknown = await flows(stack, 'show', 'BCDFGHJK');
  checks.ok(unknown.code === 1 && unknown.output.includes('not remembered'), 'an unknown flow is said to be so', unknown.output);
  const wrong = await flows(stack, 'show', 'x');
  checks.ok(wrong.code === 64 && wrong.output.includes('eight capital letters'), 'a wrong name is explained', wrong.output);
}

/** The page that the person sees, the log and the timeline have one name. */
async function failedFlow({ checks, stack, server, client, resource }) {
  const request = stranger.authorization(server, client, resource, { redirect_uri: 'https://attacker.example/cb' });
  const page = await new Person().load({ url: request.url.href });
  const [, id] = page.body.match(/Reference <code>([A-Z]{8})</) ?? [];
  checks.ok(page.status === 400 && id, 'the error page shows the name of the flow', page.body);
  const { output } = await flows(stack, 'show', id);
  checks.ok(output.includes('redirect_uri_mismatch') && output.includes('What to do:'), 'flows show says what failed and what to do', output);
  const program = await fetch(request.url, { headers: { accept: 'application/json' } });
  checks.match((await program.json()).error_description, /\(flow [A-Z]{8}\)$/, 'a program reads the name in error_description');

  const denied = stranger.authorization(server, client, resource);
  const person = new Person();
  const there = await person.walk(denied.url, stack.providerOrigin);
  const callback = await person.walk(there, stranger.REDIRECT_URI, { decision: 'deny' });
  const [, refused] = callback.searchParams.get('error_description').match(/\(flow ([A-Z]{8})\)$/) ?? [];
  const story = await flows(stack, 'show', refused);
  checks.ok(story.output.includes('access_denied') && story.output.includes('the person pressed cancel'), "the client's message leads to what the provider said", story.output);
}

async function refusedToken({ checks, stack, server, client, resource }) {
  const request = stranger.authorization(server, client, resource);
  const callback = await new Person().walk(request.url, stranger.REDIRECT_URI);
  const code = callback.searchParams.get('code');
  const wrong = await stranger.exchange(server, client, resource, { code, verifier: 'w'.repeat(43) });
  const [, id] = wrong.body.error_description.match(/\(flow ([A-Z]{8})\)$/) ?? [];
  const { output } = await flows(stack, 'show', id);
  checks.ok(wrong.body.error === 'invalid_grant' && output.includes('code_verifier does not fit'), 'a refused code leads to its flow', `${wrong.text}\n${output}`);
  checks.ok(output.includes('ok, then pkce_mismatch') && output.includes('What to do:'), 'which says what was refused, and what to do', output);
  const failures = (await (await fetch(`${stack.adminOrigin}/status`)).json()).recent_failures;
  checks.ok(failures.some(({ outcome, newest }) => outcome === 'pkce_mismatch' && newest === id), 'it is among the recent failures', JSON.stringify(failures));
  return [code, request.verifier, request.state];
}

async function log({ checks, stack, resource, tokens }) {
  const traced = await fetch(resource, { headers: { authorization: `Bearer ${tokens.access_token}x`, traceparent: `00-${TRACE}-00f067aa0ba902b7-01` } });
  const id = traced.headers.get('x-request-id');
  await traced.text();
  await sleep(300);
  const lines = readFileSync(stack.gateway.log, 'utf8').split('\n').filter((line) => line.startsWith('{'));
  const parsed = lines.map((line) => JSON.parse(line));
  checks.ok(lines.length > 50, 'every line of the log is a JSON object', lines.length);
  const own = parsed.filter((line) => line.request_id === id);
  checks.ok(own.some((line) => line.target === 'vestibule::access' && line.status === 401 && line.trace_id === TRACE), 'the request id of the response and the trace id of the request are in the log', JSON.stringify(own));
  const inFlow = parsed.filter((line) => line.flow && line.target === 'vestibule::access');
  checks.ok(inFlow.some((line) => line.path === '/token') && inFlow.some((line) => line.path === '/auth/callback'), 'the lines of one sign-in have its name');
  checks.equal(parsed.filter((line) => line.target === 'vestibule::audit').length, 0, 'audit events are not in the log');
}

async function auditLog({ checks, stack, audit, client, server, live }) {
  renameSync(audit, `${audit}.1`);
  process.kill(stack.gateway.child.pid, 'SIGHUP');
  for (let tries = 0; tries < 50 && !existsSync(audit); tries += 1) await sleep(100);
  await stranger.revoke(server, client, live.refresh_token);
  await sleep(300);
  const events = (file) => readFileSync(file, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  const [before, after] = [events(`${audit}.1`), events(audit)];
  const has = (all, event, outcome, more = {}) =>
    all.some((line) => line.event === event && line.outcome === outcome && Object.entries(more).every(([name, value]) => (value === true ? line[name] : line[name] === value)));
  const common = { provider: 'example', request_id: true, client: '127.0.0.1' };
  for (const [event, outcome, more] of [
    ['registration', 'created', { ...common, client_id: client.client_id }],
    ['authorization', 'redirect_uri_mismatch', { ...common, flow: true, reason: true }],
    ['consent', 'approved', { ...common, flow: true, client_id: client.client_id }],
    ['sign_in', 'ok', { ...common, flow: true, subject: 'alice', resource: true }],
    ['sign_in', 'access_denied', { ...common, flow: true, reason: true }],
    ['token', 'ok', { ...common, by: 'authorization_code', subject: 'alice', grant: true, flow: true, scopes: true }],
    ['token', 'ok', { ...common, by: 'refresh_token', subject: 'alice', flow: true }],
    ['token', 'pkce_mismatch', { ...common, by: 'authorization_code', flow: true }],
    ['reload', 'applied', { by: 'startup' }],
  ]) {
    checks.ok(has(before, event, outcome, more), `audit: ${event} ${outcome}`, JSON.stringify(before, null, 1));
  }
  checks.ok(has(after, 'grant_revoked', 'ok', { ...common, flow: true, by: 'client', subject: 'alice', grant: true }), 'after a rotation and SIGHUP the new file goes on: grant_revoked', JSON.stringify(after));
  checks.ok(before.concat(after).every((line) => /^\d{4}-.*Z$/.test(line.time)), 'every event says when');
  checks.equal(await stack.metric('vestibule_audit_events_dropped_total'), 0, 'no event was lost');
}

async function pages({ checks, stack, screenshots }) {
  const json = await (await fetch(`${stack.adminOrigin}/status`)).json();
  checks.ok(json.providers[0].ready && json.store.ready && json.revision && json.recent_failures.length >= 2, '/status as JSON', JSON.stringify(json));
  mkdirSync(screenshots, { recursive: true });
  const browser = await launch();
  try {
    for (const [name, options] of [
      ['status-light', { colorScheme: 'light' }],
      ['status-dark', { colorScheme: 'dark' }],
      ['status-phone', { viewport: { width: 360, height: 740 } }],
    ]) {
      const page = await browser.newPage({ javaScriptEnabled: false, ...options });
      const complaints = [];
      page.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(message.text()));
      await page.goto(`${stack.adminOrigin}/status`);
      await page.getByRole('heading', { name: 'Vestibule', exact: true }).waitFor();
      const text = await page.locator('main').innerText();
      checks.ok(['Provider example', `${stack.origin}/auth/callback`, 'Last reload', 'Recent failures', 'redirect_uri_mismatch', 'store'].every((part) => text.includes(part)), `${name}: what runs, without scripts`, text);
      const { scroll, width } = await page.locator('html').evaluate((html) => ({ scroll: html.scrollWidth, width: html.clientWidth }));
      checks.ok(width > 0 && scroll <= width, `${name}: nothing sticks out`, `${scroll} > ${width}`);
      checks.equal(complaints, [], `${name}: the console is empty`);
      await page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });
      await page.close();
    }
    const page = await browser.newPage({ javaScriptEnabled: false });
    await page.goto(`${stack.adminOrigin}/status`);
    await page.getByRole('link', { name: /, last/ }).first().click();
    await page.getByRole('heading', { name: /^Sign-in [A-Z]{8}$/ }).waitFor();
    checks.match(await page.locator('main').innerText(), /what to do/, 'a failure on the page leads to its flow');
    await page.screenshot({ path: join(screenshots, 'status-flow.png'), fullPage: true });
  } finally {
    await browser.close();
  }
}
