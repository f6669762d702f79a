// A real Prometheus scrapes the gateway while people sign in, refuse, come back late and meet a provider in trouble. Then
// every rule and every query of the dashboard runs in it, and the numbers are those that the traffic implies.

import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Person } from '../lib/person.mjs';
import { freePort, ready, run as runToEnd, start, stop } from '../lib/processes.mjs';
import * as stranger from '../lib/stranger.mjs';

export const title = 'Prometheus: metrics, rules, and every query of the dashboard';

const DEPLOY = resolve(fileURLToPath(import.meta.url), '../../../../deploy');
const RULES = join(DEPLOY, 'prometheus/vestibule.rules.yml');
const LOGIN_ATTEMPTS = 3;

export async function run({ checks, openStack, dir }) {
  await promtool(checks, dir);
  const stack = await openStack({ providerTokenSeconds: 2, lifetimes: { access_token: '2s', refresh_grace: '0s' } });
  const prometheus = await Prometheus.open(stack, dir);
  const resource = `${stack.origin}/mcp`;

  // A counter's first sample tells no increase: everything is there at zero before anything happens.
  await prometheus.scraped();
  const before = await prometheus.value('sum(vestibule_auth_logins_total)');
  checks.equal(before, 0, 'the outcomes of sign-ins are there at zero before the first one');

  const traffic = await make(stack, resource, checks);
  await prometheus.scraped();
  const scrape = await (await fetch(`${stack.adminOrigin}/metrics`)).text();
  await lint(checks, dir, 'the metrics after traffic', scrape);

  for (const [expression, expected] of Object.entries(traffic)) checks.equal(await prometheus.value(expression), expected, expression);
  const secrets = [stack.clientSecret, resource, 'alice', 'A stranger'];
  checks.equal(secrets.filter((secret) => scrape.includes(secret)), [], 'no secret, no URL, no person and no client in the metrics');

  await panels(checks, prometheus);
  await rules(checks, prometheus);
  await alerts(checks, stack, prometheus);
  await stop(prometheus.handle);
}

/** What Prometheus' own tool says of our files. */
async function promtool(checks, dir) {
  const cases = [
    ['check', 'config', '--lint=all', join(DEPLOY, 'prometheus/prometheus.yml')],
    ['check', 'rules', '--lint=all', RULES],
    ['test', 'rules', join(DEPLOY, 'prometheus/vestibule.tests.yml')],
  ];
  for (const args of cases) {
    const { code, output } = await runToEnd('promtool', 'promtool', args, { log: join(dir, 'promtool.log') });
    checks.ok(code === 0, `promtool ${args.slice(0, 2).join(' ')} ${args.at(-1).slice(DEPLOY.length + 1)}`, output);
  }
  const { code, output } = await runToEnd('build', process.execPath, [join(DEPLOY, 'grafana/build.mjs'), '--check'], { log: join(dir, 'dashboard.log') });
  checks.ok(code === 0, 'the dashboard is what its source says', output);
}

/** `promtool check metrics` reads standard input. */
async function lint(checks, dir, title, text) {
  const file = join(dir, 'metrics.txt');
  writeFileSync(file, text);
  const { code, output } = await runToEnd('promtool', 'sh', ['-c', 'promtool check metrics < "$0"', file], { log: join(dir, 'promtool.log') });
  // `process_cpu_seconds_total` and its like are the library's; what is ours has to be clean.
  checks.equal(output.split('\n').filter((line) => line.startsWith('vestibule_')), [], `promtool check metrics: ${title}`);
  checks.ok(code === 0 || code === 3, 'promtool could read them', output);
}

