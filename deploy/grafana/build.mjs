// Writes vestibule.json, the dashboard that Grafana imports, from the panels below and the runbooks.
//   node build.mjs            writes it
//   node build.mjs --check    fails if it is not what this would write

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const FILE = fileURLToPath(new URL('vestibule.json', import.meta.url));
const RUNBOOKS = readFileSync(new URL('../../docs/runbooks.md', import.meta.url), 'utf8');
/** Width of the grid. */
const FULL = 24;

const BY_PROVIDER = 'provider=~"$provider"';
const BY_ROUTE = 'route=~"$route"';
const rate = (metric, labels) => `rate(${metric}{${labels}}[$__rate_interval])`;
const sum = (by, expression) => (by ? `sum by (${by}) (${expression})` : `sum(${expression})`);
const provider = (metric, by, labels = '') => sum(by, rate(metric, labels ? `${BY_PROVIDER},${labels}` : BY_PROVIDER));
const quantile = (q, metric, by, labels) => `histogram_quantile(${q}, ${sum(`${by}, le`, rate(`${metric}_bucket`, labels))})`;
const q = (expr, legend = '__auto') => ({ expr, legend });

const rows = [
  ['Now', [
    stat('Ready providers', [q(`sum(max by (provider) (vestibule_provider_ready{${BY_PROVIDER}}))`, 'ready')], { help: 'Providers that people can sign in with right now.' }),
    stat('Providers down', [q(`count(max by (provider) (vestibule_provider_ready{${BY_PROVIDER}}) == 0) or vector(0)`, 'down')], { bad: 1, runbook: 'VestibuleProviderDown', help: 'Without usable metadata or keys. Whoever is signed in goes on working.' }),
    stat('Error budget left, sign-ins, 30 d', [q(`1 - (sum(increase(vestibule_auth_logins_total{fault=~"idp|gateway"}[30d])) / sum(increase(vestibule_auth_logins_total{fault=~"none|idp|gateway"}[30d]))) / 0.005`, 'left')], { unit: 'percentunit', low: 0.25, runbook: 'VestibuleLoginBurnSlow', help: '100 % is nothing used of the 0.5 % that may fail.' }),
    stat('Live grants', [q('sum(max by (provider) (vestibule_sessions_active{provider=~"$provider"}))', 'grants')], { help: 'People and clients who are let in now. Counted in the store every minute.' }),
    stat('Store ready', [q('min(vestibule_store_ready)', 'ready')], { low: 1, runbook: 'VestibuleStoreDown' }),
    stat('Last reload good', [q('min(vestibule_config_last_reload_successful)', 'good')], { low: 1, runbook: 'VestibuleReloadFailed' }),
    stat('Different configurations', [q('count(count by (sha256) (vestibule_config_info))', 'configurations')], { bad: 2, runbook: 'VestibuleConfigurationDrift' }),
    stat('Restart required', [q('max(vestibule_config_restart_required)', 'required')], { bad: 1, runbook: 'VestibuleRestartRequired' }),
    stat('Oldest reload', [q('time() - min(vestibule_config_last_reload_success_timestamp_seconds)', 'age')], { unit: 's' }),
    stat('Last attempt to reload', [q('time() - max(vestibule_config_last_reload_attempt_timestamp_seconds)', 'age')], { unit: 's' }),
    stat('Certificate ends in', [q('min(vestibule_tls_certificate_not_after_timestamp_seconds) - time()', 'left')], { unit: 's', low: 14 * 86400, runbook: 'VestibuleCertificateExpiring', help: 'Empty when something in front ends TLS.', mayBeEmpty: true }),
    table('What runs', [q('vestibule_build_info', ''), q('vestibule_config_info', '')]),
  ]],
  ['Sign-in funnel', [
    series('Steps', [
      q(provider('vestibule_auth_authorize_requests_total', '', 'outcome="ok"'), '1 asked'),
      q(provider('vestibule_auth_consents_total', '', 'action="shown"'), '2 consent shown'),
      q(provider('vestibule_auth_consents_total', '', 'action="approved"'), '3 approved'),
      q(provider('vestibule_auth_idp_redirects_total'), '4 sent to the provider'),
      q(provider('vestibule_auth_callbacks_total', '', 'outcome="ok"'), '5 came back'),
      q(provider('vestibule_auth_codes_issued_total'), '6 code issued'),
      q(provider('vestibule_token_requests_total', '', 'grant_type="authorization_code",outcome="ok"'), '7 token'),
    ], { unit: 'ops', width: 16, runbook: 'VestibuleLoginFunnelCollapsed' }),
    series('Of those who leave for the provider, come back', [
      q(`${provider('vestibule_auth_callbacks_total', 'provider', 'outcome="ok"')} / ${provider('vestibule_auth_idp_redirects_total', 'provider')}`, '{{provider}}'),
    ], { unit: 'percentunit', max: 1 }),
    series('Sign-ins under way', [q('sum by (provider) (vestibule_auth_flows_in_progress{provider=~"$provider"})', '{{provider}}')], {}),
    series('Given up', [q(provider('vestibule_auth_logins_total', 'provider', 'outcome="abandoned"'), '{{provider}}')], { unit: 'ops' }),
    series('Duration of a sign-in', [
      q(quantile(0.5, 'vestibule_auth_login_duration_seconds', 'provider', BY_PROVIDER), '{{provider}} half'),
      q(quantile(0.95, 'vestibule_auth_login_duration_seconds', 'provider', BY_PROVIDER), '{{provider}} 19 of 20'),
    ], { unit: 's', help: 'From the authorization request to the code. Most of it is the person.' }),
    series('Consent', [q(provider('vestibule_auth_consents_total', 'action'), '{{action}}')], { unit: 'ops', stack: true }),
    series('Authorization requests that fail', [q(provider('vestibule_auth_authorize_requests_total', 'client_type, outcome', 'outcome!="ok"'), '{{outcome}} ({{client_type}})')], { unit: 'ops', stack: true }),
  ]],
  ['Why sign-ins fail', [
    series('By outcome', [q(provider('vestibule_auth_callbacks_total', 'outcome', 'outcome!="ok"'), '{{outcome}}')], { unit: 'ops', stack: true, width: 12 }),
    series('Refused by a policy', [q(provider('vestibule_auth_denials_total', 'provider, rule'), '{{provider}}: {{rule}}')], { unit: 'ops', stack: true }),
    series('By fault', [q(provider('vestibule_auth_callbacks_total', 'fault', 'fault!="none"'), '{{fault}}')], { unit: 'ops', stack: true, runbook: 'VestibuleLoginBurnFast' }),
    series('Errors of the provider', [q(provider('vestibule_auth_idp_errors_total', 'provider, endpoint, error'), '{{provider}} {{endpoint}}: {{error}}')], { unit: 'ops', stack: true }),
    series('Failed sign-ins, by the error budget', [q('vestibule:login_bad:ratio_rate1h', '{{provider}} 1 h'), q('vestibule:login_bad:ratio_rate6h', '{{provider}} 6 h')], { unit: 'percentunit', runbook: 'VestibuleLoginBurnSlow', help: 'From the recording rules.' }),
  ]],
  ['Tokens', [
    series('Issued', [q(provider('vestibule_tokens_issued_total', 'grant_type, token_type'), '{{token_type}} for {{grant_type}}')], { unit: 'ops', stack: true }),
    series('Token requests that fail', [q(provider('vestibule_token_requests_total', 'grant_type, outcome', 'outcome!="ok"'), '{{grant_type}}: {{outcome}}')], { unit: 'ops', stack: true, runbook: 'VestibuleTokenBurnFast' }),
    series('Duration of token requests', [q(quantile(0.5, 'vestibule_token_request_duration_seconds', 'grant_type', ''), '{{grant_type}} half'), q(quantile(0.99, 'vestibule_token_request_duration_seconds', 'grant_type', ''), '{{grant_type}} 99 of 100')], { unit: 's' }),
    series('Refreshes at the provider', [q(provider('vestibule_provider_refreshes_total', 'outcome'), '{{outcome}}')], { unit: 'ops', stack: true }),
    series('Refresh tokens used twice', [q(provider('vestibule_refresh_reuse_total', 'action'), '{{action}}')], { unit: 'ops', stack: true, runbook: 'VestibuleRefreshTokenReuse' }),
    series('Ended grants', [q(provider('vestibule_revocations_total', 'initiator, outcome'), '{{initiator}}: {{outcome}}')], { unit: 'ops', stack: true }),
  ]],
  ['Token checks', [
    series('By outcome', [q(provider('vestibule_token_verifications_total', 'outcome'), '{{outcome}}')], { unit: 'ops', stack: true, width: 12, runbook: 'VestibuleVerificationBurnFast' }),
    series('Unknown keys, and fetches for them', [
      q(provider('vestibule_token_verifications_total', '', 'outcome="unknown_kid"'), 'unknown key id'),
      q(provider('vestibule_provider_jwks_refreshes_total', 'outcome', 'trigger="unknown_kid"'), 'fetch: {{outcome}}'),
    ], { unit: 'ops', runbook: 'VestibuleUnknownKeyFlood' }),
    series('Duration of checks that the cache could not answer', [q(quantile(0.99, 'vestibule_token_verification_duration_seconds', 'credential', BY_PROVIDER), '{{credential}} 99 of 100')], { unit: 's', runbook: 'VestibuleVerificationSlow' }),
  ]],
  ['Clients', [
    series('Registrations', [q(provider('vestibule_client_registrations_total', 'method, outcome'), '{{method}}: {{outcome}}')], { unit: 'ops', stack: true, width: 12, runbook: 'VestibuleRegistrationAbuse' }),
    series('Refused by a limiter', [q(sum('limiter', rate('vestibule_rate_limited_total', '')), '{{limiter}}')], { unit: 'ops', stack: true, width: 12 }),
  ]],
  ['Identity providers', [
    series('Requests', [q(provider('vestibule_provider_requests_total', 'provider, endpoint'), '{{provider}} {{endpoint}}')], { unit: 'ops', stack: true }),
    series('Failed requests', [q(`${provider('vestibule_provider_requests_total', 'provider, endpoint', 'result!~"2..|3..|4.."')} / ${provider('vestibule_provider_requests_total', 'provider, endpoint')}`, '{{provider}} {{endpoint}}')], { unit: 'percentunit', max: 1, runbook: 'VestibuleProviderErrors' }),
    series('Duration, 19 of 20', [q(quantile(0.95, 'vestibule_provider_request_duration_seconds', 'provider, endpoint', BY_PROVIDER), '{{provider}} {{endpoint}}')], { unit: 's', runbook: 'VestibuleProviderSlow' }),
    series('Age of metadata', [q(`time() - max by (provider) (vestibule_provider_discovery_last_success_timestamp_seconds{${BY_PROVIDER}})`, '{{provider}}')], { unit: 's' }),
    series('Age of keys', [q(`time() - max by (provider) (vestibule_provider_jwks_last_success_timestamp_seconds{${BY_PROVIDER}})`, '{{provider}}')], { unit: 's', runbook: 'VestibuleKeysStale' }),
    series('Fetches of metadata', [q(provider('vestibule_provider_discovery_refreshes_total', 'provider, outcome'), '{{provider}}: {{outcome}}')], { unit: 'ops', stack: true }),
    series('Fetches of keys', [q(provider('vestibule_provider_jwks_refreshes_total', 'provider, outcome'), '{{provider}}: {{outcome}}')], { unit: 'ops', stack: true }),
    series('Keys', [q(`max by (provider) (vestibule_provider_jwks_keys{${BY_PROVIDER}})`, '{{provider}}')], {}),
  ]],
  ['Routes', [
    series('Requests', [q(sum('route', rate('vestibule_http_requests_total', BY_ROUTE)), '{{route}}')], { unit: 'reqps', stack: true }),
    series('Answers that are errors', [q(`${sum('route, code', rate('vestibule_http_requests_total', `${BY_ROUTE},code=~"[45].."`))}`, '{{route}} {{code}}')], { unit: 'reqps', stack: true, runbook: 'VestibuleRouteErrors' }),
    series('Time to the first byte, 19 of 20', [q(quantile(0.95, 'vestibule_http_request_duration_seconds', 'route', BY_ROUTE), '{{route}}'), q(quantile(0.95, 'vestibule_backend_response_head_duration_seconds', 'route', BY_ROUTE), '{{route}} backend alone')], { unit: 's' }),
    series('Backends', [q(sum('route, outcome', rate('vestibule_backend_requests_total', BY_ROUTE)), '{{route}}: {{outcome}}')], { unit: 'reqps', stack: true }),
    series('Open streams', [q(sum('route, kind', `vestibule_backend_streams_open{${BY_ROUTE}}`), '{{route}} {{kind}}'), q(sum('', `vestibule_http_requests_in_flight{${BY_ROUTE}}`), 'requests in flight')], {}),
    series('Bytes of bodies', [q(sum('route', rate('vestibule_http_request_body_bytes_total', BY_ROUTE)), '{{route}} in'), q(sum('route', rate('vestibule_http_response_body_bytes_total', BY_ROUTE)), '{{route}} out')], { unit: 'Bps' }),
  ]],
  ['Store', [
    series('Operations', [q(sum('operation, outcome', rate('vestibule_store_operations_total', '')), '{{operation}}: {{outcome}}')], { unit: 'ops', stack: true, runbook: 'VestibuleStoreErrors' }),
    series('Duration, 99 of 100', [q(quantile(0.99, 'vestibule_store_operation_duration_seconds', 'operation', ''), '{{operation}}')], { unit: 's' }),
    series('Sealed values that no key opens', [q(sum('kind', rate('vestibule_store_decrypt_failures_total', '')), '{{kind}}')], { unit: 'ops', runbook: 'VestibuleUnreadableSecrets' }),
    series('Published signing keys', [q('max by (state) (vestibule_signing_keys)', '{{state}}')], { stack: true, help: 'One signs. The next one waits for an hour before it does; the ones before verify for a day.' }),
    series('Age of the key that signs', [q('time() - min(vestibule_signing_key_since_timestamp_seconds)', 'age')], { unit: 's', help: 'It falls when the next key takes over; a key from the configuration begins anew with each process.' }),
  ]],
  ['Configuration and process', [
    series('Reloads', [q(sum('trigger, outcome', 'increase(vestibule_config_reloads_total[$__rate_interval])'), '{{trigger}}: {{outcome}}')], { stack: true, runbook: 'VestibuleReloadFailed' }),
    series('Duration of a reload, 19 of 20', [q('histogram_quantile(0.95, sum by (le) (rate(vestibule_config_reload_duration_seconds_bucket[1h])))', 'reload')], { unit: 's' }),
    series('Configured', [q('max by (kind) (vestibule_config_objects)', '{{kind}}')], {}),
    series('Connections', [q('vestibule_connections_open', '{{instance}}'), q(sum('outcome', rate('vestibule_tls_handshakes_total', 'outcome!="ok"')), 'handshakes a second: {{outcome}}')], {}),
    series('Audit events lost', [q('sum(increase(vestibule_audit_events_dropped_total[$__rate_interval]))', 'lost')], { runbook: 'VestibuleAuditLoss' }),
    series('Processor', [q('rate(process_cpu_seconds_total{job=~"$job"}[$__rate_interval])', '{{instance}}')], { unit: 'percentunit' }),
    series('Memory', [q('process_resident_memory_bytes{job=~"$job"}', '{{instance}}')], { unit: 'bytes' }),
    series('File descriptors', [q('process_open_fds{job=~"$job"}', '{{instance}}'), q('process_max_fds{job=~"$job"}', '{{instance}} limit')], {}),
    series('Threads', [q('process_threads{job=~"$job"}', '{{instance}}')], {}),
  ]],
];

