// A DEMONSTRATION of an OpenID provider, to try the gateway without an account anywhere: it asks for a name and no password,
// and forgets everything when it ends. npm's certified `oidc-provider`, with one application: the gateway.
//   ISSUER: where browsers find it; REDIRECT_URI, CLIENT_ID, CLIENT_SECRET_FILE: the gateway's

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Provider } from 'oidc-provider';

const PORT = 9000;
const NAME = /^[a-z][a-z0-9._-]{0,31}$/;
const LONGEST_FORM = 1000;

const provider = new Provider(process.env.ISSUER, {
  clients: [
    {
      client_id: process.env.CLIENT_ID,
      client_secret: readFileSync(process.env.CLIENT_SECRET_FILE, 'utf8').trim(),
      redirect_uris: [process.env.REDIRECT_URI],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
    },
  ],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
  conformIdTokenClaims: false,
  cookies: { keys: [randomBytes(32).toString('hex')] },
  features: { devInteractions: { enabled: false }, revocation: { enabled: true } },
  findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id, email: `${id}@example.com`, email_verified: true, name: id }) }),
  interactions: { url: (_context, { uid }) => `/sign-in/${uid}` },
  issueRefreshToken: (_context, client) => client.grantTypeAllowed('refresh_token'),
  pkce: { required: () => true },
  ttl: { AccessToken: 3600, AuthorizationCode: 60, Grant: 86_400, IdToken: 3600, Interaction: 600, RefreshToken: 86_400, Session: 86_400 },
});

provider.use((context, next) => (context.path.startsWith('/sign-in/') ? signIn(context) : next()));

/** Asks for a name; what the application wants to know is granted without a question. */
async function signIn(context) {
  const { method, req: request, res: response } = context;
  context.respond = false;
  const { uid, prompt, params, session } = await provider.interactionDetails(request, response);
  let result;
  if (prompt.name === 'consent') {
    const grant = new provider.Grant({ clientId: params.client_id, accountId: session.accountId });
    grant.addOIDCScope(params.scope);
    result = { consent: { grantId: await grant.save() } };
  } else {
    const name = method === 'POST' ? (await form(request)).get('name')?.trim().toLowerCase() : undefined;
    if (!NAME.test(name ?? '')) {
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page(uid));
      return;
    }
    result = { login: { accountId: name } };
  }
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: prompt.name === 'consent' });
}

async function form(request) {
  let text = '';
  for await (const chunk of request) if (text.length < LONGEST_FORM) text += chunk;
  return new URLSearchParams(text);
}

function page(uid) {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Demonstration</title>
<body style="font: 1.1rem/1.6 system-ui; max-width: 30rem; margin: 4rem auto; padding: 0 1rem"><h1>Demonstration provider</h1>
<p>Whoever you say you are, you are.</p><form method="post" action="/sign-in/${uid}">
<label>Name <input name="name" value="alice" autofocus pattern="[A-Za-z][A-Za-z0-9._\\-]*" maxlength="32"></label> <button>Sign in</button></form>`;
}

const server = provider.listen(PORT, () => console.log(`A demonstration provider, which asks nobody for a password: ${process.env.ISSUER}`));
process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeAllConnections();
});