/** Traffic of every kind; returns what Prometheus has to say afterwards. */
async function make(stack, resource, checks) {
  const signedIn = [];
  for (let count = 0; count < LOGIN_ATTEMPTS; count += 1) signedIn.push(await stranger.signIn(resource));
  const { server, client, tokens } = signedIn[0];
  const session = await new stranger.Session(resource, tokens.access_token).open();
  await session.call('echo', { message: 'hello' });

  // The person says no here, then at the provider.
  const here = stranger.authorization(server, client, resource);
  await new Person().walk(here.url, stranger.REDIRECT_URI, { decision: 'deny' });
  const there = stranger.authorization(server, client, resource);
  const person = new Person();
  await person.walk(await person.walk(there.url, stack.providerOrigin), stranger.REDIRECT_URI, { decision: 'deny' });

  // A code that nobody gave, a token that nobody made, one that is over.
  await stranger.exchange(server, client, resource, { code: 'made-up', verifier: 'v'.repeat(43) });
  await new stranger.Session(resource, 'made.up.token').status();
  await sleep(2500);
  checks.equal(await session.status(), 401, 'the access token is over');

  // A refresh, the replaced token once more, and a provider that does not answer.
  const refreshed = await stranger.refresh(server, client, tokens.refresh_token);
  checks.equal(refreshed.status, 200, 'the refresh goes well');
  await sleep(100);
  const reused = await stranger.refresh(server, client, tokens.refresh_token);
  checks.equal(reused.status, 400, 'the replaced refresh token ends the grant');
  await stack.troubleProvider('unavailable');
  const other = signedIn[1];
  const refused = await stranger.refresh(other.server, other.client, other.tokens.refresh_token);
  checks.equal(refused.status, 503, 'a refresh while the provider is in trouble');
  await stack.troubleProvider('none');
  await stranger.revoke(signedIn[2].server, signedIn[2].client, signedIn[2].tokens.refresh_token);

  return {
    'sum(vestibule_auth_logins_total{outcome="ok"})': LOGIN_ATTEMPTS,
    'sum(vestibule_auth_logins_total{outcome="denied",fault="user"})': 1,
    'sum(vestibule_auth_logins_total)': LOGIN_ATTEMPTS + 2,
    'sum(vestibule_auth_codes_issued_total)': LOGIN_ATTEMPTS,
    'sum(vestibule_auth_authorize_requests_total{outcome="ok",client_type="dynamic"})': LOGIN_ATTEMPTS + 2,
    'sum(vestibule_auth_consents_total{action="shown"})': LOGIN_ATTEMPTS + 2,
    'sum(vestibule_auth_consents_total{action="approved"})': LOGIN_ATTEMPTS + 1,
    'sum(vestibule_auth_consents_total{action="denied"})': 1,
    'sum(vestibule_auth_idp_redirects_total)': LOGIN_ATTEMPTS + 1,
    'sum(vestibule_auth_callbacks_total{outcome="access_denied",fault="user"})': 1,
    'sum(vestibule_auth_callbacks_total)': LOGIN_ATTEMPTS + 1,
    'sum(vestibule_auth_login_duration_seconds_count)': LOGIN_ATTEMPTS,
    'sum(vestibule_client_registrations_total{method="dcr",outcome="created"})': LOGIN_ATTEMPTS,
    'sum(vestibule_token_requests_total{grant_type="authorization_code",outcome="ok"})': LOGIN_ATTEMPTS,
    'sum(vestibule_token_requests_total{outcome="code_unknown",fault="client"})': 1,
    'sum(vestibule_token_requests_total{grant_type="refresh_token",outcome="ok"})': 1,
    'sum(vestibule_token_requests_total{outcome="refresh_reused",fault="client"})': 1,
    'sum(vestibule_token_requests_total{outcome="idp_refresh_failed",fault="idp"})': 1,
    'sum(vestibule_refresh_reuse_total{action="family_revoked"})': 1,
    'sum(vestibule_tokens_issued_total{token_type="access"})': LOGIN_ATTEMPTS + 1,
    'sum(vestibule_tokens_issued_total{token_type="refresh"})': LOGIN_ATTEMPTS + 1,
    'sum(vestibule_revocations_total{initiator="client",outcome="ok"})': 1,
    'sum(vestibule_revocations_total{initiator="reuse"})': 1,
    'sum(vestibule_token_verifications_total{outcome="expired"})': 1,
    'sum(vestibule_provider_requests_total{endpoint="token",result="200"})': LOGIN_ATTEMPTS + 1,
    'sum(vestibule_provider_requests_total{endpoint="token",result="503"}) > bool 0': 1,
    'sum(vestibule_provider_refreshes_total{outcome="ok"})': 1,
    'sum(vestibule_provider_refreshes_total{outcome="transient"})': 1,
    'sum(vestibule_backend_requests_total{outcome="ok"}) > bool 2': 1,
    'sum(vestibule_http_response_body_bytes_total) > bool 0': 1,
    'sum(vestibule_http_requests_total{route="example/mcp",code="401"}) >= bool 2': 1,
    'sum(vestibule_provider_ready)': 1,
    'min(vestibule_store_ready)': 1,
    'sum(vestibule_store_operations_total{outcome="error"})': 0,
    'sum(vestibule_store_decrypt_failures_total)': 0,
    'min(vestibule_config_last_reload_successful)': 1,
    'sum(vestibule_config_objects{kind="route"})': 1,
    'count(vestibule_build_info)': 1,
  };
}

