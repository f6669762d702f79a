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
/** With what the Python example needs. */
export const PYTHON_EXAMPLES = join(HERE, '.venv-examples/bin/python');

const SERVERS = {
  typescript: (port, options) => start('server_typescript', process.execPath, [join(HERE, 'fixtures/server_typescript.mjs')], { ...options, env: { PORT: port } }),
  python: (port, options) => start('server_python', PYTHON, [join(HERE, 'fixtures/server_python.py')], { ...options, env: { PORT: port } }),
};

export class Stack {
  /**
   * @param {object} options
   * @param {string} options.dir       logs and state
   * @param {object} [options.routes]  public path -> `typescript` | `python`, or a function that starts a server on a port
   * @param {object} [options.lifetimes]  as in the gateway's configuration
   * @param {number} [options.providerTokenSeconds]  life of the provider's access tokens
   * @param {boolean} [options.providerDown]  leave the provider to `startProvider`
   * @param {boolean} [options.byEnvironment]  configure the gateway by variables alone, without a file
   * @param {object} [options.provider]  further keys of the provider
   * @param {object} [options.extra]  further keys of the gateway's configuration
   * @param {'jwt' | 'opaque'} [options.remote]  `mode: remote`: clients register at the provider, and get such tokens there
   * @param {object} [options.choice]  name -> what its button says: so many providers, and one choice of them, `staff`
   * @param {string} [options.example]  an example's configuration file instead of one of ours
   * @param {string} [options.publicUrl]  what people type, if something stands in front; then `address` is where the gateway listens
   */
  static async open({ dir, routes = { '/mcp': 'typescript' }, lifetimes = {}, providerTokenSeconds = 300, providerDown = false, byEnvironment = false, remote, choice, example, publicUrl, provider = {}, extra = {} }) {
    const stack = new Stack();
    stack.dir = dir;
    mkdirSync(dir, { recursive: true });
    stack.clientSecret = 'interop-secret-of-the-gateway';

    const [port, adminPort, providerPort] = [await freePort(), await freePort(), await freePort()];
    stack.address = `127.0.0.1:${port}`;
    stack.origin = publicUrl ?? `http://${stack.address}`;
    stack.adminOrigin = `http://127.0.0.1:${adminPort}`;
    stack.providerOrigin = `http://127.0.0.1:${providerPort}`;

    stack.providerTokenSeconds = providerTokenSeconds;
    stack.remote = remote;
    /** Where the providers of a choice are, by name. */
    stack.offered = {};
    for (const name of Object.keys(choice ?? {})) stack.offered[name] = `http://127.0.0.1:${await freePort()}`;
    const starting = providerDown || choice ? [] : [stack.startProvider()];
    starting.push(...Object.keys(stack.offered).map((name) => stack.startOffered(name)));

    stack.backends = {};
    for (const kind of new Set(Object.values(routes))) {
      const backendPort = await freePort();
      const handle = await (SERVERS[kind] ?? kind)(backendPort, { log: join(dir, `server_${kind.name ?? kind}.log`) });
      stack.backends[kind] = { handle, url: `http://127.0.0.1:${backendPort}/mcp` };
    }

    for (const { handle, url } of Object.values(stack.backends)) starting.push(ready(handle, () => answers(url)));
    await Promise.all(starting);

    const configuration = { ...stack.configuration({ port, adminPort, routes, lifetimes, choice, provider }), ...extra };
    stack.variables = example ? overExample(configuration) : byEnvironment ? variables(configuration) : {};
    const file = example ?? join(dir, 'gateway.yaml');
    // JSON is YAML.
    if (!example) writeFileSync(file, JSON.stringify(configuration, null, 2));
    stack.configArguments = byEnvironment ? [] : ['--config', file];
    await stack.startGateway({ withProvider: !providerDown });
    return stack;
  }

  configuration({ port, adminPort, routes, lifetimes, choice, provider }) {
    const application = { client_id: 'vestibule', client_secret: this.clientSecret };
    const proxy = { ...application, required_scopes: ['openid', 'email'], lifetimes };
    const remote = { mode: 'remote', required_scopes: ['mcp'], ...(this.remote === 'opaque' && { introspection: { ...application, cache_ttl_seconds: 1 } }) };
    const mounted = Object.entries(routes).map(([path, kind]) => ({ path, backend: this.backends[kind].url }));
    const at = (origin) => ({ config_url: `${origin}/.well-known/openid-configuration`, allow_insecure_http: true, timeout_seconds: 3 });
    const offered = Object.entries(choice ?? {}).map(([name, label]) => [name, { display_name: label, ...at(this.offered[name]), ...application, required_scopes: ['openid', 'email'] }]);
    return {
      version: 1,
      public_url: this.origin,
      listen: `127.0.0.1:${port}`,
      admin_listen: `127.0.0.1:${adminPort}`,
      storage: { backend: 'embedded', path: join(this.dir, 'state') },
      providers: choice
        ? { ...Object.fromEntries(offered), staff: { choice: Object.keys(choice), lifetimes, routes: mounted } }
        : { example: { ...at(this.providerOrigin), ...(this.remote ? remote : proxy), ...provider, routes: mounted } },
    };
  }

