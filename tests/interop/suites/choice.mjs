// Headless Chromium at a route with two providers: the page, by keyboard, and what comes of a pick.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { looksOf, open } from '../lib/chromium.mjs';
import { stop } from '../lib/processes.mjs';
import * as stranger from '../lib/stranger.mjs';

export const title = 'Chromium: a choice of two providers for one route';

const CHOICE = { microsoft: 'Microsoft', google: 'Google <b>Workspace</b>' };

export async function run({ checks, openStack, screenshots, dir }) {
  const audit = join(dir, 'audit.jsonl');
  const stack = await openStack({ choice: CHOICE, extra: { audit } });
  const tools = await open({ checks, stack, screenshots, clientName: 'Chromium' });

  try {
    await byKeyboard(tools);
    await withoutScripts(tools);
    await goesBack(tools);
    await looks(tools);
    await theStory(tools, audit);
    await oneIsDown(tools);
  } finally {
    await tools.close();
  }
}

const button = (page, label) => page.getByRole('button', { name: `Continue with ${label}` });
const words = (text) => text.replace(/\s+/g, ' ').trim();
const focused = async (page) => words(await page.evaluate(() => document.activeElement?.innerText ?? ''));

async function byKeyboard({ checks, stack, server, client, resource, callback, profile, request, shot }) {
  const { context, complaints } = await profile();
  const page = await context.newPage();
  const asked = request();
  await page.goto(asked.url.href);
  checks.ok(!(await page.evaluate(() => document.scripts.length)), 'the page has no scripts');
  checks.equal((await page.getByRole('list', { name: 'Allow it and sign in' }).getByRole('button').allInnerTexts()).map(words), Object.values(CHOICE).map((label) => `Continue with ${label}`), 'a list with a name has one button for each provider, in order, as text');

  const order = [];
  for (let tabs = 0; tabs < 10 && !order.at(-1)?.startsWith('Deny'); tabs += 1) {
    await page.keyboard.press('Tab');
    order.push(await focused(page));
  }
  checks.equal(order.slice(-3), ['Continue with Microsoft', `Continue with ${CHOICE.google}`, 'Deny'], 'the keyboard reaches them in that order');
  await page.keyboard.press('Shift+Tab');
  checks.ok(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle !== 'none'), 'where the focus is can be seen');
  await shot(page, 'choice-focus');
  await page.keyboard.press('Enter');
  await page.waitForURL(`${stack.offered.google}/**`);
  checks.ok(true, 'Enter leads to the provider that was picked');
  let returning;
  page.on('request', (sent) => {
    if (sent.url().startsWith(`${stack.origin}/auth/callback`)) returning = new URL(sent.url());
  });
  await page.getByRole('button', { name: 'Sign in' }).press('Enter');
  const landed = await callback.next(page);
  checks.equal([landed.get('state'), landed.get('iss'), landed.get('error')], [asked.state, server.issuer, null], 'back at the client with state and the one issuer');
  checks.equal(returning?.pathname, '/auth/callback/google', "by the provider's own callback");
  checks.equal([(await stack.seenByProvider(stack.offered.google)).some(({ route }) => route === 'token'), (await stack.seenByProvider(stack.offered.microsoft)).length], [true, 0], 'the other provider was asked nothing');

  const tokens = await stranger.token(server, { grant_type: 'authorization_code', code: landed.get('code'), redirect_uri: callback.url, client_id: client.client_id, code_verifier: asked.verifier });
  checks.equal(tokens.status, 200, 'the code is good');
  const session = await new stranger.Session(resource, tokens.body?.access_token).open();
  checks.equal(await session.call('echo', { message: 'by choice' }), 'by choice', 'and the token, too');
  const { sub } = JSON.parse(Buffer.from(tokens.body.access_token.split('.')[1], 'base64url'));
  checks.equal(sub, 'google|alice', 'the subject names the provider');
  const renewed = await stranger.token(server, { grant_type: 'refresh_token', refresh_token: tokens.body.refresh_token, client_id: client.client_id });
  checks.equal(renewed.status, 200, 'the tokens can be renewed');
  checks.equal(complaints, [], 'the console is empty');
  await context.close();
}

async function withoutScripts({ checks, stack, callback, profile, request }) {
  const { context } = await profile({ javaScriptEnabled: false });
  const page = await context.newPage();
  const asked = request();
  await page.goto(asked.url.href);
  await button(page, 'Microsoft').click();
  await page.waitForURL(`${stack.offered.microsoft}/**`);
  await page.getByRole('button', { name: 'Sign in' }).click();
  const landed = await callback.next(page);
  checks.ok(landed.get('code') && landed.get('state') === asked.state, 'works with JavaScript switched off');
  await context.close();
}

