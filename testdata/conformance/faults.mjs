// Mistakes that a gateway could make. Each is made by a proxy in front of
// caddyauth, and has to show up as a difference of the kind that is named.
//
//   alter   changes a response: {request, status, headers, body}, headers being
//           pairs of name and value as they came; may return a promise
//   facet   what the comparison must complain about, see compare.mjs
//   tour    which of those in sharpness.mjs it is; a day, unless it says so

import { secret } from "./sites.mjs";
import { mint, open, prefixes } from "./tokens.mjs";

/** Changes the Set-Cookie lines that a pattern matches. */
const cookies = (pattern, change) => (response) => {
  for (const header of response.headers) {
    if (/^set-cookie$/i.test(header[0]) && pattern.test(header[1])) header[1] = change(header[1]);
  }
};

/** Changes the value of a header field. */
const field = (name, change) => (response) => {
  for (const header of response.headers) if (header[0].toLowerCase() === name) header[1] = change(header[1]);
};

/** Changes the text of a body. */
const text = (pattern, replacement) => (response) => (response.body = response.body.replace(pattern, replacement));

const isCookie = ([name]) => /^set-cookie$/i.test(name);

/** Puts the last cookie in front of the others. */
function swap({ headers }) {
  const at = headers.flatMap((header, i) => (isCookie(header) ? [i] : []));
  if (at.length < 2) return;
  const [first, last] = [at[0], at.at(-1)];
  [headers[first], headers[last]] = [headers[last], headers[first]];
}

function drop(pattern) {
  return (response) =>
    (response.headers = response.headers.filter((header) => !(isCookie(header) && pattern.test(header[1]))));
}

/** Leaves a flow in its cookie when it comes back. */
function keepFlow({ request, headers }) {
  if (!request.url.includes("/callback/")) return;
  for (const header of headers) {
    const name = isCookie(header) && /^([\w.-]+\.state)=/.exec(header[1])?.[1];
    const pair = name && request.headers.cookie.split("; ").find((sent) => sent.startsWith(`${name}=`));
    if (!pair) continue;
    const expires = new Date(Date.now() + 900_000).toUTCString();
    header[1] = `${pair}; Max-Age=900; Path=/; Expires=${expires}; HttpOnly; SameSite=Lax`;
  }
}

/** Seals the sessions of http sites again, with other claims. */
const claims = (change) => async (response) => {
  for (const header of response.headers) {
    const found = /^((?:next-auth|authjs)\.session-token)=(ey[^;]+)/.exec(header[1]);
    if (!isCookie(header) || !found) continue;
    const [, name, token] = found;
    const dialect = name.startsWith(prefixes.v5) ? "v5" : "v4";
    const changed = change(await open(dialect, name, token, secret));
    header[1] = header[1].replace(token, await mint(dialect, name, changed, { secret, maxAge: 2592000 }));
  }
};

