// The sites that both sides serve. Every site has a host of its own, so that one
// port serves them all and the origin, being configured, is the same on both
// sides: addresses can be compared to the letter.

/** The secret that both sides seal with, and one that neither knows. */
export const secret = "conformance-secret-0123456789abcdef0123456789";
export const otherSecret = "conformance-other-secret-0123456789abcdef01234";

const everyday = ["op", "plain", "credentials"];

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
};

for (const [name, site] of Object.entries(sites)) {
  const { origin, host, pathname } = new URL(site.url);
  const basePath = pathname === "/" ? "/api/auth" : pathname;
  Object.assign(site, { name, origin, host, basePath, secure: origin.startsWith("https:") });
}

/** All addresses that a provider may send people back to. */
export function callbacks(id) {
  return Object.values(sites).map(({ origin, basePath }) => `${origin}${basePath}/callback/${id}`);
}
