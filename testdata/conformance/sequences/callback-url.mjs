// Where to go afterwards: in the query, in the body, in the cookie, of many
// shapes. Everybody can write such an address.

/** Addresses that are what they say. */
const plain = (b) => [
  "/",
  "/path",
  "/path?x=1&y=2#z",
  "/path/../other",
  "/path//double",
  "/a%20b%C3%A4?q=%26",
  "/:80",
  "/@evil.test",
  "/?//evil.test",
  "/#//evil.test",
  "/path:x?y=http://evil.test/",
  b.site.origin,
  `${b.site.origin}/`,
  `${b.site.origin}/path?x=1#z`,
  `${b.site.origin}//evil.test`,
  `${b.site.origin}?x=1`,
  `${b.site.origin}/?callbackUrl=https%3A%2F%2Fevil.test`,
];

/** Addresses that browsers would spell otherwise. */
const spelled = (b) => ["/a b", "/ä", '/a"b<c>d', `${b.site.origin}:80/path`, `${b.site.origin.toUpperCase()}/Path`];

/** Addresses that no header can hold, which the real server finds out too late. */
const unwritable = ["/日本", "/€?x=€", "/\u2028"];

/** Addresses of this site with something in front, or with a password. */
const suspicious = (b) => [
  "/%2F%2Fevil.test",
  "/%5Cevil.test",
  "/%2f/evil.test",
  `${b.site.origin}/\\evil.test`,
  `http://user:password@${b.site.host}/path`,
  `http://user@${b.site.host}/path`,
  `blob:${b.site.origin}/path`,
];

/** Addresses of other sites: they count as the origin at both sides. */
const others = (b) => [
  "https://evil.test",
  "http://evil.test/path?x=1",
  "HTTPS://EVIL.TEST/",
  `${b.site.origin}.evil.test/`,
  `${b.site.origin}evil.test/`,
  `${b.site.origin}@evil.test/`,
  `${b.site.origin}:81/`,
  `${b.site.origin.replace("http:", "https:")}/`,
  `http://sub.${b.site.host}/`,
  `http://evil.test/${b.site.origin}`,
  `http://evil.test#${b.site.origin}`,
  `http://evil.test?${b.site.origin}`,
  "http://[::1]/",
  "http://127.0.0.1/",
  "http:evil.test",
  "https:/evil.test",
  "http:////evil.test",
  "http:\\\\evil.test",
];

/**
 * Not an http address at all. Mostly the real server fails, where ours takes the
 * origin: it depends on the place whether it parses the address first.
 */
const garbage = [
  "dashboard",
  "./path",
  "../path",
  "?x=1",
  "#x",
  "\\path",
  "javascript:alert(1)",
  "JavaScript:alert(1)",
  " javascript:alert(1)",
  "data:text/html,x",
  "ftp://plain.test/",
  "file:///etc/passwd",
  "mailto:x@y",
  "blob:http://plain.test/x",
  "about:blank",
  "http://",
  "https://",
  "http:",
  "http://%",
  "http://a b/",
  "http://plain.test:99999/",
  "http://[",
  "://plain.test/",
  "plain.test/path",
  "null",
  "undefined",
  "[object Object]",
  "%2Fpath",
  "//",
  "/\\",
];

/** Two slashes, or what browsers take for them. */
const doubled = [
  "//evil.test",
  "//evil.test/path",
  "///evil.test",
  "/\\evil.test",
  "/\\/evil.test",
  "//plain.test/path",
];

/** Asks for each address in the query, each time in a new browser. */
async function inQuery(b, addresses, instead) {
  for (const callbackUrl of addresses) {
    b.jar.clear();
    await b.get("/csrf", { query: { callbackUrl }, ...instead?.("query") });
  }
}

/** Keeps each address in the cookie. */
async function inCookie(b, addresses, instead) {
  for (const callbackUrl of addresses) {
    const line = `${b.names.callbackUrl}=${encodeURIComponent(callbackUrl)}`;
    await b.get("/csrf", { cookie: line, ...instead?.("cookie") });
  }
}

/** Sends each address with the form of a sign-out, which leads to it at once. */
async function inBody(b, addresses, instead) {
  const csrfToken = await b.csrf();
  for (const callbackUrl of addresses) {
    b.jar.set(b.names.callbackUrl, undefined);
    await b.post("/signout", { form: { csrfToken, callbackUrl }, ...instead?.("body", csrfToken) });
  }
}

