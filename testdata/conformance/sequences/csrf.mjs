// The double-submit token: when it is issued, and what counts as none.

import { createHash } from "node:crypto";

import { otherSecret, secret } from "../sites.mjs";

const sha256 = (text) => createHash("sha256").update(text).digest("hex");
const foreign = "f".repeat(64);

/** The routes that a form may be sent to without a token, or with a bad one. */
const targets = [
  ["/signin/op", {}],
  ["/signin/credentials", {}],
  ["/signin/unknown", {}],
  ["/signin", {}],
  ["/callback/credentials", { username: "carol", password: "carol-test-password" }],
  ["/signout", {}],
  ["/session", {}],
];

/** Ways to send a token, given the good one; undefined sends none. */
const tokens = {
  none: () => ({}),
  empty: () => ({ csrfToken: "" }),
  wrong: () => ({ csrfToken: foreign }),
  short: (token) => ({ csrfToken: token.slice(0, 63) }),
  long: (token) => ({ csrfToken: `${token}0` }),
  upper: (token) => ({ csrfToken: token.toUpperCase() }),
  whole: (token) => ({ csrfToken: `${token}|${sha256(token + secret)}` }),
  cased: (token) => ({ csrftoken: token }),
};

const bad = Object.entries(tokens).map(([name, fields]) => ({
  name: `csrf token ${name}`,
  site: "plain",
  async run(b) {
    const token = await b.csrf();
    await b.carry({ name: "Carol Example", sub: "carol" });
    for (const [path, form] of targets) await b.post(path, { form: { ...form, ...fields(token) } });
  },
}));

const elsewhere = {
  name: "csrf token elsewhere",
  site: "plain",
  async run(b) {
    const csrfToken = await b.csrf();
    for (const [path, form] of targets) {
      await b.post(path, { form, query: { csrfToken } });
      await b.post(path, { form: [...Object.entries(form), ["csrfToken", csrfToken], ["csrfToken", foreign]] });
      await b.post(path, { form: [...Object.entries(form), ["csrfToken", foreign], ["csrfToken", csrfToken]] });
      await b.post(path, { form: { ...form, csrfToken }, query: { csrfToken: foreign } });
      await b.post(path, { json: { ...form, csrfToken: [csrfToken] } });
      await b.post(path, { json: { ...form, csrfToken: { value: csrfToken } } });
      await b.post(path, { json: { ...form, csrfToken: true } });
      await b.post(path, { form: { ...form, csrfToken }, headers: { "X-CSRF-Token": csrfToken }, type: "text/plain" });
    }
  },
};

/** Cookies that come with the token of their first part. */
const cookies = {
  "as written": (token) => `${token}%7C${sha256(token + secret)}`,
  "a raw bar": (token) => `${token}|${sha256(token + secret)}`,
  "a third part": (token) => `${token}%7C${sha256(token + secret)}%7Cmore`,
  "encoded twice": (token) => `${token}%257C${sha256(token + secret)}`,
  "no hash": (token) => token,
  "an empty hash": (token) => `${token}%7C`,
  "its own hash": (token) => `${token}%7C${token}`,
  "an upper-case hash": (token) => `${token}%7C${sha256(token + secret).toUpperCase()}`,
  "a short hash": (token) => `${token}%7C${sha256(token + secret).slice(0, 63)}`,
  "another secret": (token) => `${token}%7C${sha256(token + otherSecret)}`,
  "a hash of the token alone": (token) => `${token}%7C${sha256(token)}`,
  nothing: () => "",
  "broken escapes": (token) => `${token}%7%C%`,
};

const forged = Object.entries(cookies).map(([name, value]) => ({
  name: `csrf cookie of ${name}`,
  site: "plain",
  async run(b) {
    const token = foreign;
    for (const [path, form] of targets) {
      b.jar.clear();
      b.jar.set(b.names.csrf, value(token));
      await b.post(path, { form: { ...form, csrfToken: token } });
    }
    b.jar.clear();
    b.jar.set(b.names.csrf, value(token));
    await b.get("/csrf");
  },
}));

/** Cookies that only some parsers and checks accept, and the ones to compare with. */
const disputed = {
  "in quotes": {
    token: foreign,
    value: `"${foreign}%7C${sha256(foreign + secret)}"`,
    instead: { deviation: "cookie-quotes", value: `${foreign}%7C${sha256(foreign + secret)}` },
  },
  "an empty token": { token: "", value: `%7C${sha256(secret)}`, instead: { deviation: "CSRF-05", value: "" } },
};

const accepted = Object.entries(disputed).map(
  ([
    name,
    {
      token,
      value,
      instead: { deviation, ...other },
    },
  ]) => ({
    name: `csrf cookie of ${name}`,
    site: "plain",
    async run(b) {
      const cookie = (v) => `${b.names.csrf}=${v}`;
      const options = { cookie: cookie(value), instead: { deviation, cookie: cookie(other.value) } };
      for (const [path, form] of targets) await b.post(path, { form: { ...form, csrfToken: token }, ...options });
      await b.get("/csrf", options);
    },
  }),
);

