// The conformance tool's authorization server scenarios against the gateway. The tool prints an authorization URL and
// waits; a scripted person walks it. Its exit code is 0 also for skipped scenarios, so what counts is checks.json.

import { join } from 'node:path';
import { CONFORMANCE, results } from '../lib/conformance.mjs';
import { Person } from '../lib/person.mjs';
import { freePort, ready, start } from '../lib/processes.mjs';
import * as stranger from '../lib/stranger.mjs';

export const title = 'the conformance tool: authorization server';

const REVISIONS = ['2025-06-18', '2025-11-25', '2026-07-28'];
const SCENARIOS = ['authorization-server-metadata-endpoint', 'authorization-code-grant'];

export async function run({ checks, openStack, dir }) {
  const stack = await openStack({});
  const { server } = await stranger.discover(`${stack.origin}/mcp`);
  for (const revision of REVISIONS) {
    // With and without RFC 8707's `resource`: the tool leaves it out by itself.
    for (const resource of [`${stack.origin}/mcp`, undefined]) {
      const name = `${revision}, ${resource ? 'with' : 'without'} resource`;
      const port = await freePort();
      const callback = `http://127.0.0.1:${port}/callback`;
      const client = (await stranger.register(server, { client_name: 'Conformance tool', redirect_uris: [callback] })).body;
      const output = join(dir, name.replaceAll(/\W+/g, '-'));
      const tool = start('conformance', process.execPath, [
        ...[CONFORMANCE, 'authorization', '--url', stack.origin, '--client-id', client.client_id, '--port', port],
        ...['--spec-version', revision, '--output-dir', output, ...(resource ? ['--resource', resource] : [])],
      ], { log: `${output}.log` });
      const url = await ready(tool, async () => authorizationUrl(tool.output, server.authorization_endpoint));
      const landed = await new Person().walk(url, callback);
      await fetch(landed);
      await tool.ended;

      const found = results(output);
      checks.equal(found.map(({ scenario }) => scenario).sort(), [...SCENARIOS].sort(), `${name}: both scenarios ran`);
      for (const { scenario, id, status, message } of found.flatMap(({ scenario, checks: list }) => list.map((check) => ({ scenario, ...check })))) {
        if (status === 'INFO') continue;
        // Support of client ID metadata documents is the gateway's choice; the tool only warns.
        if (id === 'authorization-server-metadata-cimd' && status === 'WARNING') continue;
        checks.ok(status === 'SUCCESS', `${name}: ${scenario} ${id}`, `${status}: ${message}`);
      }
    }
  }
}

function authorizationUrl(output, endpoint) {
  const begin = output.indexOf(`${endpoint}?`);
  const end = output.slice(begin).search(/[\s"'\u001b]/);
  return begin >= 0 && end > 0 ? output.slice(begin, begin + end) : undefined;
}