  async startProvider() {
    this.provider = await this.startProviderAt(this.providerOrigin, 'provider', `${this.origin}/auth/callback`);
  }

  /** One of the providers of a choice, with a callback of its own. */
  async startOffered(name) {
    this.offering ??= {};
    this.offering[name] = await this.startProviderAt(this.offered[name], `provider_${name}`, `${this.origin}/auth/callback/${name}`);
  }

  async startProviderAt(origin, name, callback) {
    const provider = start(name, process.execPath, [join(HERE, 'fixtures/provider.mjs')], {
      log: join(this.dir, `${name}.log`),
      env: {
        PORT: new URL(origin).port,
        REDIRECT_URIS: callback,
        CLIENT_ID: 'vestibule',
        CLIENT_SECRET: this.clientSecret,
        ACCESS_TOKEN_SECONDS: this.providerTokenSeconds,
        ...(this.remote && { RESOURCE_TOKENS: this.remote }),
      },
    });
    await ready(provider, () => answers(`${origin}/.well-known/openid-configuration`, 200));
    return provider;
  }

  async startGateway({ withProvider = true } = {}) {
    this.gateway = start('gateway', GATEWAY, ['serve', ...this.configArguments], { log: join(this.dir, 'gateway.log'), env: this.variables, cwd: this.dir });
    await ready(this.gateway, async () => {
      const { ready: serving, providers } = await this.readiness();
      return serving && (!withProvider || providers.every((provider) => provider.ready));
    });
  }

  /** What /readyz says: `{ ready, providers: [{ name, ready, reason }] }`. */
  async readiness() {
    return (await fetch(`${this.adminOrigin}/readyz`)).json();
  }

  /** As a power cut would: no signal handler runs. */
  async killGateway() {
    await stop(this.gateway, 'SIGKILL');
  }

  /** What the provider's endpoints were asked, oldest first. */
  async seenByProvider(origin = this.providerOrigin) {
    return (await fetch(`${origin}/control/seen`)).json();
  }

  /** Codes, verifiers and tokens that the provider and the gateway have of each other. */
  async secretsOfProvider() {
    return (await fetch(`${this.providerOrigin}/control/secrets`)).json();
  }

  /** @param {'unavailable' | 'silent' | 'none'} kind  of trouble at the provider's token endpoint */
  async troubleProvider(kind) {
    await fetch(`${this.providerOrigin}/control/trouble/${kind}`, { method: 'POST' });
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
    const all = [this.gateway, this.provider, ...Object.values(this.offering ?? {}), ...Object.values(this.backends).map(({ handle }) => handle)];
    await Promise.all(all.filter(Boolean).map((handle) => stop(handle)));
  }
}

/** The same configuration as variables; for one provider with one route. */
function variables({ public_url: url, listen, admin_listen: adminListen, storage, providers }) {
  const [[name, provider]] = Object.entries(providers);
  const prefix = `VESTIBULE_${name.toUpperCase()}`;
  return {
    VESTIBULE_PUBLIC_URL: url,
    VESTIBULE_LISTEN: listen,
    VESTIBULE_ADMIN_LISTEN: adminListen,
    VESTIBULE_STORAGE: storage.backend,
    VESTIBULE_STORAGE_PATH: storage.path,
    VESTIBULE_PROVIDERS: name,
    [`${prefix}_CONFIG_URL`]: provider.config_url,
    [`${prefix}_CLIENT_ID`]: provider.client_id,
    [`${prefix}_CLIENT_SECRET`]: provider.client_secret,
    [`${prefix}_REQUIRED_SCOPES`]: provider.required_scopes.join(' '),
    [`${prefix}_ALLOW_INSECURE_HTTP`]: 'true',
    [`${prefix}_BACKEND`]: provider.routes[0].backend,
  };
}

/** What an example leaves open, and the addresses that are others here, over its file. */
function overExample(configuration) {
  const [provider] = Object.values(configuration.providers);
  return {
    OIDC_CONFIG_URL: provider.config_url,
    OIDC_CLIENT_ID: provider.client_id,
    OIDC_CLIENT_SECRET: provider.client_secret,
    PUBLIC_URL: configuration.public_url,
    VESTIBULE_LISTEN: configuration.listen,
    VESTIBULE_ADMIN_LISTEN: configuration.admin_listen,
    VESTIBULE_STORAGE: configuration.storage.backend,
    VESTIBULE_STORAGE_PATH: configuration.storage.path,
    VESTIBULE_OIDC_ALLOW_INSECURE_HTTP: 'true',
    VESTIBULE_OIDC_BACKEND: provider.routes[0].backend,
  };
}

async function answers(url, status) {
  const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
  await response.body?.cancel();
  return status === undefined || response.status === status;
}
