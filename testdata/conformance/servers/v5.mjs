// @auth/core behind next-auth 5, whose handlers take a request of Next.js's own
// kind: that is how the App Router calls them.
import "./specifiers.mjs";

import { authorize } from "../people.mjs";
import { checks, fields, mailing, providers } from "../providers.mjs";
import { session } from "../sites.mjs";
import { functions } from "./callbacks.mjs";
import { adapter } from "./store.mjs";

const { default: NextAuth } = await import("next-auth5");
const { default: Credentials } = await import("@auth/core/providers/credentials");
const { default: Nodemailer } = await import("@auth/core/providers/nodemailer");
const { NextRequest } = await import("next/server.js");

const quiet = { error() {}, warn() {}, debug() {} };

/** A provider as an application would configure it. */
function configured(id, p, site) {
  const common = { id, name: p.name, clientId: p.clientId, clientSecret: p.clientSecret, checks: checks(p) };
  if (p.trusted) common.allowDangerousEmailAccountLinking = true;
  switch (p.kind) {
    case "credentials":
      return Credentials({ id, name: p.name, credentials: fields, authorize });
    case "email":
      return Nodemailer({ id, name: p.name, ...mailing(p, site) });
    case "oidc":
      return { ...common, type: "oidc", issuer: p.issuer, authorization: { params: { scope: p.scope } } };
    default:
      return {
        ...common,
        type: "oauth",
        // oauth4webapi compares iss with it, if the server sends one.
        issuer: new URL(p.token).origin,
        authorization: { url: p.authorization, params: { scope: p.scope } },
        token: p.token,
        userinfo: p.userinfo,
      };
  }
}

/** Returns what answers the requests of a site. */
export function handler(site, secret, addresses) {
  const all = providers(addresses);
  const { handlers } = NextAuth({
    secret,
    providers: site.providers.map((id) => configured(id, all[id], site)),
    ...(site.pages && { pages: site.pages }),
    session: session(site),
    ...(site.callbacks && { callbacks: functions[session(site).strategy ?? "jwt"] }),
    ...(site.store && { adapter: adapter() }),
    logger: quiet,
  });
  // The methods that the package answers itself; Next.js would stop the others.
  return async (request, response) => send(await handlers.POST(await received(request)), response);
}

async function received(request) {
  const { headers, method } = request;
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  const lines = new Headers();
  for (let i = 0; i < request.rawHeaders.length; i += 2) lines.append(request.rawHeaders[i], request.rawHeaders[i + 1]);
  const url = `${headers["x-forwarded-proto"]}://${headers["x-forwarded-host"]}${request.url}`;
  const body = method === "GET" || method === "HEAD" ? undefined : Buffer.concat(pieces);
  return new NextRequest(url, { method, headers: lines, body });
}

function send(from, to) {
  const lines = [...from.headers].filter(([name]) => name !== "set-cookie").flat();
  for (const cookie of from.headers.getSetCookie()) lines.push("Set-Cookie", cookie);
  to.writeHead(from.status, lines);
  return from.arrayBuffer().then((body) => to.end(Buffer.from(body)));
}