/** Every query of the dashboard is understood and has an answer; `no data` is fine only where nothing of the kind happened. */
async function panels(checks, prometheus) {
  const dashboard = JSON.parse(readFileSync(join(DEPLOY, 'grafana/vestibule.json'), 'utf8'));
  const quiet = [/tls_certificate/, /by \(provider, endpoint, error\)/];
  const rowsOfTable = [];
  for (const panel of dashboard.panels.filter(({ targets }) => targets)) {
    for (const { expr } of panel.targets) {
      const expression = expr.replaceAll('$__rate_interval', '1m').replaceAll(/"\$(provider|route|job)"/g, '".*"');
      const { error, result } = await prometheus.query(expression);
      const answered = !error && (result.length > 0 || quiet.some((pattern) => pattern.test(expr)));
      rowsOfTable.push([panel.title, error ?? `${result.length} series`, result[0]?.value?.[1] ?? '']);
      if (!answered) checks.fail(`panel "${panel.title}": ${expression}`, error ?? 'no series');
    }
  }
  const width = Math.max(...rowsOfTable.map(([name]) => name.length));
  for (const [name, answer, value] of rowsOfTable) checks.print(`        ${name.padEnd(width)}  ${answer.padEnd(10)}  ${value}`);
  checks.ok(rowsOfTable.length > 60, `${rowsOfTable.length} queries of the dashboard were answered`);
}

async function rules(checks, prometheus) {
  const { groups } = await prometheus.get('/api/v1/rules');
  const all = groups.flatMap((group) => group.rules);
  checks.ok(all.length >= 37 && all.every(({ health }) => health === 'ok'), 'Prometheus evaluates every rule', JSON.stringify(all.filter(({ health }) => health !== 'ok')));
  for (const rule of all) {
    const { error } = await prometheus.query(rule.query);
    if (error) checks.fail(`rule ${rule.name}`, error);
  }
  const bad = await prometheus.value('max(vestibule:token_bad:ratio_rate5m)');
  checks.ok(bad > 0 && bad < 1, 'the burn rate of token requests counts the failed refresh', bad);
  const logins = await prometheus.value('max(vestibule:login_bad:ratio_rate5m)');
  checks.equal(logins, 0, 'people who say no burn no budget');
}

/** One alert goes the whole way, from trouble to pending. */
async function alerts(checks, stack, prometheus) {
  await stop(stack.gateway);
  await stack.startGateway();
  await stop(stack.provider);
  await stack.killGateway();
  await stack.startGateway({ withProvider: false });
  const pending = await within(20, async () => {
    const { alerts: firing } = await prometheus.get('/api/v1/alerts');
    return firing.find(({ labels }) => labels.alertname === 'VestibuleProviderDown');
  });
  checks.equal([pending?.state, pending?.labels.provider], ['pending', 'example'], 'a provider that is gone makes VestibuleProviderDown pending');
  checks.match(pending?.annotations.runbook, /runbooks\.md#vestibuleproviderdown$/, 'and it names its runbook');
}

class Prometheus {
  /** A Prometheus with our rules that scrapes this installation every 200 ms. */
  static async open(stack, dir) {
    const one = new Prometheus();
    const port = await freePort();
    one.origin = `http://127.0.0.1:${port}`;
    one.target = stack.adminOrigin;
    const config = {
      global: { scrape_interval: '200ms', evaluation_interval: '500ms' },
      rule_files: [RULES],
      scrape_configs: [{ job_name: 'vestibule', static_configs: [{ targets: [new URL(stack.adminOrigin).host] }] }],
    };
    const file = join(dir, 'prometheus.json');
    writeFileSync(file, JSON.stringify(config));
    one.handle = start('prometheus', 'prometheus', [`--config.file=${file}`, `--storage.tsdb.path=${join(dir, 'tsdb')}`, `--web.listen-address=127.0.0.1:${port}`], { log: join(dir, 'prometheus.log') });
    await ready(one.handle, async () => (await fetch(`${one.origin}/-/ready`)).ok);
    return one;
  }

  async get(path) {
    const answer = await (await fetch(`${this.origin}${path}`)).json();
    if (answer.status !== 'success') throw new Error(`${path}: ${answer.error}`);
    return answer.data;
  }

  /** Two scrapes from now, so that what happened before is in. */
  async scraped() {
    const begun = Date.now() / 1000;
    const done = await within(10, async () => {
      const at = (await this.query('timestamp(vestibule_build_info)')).result?.[0]?.value[1];
      return Number(at) > begun + 0.3;
    });
    if (!done) throw new Error('Prometheus does not scrape');
  }

  async query(expression) {
    const answer = await (await fetch(`${this.origin}/api/v1/query`, { method: 'POST', body: new URLSearchParams({ query: expression }) })).json();
    return answer.status === 'success' ? { result: answer.data.resultType === 'vector' ? answer.data.result : [answer.data.result] } : { error: answer.error };
  }

  /** The one number that an expression has. */
  async value(expression) {
    const { error, result } = await this.query(expression);
    if (error) return error;
    return result.length === 1 ? Number(result[0].value[1]) : `${result.length} series`;
  }
}

async function within(seconds, condition) {
  for (const deadline = Date.now() + seconds * 1000; Date.now() < deadline; await sleep(100)) {
    const answer = await condition();
    if (answer) return answer;
  }
  return undefined;
}