function stat(title, queries, { unit = 'none', bad, low, ...options } = {}) {
  const steps = low !== undefined ? [['red', null], ['green', low]] : bad !== undefined ? [['green', null], ['red', bad]] : [['green', null]];
  return { type: 'stat', width: 3, height: 4, title, queries, unit, steps, ...options };
}

function series(title, queries, { unit = 'short', ...options } = {}) {
  return { type: 'timeseries', width: 8, height: 8, title, queries, unit, ...options };
}

function table(title, queries) {
  return { type: 'table', width: FULL, height: 5, title, queries, unit: 'none' };
}

/** The runbook itself: whoever has only the dashboard has nothing to follow a link to. */
function runbookOf(alert) {
  const [, section] = RUNBOOKS.match(new RegExp(`^### ${alert}\\n([^]*?)(?=^##|(?![^]))`, 'm')) ?? [];
  if (!section) throw new Error(`docs/runbooks.md has no section ${alert}`);
  return `**Alert ${alert}**\n\n${section.trim().replace(/\[([^\]]+)\]\([^)]*\)/g, '$1')}`;
}

function panel(id, position, { type, title, help, queries, unit, steps = [['green', null]], stack, max, runbook, mayBeEmpty }) {
  const instant = type !== 'timeseries';
  const description = [help, runbook && runbookOf(runbook)].filter(Boolean).join('\n\n');
  return {
    id,
    type,
    title,
    ...(description && { description }),
    datasource: { type: 'prometheus', uid: '${datasource}' },
    gridPos: position,
    targets: queries.map(({ expr, legend }, index) => ({
      refId: String.fromCharCode(65 + index),
      datasource: { type: 'prometheus', uid: '${datasource}' },
      expr,
      legendFormat: legend,
      ...(instant && { instant: true, range: false }),
      ...(type === 'table' && { format: 'table' }),
    })),
    fieldConfig: {
      defaults: {
        unit,
        min: type === 'timeseries' ? 0 : undefined,
        max,
        thresholds: { mode: 'absolute', steps: steps.map(([color, value]) => ({ color, value })) },
        custom: type === 'timeseries' ? { fillOpacity: stack ? 30 : 5, stacking: { mode: stack ? 'normal' : 'none', group: 'A' }, showPoints: 'never' } : {},
        ...(mayBeEmpty && { noValue: 'none' }),
      },
      overrides: [],
    },
    options:
      type === 'stat' ? { reduceOptions: { calcs: ['lastNotNull'] }, colorMode: 'value', graphMode: 'none' }
      : type === 'timeseries' ? { legend: { displayMode: 'table', placement: 'bottom', calcs: ['lastNotNull', 'max'] }, tooltip: { mode: 'multi', sort: 'desc' } }
      : {},
  };
}

