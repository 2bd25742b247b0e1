// The Caddyfile with the same sites and providers as the real servers have.

import { fileURLToPath } from "node:url";

import { mailing, providers } from "../providers.mjs";
import { secret, sites } from "../sites.mjs";
import { expressions } from "./callbacks.mjs";

const users = fileURLToPath(new URL("../users.yml", import.meta.url));

/** NextAuth's names of pages, as caddyauth writes them. */
const pageWords = {
  signIn: "sign_in",
  signOut: "sign_out",
  error: "error",
  verifyRequest: "verify_request",
  newUser: "new_user",
};

function block(head, lines) {
  return [`${head} {`, ...lines.map((line) => `\t${line}`), "}"];
}

function provider(id, p, site) {
  const client = [`name "${p.name}"`, `client_id ${p.clientId}`, `client_secret ${p.clientSecret}`, `scope ${p.scope}`];
  switch (p.kind) {
    case "credentials":
      return [`users ${users}`];
    case "email":
      return block(`email ${p.from} ${mailing(p, site).server}`, ["tls off"]);
    case "oidc":
      return block(`provider oidc ${p.issuer} as ${id}`, [...client, ...(p.trusted ? ["allow_email_linking"] : [])]);
    default:
      return block(`provider oauth2 as ${id}`, [
        ...client,
        `authorization ${p.authorization}`,
        `token ${p.token}`,
        `userinfo ${p.userinfo}`,
      ]);
  }
}

function caddyauth(site, dialect, all) {
  const session = [
    ...(site.store ? [`strategy ${site.store}`] : []),
    ...(site.maxAge ? [`max_age ${site.maxAge}s`] : []),
    ...(site.updateAge ? [`update_age ${site.updateAge}s`] : []),
  ];
  const pages = Object.entries(site.pages ?? {}).map(([name, path]) => `${pageWords[name]} ${path}`);
  return block("caddyauth", [
    ...(dialect === "v5" ? ["compat v5"] : []),
    ...(site.env || site.headers ? [] : [`url ${site.url}`]),
    `secret ${secret}`,
    ...site.providers.flatMap((id) => provider(id, all[id], site)),
    ...(site.store ? ["store memory"] : []),
    ...(pages.length ? block("pages", pages) : []),
    ...(session.length ? block("session", session) : []),
    ...(site.callbacks ? block("callbacks", expressions[site.store === "database" ? "database" : "jwt"]) : []),
    "limit off", // the suite signs in more often than people do
    "allow any",
    "public",
    "private /members/*",
  ]);
}

/** Returns the Caddyfile of a dialect, with all sites on one port. */
export function caddyfile(dialect, port, addresses) {
  const all = providers(addresses);
  return [
    ...block("", [
      "admin off",
      "skip_install_trust",
      "persist_config off",
      "default_bind 127.0.0.1",
      // The client plays the proxy that ends TLS.
      ...block("servers", ["trusted_proxies static 127.0.0.1/32"]),
    ]),
    ...Object.values(sites).flatMap((site) =>
      block(`http://${site.host}:${port}`, [
        ...caddyauth(site, dialect, all),
        'respond "passed as {http.auth.user.email}"',
      ]),
    ),
    "",
  ].join("\n");
}
