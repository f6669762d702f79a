// Which Chromium, and how it runs as root on a machine without a display, asking nobody outside for anything.

import { mkdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { freePort } from './processes.mjs';
import * as stranger from './stranger.mjs';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export const launch = () => chromium.launch({ executablePath: CHROMIUM, args: FLAGS });

/** A browser, and a registered client of the stack's `/mcp` with the end of its redirect: what a walk through the pages needs. */
export async function open({ checks, stack, screenshots, clientName }) {
  mkdirSync(screenshots, { recursive: true });
  const resource = `${stack.origin}/mcp`;
  const { server } = await stranger.discover(resource);
  const client = (await stranger.register(server, { client_name: clientName, redirect_uris: ['http://127.0.0.1/callback'] })).body;
  const [callback, browser] = [await callbackServer(), await launch()];
  checks.print(`  (Chromium ${browser.version()})`);
  return {
    checks, stack, server, client, resource, callback, browser,
    profile: profiles(browser, stack.origin),
    request: () => stranger.authorization(server, client, resource, { redirect_uri: callback.url }),
    shot: (page, name) => page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true }),
    close: async () => {
      await browser.close();
      callback.close();
    },
  };
}

/** Makes fresh profiles; what their console says about pages of `origin` is kept. */
export const profiles = (browser, origin) => async (options = {}) => {
  const context = await browser.newContext(options);
  const complaints = [];
  context.on('console', (message) => {
    const serious = message.type() === 'error' || message.type() === 'warning';
    if (serious && message.location().url.startsWith(origin)) complaints.push(`${message.text()} (${message.location().url})`);
  });
  context.on('weberror', (error) => complaints.push(String(error.error())));
  return { context, complaints };
};

/** That nothing is cut off, and that a page is what a browser and a screen reader want. */
export async function looksOf(page, name, options, checks) {
  const facts = await page.evaluate(() => ({
    overflow: document.documentElement.scrollWidth > window.innerWidth,
    language: document.documentElement.lang,
    title: document.title,
    headings: document.querySelectorAll('h1').length,
    // What the text stands on: the body's own colour, or the canvas of the colour scheme.
    background: [document.body, document.documentElement].map((part) => getComputedStyle(part).backgroundColor).find((color) => color !== 'rgba(0, 0, 0, 0)') ?? 'rgb(255, 255, 255)',
  }));
  checks.ok(!facts.overflow && facts.language && facts.title && facts.headings === 1, `${name}: fits, has a language, a title and one heading`, JSON.stringify(facts));
  if (options.colorScheme === 'dark') checks.ok(luminance(facts.background) < 0.3, `${name}: is dark`, facts.background);
}

/** The client's end of the redirect: a page on a port of its own (registered without one). */
export async function callbackServer() {
  const port = await freePort();
  const arrived = [];
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, `http://127.0.0.1:${port}`);
    if (pathname === '/callback') arrived.push(searchParams);
    response.writeHead(pathname === '/callback' ? 200 : 204, { 'content-type': 'text/html' });
    response.end(pathname === '/callback' ? '<!doctype html><title>Client</title><link rel="icon" href="data:,">You may close this page.' : undefined);
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${port}/callback`;
  return {
    url,
    waiting: () => arrived.length,
    next: async (page) => {
      await page.waitForURL(`${url}?**`);
      return arrived.shift();
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

function luminance(color) {
  const [red, green, blue] = color.match(/[\d.]+/g).map(Number);
  return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255;
}
