// The one table of where caddyauth departs from the real servers on purpose. The
// keys are the numbers of the list in the specification; what has none there has a
// word, or the name of an attack. An entry says exactly which differences it
// explains; whatever it does not name is a failure.
//
// Two kinds of entries exist. Most look at one difference (see compare.mjs). Where
// the whole answer is another one, the sequence tells to which other request the
// real server gives the answer that ours must be, and the entry only checks that
// the real server answers the request at hand in the way that is departed from:
// then the two answers are compared to the letter (see Browser.request).

import { browsersSpelling, escaped, leadsAstray, sameAddress, sameError, sameParameters } from "./addresses.mjs";
import {
  addsDestination,
  bare,
  buttons,
  checkNames,
  cookieOf,
  explainsClaim,
  explainsLinks,
  explainsRest,
  explainsStored,
  failures,
  hasSession,
  keepable,
  lax,
  leadsTo,
  misconfigured,
  noStore,
  renewsToken,
  sameFields,
  target,
  titles,
  tokenRefused,
  variants,
} from "./explanations.mjs";
import { welcome } from "./servers/callbacks.mjs";

const list = [
  {
    key: 1,
    what: "the query of POST /signin/:id cannot replace the parameters that a flow's safety rests on",
    occurs: ({ status, location }, { site }) => {
      const query = new URL(location).searchParams;
      const redirect = `${site.origin}${site.basePath}/callback/op`;
      return (
        status === 302 &&
        (query.has("callbackUrl") || query.get("client_id") !== "conformance" || query.get("redirect_uri") !== redirect)
      );
    },
  },
  {
    key: 2,
    what: "a session lasts max_age from sign-in on, not 30 days until it is read",
    dialects: ["v4"],
    explains: ({ facet, name, claim, real, ours, site, request }) =>
      facet === "cookie-claim" &&
      bare(name) === "session-token" &&
      claim === "lifetime" &&
      request.path.includes("/callback/") &&
      site.maxAge > 0 &&
      real === 2592000 &&
      ours === site.maxAge,
  },
  {
    key: 3,
    what: "nothing that a client sends is a server error: garbage for a callbackUrl is the origin, odd characters are escaped",
    occurs: misconfigured,
    explains: ({ facet, name, real, ours, request, site }) => {
      if (facet === "location" && site.pages && request.path.includes("/error?")) return sameError(real, ours);
      if (facet === "location") return real !== undefined && escaped(real) !== real && escaped(real) === ours;
      if (facet !== "cookie-value" || bare(name) !== "callback-url") return false;
      return escaped(decodeURIComponent(real)) === decodeURIComponent(ours);
    },
  },
  {
    key: 4,
    what: "one validator for callbackUrl: what could lead elsewhere is the origin, the rest is spelled as browsers do",
    occurs: ({ cookies, status }, { names, site }, { cookie }) => {
      const set = cookies.find(({ name }) => name === names.callbackUrl)?.value;
      // What is in the cookie already is kept without a word.
      const kept = set === undefined ? cookieOf(cookie, names.callbackUrl) : decodeURIComponent(set);
      return status < 400 && kept !== undefined && leadsAstray(kept, site);
    },
    explains: ({ facet, name, real, ours, request, site }) => {
      if (facet === "form-fields") return sameFields(real, ours, site);
      if (facet.startsWith("location")) return real !== undefined && browsersSpelling(real) === browsersSpelling(ours);
      if (bare(name) !== "callback-url") return false;
      if (facet === "cookie-value") return sameAddress(decodeURIComponent(real), decodeURIComponent(ours));
      return facet === "cookie-extra" && sameAddress(cookieOf(request.cookie, name), decodeURIComponent(ours.value));
    },
  },
  {
    key: 5,
    what: "where the signIn callback sends somebody passes the rule for redirects, and is absolute",
    dialects: ["v4"],
    explains: ({ facet, exchange, site }) =>
      ["location", "body"].includes(facet) &&
      site.callbacks &&
      target(exchange.real) === welcome &&
      target(exchange.ours) === site.origin + welcome,
  },
  {
    key: 6,
    what: "a session cookie in pieces is name.0, name.1 and so on without gaps, not everything whose name begins alike",
    occurs: ({ status, body }) => status === 200 && /^(\{\}|null)$/.test(body),
    // What is in pieces is put together and, if it fits, set as one.
    explains: ({ facet, name, ours, site }) =>
      facet === "cookie-extra" &&
      site.store === "database" &&
      /^session-token\.\d$/.test(bare(name)) &&
      ours.value === "" &&
      ours.attributes === `Max-Age=0; ${lax(site.secure)}`,
  },
  {
    key: 7,
    what: "csrf and callback-url cookies are kept on error redirects",
    dialects: ["v5"],
    explains: ({ facet, name, real, ours, exchange, site }) => {
      if (facet === "cookie-extra" && ["csrf-token", "callback-url"].includes(bare(name))) {
        return (
          ours.attributes === lax(site.secure) &&
          keepable(ours, site) &&
          /[?&]error=/.test(target(exchange.real) ?? "") &&
          exchange.real.cookies.length === 0
        );
      }
      // And so they need not be set later on.
      if (facet !== "cookie-missing") return false;
      const [had, sent] = [exchange.real, exchange.ours].map((side) =>
        side.sent.split("; ").find((pair) => pair.startsWith(`${name}=`)),
      );
      if (bare(name) === "csrf-token") return /=<csrf>%7C[\da-f]{64}$/.test(sent);
      if (bare(name) !== "callback-url" || !sent) return false;
      // Where it is not sent at all, the real server has none that it could name.
      return sent === `${name}=${real.value}` || (!had && keepable({ name, value: sent.slice(name.length + 1) }, site));
    },
  },
  {
    key: 8,
    what: "GET of a credentials callback is the client's mistake",
    dialects: ["v4"],
    explains: ({ facet, real, ours, request, exchange }) =>
      facet === "status" &&
      real === 500 &&
      ours === 400 &&
      request.method === "GET" &&
      exchange.real.body.text === "Error: Callback for provider type credentials not supported",
  },
  {
    key: 9,
    what: "HEAD is answered as GET, except on callbacks",
    occurs: ({ status }) => status === 400,
  },
  {
    key: 10,
    what: "a mailed link signs in at once only where it was asked for, elsewhere there is a page with a button first",
    occurs: ({ status, location, cookies }, { names }) =>
      status === 302 && (cookies.some(({ name }) => name === names.session) || /[?&]error=Verification$/.test(location)),
  },
  {
    key: 11,
    what: "a check cookie carries the flow's name and those of earlier flows, and stays while there are any",
    explains: (d) => checkNames.includes(bare(d.name)) && (explainsClaim(d) || explainsRest(d)),
  },
  {
    key: 12,
    what: "a callback that is opened again by whoever is signed in leads on and redeems nothing",
    explains: ({ facet, real, ours, request, site, exchange }) =>
      facet === "location" &&
      /\/callback\/[^?]+\?.*state=/.test(request.path) &&
      [...failures(site)].includes(real) &&
      ours.startsWith(`${site.origin}/after`) &&
      /session-token=ey/.test(exchange.ours.sent) &&
      exchange.ours.cookies.length === 0,
  },
  {
    key: 16,
    what: "the built-in pages are caddyauth's own, with the same forms",
    explains: ({ facet, real, ours, exchange, site, form }) => {
      switch (facet) {
        case "content-type":
          return real === "text/html" && ours === "text/html; charset=utf-8";
        case "page-title":
          return titles[real]?.some((title) => ours === `${title} · ${site.host}`);
        case "page-links":
          return explainsLinks(real, ours, exchange.real.request.path, site);
        case "form-button":
          return buttons[real]?.text === ours && leadsTo(exchange, form, buttons[real].path);
        // The form says where to go, so that tabs with different destinations do
        // not meet in the cookie; v5 has it in the address instead.
        case "form-fields":
          return (
            ["/callback/credentials", "/signin/email", "/signout"].some((path) => leadsTo(exchange, form, path)) &&
            addsDestination(real, ours, site)
          );
        case "form-action":
          return leadsTo(exchange, form, "/signout") && real.split("?")[0] === ours;
      }
      return false;
    },
  },
  {
    key: 19,
    what: "the base path ends where its last segment does",
    dialects: ["v5"],
    explains: ({ request, exchange, site }) =>
      /^\w/.test(request.path.slice(site.basePath.length)) &&
      request.path.startsWith(site.basePath) &&
      exchange?.ours.status === 200 &&
      exchange.ours.body.text === "passed as " &&
      exchange.ours.cookies.length === 0,
  },
  {
    key: 20,
    what: "no response may be cached",
    explains: ({ facet, name, real, ours }) =>
      facet === "cache" &&
      real === undefined &&
      (name === "vary" ? ours.split(", ").every((field) => variants.includes(field)) : ours === noStore[name]),
  },
  {
    key: 21,
    what: "beside an error redirect, a sealed cookie tells the page the reason; showing it clears it",
    explains: ({ facet, name, ours, exchange, site }) => {
      if (facet !== "cookie-extra" || bare(name) !== "notice") return false;
      if (exchange.ours.body.kind === "page")
        return ours.value === "" && ours.attributes === `Max-Age=0; ${lax(site.secure)}`;
      return (
        ours.value === "<sealed>" &&
        ours.claims.lifetime === 60 &&
        ours.attributes === `Max-Age=60; ${lax(site.secure)}` &&
        /[?&](error=|csrf=true)|\/signin$/.test(target(exchange.ours) ?? "")
      );
    },
  },
  {
    key: "rounds",
    what: "a cookie counts the sign-ins within a minute, so that a loop can be told from them; signing out clears it",
    explains: ({ facet, name, ours, site }) =>
      facet === "cookie-extra" &&
      bare(name) === "rounds" &&
      (ours.value === ""
        ? ours.attributes === `Max-Age=0; ${lax(site.secure)}`
        : /^\d{1,2}\.\d+$/.test(ours.value) && ours.attributes === `Max-Age=60; ${lax(site.secure)}`),
  },
  {
    key: 22,
    what: "a script's POST without a token is accepted from the site itself, as the servers of other frameworks do",
    dialects: ["v5"],
    occurs: tokenRefused,
  },
  {
    key: 23,
    what: "a session carries the claim caddyauth, which the rules decide on",
    explains: ({ facet, name, claim, real, ours }) =>
      facet === "cookie-claim" &&
      bare(name) === "session-token" &&
      claim === "caddyauth" &&
      real === undefined &&
      /^[\da-f]{32}$/.test(ours.sid) &&
      ours.provider !== "",
  },
  {
    key: "param-order",
    what: "parameters of the authorization request come in an order of our own where v5 is spoken, or where the client adds some",
    explains: ({ facet, exchange, request, dialect }) =>
      ["location-raw", "body"].includes(facet) &&
      (dialect === "v5" || request.path.includes("?")) &&
      sameParameters(target(exchange.real), target(exchange.ours)),
  },
  {
    key: "form-props",
    what: "the query of a page does not replace what its forms are made of",
    occurs: ({ status, body }) => status === 200 && body.includes('value="z"'),
  },
  {
    key: "error-twice",
    what: "an error that a page is given twice is none, in either dialect",
    dialects: ["v4"],
    occurs: ({ status, body }) => status === 200 && body.includes('class="error"'),
  },
  {
    key: "get-body",
    what: "the content of a GET means nothing (RFC 9110, section 9.3.1)",
    dialects: ["v4"],
    occurs: ({ status }) => status === 200,
  },
  {
    key: "own-page-query",
    what: "the parameters of an own page that has some already follow these",
    dialects: ["v5"],
    explains: ({ facet, exchange, site }) => {
      const [real, ours] = [target(exchange?.real ?? {}), target(exchange?.ours ?? {})];
      return ["location", "body"].includes(facet) && site.pages && real?.replace(/(\?.*?)\?/, "$1&") === ours;
    },
  },
  {
    key: "profile-id",
    what: "a profile that does not say whose it is signs nobody in",
    dialects: ["v5"],
    explains: ({ facet, name, real, ours, request, site }) => {
      if (!request.path.includes("/callback/nobody?")) return false;
      if (facet === "location")
        return real.startsWith(`${site.origin}/after`) && ours === `${site.origin}${site.basePath}/signin`;
      return facet === "cookie-missing" && [...checkNames, "session-token"].includes(bare(name));
    },
  },
  {
    key: "cookie-quotes",
    what: "quotes around the value of a cookie are not part of it, in either dialect",
    dialects: ["v5"],
    occurs: (response, browser) => tokenRefused(response) || response.body === "null" || renewsToken(response, browser),
  },
  {
    key: "stored-people",
    what: "where users are stored, people with a password are users as well, and have sessions of every strategy",
    explains: (d) => /^rows: a password /.test(d.sequence) && explainsStored(d),
  },
  {
    key: "field-limit",
    what: "a form has 1000 fields at most, in either dialect",
    dialects: ["v5"],
    occurs: ({ cookies }, { names }) =>
      cookies.some(({ name, attributes }) => name === names.session && attributes.includes("Max-Age=0")),
  },
  // What follows departs from nothing that NextAuth promises: attacks that it has
  // no wall against, under their names.
  {
    key: "COOK-15",
    what: "cookies are compared byte by byte, spaces included",
    occurs: (response, browser) =>
      hasSession(response) || (/"csrfToken"/.test(response.body) && !renewsToken(response, browser)),
  },
  {
    key: "CSRF-05",
    what: "a CSRF cookie without a token is none",
    occurs: (response, browser) => !tokenRefused(response) || !(browser.v5 || renewsToken(response, browser)),
  },
  {
    key: "MAIL-03",
    what: "an address that mail software could read as another one, or as several, is none",
    occurs: (response) => /\/verify-request\?/.test(target(response) ?? ""),
  },
  {
    key: "CSRF-12",
    what: "a form with a good token is refused if the browser says that it is another site's",
    occurs: (response) => !tokenRefused(response),
  },
  {
    key: "IDENT-01",
    what: "whoever signs in gets a session of their own, even if they have one",
    explains: ({ facet, name, real, ours, request }) =>
      facet === "cookie-value" &&
      bare(name) === "session-token" &&
      request.path.includes("/callback/") &&
      real === "<session>" &&
      ours === "<new session>",
  },
  {
    key: "JWE-15",
    what: "a token has one encoding, nothing else decodes to it",
    occurs: hasSession,
  },
];

const used = new Set();

const speaks = ({ dialects }, dialect) => !dialects || dialects.includes(dialect);

/** Returns the deviation that would explain a difference, if one does. */
export const explanation = (difference) =>
  list.find(
    (deviation) => deviation.explains && speaks(deviation, difference.dialect) && deviation.explains(difference),
  );

/** The same, and notes that it was needed. */
export function explain(difference) {
  const found = explanation(difference);
  if (found) used.add(found);
  return found;
}

/** Reports whether the real server answers in a way that one of the deviations departs from. */
export function occurs(keys, response, browser, options) {
  const asked = list.filter(
    (deviation) => deviation.occurs && [keys].flat().includes(deviation.key) && speaks(deviation, browser.dialect),
  );
  const found = asked.find((deviation) => deviation.occurs(response, browser, options));
  if (found) used.add(found);
  return found !== undefined;
}

/** The deviations of a dialect that nothing has needed so far. */
export function unused(dialect) {
  return list.filter((deviation) => speaks(deviation, dialect) && !used.has(deviation));
}
