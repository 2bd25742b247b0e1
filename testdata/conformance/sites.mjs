// The sites that both sides serve. Every site has a host of its own, so that one
// port serves them all and the origin, being configured, is the same on both
// sides: addresses can be compared to the letter.

/** The secret that both sides seal with, and one that neither knows. */
export const secret = "conformance-secret-0123456789abcdef0123456789";
export const otherSecret = "conformance-other-secret-0123456789abcdef01234";

const everyday = ["op", "plain", "credentials"];
const linked = [...everyday, "email"];

/**
 * What a site is configured with:
 *
 *   url        the canonical URL; a path in it is the base path
 *   env        the URL comes from NEXTAUTH_URL (v5: AUTH_URL) instead
 *   headers    there is no URL: the host and these headers of a trusted proxy
 *              decide
 *   providers  ids of providers.mjs, in the order of the sign-in page
 *   pages      pages of the site's own, under NextAuth's names
 *   maxAge     seconds that a session lasts
 *   updateAge  seconds after which it is made to last longer
 *   store      there is a store, and the strategy is this: jwt or database
 *   mailServer another mail server than the one that there is
 *   callbacks  those of servers/callbacks.mjs
 */
export const sites = {
  plain: { url: "http://plain.test", providers: everyday },
  secure: { url: "https://secure.test", providers: everyday },
  base: { url: "http://base.test/myapp/api/authentication", providers: everyday },
  env: { url: "http://env.test/from/env", env: true, providers: everyday },
  host: { url: "http://host.test", headers: {}, providers: everyday },
  proxied: { url: "http://proxied.test", headers: { "X-Forwarded-Proto": "http" }, providers: everyday },
  offloaded: {
    url: "https://offloaded.test",
    headers: { "X-Forwarded-Proto": "https", "X-Forwarded-Host": "offloaded.test" },
    providers: everyday,
  },
  short: { url: "http://short.test", providers: everyday, maxAge: 120 },
  shaped: { url: "http://shaped.test", providers: everyday, callbacks: true },
  many: {
    url: "http://many.test",
    providers: ["credentials", "plain", "op2", "op", "dead", "refused", "nobody"],
  },
  pages: {
    url: "http://pages.test",
    providers: everyday,
    pages: {
      signIn: "/sign-in",
      signOut: "/sign-out",
      error: "/problem",
      verifyRequest: "/check-mail",
      newUser: "/welcome",
    },
  },
  asked: {
    url: "http://asked.test",
    providers: everyday,
    pages: {
      signIn: "/auth?do=sign-in",
      signOut: "/auth?do=sign-out",
      error: "/auth?do=problem",
      verifyRequest: "/auth?do=check-mail",
      newUser: "/auth?do=welcome",
    },
  },
  kept: { url: "http://kept.test", providers: linked, store: "jwt" },
  rows: { url: "http://rows.test", providers: linked, store: "database" },
  safe: { url: "https://safe.test", providers: linked, store: "database" },
  judged: { url: "http://judged.test", providers: linked, store: "jwt", callbacks: true },
  shown: { url: "http://shown.test", providers: linked, store: "database", callbacks: true },
  welcome: {
    url: "http://welcome.test",
    providers: ["trusted", ...linked],
    store: "jwt",
    pages: { error: "/problem", verifyRequest: "/check-mail", newUser: "/welcome?to=x" },
  },
  renewed: { url: "http://renewed.test", providers: linked, store: "database", maxAge: 600, updateAge: 8 },
  brief: { url: "http://brief.test", providers: linked, store: "database", maxAge: 2 },
  // Nothing listens on a port that only the super-user may have.
  unmailed: { url: "http://unmailed.test", providers: linked, store: "jwt", mailServer: "smtp://127.0.0.1:9" },
};

for (const [name, site] of Object.entries(sites)) {
  const { origin, host, pathname } = new URL(site.url);
  const basePath = pathname === "/" ? "/api/auth" : pathname;
  Object.assign(site, { name, origin, host, basePath, secure: origin.startsWith("https:") });
}

/** NextAuth's settings of a site's sessions. */
export function session({ store, maxAge, updateAge }) {
  return { ...(store && { strategy: store }), ...(maxAge && { maxAge }), ...(updateAge && { updateAge }) };
}

/** All addresses that a provider may send people back to. */
export function callbacks(id) {
  return Object.values(sites).map(({ origin, basePath }) => `${origin}${basePath}/callback/${id}`);
}
