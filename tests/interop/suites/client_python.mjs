// The official Python client does its own OAuth against the Python SDK's own server behind the gate.

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runForeign } from '../lib/foreign.mjs';
import { PYTHON, PYTHON_NEXT } from '../lib/stack.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));

export const title = 'the official Python client, 1.x and 2.x';

/** Major version -> the interpreter that has it. */
const CLIENTS = { '1.x': PYTHON, '2.x': PYTHON_NEXT };

export async function run({ checks, openStack }) {
  for (const [version, python] of Object.entries(CLIENTS)) {
    checks.print(`  (${version})`);
    const stack = await openStack({ routes: { '/mcp': 'python' }, lifetimes: { access_token: '3s' }, providerTokenSeconds: 2 });
    await runForeign(checks, 'client_python', python, [join(HERE, 'client_python.py'), `${stack.origin}/mcp`], {
      log: join(stack.dir, 'client_python.log'),
      env: { NODE: process.execPath, PERSON: join(HERE, '../lib/person.mjs') },
    });
    const refreshes = (await stack.seenByProvider()).filter(({ grant_type: type, status }) => type === 'refresh_token' && status === 200);
    checks.ok(refreshes.length > 0, "the provider's own token was refreshed, too");
    await stack.close();
  }
}
