// next-auth 4 in its Pages-API form, behind Next.js's own resolver: it parses
// the query, the cookies and the body, and writes what the handler sends.
import { createRequire } from "node:module";
import { parse as parseQuery } from "node:querystring";

import { authorize } from "../people.mjs";
import { checks, fields, mailing, profile, providers } from "../providers.mjs";
import { session } from "../sites.mjs";
import { functions } from "./callbacks.mjs";
import { adapter } from "./store.mjs";

const require = createRequire(import.meta.url);
const NextAuth = require("next-auth").default;
const Credentials = require("next-auth/providers/credentials").default;
const Email = require("next-auth/providers/email").default;
const { apiResolver } = require("next/dist/server/api-utils/node/api-resolver.js");
const { getRouteMatcher } = require("next/dist/shared/lib/router/utils/route-matcher.js");
const { getRouteRegex } = require("next/dist/shared/lib/router/utils/route-regex.js");

const quiet = { error() {}, warn() {}, debug() {} };

/** A provider as an application would configure it. */
function configured(id, p, site) {
  const common = { id, name: p.name, clientId: p.clientId, clientSecret: p.clientSecret, checks: checks(p), profile };
  if (p.trusted) common.allowDangerousEmailAccountLinking = true;
  switch (p.kind) {
    case "credentials":
      return Credentials({ id, name: p.name, credentials: fields, authorize });
    case "email":
      return Email(mailing(p, site));
    case "oidc":
      return {
        ...common,
        type: "oauth",
        wellKnown: `${p.issuer}/.well-known/openid-configuration`,
        authorization: { params: { scope: p.scope } },
        idToken: true,
      };
    default:
      return {
        ...common,
        type: "oauth",
        authorization: { url: p.authorization, params: { scope: p.scope } },
        token: p.token,
        userinfo: p.userinfo,
      };
  }
}

/** Returns what answers the requests of a site. */
export function handler(site, secret, addresses) {
  const all = providers(addresses);
  const options = {
    secret,
    providers: site.providers.map((id) => configured(id, all[id], site)),
    pages: site.pages ?? {},
    session: session(site),
    callbacks: site.callbacks ? functions[session(site).strategy ?? "jwt"] : {},
    ...(site.store && { adapter: adapter() }),
    logger: quiet,
  };
  const route = `${site.basePath}/[...nextauth]`;
  const match = getRouteMatcher(getRouteRegex(route));
  const resolver = { default: NextAuth(options), config: {} };

  return (request, response) => {
    const at = request.url.indexOf("?");
    const [path, query] = at < 0 ? [request.url, ""] : [request.url.slice(0, at), request.url.slice(at + 1)];
    let params;
    try {
      params = match(path);
    } catch {
      return response.writeHead(400).end("Bad Request"); // what Next.js says to a broken escape
    }
    if (!params) return response.writeHead(404).end("Not Found");
    return apiResolver(request, response, { ...parseQuery(query), ...params }, resolver, {}, false, false, route);
  };
}