const small = {
  name: "csrf tokens of other lengths",
  site: "plain",
  async run(b) {
    for (const token of ["a", "A".repeat(64), "x".repeat(200), "ü"]) {
      b.jar.clear();
      b.jar.set(b.names.csrf, encodeURIComponent(`${token}|${sha256(token + secret)}`));
      await b.get("/csrf");
      await b.post("/signout", { form: { csrfToken: token } });
    }
  },
};

const issued = {
  name: "csrf cookie issued",
  site: "plain",
  async run(b) {
    await b.csrf();
    for (const path of ["/csrf", "/session", "/signin", "/signout", "/error", "/verify-request", "/providers"])
      await b.get(path);
    for (const path of [
      "/session",
      "/signin",
      "/signout",
      "/error",
      "/verify-request",
      "/providers",
      "/callback/op",
      "/callback/plain",
    ]) {
      b.jar.clear();
      await b.get(path);
    }
  },
};

const repeated = {
  name: "csrf cookie repeated",
  site: "plain",
  async run(b) {
    const token = await b.csrf();
    const good = `${b.names.csrf}=${b.jar.get(b.names.csrf)}`;
    const bad = `${b.names.csrf}=${foreign}%7C${foreign}`;
    for (const cookie of [
      `${good}; ${bad}`,
      `${bad}; ${good}`,
      `${good};${bad}`,
      `x=y; ${good}`,
      `${good}; x`,
      `a="${good}"; b`,
    ]) {
      await b.get("/csrf", { cookie });
      await b.post("/signout", { cookie, form: { csrfToken: token } });
    }
    await b.get("/csrf", { cookie: `${good} ; x=y`, instead: { deviation: "COOK-15", cookie: "x=y" } });
  },
};

/** What browsers say about where a form comes from. */
const origins = {
  "the same site": (b) => ({ Origin: b.site.origin, "Sec-Fetch-Site": "same-origin" }),
  "the same site, in an old browser": (b) => ({ Origin: b.site.origin }),
  "a page without referrer": () => ({ Origin: "null", "Sec-Fetch-Site": "same-origin" }),
  "the address bar": () => ({ "Sec-Fetch-Site": "none" }),
};

const foreignOrigins = {
  "another site": () => ({ Origin: "https://evil.test", "Sec-Fetch-Site": "cross-site" }),
  "another site, in an old browser": () => ({ Origin: "https://evil.test" }),
  "a sandboxed frame": () => ({ Origin: "null" }),
  "a sibling": () => ({ Origin: "http://sibling.test", "Sec-Fetch-Site": "same-site" }),
};

/** Forms with a good token: what browsers say about them is a second wall here. */
const sent = (kinds, instead) =>
  Object.entries(kinds).map(([name, headers]) => ({
    name: `csrf token from ${name}`,
    site: "plain",
    async run(b) {
      const csrfToken = await b.csrf();
      await b.get("/session"); // so that the other cookies are there as well
      for (const [path, form] of targets) {
        await b.post(path, { form: { ...form, csrfToken }, headers: headers(b), ...instead?.(form) });
      }
    },
  }));

const fromHere = sent(origins);
const fromElsewhere = sent(foreignOrigins, (form) => ({ instead: { deviation: "CSRF-12", form } }));

/** Clients of other frameworks send no token: there, the servers do not ask. */
const tokenless = {
  name: "csrf token of clients without one",
  site: "plain",
  dialects: ["v5"],
  async run(b) {
    const csrfToken = await b.csrf();
    const header = { "X-Auth-Return-Redirect": "1" };
    const ask = async (headers, accepted) => {
      for (const [path, form] of targets) {
        await b.post(path, {
          form,
          headers,
          ...(accepted && { instead: { deviation: 22, form: { ...form, csrfToken } } }),
        });
      }
    };
    await ask({ ...header, Origin: b.site.origin }, true);
    await ask({ ...header, Origin: b.site.origin, "Sec-Fetch-Site": "same-origin" }, true);
    await ask({ Origin: b.site.origin, "Sec-Fetch-Site": "same-origin" }, false);
    await ask(header, false);
    await ask({ ...header, "Sec-Fetch-Site": "same-origin" }, false);
    await ask({ ...header, Origin: "https://evil.test" }, false);
    await ask({ ...header, Origin: "null" }, false);
    await ask({ ...header, Origin: b.site.origin, "Sec-Fetch-Site": "cross-site" }, false);
    await ask({ ...header, Origin: b.site.origin, "Sec-Fetch-Site": "same-site" }, false);
  },
};

export const csrfSequences = [
  issued,
  ...bad,
  elsewhere,
  ...forged,
  ...accepted,
  small,
  repeated,
  ...fromHere,
  ...fromElsewhere,
  tokenless,
];
