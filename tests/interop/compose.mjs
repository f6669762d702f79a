// The compositions of deploy/compose, as people start them: by Docker Compose, at their published ports. The official client
// and a stranger sign in; containers are stopped and made anew under them. Called by .ci/compose, which makes images and secrets.
//   node compose.mjs OUT

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client';
import { Checks } from './lib/checks.mjs';
import { Person } from './lib/person.mjs';
import { run } from './lib/processes.mjs';
import * as stranger from './lib/stranger.mjs';
import { CALLBACK, Keeper } from './suites/client_typescript.mjs';

const FOLDER = fileURLToPath(new URL('../../deploy/compose', import.meta.url));
const DEMONSTRATION = join(FOLDER, 'demonstration.yaml');
const RESOURCE = 'http://127.0.0.1:8000/mcp';
const out = process.argv[2];
const checks = new Checks(console.log);

class Composition {
  constructor(name) {
    Object.assign(this, { name, file: join(FOLDER, name, 'compose.yaml'), log: join(out, `${name}.log`) });
  }

  async docker(...command) {
    const { code, output } = await run('docker', 'docker', command, { log: this.log });
    if (code !== 0) throw new Error(`docker ${command.join(' ')}: ${code}\n${output}`);
    return output.trim();
  }

  compose(...command) {
    return this.docker('compose', '--progress', 'plain', '--file', this.file, '--file', DEMONSTRATION, ...command);
  }

  /** Comes back when every container is healthy. */
  up(...more) {
    return this.compose('up', '--detach', '--no-build', '--pull', 'never', '--wait', '--wait-timeout', '90', ...more);
  }

  down(...more) {
    return this.compose('down', ...more);
  }

  /** What Docker knows about each container. */
  async containers() {
    const ids = (await this.compose('ps', '--all', '--quiet')).split('\n').filter((line) => /^[0-9a-f]{64}$/.test(line));
    return JSON.parse(await this.docker('inspect', ...ids));
  }

  /** A command of the program, in a container that runs. */
  vestibule(...command) {
    return this.compose('exec', '--no-TTY', 'gateway', 'vestibule', ...command);
  }

  /** Names of the containers of a service. */
  async called(service) {
    return (await this.containers()).filter(({ Config: { Labels: labels } }) => labels['com.docker.compose.service'] === service).map(({ Name: name }) => name.slice(1));
  }
}

/** Nothing that a container can do without. */
async function hardened(composition) {
  const containers = await composition.containers();
  const ill = containers.filter(({ State: { Health: health } }) => health?.Status !== 'healthy').map(({ Name: name }) => name);
  checks.ok(containers.length > 0 && ill.length === 0, `${containers.length} healthy containers`, ill.join());
  for (const { Name: name, HostConfig: { ReadonlyRootfs: readOnly }, State: { Pid: process } } of containers) {
    const status = readFileSync(`/proc/${process}/status`, 'utf8');
    const of = (key) => status.match(new RegExp(`^${key}:\\s+(\\S+)`, 'm'))[1];
    checks.equal([readOnly, of('CapEff'), of('CapBnd'), of('NoNewPrivs'), of('Uid') === '0'], [true, '0000000000000000', '0000000000000000', '1', false], `${name.slice(1)} cannot write its root, has no capability, can get none, and is not root`);
  }
  const published = containers.flatMap(({ NetworkSettings: { Ports: ports } }) => Object.values(ports ?? {}).flat().filter(Boolean)).map(({ HostIp: address, HostPort: port }) => `${address}:${port}`);
  checks.equal(published.toSorted(), ['127.0.0.1:8000', '127.0.0.1:9000'], 'only the gateway and the provider can be reached, and from this machine only');
}

/** The official client, until a person has to be asked; `meanwhile` happens before that person answers. */
async function signIn(meanwhile = async () => {}) {
  const keeper = new Keeper();
  const first = new StreamableHTTPClientTransport(new URL(RESOURCE), { authProvider: keeper });
  const refused = await new Client({ name: 'compose', version: '1' }).connect(first).catch((error) => error);
  checks.ok(refused instanceof UnauthorizedError && keeper.asked.length === 1, 'the official client finds its own way to the authorization URL', refused);
  await meanwhile();
  const person = new Person();
  const callback = await person.walk(keeper.asked[0], CALLBACK);
  checks.ok(person.visited.some(({ body }) => body.includes('Whoever you say you are, you are.')), 'the person signs in at the demonstration provider');
  await first.finishAuth(callback.searchParams);
  checks.ok(keeper.saved.tokens?.refresh_token, 'and the client gets its tokens');
  return keeper;
}

