// One whole installation on free loopback ports: provider, MCP servers, gateway.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, ready, start, stop } from './processes.mjs';

const HERE = resolve(dirname(fileURLToPath(import.meta.url)), '..');
export const GATEWAY = resolve(process.env.VESTIBULE ?? join(HERE, '../../target/debug/vestibule'));
/** With the Python SDK 1.x, which the server fixture uses. */
export const PYTHON = join(HERE, '.venv/bin/python');
/** With the Python SDK 2.x. */
export const PYTHON_NEXT = join(HERE, '.venv-next/bin/python');

const SERVERS = {
  typescript: (port, options) => start('server_typescript', process.execPath, [join(HERE, 'fixtures/server_typescript.mjs')], { ...options, env: { PORT: port } }),
  python: (port, options) => start('server_python', PYTHON, [join(HERE, 'fixtures/server_python.py')], { ...options, env: { PORT: port } }),
};

export class Stack {
  /**
   * @param {object} options
   * @param {string} options.dir       logs and state
   * @param {object} [options.routes]  public path -> `typescript` | `python`
   * @param {object} [options.lifetimes]  as in the gateway's configuration
   * @param {number} [options.providerTokenSeconds]  life of the provider's access tokens
   * @param {boolean} [options.providerDown]  leave the provider to `startProvider`
   */
  static async open({ dir, routes = { '/mcp': 'typescript' }, lifetimes = {}, providerTokenSeconds = 300, providerDown = false }) {
    const stack = new Stack();
    stack.dir = dir;
    mkdirSync(dir, { recursive: true });
    stack.clientSecret = 'interop-secret-of-the-gateway';

    const [port, adminPort, providerPort] = [await freePort(), await freePort(), await freePort()];
    stack.origin = `http://127.0.0.1:${port}`;
    stack.adminOrigin = `http://127.0.0.1:${adminPort}`;
    stack.providerOrigin = `http://127.0.0.1:${providerPort}`;

    stack.providerTokenSeconds = providerTokenSeconds;
    const starting = providerDown ? [] : [stack.startProvider()];

    stack.backends = {};
    for (const kind of new Set(Object.values(routes))) {
      const backendPort = await freePort();
      const handle = SERVERS[kind](backendPort, { log: join(dir, `server_${kind}.log`) });
      stack.backends[kind] = { handle, url: `http://127.0.0.1:${backendPort}/mcp` };
    }

    for (const { handle, url } of Object.values(stack.backends)) starting.push(ready(handle, () => answers(url)));
    await Promise.all(starting);

    stack.config = join(dir, 'gateway.yaml');
    // JSON is YAML.
    writeFileSync(stack.config, JSON.stringify(stack.configuration({ port, adminPort, routes, lifetimes }), null, 2));
    await stack.startGateway(providerDown ? '/healthz' : '/readyz');
    return stack;
  }

  configuration({ port, adminPort, routes, lifetimes }) {
    return {
      version: 1,
      public_url: this.origin,
      listen: `127.0.0.1:${port}`,
      admin_listen: `127.0.0.1:${adminPort}`,
      storage: { backend: 'embedded', path: join(this.dir, 'state') },
      providers: {
        example: {
          config_url: `${this.providerOrigin}/.well-known/openid-configuration`,
          client_id: 'vestibule',
          client_secret: this.clientSecret,
          required_scopes: ['openid', 'email'],
          allow_insecure_http: true,
          lifetimes,
          routes: Object.entries(routes).map(([path, kind]) => ({ path, backend: this.backends[kind].url })),
        },
      },
    };
  }

  async startProvider() {
    this.provider = start('provider', process.execPath, [join(HERE, 'fixtures/provider.mjs')], {
      log: join(this.dir, 'provider.log'),
      env: {
        PORT: new URL(this.providerOrigin).port,
        REDIRECT_URIS: `${this.origin}/auth/callback`,
        CLIENT_ID: 'vestibule',
        CLIENT_SECRET: this.clientSecret,
        ACCESS_TOKEN_SECONDS: this.providerTokenSeconds,
      },
    });
    await ready(this.provider, () => answers(`${this.providerOrigin}/.well-known/openid-configuration`, 200));
  }

  /** @param {string} probe  what has to answer 200 on the admin listener */
  async startGateway(probe = '/readyz') {
    this.gateway = start('gateway', GATEWAY, ['serve', '--config', this.config], { log: join(this.dir, 'gateway.log') });
    await ready(this.gateway, () => answers(`${this.adminOrigin}${probe}`, 200));
  }

  /** As a power cut would: no signal handler runs. */
  async killGateway() {
    await stop(this.gateway, 'SIGKILL');
  }

  /** What the provider's endpoints were asked, oldest first. */
  async seenByProvider() {
    return (await fetch(`${this.providerOrigin}/control/seen`)).json();
  }

  /** Sum of a metric's samples whose labels include `labels`. */
  async metric(name, labels = {}) {
    const text = await (await fetch(`${this.adminOrigin}/metrics`)).text();
    return text
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
      .filter((line) => Object.entries(labels).every(([label, value]) => line.includes(`${label}="${value}"`)))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
  }

  async close() {
    const all = [this.gateway, this.provider, ...Object.values(this.backends).map(({ handle }) => handle)];
    await Promise.all(all.filter(Boolean).map((handle) => stop(handle)));
  }
}

async function answers(url, status) {
  const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
  await response.body?.cancel();
  return status === undefined || response.status === status;
}