/** Who picked the wrong one goes back: the page is loaded anew, and is a new question. */
async function goesBack({ checks, stack, callback, profile, request, shot }) {
  const { context } = await profile();
  const page = await context.newPage();
  const asked = request();
  await page.goto(asked.url.href);
  await button(page, 'Microsoft').click();
  await page.waitForURL(`${stack.offered.microsoft}/**`);
  await page.goBack();
  await button(page, 'Google').click();
  await page.waitForURL(`${stack.offered.google}/**`);
  await shot(page, 'choice-provider');
  await page.getByRole('button', { name: 'Sign in' }).click();
  const landed = await callback.next(page);
  checks.ok(landed.get('code') && landed.get('state') === asked.state, 'who goes back can pick another one');
  await context.close();
}

async function looks({ checks, profile, request, shot }) {
  for (const [name, options] of Object.entries({
    'choice': { colorScheme: 'light' },
    'choice-dark': { colorScheme: 'dark' },
    'choice-narrow': { viewport: { width: 320, height: 640 } },
    'choice-high-contrast': { forcedColors: 'active' },
  })) {
    const { context, complaints } = await profile(options);
    const page = await context.newPage();
    await page.goto(request().url.href);
    await shot(page, name);
    await looksOf(page, name, options, checks);
    checks.equal(complaints, [], `${name}: the console is empty`);
    await context.close();
  }
}

/** Which one was picked, for whoever has to find out. */
async function theStory({ checks, stack }, audit) {
  const flows = await (await fetch(`${stack.adminOrigin}/flows`)).json();
  const all = await Promise.all(flows.map(async ({ id }) => (await fetch(`${stack.adminOrigin}/flows/${id}`)).json()));
  const good = all.filter(({ outcome }) => outcome === 'ok').map(({ provider, identity_provider: picked, subject }) => [provider, picked, subject]);
  checks.equal(good.sort(), [['staff', 'google', 'google|alice'], ['staff', 'google', 'google|alice'], ['staff', 'microsoft', 'microsoft|alice']], 'the story of a sign-in names the provider');
  const lines = readFileSync(audit, 'utf8').trim().split('\n').map((line) => JSON.parse(line));
  const told = (event, outcome) => lines.filter((line) => line.event === event && line.outcome === outcome).map((line) => `${line.provider} ${line.identity_provider} ${line.subject ?? ''}`.trim()).sort();
  checks.equal(told('sign_in', 'ok'), ['staff google google|alice', 'staff google google|alice', 'staff microsoft microsoft|alice'], 'audit: sign_in names it');
  checks.equal(told('consent', 'approved'), ['staff google', 'staff google', 'staff microsoft', 'staff microsoft'], 'audit: consent, too');
  for (const [name, back] of [['google', 2], ['microsoft', 1]]) {
    checks.equal([await stack.metric('vestibule_auth_idp_redirects_total', { provider: name }), await stack.metric('vestibule_auth_callbacks_total', { provider: name, outcome: 'ok' })], [2, back], `metrics: sent to ${name}, and back`);
  }
}

/** A gateway that starts while one of them is down serves the other. */
async function oneIsDown({ checks, stack, profile, request, callback, shot }) {
  await stop(stack.offering.google);
  await stop(stack.gateway);
  await stack.startGateway({ withProvider: false });
  for (let tries = 0; tries < 100 && !(await stack.readiness()).providers[0].ready; tries += 1) await new Promise((resolve) => setTimeout(resolve, 100));
  for (const [name, options] of Object.entries({ 'choice-one-down': {}, 'choice-one-down-dark': { colorScheme: 'dark' } })) {
    const { context, complaints } = await profile(options);
    const page = await context.newPage();
    await page.goto(request().url.href);
    checks.ok(await button(page, 'Google').isDisabled(), `${name}: one that is down cannot be pressed`);
    checks.ok((await button(page, 'Google').innerText()).includes('Not available right now'), `${name}: and says why`);
    await shot(page, name);
    await button(page, 'Microsoft').click();
    await page.waitForURL(`${stack.offered.microsoft}/**`);
    await page.getByRole('button', { name: 'Sign in' }).click();
    checks.ok((await callback.next(page)).get('code'), `${name}: the other one goes on`);
    checks.equal(complaints, [], `${name}: the console is empty`);
    await context.close();
  }
}
