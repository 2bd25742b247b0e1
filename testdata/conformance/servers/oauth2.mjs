// A plain OAuth 2.0 authorization server (RFC 6749 with RFC 7636): no discovery,
// no ID token, the account is told by a userinfo endpoint.
import { createHash, randomBytes } from "node:crypto";

import { account } from "../people.mjs";

/** Returns the server's request listener. */
export function oauth2(clientId, clientSecret) {
  const grants = new Map(); // by code
  const tokens = new Map(); // subject by access token
  const basic = `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString("base64")}`;

  function authorize({ searchParams: query }) {
    const to = new URL(query.get("redirect_uri"));
    const sub = query.get("login_hint") ?? "alice";
    if (sub === "nobody") {
      to.searchParams.set("error", "access_denied");
    } else {
      const code = randomBytes(16).toString("hex");
      grants.set(code, { sub, redirect: query.get("redirect_uri"), challenge: query.get("code_challenge") });
      to.searchParams.set("code", code);
    }
    if (query.has("state")) to.searchParams.set("state", query.get("state"));
    return { status: 302, headers: { Location: to.href } };
  }

  function token(_, body, headers) {
    if (headers.authorization !== basic) return { status: 401, json: { error: "invalid_client" } };
    const form = new URLSearchParams(body);
    const grant = grants.get(form.get("code"));
    grants.delete(form.get("code"));
    const challenge = createHash("sha256")
      .update(form.get("code_verifier") ?? "")
      .digest("base64url");
    if (!grant || grant.redirect !== form.get("redirect_uri") || grant.challenge !== challenge) {
      return { status: 400, json: { error: "invalid_grant" } };
    }
    const access = randomBytes(16).toString("hex");
    tokens.set(access, grant.sub);
    return { status: 200, json: { access_token: access, token_type: "Bearer", expires_in: 3600 } };
  }

  function userinfo(_, __, headers) {
    const sub = tokens.get(headers.authorization?.replace(/^Bearer /, ""));
    return sub ? { status: 200, json: { sub, ...account(sub) } } : { status: 401, json: { error: "invalid_token" } };
  }

  /** A profile that does not say whose it is. */
  function nobody() {
    return { status: 200, json: { name: "Nobody" } };
  }

  const endpoints = { "/authorize": authorize, "/token": token, "/userinfo": userinfo, "/nobody": nobody };
  return async (request, response) => {
    const url = new URL(request.url, "http://localhost");
    let body = "";
    for await (const piece of request.setEncoding("utf8")) body += piece;
    const { status, headers, json } = endpoints[url.pathname]?.(url, body, request.headers) ?? { status: 404 };
    response.writeHead(status, { ...headers, ...(json && { "Content-Type": "application/json" }) });
    response.end(json && JSON.stringify(json));
  };
}
