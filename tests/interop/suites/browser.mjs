// Headless Chromium does what people do: our consent page, the provider's sign-in, back to the client.

import { looksOf, open } from '../lib/chromium.mjs';
import { Person } from '../lib/person.mjs';
import * as stranger from '../lib/stranger.mjs';

export const title = 'Chromium: consent, sign-in, refusal';

const NARROW = { width: 320, height: 640 };
const REDIRECT = { redirect_uris: ['http://127.0.0.1/callback'] };

export async function run({ checks, openStack, screenshots }) {
  const stack = await openStack({});
  const tools = await open({ checks, stack, screenshots, clientName: 'Chromium <b>& friends</b>' });

  try {
    await approves(tools);
    await denies(tools);
    await looks(tools);
    await withoutScripts(tools);
    await twoTabs(tools);
    await otherBrowser(tools);
    await unknownClient(tools);
    await remembers({ ...tools, openStack });
  } finally {
    await tools.close();
  }
}

const allow = (page) => page.getByRole('button', { name: /allow|approve|authorize|continue/i });
const deny = (page) => page.getByRole('button', { name: /deny|cancel|decline|refuse/i });
const signIn = (page) => page.getByRole('button', { name: 'Sign in' });

async function approves({ checks, stack, server, client, resource, callback, profile, request, shot }) {
  const { context, complaints } = await profile();
  const page = await context.newPage();
  const asked = request();
  const response = await page.goto(asked.url.href);
  const text = await page.locator('body').innerText();
  checks.ok(text.includes('Chromium <b>& friends</b>'), "the client's name is shown as text", text);
  checks.ok(text.includes(new URL(callback.url).host), 'the page names where the answer goes', text);
  checks.ok(!(await page.evaluate(() => document.scripts.length)), 'the page has no scripts');
  checks.match(response.headers()['content-security-policy'], /default-src 'none'/, 'a strict content security policy');
  checks.match(response.headers()['cache-control'], /no-store/, 'the page is not stored');
  const browserCookies = await context.cookies(stack.origin);
  checks.ok(browserCookies.length > 0 && browserCookies.every((cookie) => cookie.httpOnly && cookie.sameSite === 'Lax' && cookie.path === '/'), 'cookies are HttpOnly, SameSite=Lax, Path=/', shown(browserCookies));
  checks.ok(browserCookies.every((cookie) => cookie.name.startsWith('vestibule-')), 'cookies have our name', shown(browserCookies));
  await shot(page, 'consent');

  await page.keyboard.press('Tab');
  checks.ok(await page.evaluate(() => document.activeElement !== document.body), 'the keyboard reaches the form');
  await allow(page).click();
  await page.waitForURL(`${stack.providerOrigin}/**`);
  checks.ok(true, "approving leads to the provider's sign-in");
  let returning;
  page.on('request', (sent) => {
    if (sent.url().startsWith(`${stack.origin}/auth/callback`)) returning = sent.url();
  });
  const during = ours(await context.cookies(stack.origin));
  await signIn(page).click();
  const landed = await callback.next(page);
  checks.equal([landed.get('state'), landed.get('iss'), landed.get('error')], [asked.state, server.issuer, null], 'back at the client with state and iss');
  const after = ours(await context.cookies(stack.origin));
  checks.ok(after.length < during.length, 'the cookie of this sign-in is gone', `${shown(during)} -> ${shown(after)}`);

  const tokens = await stranger.token(server, { grant_type: 'authorization_code', code: landed.get('code'), redirect_uri: callback.url, client_id: client.client_id, code_verifier: asked.verifier });
  checks.equal(tokens.status, 200, 'the code is good');
  const session = await new stranger.Session(resource, tokens.body?.access_token).open();
  checks.equal(await session.call('echo', { message: 'from a browser' }), 'from a browser', 'and the token, too');
  checks.equal(complaints, [], 'the console is empty');

  // B2
  const again = await page.goto(returning);
  checks.ok(refused(again) && page.url().startsWith(stack.origin), 'a second visit of the callback is a readable page', again.status());
  await shot(page, 'callback-twice');
  await context.close();
}

async function denies({ checks, callback, server, profile, request, shot }) {
  const { context, complaints } = await profile();
  const page = await context.newPage();
  const asked = request();
  await page.goto(asked.url.href);
  await deny(page).click();
  await page.waitForLoadState();
  if (!page.url().startsWith(callback.url)) {
    await shot(page, 'denied');
    await page.getByRole('link').first().click();
  }
  const landed = await callback.next(page);
  checks.equal([landed.get('error'), landed.get('state'), landed.get('iss')], ['access_denied', asked.state, server.issuer], 'denied: the client is told so');
  checks.equal(complaints, [], 'denied: the console is empty');
  await context.close();
}

