// An OpenID Provider: npm oidc-provider on a loopback port of its own.

import { createServer } from "node:http";

import Provider from "oidc-provider";

/**
 * Starts a provider for one client and the given users, and returns its issuer
 * and server. With `answer` it signs the only user in without asking, and that
 * function says how: it gets the authorization request's parameters and returns
 * `acr` and `ts`, the time in seconds. `client` is further metadata of the client
 * (RFC 7591), and `lifetimes` how long access tokens are good, in seconds, the first
 * one's first; the last is that of all others. What the provider has done is at
 * /told, as JSON.
 */
export async function startProvider(options) {
  const server = createServer();
  await new Promise((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const lifetimes = [...(options.lifetimes ?? [3_600])];
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: options.client_id,
        client_secret: options.client_secret,
        redirect_uris: options.redirect_uris,
        grant_types: ["authorization_code", "refresh_token"],
        ...options.client,
      },
    ],
    acrValues: options.acr_values,
    claims: {
      openid: options.acr_values ? ["sub", "acr"] : ["sub"],
      profile: ["name", "preferred_username", "picture"],
      email: ["email", "email_verified"],
      groups: ["groups"],
    },
    scopes: ["openid", "profile", "email", "groups", "offline_access"],
    // With the default, true, claims of scopes are at the userinfo endpoint only.
    conformIdTokenClaims: options.conform_id_token ?? false,
    features: {
      devInteractions: { enabled: !options.answer },
      jwtUserinfo: { enabled: true },
      encryption: { enabled: true },
      backchannelLogout: { enabled: true },
      // What is asked for stands in the address where there is an answer.
      pushedAuthorizationRequests: {
        enabled: !options.answer && !options.no_par,
        requirePushedAuthorizationRequests: options.require_par ?? false,
      },
    },
    enabledJWA: { clientAuthSigningAlgValues: ["HS256", "RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"] },
    ...(options.answer && { interactions: { url: () => "/sign-in" } }),
    pkce: { required: () => true },
    rotateRefreshToken: () => true,
    ttl: { AccessToken: () => (lifetimes.length > 1 ? lifetimes.shift() : lifetimes[0]) },
    // It keeps away from addresses of this machine, where its client is.
    fetch: (url, { dispatcher, ...rest }) => fetch(url, rest),
    cookies: { keys: ["only for tests"] },
    async findAccount(ctx, id) {
      const user = options.users[id];
      return user && { accountId: id, claims: async () => ({ sub: id, preferred_username: id, ...user }) };
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
  const told = [];
  for (const event of ["pushed_authorization_request.success", "grant.success", "grant.error", "backchannel.success", "backchannel.error"]) {
    provider.on(event, ({ oidc }, error) => {
      const { grant_type, refresh_token } = oidc.params;
      told.push({ event, grant_type, refresh_token, error: error instanceof Error ? error.message : undefined });
    });
  }
  const callback = provider.callback();
  const signIn = async (req, res) => {
    const { params } = await provider.interactionDetails(req, res);
    const login = { accountId: Object.keys(options.users)[0], ...options.answer(params) };
    await provider.interactionFinished(req, res, { login });
  };
  server.on("request", (req, res) => {
    if (req.url === "/told") return res.end(JSON.stringify(told));
    if (!options.answer || req.url !== "/sign-in") return callback(req, res);
    signIn(req, res).catch((error) => res.writeHead(500).end(String(error)));
  });
  return { issuer, server };
}
