// A person with a browser that has no scripts: follows redirects, keeps cookies, fills in the forms it meets and
// presses the button it was told to. Also a command, for clients in other languages:
//   node person.mjs AUTHORIZATION_URL CALLBACK_PREFIX [approve|deny]     prints the callback URL it was sent to

import { fileURLToPath } from 'node:url';
import { parse } from 'node-html-parser';
import { CookieJar } from 'tough-cookie';

const APPROVE = /\b(allow|approve|authorize|accept|continue|sign in|log in|yes)\b/i;
const DENY = /\b(deny|cancel|decline|refuse|reject|no)\b/i;
const LONGEST_WALK = 25;

export class Person {
  /** Every response on the way: `{ method, url, status, headers, body }`. */
  visited = [];

  constructor({ name = 'alice', jar = new CookieJar() } = {}) {
    this.name = name;
    this.jar = jar;
  }

  /** Walks from `url` until it would be sent to a URL that begins with `callback`; returns that URL. */
  async walk(url, callback, { decision = 'approve' } = {}) {
    let next = { method: 'GET', url: String(url) };
    for (let step = 0; step < LONGEST_WALK; step += 1) {
      if (next.url.startsWith(callback)) return new URL(next.url);
      const page = await this.load(next);
      const location = page.headers.get('location');
      if (page.status >= 300 && page.status < 400 && location) {
        next = { method: page.status === 307 ? next.method : 'GET', url: new URL(location, next.url).href, body: page.status === 307 ? next.body : undefined };
        continue;
      }
      if (page.status !== 200) throw new Error(`${next.method} ${next.url} answered ${page.status}: ${readable(page.body)}`);
      next = this.fillIn(page, decision) ?? followed(page, callback, decision);
    }
    throw new Error(`no end after ${LONGEST_WALK} steps:\n${this.visited.map((page) => `${page.method} ${page.url} -> ${page.status}`).join('\n')}`);
  }

  /** One request, with cookies, without following anything. */
  async load({ method = 'GET', url, body }) {
    const headers = { accept: 'text/html,application/xhtml+xml;q=0.9,*/*;q=0.1' };
    const cookie = await this.jar.getCookieString(url);
    if (cookie) headers.cookie = cookie;
    if (body !== undefined) {
      headers['content-type'] = 'application/x-www-form-urlencoded';
      headers.origin = new URL(this.visited.at(-1)?.url ?? url).origin;
    }
    const response = await fetch(url, { method, headers, body, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) await this.jar.setCookie(line, url);
    const page = { method, url, status: response.status, headers: response.headers, body: await response.text() };
    this.visited.push(page);
    return page;
  }

  /** The request that the page's first form makes when the button for `decision` is pressed. */
  fillIn(page, decision) {
    const forms = parse(page.body).querySelectorAll('form');
    for (const form of forms) {
      const buttons = form.querySelectorAll('button, input[type=submit]').filter((button) => (button.getAttribute('type') ?? 'submit') === 'submit');
      const wanted = decision === 'approve' ? APPROVE : DENY;
      const label = (button) => button.text.trim() || button.getAttribute('value') || '';
      const pressed = buttons.find((button) => wanted.test(label(button))) ?? (decision === 'approve' && buttons.length === 1 ? buttons[0] : undefined);
      if (!pressed) continue;
      const fields = new URLSearchParams();
      for (const input of form.querySelectorAll('input')) {
        const [name, type] = [input.getAttribute('name'), input.getAttribute('type') ?? 'text'];
        if (!name || type === 'submit' || ((type === 'checkbox' || type === 'radio') && !input.hasAttribute('checked'))) continue;
        fields.append(name, input.getAttribute('value') || (type === 'hidden' ? '' : type === 'email' ? `${this.name}@example.com` : this.name));
      }
      if (pressed.getAttribute('name')) fields.append(pressed.getAttribute('name'), pressed.getAttribute('value') ?? '');
      const action = new URL(pressed.getAttribute('formaction') ?? form.getAttribute('action') ?? '', page.url);
      if ((form.getAttribute('method') ?? 'get').toLowerCase() === 'post') return { method: 'POST', url: action.href, body: fields.toString() };
      action.search = fields.toString();
      return { method: 'GET', url: action.href };
    }
    return undefined;
  }
}

/** A page without a form for us: a link back to the client is what is left. */
function followed(page, callback, decision) {
  const link = parse(page.body)
    .querySelectorAll('a[href]')
    .map((anchor) => new URL(anchor.getAttribute('href'), page.url).href)
    .find((href) => href.startsWith(callback));
  if (!link) throw new Error(`no form with a button to ${decision}, no link to ${callback} on ${page.url}: ${readable(page.body)}`);
  return { method: 'GET', url: link };
}

/** What a person reads on a page. */
function readable(html) {
  const root = parse(html);
  root.querySelectorAll('style, svg').forEach((part) => part.remove());
  return root.structuredText.slice(0, 1000);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [url, callback, decision] = process.argv.slice(2);
  const end = await new Person().walk(url, callback, { decision });
  process.stdout.write(`${end.href}\n`);
}
