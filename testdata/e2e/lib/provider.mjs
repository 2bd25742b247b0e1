// An OpenID Provider: npm oidc-provider on a loopback port of its own.

import { createServer } from "node:http";

import Provider from "oidc-provider";

/**
 * Starts a provider for one client and the given users, and returns its issuer
 * and server. With `answer` it signs the only user in without asking, and that
 * function says how: it gets the authorization request's parameters and returns
 * `acr` and `ts`, the time in seconds.
 */
export async function startProvider(options) {
  const server = createServer();
  await new Promise((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: options.client_id,
        client_secret: options.client_secret,
        redirect_uris: options.redirect_uris,
        token_endpoint_auth_method: options.token_endpoint_auth_method ?? "client_secret_basic",
        userinfo_signed_response_alg: options.userinfo_signed_response_alg,
        id_token_encrypted_response_alg: options.id_token_encrypted_response_alg,
        jwks: options.jwks,
      },
    ],
    acrValues: options.acr_values,
    claims: {
      openid: options.acr_values ? ["sub", "acr"] : ["sub"],
      profile: ["name", "preferred_username", "picture"],
      email: ["email", "email_verified"],
      groups: ["groups"],
    },
    scopes: ["openid", "profile", "email", "groups"],
    // With the default, true, claims of scopes are at the userinfo endpoint only.
    conformIdTokenClaims: options.conform_id_token ?? false,
    features: {
      devInteractions: { enabled: !options.answer },
      jwtUserinfo: { enabled: true },
      encryption: { enabled: true },
      // What is asked for stands in the address where there is an answer.
      pushedAuthorizationRequests: {
        enabled: !options.answer && !options.no_par,
        requirePushedAuthorizationRequests: options.require_par ?? false,
      },
    },
    enabledJWA: { clientAuthSigningAlgValues: ["HS256", "RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"] },
    ...(options.answer && { interactions: { url: () => "/sign-in" } }),
    pkce: { required: () => true },
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
  const callback = provider.callback();
  const signIn = async (req, res) => {
    const { params } = await provider.interactionDetails(req, res);
    const login = { accountId: Object.keys(options.users)[0], ...options.answer(params) };
    await provider.interactionFinished(req, res, { login });
  };
  server.on("request", (req, res) => {
    if (!options.answer || req.url !== "/sign-in") return callback(req, res);
    signIn(req, res).catch((error) => res.writeHead(500).end(String(error)));
  });
  return { issuer, server };
}