function dashboard() {
  const panels = [];
  let [id, y] = [1, 0];
  for (const [title, contents] of rows) {
    panels.push({ id: id++, type: 'row', title, collapsed: false, gridPos: { x: 0, y, w: FULL, h: 1 }, panels: [] });
    y += 1;
    let [x, height] = [0, 0];
    for (const one of contents) {
      if (x + one.width > FULL) [x, y, height] = [0, y + height, 0];
      panels.push(panel(id++, { x, y, w: one.width, h: one.height }, one));
      x += one.width;
      height = Math.max(height, one.height);
    }
    y += height;
  }
  const variable = (name, label, query) => ({
    name, label, type: 'query', datasource: { type: 'prometheus', uid: '${datasource}' }, query: { query, refId: name }, definition: query,
    includeAll: true, multi: true, allValue: '.*', current: { text: 'All', value: '$__all' }, refresh: 2, sort: 1,
  });
  return {
    uid: 'vestibule',
    title: 'Vestibule',
    description: 'Sign-ins, tokens, routes and identity providers of the Vestibule gateway.',
    tags: ['vestibule', 'mcp', 'oauth'],
    schemaVersion: 39,
    editable: true,
    graphTooltip: 1,
    time: { from: 'now-6h', to: 'now' },
    refresh: '30s',
    templating: {
      list: [
        { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus', current: {} },
        variable('job', 'Job', 'label_values(vestibule_build_info, job)'),
        variable('provider', 'Provider', 'label_values(vestibule_provider_ready, provider)'),
        variable('route', 'Route', 'label_values(vestibule_http_requests_in_flight, route)'),
      ],
    },
    annotations: {
      list: [{
        name: 'Reloads', enable: true, iconColor: 'blue', datasource: { type: 'prometheus', uid: '${datasource}' },
        expr: 'changes(vestibule_config_last_reload_success_timestamp_seconds[1m]) > 0', titleFormat: 'Configuration reloaded',
      }],
    },
    panels,
  };
}

const text = `${JSON.stringify(dashboard(), null, 2)}\n`;
if (process.argv.includes('--check')) {
  if (readFileSync(FILE, 'utf8') !== text) {
    console.error('vestibule.json is not what build.mjs writes: node deploy/grafana/build.mjs');
    process.exitCode = 1;
  }
} else {
  writeFileSync(FILE, text);
}
