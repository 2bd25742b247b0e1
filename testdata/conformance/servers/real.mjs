// The real server of a dialect, with some of the sites:
//
//   node real.mjs v4|v5 '{"issuer": ..., "oauth2": ..., "smtp": ...}' [stores]
//
// with those that have a store, or those that have none: @auth/core remembers for
// the whole process that somebody has configured e-mail, and then wants a store
// from everybody. It prints {"origin": "http://127.0.0.1:<port>"} and ends when its standard input
// does.
import { createServer } from "node:http";

import { secret, sites } from "../sites.mjs";
import { Environment } from "./environment.mjs";
import { listen, print } from "./listen.mjs";

// Their mode for production, before they are loaded.
process.env.NODE_ENV = "production";
const [dialect, addresses, stores] = process.argv.slice(2);
const served = Object.values(sites).filter(({ store }) => Boolean(store) === Boolean(stores));
const { handler } = await import(`./${dialect}.mjs`);
const environment = new Environment();

/** What the site's process would have in its environment. */
function variables(site) {
  if (site.headers) return { AUTH_TRUST_HOST: "true" };
  return { [dialect === "v4" ? "NEXTAUTH_URL" : "AUTH_URL"]: site.url };
}

// @auth/core leaves the promise behind when a mail cannot be sent.
process.on("unhandledRejection", () => {});

const handlers = new Map();
for (const site of served) {
  await environment.with(variables(site), () => {
    handlers.set(site.host, handler(site, secret, JSON.parse(addresses)));
  });
}

/** Adds what Next.js's server adds before anything of the application runs. */
function forwarded(headers) {
  headers["x-forwarded-host"] ??= headers.host;
  headers["x-forwarded-proto"] ??= "http";
}

const server = createServer((request, response) => {
  const site = served.find(({ host }) => host === request.headers.host);
  if (!site) return response.writeHead(421).end();
  forwarded(request.headers);
  environment
    .with(variables(site), () => handlers.get(site.host)(request, response))
    .catch((error) => response.writeHead(599).end(String(error.stack)));
});

print({ origin: await listen(server) });
