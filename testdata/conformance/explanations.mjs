// What the entries of deviations.mjs look at.

import { resolved, sameAddress } from "./addresses.mjs";

/** The name of a cookie without prefix, whatever the dialect and the scheme. */
export const bare = (name = "") => name.replace(/^__(Secure|Host)-/, "").replace(/^(next-auth|authjs)\./, "");

export const checkNames = ["state", "pkce.code_verifier", "nonce"];

export const lax = (secure) => `Path=/; HttpOnly;${secure ? " Secure;" : ""} SameSite=Lax`;

/** Where a response leads, as a header or in the body. */
export function target({ location, body }) {
  if (location !== undefined) return location;
  const url = /^\{"url":"(.*)"\}$/.exec(typeof body === "string" ? body : (body.text ?? ""));
  return url?.[1];
}

/** Whether a response is NextAuth's error page for its own configuration. */
export const misconfigured = (response) =>
  response.status === 500 || /[?&]error=Configuration$/.test(target(response) ?? "");

/** Whether a form was refused for its token. */
export function tokenRefused(response) {
  if (response.status === 400) return /^(\{\}|null)$/.test(response.body);
  return /[?&](csrf=true|error=MissingCSRF)$/.test(target(response) ?? "");
}

/** Whether a response has a CSRF cookie, which the request's was then none for. */
export const renewsToken = ({ cookies }, { names }) => cookies.some(({ name }) => name === names.csrf);

export const hasSession = ({ status, body }) => status === 200 && body.startsWith('{"user":');

export const noStore = { "cache-control": "private, no-cache, no-store", pragma: "no-cache", expires: "0" };
export const variants = ["Cookie", "Accept-Language", "X-Auth-Return-Redirect", "Origin", "Sec-Fetch-Site"];

/** Whether a csrf or callback-url cookie is one that the site may set. */
export function keepable({ name, value }, { origin }) {
  if (bare(name) === "csrf-token") return value === "<new csrf>%7C<its hash>";
  const address = decodeURIComponent(value);
  return address === origin || address.startsWith(`${origin}/`);
}

/** The titles of the built-in pages, by those of NextAuth's. */
export const titles = {
  "Sign In": ["Sign in"],
  "Sign Out": ["Sign out"],
  "Verify Request": ["Check your email"],
  Error: ["Error", "Server error", "Access Denied", "Unable to sign in"],
};

/** What the buttons of the sign-in page say instead, and where their forms lead. */
export const buttons = {
  "Sign in with Credentials": { text: "Sign in", path: "/callback/credentials" },
  "Sign in with Email": { text: "Email me a sign-in link", path: "/signin/email" },
};

/** Where a callback leads that belongs to no flow. */
export const failures = ({ origin, basePath }) =>
  ["OAuthCallback", "Configuration"].map((code) => `${origin}${basePath}/error?error=${code}`);

/** Whether a form of our page leads to a path of the API. */
export const leadsTo = ({ ours }, form, path) => ours.body.page.forms[form]?.action.endsWith(path);

/** Whether our form has one field more, the address to go to. */
export function addsDestination(real, ours, { origin }) {
  const [extra] = ours.filter(({ name }) => name === "callbackUrl");
  const rest = ours.filter((field) => field !== extra);
  return (
    JSON.stringify(rest) === JSON.stringify(real) &&
    extra.type === "hidden" &&
    (extra.value === origin || extra.value.startsWith(`${origin}/`))
  );
}

/** Fields that differ only in a callbackUrl that is resolved already. */
export function sameFields(real, ours = [], site) {
  const same = ({ name, type, value }, other) =>
    name === other?.name &&
    type === other.type &&
    (value === other.value || (name === "callbackUrl" && sameAddress(resolved(value, site), other.value)));
  return real.length === ours.length && real.every((field, i) => same(field, ours[i]));
}

/** Our pages lead on where NextAuth's do, and at most back to the sign-in page. */
export function explainsLinks(real, ours, path, site) {
  const signIn = `${site.origin}${site.basePath}/signin`;
  // v5 hangs the page's name on whatever address the error page has.
  const wanted = real.map(({ href }) => (href === `${site.origin}${path}/signin` ? signIn : href));
  const found = ours.map(({ href }) => href);
  return (
    wanted.every((href) => found.includes(href)) && found.every((href) => [signIn, `${site.origin}/`].includes(href))
  );
}

/** A claim of a check cookie that NextAuth does not have. */
export function explainsClaim({ facet, claim, real, ours }) {
  if (facet !== "cookie-claim" || real !== undefined) return false;
  if (claim === "attempt") return /^[\w-]{11}$/.test(ours);
  return claim === "earlier" && ours.length <= 4 && ours.every((attempt) => attempt.length === 4);
}

/** A check cookie that NextAuth clears, and that here still holds earlier flows. */
export function explainsRest({ facet, name, exchange, site }) {
  const [real, ours] = [exchange?.real, exchange?.ours].map((side) =>
    side?.cookies.find((cookie) => cookie.name === name),
  );
  if (!real || !ours || real.value !== "" || real.attributes !== `Max-Age=0; ${lax(site.secure)}`) return false;
  const age = bare(name) === "nonce" ? "" : "Max-Age=(8[5-9]\\d|900); ";
  const attributes = new RegExp(
    `^${age}Path=/; Expires=<now\\+(8[5-9]\\d|900)s>; HttpOnly;${site.secure ? " Secure;" : ""} SameSite=Lax$`,
  );
  return (
    facet.startsWith("cookie-") &&
    ours.value === "<sealed>" &&
    attributes.test(ours.attributes) &&
    /^[\w-]{11}$/.test(ours.claims.attempt) &&
    ours.claims.attempt !== exchange.ours.flow // which is over
  );
}

/**
 * What carol, who has a password, has where users are stored: an id of a user's
 * and a picture that is null in her token, or a session in a row where the real
 * server has a token that it does not take itself.
 */
export function explainsStored({ facet, name, claim, real, ours, site }) {
  if (facet === "body") return ours === carols;
  if (bare(name) !== "session-token") return false;
  if (site.store === "jwt")
    return claim === "sub"
      ? real === "carol" && /^<(new )?sub>$/.test(ours)
      : claim === "picture" && real === undefined && ours === null;
  const cookie = typeof ours === "object" ? ours.value : ours;
  switch (facet) {
    case "cookie-value":
      return (real === "<sealed>" && cookie === "<new session>") || (real === "" && cookie === "<session>");
    case "cookie-extra":
      return ["<session>", ""].includes(cookie);
    case "cookie-attributes":
      return real === `Max-Age=0; ${lax(site.secure)}` && ours.startsWith("Path=/; Expires=<now+2592000s>;");
  }
  return ["cookie-header", "cookie-claims"].includes(facet) && ours === undefined;
}

const carols =
  '{"user":{"name":"Carol Example","email":"carol@example.com","image":null},"expires":"<now+2592000s>"}';

/** A cookie of a request whose Cookie header was given as a whole. */
export function cookieOf(header, name) {
  const value = header?.split("; ").find((pair) => pair.startsWith(`${name}=`));
  return value && decodeURIComponent(value.slice(name.length + 1));
}
