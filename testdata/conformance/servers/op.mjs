// The identity providers: npm oidc-provider, and a plain OAuth 2.0 server. Both
// sign in, without a question, the account that login_hint names; the account
// "nobody" declines.
//
//   node op.mjs '{"oidc": [<redirect URI>...]}'
//
// prints {"issuer": ..., "oauth2": ...} and ends when its standard input does.
import { createServer } from "node:http";

import Provider from "oidc-provider";

import { account } from "../people.mjs";
import { providers } from "../providers.mjs";
import { listen, print } from "./listen.mjs";
import { oauth2 } from "./oauth2.mjs";

const options = JSON.parse(process.argv[2]);
const { clientId, clientSecret } = providers({}).op;

const server = createServer();
const issuer = await listen(server);

const op = new Provider(issuer, {
  clients: [{ client_id: clientId, client_secret: clientSecret, redirect_uris: options.oidc }],
  claims: { openid: ["sub"], profile: ["name", "picture"], email: ["email", "email_verified"] },
  scopes: ["openid", "profile", "email"],
  // Claims of scopes in the ID token too, which is where both sides look.
  conformIdTokenClaims: false,
  features: {
    devInteractions: { enabled: false },
    // NextAuth cannot push, and caddyauth does wherever it may: parameters that
    // the browser does not carry could not be compared.
    pushedAuthorizationRequests: { enabled: false },
  },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  cookies: { keys: ["only for tests"] },
  async findAccount(_, id) {
    const claims = account(id);
    return claims && { accountId: id, claims: async () => ({ sub: id, ...claims }) };
  },
  // Consent is given in advance: what is tested is the client.
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId,
      accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope([...ctx.oidc.requestParamScopes].join(" "));
    await grant.save();
    return grant;
  },
});

/** Answers the question who signs in. */
async function interact(request, response) {
  const { params } = await op.interactionDetails(request, response);
  const result =
    params.login_hint === "nobody"
      ? { error: "access_denied", error_description: "The person declined." }
      : { login: { accountId: params.login_hint ?? "alice" } };
  await op.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

const answer = op.callback();
server.on("request", (request, response) => {
  if (!request.url.startsWith("/interaction/")) return answer(request, response);
  interact(request, response).catch((error) => response.writeHead(500).end(String(error)));
});

print({ issuer, oauth2: await listen(createServer(oauth2(clientId, clientSecret))) });