/** Screenshots in the ways that people look at the page, and that nothing is cut off. */
async function looks({ checks, profile, request, shot }) {
  for (const [name, options] of Object.entries({
    'consent-dark': { colorScheme: 'dark' },
    'consent-narrow': { viewport: NARROW },
    'consent-narrow-dark': { viewport: NARROW, colorScheme: 'dark' },
    'consent-high-contrast': { forcedColors: 'active' },
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

async function withoutScripts({ checks, stack, callback, profile, request }) {
  const { context } = await profile({ javaScriptEnabled: false });
  const page = await context.newPage();
  const asked = request();
  await page.goto(asked.url.href);
  await allow(page).click();
  await page.waitForURL(`${stack.providerOrigin}/**`);
  await signIn(page).click();
  const landed = await callback.next(page);
  checks.ok(landed.get('code') && landed.get('state') === asked.state, 'works with JavaScript switched off');
  await context.close();
}

/** B3: two flows at once in one browser, interleaved. */
async function twoTabs({ checks, stack, callback, profile, request }) {
  const { context } = await profile();
  const [one, other] = [await context.newPage(), await context.newPage()];
  const [first, second] = [request(), request()];
  await one.goto(first.url.href);
  await other.goto(second.url.href);
  await allow(one).click();
  await one.waitForURL(`${stack.providerOrigin}/**`);
  await allow(other).click();
  await other.waitForURL(`${stack.providerOrigin}/**`);
  await signIn(one).click();
  const landedFirst = await callback.next(one);
  await signIn(other).click();
  const landedSecond = await callback.next(other);
  checks.ok(landedFirst.get('code') && landedSecond.get('code'), 'two tabs sign in at the same time');
  checks.equal([landedFirst.get('state'), landedSecond.get('state')], [first.state, second.state], 'and each gets its own answer');
  await context.close();
}

/** B4: what began in one browser does not end in another. */
async function otherBrowser({ checks, stack, profile, request, shot }) {
  const beginner = new Person();
  const returning = await beginner.walk(request().url, `${stack.origin}/auth/callback`);

  const { context } = await profile();
  const page = await context.newPage();
  const answer = await page.goto(returning.href);
  const text = await page.locator('body').innerText();
  checks.ok(refused(answer) && page.url().startsWith(stack.origin) && text.length > 20, 'a callback in another browser is a readable refusal', `${answer.status()} ${text}`);
  await shot(page, 'callback-elsewhere');
  await context.close();

  // S01: a state that turned up elsewhere is spent.
  const late = await beginner.load({ url: returning.href });
  checks.ok(late.status === 400 && !late.headers.get('location'), 'after which it ends in no browser at all', `${late.status} ${late.headers.get('location')}`);
}

async function unknownClient({ checks, stack, profile, request, shot }) {
  const { context } = await profile();
  const page = await context.newPage();
  const { url } = request();
  url.searchParams.set('client_id', 'nobody-knows-me');
  const answer = await page.goto(url.href);
  checks.ok(refused(answer) && page.url().startsWith(stack.origin), 'an unknown client gets a page', answer.status());
  await shot(page, 'unknown-client');
  await context.close();
}

/** B4: Chromium says whether somebody led it here; what it remembers counts only if nobody did. */
async function remembers({ checks, openStack, browser, callback }) {
  const stack = await openStack({ provider: { require_authorization_consent: 'remember' } });
  const resource = `${stack.origin}/mcp`;
  const { server } = await stranger.discover(resource);
  const client = (await stranger.register(server, { client_name: 'Remembered', ...REDIRECT })).body;
  const url = () => stranger.authorization(server, client, resource, { redirect_uri: callback.url }).url.href;
  const context = await browser.newContext();
  const page = await context.newPage();
  const isAsked = async () => page.url().startsWith(stack.origin) && (await allow(page).count()) === 1;
  await page.goto(url());
  checks.match(await page.locator('body').innerText(), /remembers your answer for 30 days/, 'the page says that the answer is remembered');
  await allow(page).click();
  await page.waitForURL(`${stack.providerOrigin}/**`);
  await signIn(page).click();
  await callback.next(page);
  await page.goto(url());
  checks.ok(!(await isAsked()), 'opened by the person again: nobody is asked', page.url());
  await page.goto('about:blank');
  await page.setContent(`<a href="${url().replaceAll('&', '&amp;')}">Go</a>`);
  await page.getByRole('link').click();
  await page.waitForURL(`${stack.origin}/authorize?**`);
  checks.ok(await isAsked(), 'led here by a link somewhere else: the person is asked');
  const other = await (await browser.newContext()).newPage();
  await other.goto(url());
  checks.ok(other.url().startsWith(stack.origin) && (await allow(other).count()) === 1, 'another browser remembers nothing');
  await other.context().close();
  await context.close();
}

const refused = (answer) => answer.status() >= 400 && answer.status() < 500;
const ours = (cookies) => cookies.filter(({ name }) => /vestibule-/.test(name));
const shown = (cookies) => cookies.map(({ name, sameSite, httpOnly, path }) => `${name} ${sameSite} ${httpOnly} ${path}`).join(', ');
