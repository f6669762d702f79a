// Where the conformance tool is, and what it wrote.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const CONFORMANCE = fileURLToPath(new URL('../node_modules/@modelcontextprotocol/conformance/dist/index.js', import.meta.url));

/** Every scenario in an output folder: `{ scenario, checks: [{ id, status, message }] }`, sorted by name. */
export function results(dir) {
  return readdirSync(dir, { recursive: true })
    .filter((file) => file.endsWith('checks.json'))
    .map((file) => {
      const scenario = file.replace(/[/\\]checks\.json$/, '').replace(/^(authorization-server|server)-/, '').replace(/-\d{4}-\d\d-\d\dT[\d-]+Z$/, '');
      const checks = JSON.parse(readFileSync(join(dir, file), 'utf8')).map(({ id, status, errorMessage }) => ({ id, status, message: errorMessage }));
      return { scenario, checks };
    })
    .sort((one, other) => one.scenario.localeCompare(other.scenario));
}