/** The same request with the origin for an address. */
const originInstead = (b, deviation) => (place, csrfToken) => {
  const callbackUrl = b.site.origin;
  const other = {
    query: { query: { callbackUrl } },
    cookie: { cookie: "other=x" },
    body: { form: { csrfToken, callbackUrl } },
  }[place];
  return { instead: { deviation, ...other } };
};

const places = { query: inQuery, cookie: inCookie, body: inBody };

const kinds = {
  plain: (b, send) => send(b, plain(b)),
  "spelled otherwise": (b, send) => send(b, spelled(b)),
  suspicious: (b, send) => send(b, suspicious(b), originInstead(b, [3, 4])),
  "another site": (b, send) => send(b, others(b)),
  garbage: (b, send) => send(b, garbage, originInstead(b, [3, 4])),
  "two slashes": (b, send) => send(b, doubled, originInstead(b, 4)),
};

const shapes = Object.entries(places).flatMap(([place, send]) =>
  Object.entries(kinds).map(([kind, run]) => ({
    name: `callbackUrl in the ${place}, ${kind}`,
    site: "plain",
    run: (b) => run(b, send),
  })),
);

/** Ours writes them as the browser will; then the real server can write them too. */
const encoded = {
  name: "callbackUrl that no header can hold",
  site: "plain",
  async run(b) {
    const csrfToken = await b.csrf();
    for (const callbackUrl of unwritable) {
      const instead = { deviation: 3, form: { csrfToken, callbackUrl: encodeURI(callbackUrl) } };
      await b.post("/signout", { form: { csrfToken, callbackUrl }, instead });
    }
  },
};

const https = {
  name: "callbackUrl at an https site",
  site: "secure",
  async run(b) {
    await inQuery(b, [
      "/path",
      b.site.origin,
      `${b.site.origin}/path`,
      "http://secure.test/path",
      "https://secure.test:8443/",
    ]);
  },
};

/** Every route that reads it, and what a page makes of it. */
const routes = {
  name: "callbackUrl on every route",
  site: "plain",
  async run(b) {
    for (const path of [
      "/csrf",
      "/session",
      "/signin",
      "/signin/op",
      "/signout",
      "/error",
      "/verify-request",
      "/providers",
    ]) {
      b.jar.clear();
      await b.get(path, { query: { callbackUrl: "/wanted?x=<\"'&>" } });
      await b.get(path);
      await b.get(path, { query: { callbackUrl: "/wanted?x=<\"'&>" } });
      await b.get(path, { query: { callbackUrl: "https://evil.test/" } });
    }
  },
};

/** Of body, query and cookie the first that says anything counts. */
const precedence = {
  name: "callbackUrl in several places",
  site: "plain",
  async run(b) {
    const csrfToken = await b.csrf();
    const post = (query, form) => b.post("/signout", { query, form: { csrfToken, ...form } });
    await post({ callbackUrl: "/query" }, { callbackUrl: "/body" });
    await post({ callbackUrl: "/query" }, {});
    await post({}, {});
    await post({ callbackUrl: "/query" }, { callbackUrl: "" });
    await post({ callbackUrl: "" }, { callbackUrl: "/body" });
    await post({ callbackUrl: "" }, { callbackUrl: "" });
    await post({ callbackurl: "/query" }, { CallbackUrl: "/body" });
    await b.get("/csrf", { query: { callbackUrl: "/kept" } });
    await post({}, {});
    await post({}, { callbackUrl: b.site.origin });
  },
};

/** Kept from the sign-in page to the end of a flow. */
const carried = {
  name: "callbackUrl from page to callback",
  site: "plain",
  async run(b) {
    await b.get("/signin", { query: { callbackUrl: "/wanted?x=1#y" } });
    await b.oauth("op", { form: { callbackUrl: "" } });
    await b.get("/session");
    await b.get("/signout", { query: { callbackUrl: "/gone" } });
    await b.post("/signout", { form: { csrfToken: await b.csrf() } });
  },
};

const lengthy = {
  name: "callbackUrl that is long",
  site: "plain",
  async run(b) {
    for (const length of [500, 1500, 2000]) await inQuery(b, [`/${"x".repeat(length)}`]);
  },
};

export const callbackUrlSequences = [...shapes, encoded, https, routes, precedence, carried, lengthy];