/** Calls both tools of the example server. */
async function tools(keeper, when) {
  const client = new Client({ name: 'compose', version: '1' });
  await client.connect(new StreamableHTTPClientTransport(new URL(RESOURCE), { authProvider: keeper }));
  const text = async (name, args = {}) => (await client.callTool({ name, arguments: args })).content[0].text;
  const who = JSON.parse(await text('whoami'));
  checks.equal([who.subject, who.email, Number(await text('add', { a: 2, b: 3 }))], ['alice', 'alice@example.com', 5], `the server knows who is calling ${when}`);
  await client.close();
}

async function refreshes(keeper, when) {
  const { server } = await stranger.discover(RESOURCE);
  const refreshed = await stranger.refresh(server, keeper.saved.client, keeper.saved.tokens.refresh_token);
  checks.ok(refreshed.status === 200, `a refresh works ${when}`, refreshed.text);
  if (refreshed.status === 200) keeper.saveTokens(refreshed.body);
}

async function single() {
  const composition = new Composition('single');
  await composition.up();
  await hardened(composition);
  const keeper = await signIn();
  await tools(keeper, 'at first');
  checks.match(await composition.vestibule('check', '--online'), /ok +reachable +provider answered[^]*backend http:\/\/server:3000\/mcp[^]*\n +ok +reachable/, '`check --online` in the container finds provider and server');
  checks.match(await composition.vestibule('flows', 'list'), /oidc +ok +accepted +Official TypeScript client/, '`flows list` in the container knows the sign-in');
  const [gateway] = await composition.called('gateway');
  await composition.docker('stop', '--time', '35', gateway);
  const [{ State: { ExitCode: code } }] = JSON.parse(await composition.docker('inspect', gateway));
  checks.equal(code, 0, 'the gateway drains and ends with 0');
  await composition.down();
  checks.equal(await composition.containers().catch(() => []), [], 'nothing is left but the volume');
  await composition.up();
  await tools(keeper, 'in new containers, with the token from before');
  await refreshes(keeper, 'there');
  await composition.down('--volumes');
}

async function replicas() {
  const composition = new Composition('replicas');
  await composition.up();
  await hardened(composition);
  const gateways = await composition.called('gateway');
  checks.equal(gateways.length, 2, 'two replicas');
  const keeper = await signIn(async () => {
    await composition.docker('stop', '--time', '35', gateways[0]);
    checks.ok(true, 'one replica is stopped in the middle of the sign-in');
  });
  await tools(keeper, 'while one replica is left');
  await composition.docker('start', gateways[0]);
  await composition.up();
  await composition.docker('kill', gateways[1]);
  await tools(keeper, 'when the other one was killed');
  await refreshes(keeper, 'then');
  await composition.up('--no-recreate', '--scale', 'gateway=3');
  checks.equal((await composition.containers()).filter(({ Name: name, State: { Health: health } }) => name.includes('-gateway-') && health.Status === 'healthy').length, 3, 'as its README says, there can be three of them');
  await composition.down();
  await composition.up();
  await tools(keeper, 'in new containers: everything was in Valkey, on its volume');
  await refreshes(keeper, 'there');
  await composition.down('--volumes');
}

for (const composition of [single, replicas]) {
  console.log(`\n${composition.name}`);
  const began = Date.now();
  try {
    await composition();
    console.log(`  ${composition.name}: ${((Date.now() - began) / 1000).toFixed(0)} s`);
  } catch (error) {
    checks.fail('it ran to its end', error);
    const broken = new Composition(composition.name);
    await broken.compose('ps', '--all').then(console.log, console.log);
    await broken.compose('logs', '--no-color').catch(() => undefined);
    await broken.down('--volumes').catch(console.log);
  }
}
console.log(`\n${checks.passed} passed, ${checks.failed} failed`);
process.exitCode = checks.failed > 0 ? 1 : 0;
