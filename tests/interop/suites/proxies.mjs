// nginx, Caddy and Envoy in front, with the files of `examples/` as they are but for addresses and certificates: TLS, the
// client's address, streams piece by piece.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { setDefaultCACertificates, getCACertificates } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { freePort, ready, run as runToEnd, start, stop } from '../lib/processes.mjs';
import * as stranger from '../lib/stranger.mjs';

export const title = 'reverse proxies in front';

const EXAMPLES = fileURLToPath(new URL('../../../examples', import.meta.url));
const BINARIES = fileURLToPath(new URL('../.venv-proxies/bin', import.meta.url));
/** Of this machine, and not one that `trusted_proxies` names. */
const CLIENT = '127.0.0.2';
const FORGED = '203.0.113.9';

const PROXIES = {
  nginx: { file: 'vestibule.conf', start: startNginx },
  caddy: { file: 'Caddyfile', start: startCaddy },
  envoy: { file: 'envoy.yaml', start: startEnvoy },
};

export async function run({ checks, openStack, dir }) {
  const certificate = await makeCertificate(dir);
  setDefaultCACertificates([...getCACertificates('default'), readFileSync(certificate.chain, 'utf8')]);
  for (const [name, proxy] of Object.entries(PROXIES)) {
    const port = await freePort();
    const publicUrl = `https://localhost:${port}`;
    const stack = await openStack({ example: join(EXAMPLES, name, 'vestibule.yaml'), publicUrl });
    const folder = join(dir, name);
    mkdirSync(folder);
    const text = readFileSync(join(EXAMPLES, name, proxy.file), 'utf8')
      .replaceAll('mcp.example.com.pem', 'chain.pem')
      .replaceAll('mcp.example.com.key', 'key.pem')
      .replaceAll('/etc/ssl', dir)
      .replaceAll('mcp.example.com', name === 'caddy' ? publicUrl : 'localhost')
      .replaceAll('127.0.0.1:8000', stack.address)
      .replaceAll('port_value: 8000', `port_value: ${stack.address.split(':')[1]}`)
      .replaceAll('port_value: 443', `port_value: ${port}`)
      .replaceAll('listen 443', `listen 127.0.0.1:${port}`);
    const handle = await proxy.start({ text, folder, certificate });
    await ready(handle, async () => (await post(`${publicUrl}/mcp`, '127.0.0.1')).status === 401);

    const resource = `${publicUrl}/mcp`;
    const { status, headers } = await post(resource, '127.0.0.1');
    checks.equal(status, 401, `${name}: no token, 401`);
    checks.match(headers['www-authenticate'], new RegExp(`resource_metadata="${publicUrl}/.well-known/oauth-protected-resource/mcp"`), `${name}: the challenge names the public URL`);

    const { tokens } = await stranger.signIn(resource);
    const session = await new stranger.Session(resource, tokens.access_token).open();
    checks.equal(await session.call('echo', { message: name }), name, `${name}: signed in through it, a tool called`);
    const arrivals = [];
    await session.call('count', { to: 4, pause_ms: 150 }, (_, at) => arrivals.push(at));
    checks.ok(arrivals.length === 5 && arrivals.at(-1) - arrivals[0] > 300, `${name}: a stream arrives piece by piece`, arrivals.join(' '));
    const long = 'x'.repeat(90_000);
    checks.equal((await session.call('echo', { message: long })).length, long.length, `${name}: 90 KB go through in both directions`);

    const whoami = { jsonrpc: '2.0', id: 'whoami', method: 'tools/call', params: { name: 'whoami', arguments: {} } };
    const { body } = await post(resource, CLIENT, { ...session.headers(), 'x-forwarded-for': FORGED, forwarded: `for=${FORGED}` }, whoami);
    checks.ok(body.includes('x-forwarded-for') && body.includes(CLIENT) && !body.includes(FORGED), `${name}: the server is told the client's address, not the one that it claims`, body);
    await stop(handle);
    await stack.close();
  }
}

/** A request from a given address of this machine. */
function post(url, localAddress, headers = {}, message = {}) {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', localAddress, family: 4, headers: { 'content-type': 'application/json', accept: stranger.ACCEPT, ...headers }, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk) => (body += chunk));
      response.once('end', () => resolve({ status: response.statusCode, headers: response.headers, body }));
    });
    sent.once('error', reject);
    sent.end(JSON.stringify(message));
  });
}

async function makeCertificate(dir) {
  const [chain, key] = [join(dir, 'chain.pem'), join(dir, 'key.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const made = await runToEnd('openssl', 'openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', ...subject, '-keyout', key, '-out', chain], { log: join(dir, 'openssl.log') });
  if (made.code !== 0) throw new Error(made.output);
  return { chain, key };
}

function startNginx({ text, folder }) {
  writeFileSync(join(folder, 'vestibule.conf'), text);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder}/${kind};`).join('\n');
  writeFileSync(join(folder, 'nginx.conf'), `pid ${folder}/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n${temporary}\ninclude ${folder}/vestibule.conf;\n}\n`);
  return start('nginx', 'nginx', ['-p', folder, '-c', join(folder, 'nginx.conf'), '-g', 'daemon off; master_process off;'], { log: join(folder, 'log') });
}

function startCaddy({ text, folder, certificate }) {
  const file = join(folder, 'Caddyfile');
  writeFileSync(file, `{\n\tadmin off\n\tauto_https disable_redirects\n}\n${text.replace(/^https.*\{$/m, (site) => `${site}\n\ttls ${certificate.chain} ${certificate.key}`)}`);
  return start('caddy', join(BINARIES, 'caddy'), ['run', '--config', file, '--adapter', 'caddyfile'], { log: join(folder, 'log'), env: { XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder, HOME: folder } });
}

function startEnvoy({ text, folder }) {
  const file = join(folder, 'envoy.yaml');
  writeFileSync(file, text);
  return start('envoy', join(BINARIES, 'envoy'), ['-c', file, '--concurrency', '1', '--use-dynamic-base-id', '--log-level', 'warning'], { log: join(folder, 'log') });
}
