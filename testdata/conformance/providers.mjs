// The providers that both sides are configured with. The identity providers run
// on ports that are known only when they listen.

const client = { clientId: "conformance", clientSecret: "conformance-client-secret" };

/**
 * The providers, by id. kind is oidc, oauth2, credentials or email; server holds
 * the addresses that servers/op.mjs prints, and that of the mail server.
 */
export function providers(server) {
  const oauth2 = {
    kind: "oauth2",
    ...client,
    scope: "profile email",
    authorization: `${server.oauth2}/authorize`,
    token: `${server.oauth2}/token`,
    userinfo: `${server.oauth2}/userinfo`,
  };
  const oidc = { kind: "oidc", ...client, scope: "openid profile email", issuer: server.issuer };
  return {
    op: { ...oidc, name: "Test OP" },
    op2: { ...oidc, name: "Test OP, again" },
    plain: { ...oauth2, name: "Plain" },
    credentials: { kind: "credentials", name: "Credentials" },
    // What it says of an address suffices to make an account somebody's.
    trusted: { ...oidc, name: "Trusted", trusted: true },
    email: { kind: "email", name: "Email", from: "login@mail.test", server: `smtp://${server.smtp}` },
    // Nothing listens on a port that only the super-user may have.
    dead: { ...oidc, name: "Dead", issuer: "http://127.0.0.1:9" },
    // The token endpoint knows another secret.
    refused: { ...oauth2, name: "Refused", clientSecret: "not-the-secret-of-this-client" },
    // The profile has no id.
    nobody: { ...oauth2, name: "Nobody", userinfo: `${server.oauth2}/nobody` },
  };
}

/** The checks of an OAuth provider, as caddyauth has them by default. */
export function checks({ kind }) {
  return kind === "oidc" ? ["pkce", "state", "nonce"] : ["pkce", "state"];
}

/** NextAuth's user of a profile, as caddyauth maps the standard claims. */
export function profile(claims) {
  return {
    id: claims.sub,
    name: claims.name ?? claims.nickname ?? claims.preferred_username,
    email: claims.email,
    image: claims.picture,
  };
}

/** The fields of the credentials form. */
export const fields = {
  username: { label: "Username", type: "text" },
  password: { label: "Password", type: "password" },
};

/** What the e-mail provider of a site is told. */
export const mailing = ({ from, server }, { mailServer = server }) => ({ from, server: mailServer });