export const faults = [
  {
    name: "HttpOnly is missing",
    alter: cookies(/session-token=ey/, (line) => line.replace("; HttpOnly", "")),
    facet: "cookie-attributes",
  },
  {
    name: "SameSite is None",
    alter: cookies(/csrf-token/, (line) => line.replace("SameSite=Lax", "SameSite=None")),
    facet: "cookie-attributes",
  },
  {
    name: "a cookie has a domain",
    alter: cookies(/callback-url/, (line) => line.replace("Path=/", "Domain=plain.test; Path=/")),
    facet: "cookie-attributes",
  },
  {
    name: "attributes are in another order",
    alter: cookies(/csrf-token/, (line) => line.replace("Path=/; HttpOnly", "HttpOnly; Path=/")),
    facet: "cookie-attributes",
  },
  {
    name: "Max-Age is longer",
    alter: cookies(/Max-Age=(899|900)/, (line) => line.replace(/Max-Age=\d+/, "Max-Age=1800")),
    facet: "cookie-attributes",
  },
  {
    name: "Expires is a minute later",
    alter: cookies(/session-token=ey/, (line) =>
      line.replace(/Expires=([^;]+)/, (_, date) => `Expires=${new Date(Date.parse(date) + 60_000).toUTCString()}`),
    ),
    facet: "cookie-attributes",
  },
  { name: "two cookies are swapped", alter: swap, facet: "cookie-order" },
  {
    name: "a cookie is set twice",
    alter: ({ headers }) =>
      headers.push(...headers.filter(([name, value]) => isCookie([name]) && /session-token/.test(value)).slice(0, 1)),
    facet: "cookie-order",
  },
  {
    name: "a cookie of another name",
    alter: ({ headers }) => headers.push(["Set-Cookie", "trace=1; Path=/"]),
    facet: "cookie-extra",
  },
  { name: "signing out keeps the session", alter: drop(/session-token=;/), facet: "cookie-missing" },
  {
    name: "the bar of the CSRF cookie is raw",
    alter: cookies(/csrf-token/, (line) => line.replace("%7C", "|")),
    facet: "cookie-value",
  },
  {
    name: "the hash of the CSRF cookie is wrong",
    alter: cookies(/csrf-token/, (line) => line.replace(/%7C(.)/, (_, c) => `%7C${c === "a" ? "b" : "a"}`)),
    facet: "cookie-value",
  },
  {
    name: "the callback-url cookie has another path",
    alter: cookies(/callback-url=/, (line) => line.replace(/callback-url=([^;]+)/, "callback-url=$1%2F")),
    facet: "cookie-value",
  },
  {
    name: "the session is sealed by nobody",
    alter: cookies(/session-token=ey/, (line) => line.replace(/(session-token=.{80})./, (_, start) => `${start}~`)),
    facet: "cookie-value",
  },
  {
    name: "a letter of the session is another one",
    alter: cookies(/session-token=ey/, (line) =>
      line.replace(/(session-token=.{80})(.)/, (_, start, c) => start + (c === "A" ? "B" : "A")),
    ),
    facet: "cookie-claims",
  },
  {
    name: "the session's header has another spelling",
    alter: cookies(/session-token=ey/, (line) =>
      line.replace(/=(ey[^.]+)/, (_, header) => {
        const text = Buffer.from(header, "base64url").toString();
        return `=${Buffer.from(text.replace(":", ": ")).toString("base64url")}`;
      }),
    ),
    facet: "cookie-header",
  },
  { name: "the token has no name", alter: claims(({ name: _, ...rest }) => rest), facet: "cookie-claim" },
  { name: "the token has a claim more", alter: claims((all) => ({ ...all, role: "x" })), facet: "cookie-claim" },
  { name: "a flow's cookie stays when it is over", alter: keepFlow, facet: "cookie-value" },
  { name: "303 for 302", alter: (response) => response.status === 302 && (response.status = 303), facet: "status" },
  { name: "200 for 400", alter: (response) => response.status === 400 && (response.status = 200), facet: "status" },
  {
    name: "a wrong error code",
    alter: field("location", (to) => to.replace(/error=\w+/, "error=Default")),
    facet: "location",
  },
  { name: "a slash after the address", alter: field("location", (to) => `${to}/`), facet: "location" },
  {
    name: "a relative address",
    alter: field("location", (to) => to.replace("http://plain.test", "")),
    facet: "location",
  },
  {
    name: "an address spelled otherwise",
    alter: field("location", (to) => to.replace("%C3%A4", "%c3%a4")),
    facet: "location-raw",
  },
  {
    name: "no PKCE",
    alter: field("location", (to) => to.replace(/&code_challenge(_method)?=[^&]*/g, "")),
    facet: "location",
  },
  { name: "null for {}", alter: text(/^\{\}$/, "null"), facet: "body", dialects: ["v4"] },
  { name: "{} for null", alter: text(/^null$/, "{}"), facet: "body", dialects: ["v5"] },
  {
    name: "members in another order",
    alter: text(/"id":"(\w+)","name":"([^"]*)"/g, '"name":"$2","id":"$1"'),
    facet: "body",
  },
  { name: "a space in JSON", alter: text(/":"/, '": "'), facet: "body" },
  {
    name: "a session that lasts longer",
    alter: text(/"expires":"(\d+)/, (_, year) => `"expires":"${Number(year) + 1}`),
    facet: "body",
  },
  {
    name: "another content type",
    alter: field("content-type", (type) => type.replace("application/json", "text/plain")),
    facet: "content-type",
  },
  {
    name: "a session that may be cached",
    alter: ({ request, headers }) => {
      const found = headers.find(([name]) => name.toLowerCase() === "cache-control");
      if (found && /\/session$/.test(request.url)) found[1] = "private";
    },
    facet: "cache",
  },
  { name: "a form that leads elsewhere", alter: text(/\/signin\/op"/, '/signin/plain"'), facet: "form-action" },
  { name: "a form by GET", alter: text(/method="POST"/, 'method="GET"'), facet: "form-method" },
  {
    name: "a form without a token",
    alter: text(/<input type="hidden" name="csrfToken"[^>]*>/, ""),
    facet: "form-fields",
  },
  { name: "another class of the page", alter: text('<body class="__', '<body class="'), facet: "page-bodyClass" },
  { name: "another title", alter: text(/<title>[^<]*/, "<title>Welcome"), facet: "page-title" },
  { name: "a link that leads elsewhere", alter: text(/(<a [^>]*href=")[^"]*/, "$1/elsewhere"), facet: "page-links" },
  { name: "another text on a button", alter: text("Sign in with Test OP", "Continue"), facet: "form-button" },
  { name: "a class is missing", alter: text(/class="provider"/g, ""), facet: "page-names" },
  {
    name: "a session's token changes when it is read",
    alter: ({ request, headers }) => {
      for (const header of headers) {
        if (isCookie(header) && request.url.endsWith("/session"))
          header[1] = header[1].replace(/(?<=session-token=)[\da-f]{8}/, "00000000");
      }
    },
    facet: "cookie-value",
    tour: "row",
  },
  {
    name: "one form too many",
    alter: text("</form>", '</form><form action="/" method="POST"></form>'),
    facet: "page-form-count",
  },
];
