// The session endpoint, and every kind of token that is one or is none.

import { pieceLength, pieces } from "../tokens.mjs";

const carol = {
  name: "Carol Example",
  email: "carol@example.com",
  picture: "https://images.test/carol.png",
  sub: "carol",
};

/** Random text, which does not become smaller when it is sealed. */
const filler = (length) => "0123456789abcdef".repeat(Math.ceil(length / 16)).slice(0, length);

const claimSets = {
  everything: carol,
  "no picture": { name: carol.name, email: carol.email, sub: "carol" },
  nulls: { name: null, email: null, picture: null, sub: "carol" },
  "sub alone": { sub: "carol" },
  nothing: {},
  "more claims": {
    ...carol,
    roles: ["a", "b"],
    nested: { a: { b: [1, 2.5, -3e21, true, null] } },
    big: 9007199254740991,
    text: '\u2028\u2029</script>"\\\u0007',
  },
  unicode: { name: 'Zoë 😀 "q" \\ \u0000', email: "zoë@例え.test", sub: "日本" },
  "other types": { name: 5, email: true, picture: ["x"], sub: 7 },
  objects: { name: { first: "C" }, email: [], picture: {}, sub: "carol" },
  "empty texts": { name: "", email: "", picture: "", sub: "" },
};

const shapes = Object.entries(claimSets).map(([name, claims]) => ({
  name: `session of ${name}`,
  site: "plain",
  async run(b) {
    await b.csrf();
    await b.carry(claims);
    await b.get("/session");
    await b.get("/session"); // the one that the first answer has set
    await b.post("/session", { json: { csrfToken: await b.csrf(), data: { name: "Other" } } });
  },
}));

const anonymous = {
  name: "session of nobody",
  site: "plain",
  async run(b) {
    await b.get("/session");
    await b.get("/session");
    const csrfToken = await b.csrf();
    await b.post("/session", { json: { csrfToken } });
    await b.post("/session", { json: { csrfToken, data: { name: "x" } } });
    await b.post("/session", { form: { csrfToken, data: "x" } });
    await b.post("/session", { json: {} });
    await b.post("/session");
    await b.get("/session", { headers: { Authorization: `Bearer ${await b.mint(carol)}` } });
    await b.get("/session", { query: { callbackUrl: "/x", update: "1" } });
  },
};

const update = {
  name: "session update",
  site: "plain",
  async run(b) {
    const csrfToken = await b.csrf();
    await b.carry(carol);
    await b.post("/session", { json: { csrfToken, data: { name: "Mallory" } } });
    await b.get("/session");
    await b.post("/session", { json: { csrfToken } });
    await b.post("/session", { json: { csrfToken, data: null } });
    await b.post("/session", { json: { csrfToken, data: [1] } });
    await b.post("/session", { form: { csrfToken, data: "text", json: "true" } });
    await b.post("/session", { json: { csrfToken, data: {}, callbackUrl: "/x" } });
    await b.post("/session", { json: { csrfToken: "wrong", data: { name: "Mallory" } } });
    await b.get("/session");
  },
};

/** Puts a value into the session cookie and asks who is signed in. */
async function ask(b, value) {
  b.jar.set(b.names.session, value);
  await b.get("/session");
}

const changed = {
  name: "session tampered with",
  site: "plain",
  async run(b) {
    await b.csrf();
    const token = await b.mint(carol);
    const parts = token.split(".");
    const other = (c) => (c === "A" ? "B" : "A");
    for (const i of [0, 2, 3, 4]) {
      const part = parts[i];
      const flipped = part.slice(0, 4) + other(part[4]) + part.slice(5);
      await ask(b, parts.with(i, flipped).join("."));
      await ask(b, parts.with(i, "").join("."));
    }
    for (const value of [
      token.slice(0, -1),
      token.slice(0, 40),
      `${token}.`,
      `.${token}`,
      `${token}x`,
      `x${token}`,
      parts.slice(0, 4).join("."),
      parts.slice(0, 3).join("."),
      [...parts, "x"].join("."),
      parts.with(1, "AAAA").join("."),
      "x",
      "null",
      "undefined",
      "{}",
      "%",
      "%00",
      token.toLowerCase(),
      "....",
      "eyJhbGciOiJub25lIn0.e30.",
      "",
    ]) {
      await ask(b, value);
    }
  },
};

/** The same token in other words. */
const spelled = {
  name: "session spelled otherwise",
  site: "plain",
  async run(b) {
    await b.csrf();
    const token = await b.mint(carol);
    for (const value of [encodeURIComponent(token), token.replace(".", "%2E"), token.replace(".", "%2e")])
      await ask(b, value);
    const line = (value) => `${b.names.session}=${value}`;
    await b.get("/session", {
      cookie: line(`"${token}"`),
      instead: { deviation: "cookie-quotes", cookie: line(token) },
    });
    for (const value of [` ${token}`, `${token} ; x=y`]) {
      await b.get("/session", { cookie: line(value), instead: { deviation: "COOK-15", cookie: line("garbage") } });
    }
  },
};

/** Encodings that decode to the same bytes, if the decoder does not look closely. */
const loose = {
  name: "session encoded loosely",
  site: "plain",
  async run(b) {
    await b.csrf();
    const token = await b.mint(carol);
    const parts = token.split(".");
    const instead = { deviation: "JWE-15", cookie: `${b.names.session}=garbage` };
    for (const i of [0, 2, 3, 4]) {
      for (const part of [`${parts[i]}A`, `${parts[i]}=`, `${parts[i]}%20`, `${parts[i]}%`, `${parts[i]}!`]) {
        await b.get("/session", { cookie: `${b.names.session}=${parts.with(i, part).join(".")}`, instead });
      }
    }
  },
};

const foreign = {
  name: "session of elsewhere",
  site: "plain",
  async run(b) {
    await b.csrf();
    await ask(b, await b.mint(carol, { foreign: true }));
    await ask(b, await b.mint(carol, { dialect: b.v5 ? "v4" : "v5" }));
    await ask(b, await b.mint(carol, { cookie: b.names.state }));
    await ask(b, await b.mint({ value: "x", provider: "op" }, { cookie: b.names.state }));
    await ask(b, await b.mint(carol, { cookie: `__Secure-${b.names.session}`, dialect: "v5" }));
    b.jar.clear();
    b.jar.set(`__Secure-${b.names.session}`, await b.mint(carol));
    b.jar.set(b.names.session.toUpperCase(), await b.mint(carol));
    b.jar.set("session-token", await b.mint(carol));
    await b.get("/session");
  },
};

const times = {
  name: "session expired",
  site: "plain",
  async run(b) {
    await b.csrf();
    // Clocks may differ by 15 seconds; what is nearer cannot be told apart here.
    for (const maxAge of [60, 1, -8, -30, -3600, -86400 * 400]) await ask(b, await b.mint(carol, { maxAge }));
    await ask(b, await b.mint({ ...carol, nbf: Math.floor(Date.now() / 1000) + 10 }));
    await ask(b, await b.mint({ ...carol, nbf: Math.floor(Date.now() / 1000) + 60 }));
    await ask(b, await b.mint({ ...carol, nbf: "tomorrow" }));
    await ask(b, await b.mint({ ...carol, aud: "x", iss: "y" }));
  },
};

/** A session at the end of its time leaves the other cookies alone. */
const ended = {
  name: "session expired beside other cookies",
  site: "plain",
  async run(b) {
    await b.get("/signin", { query: { callbackUrl: "/kept" } });
    await b.carry(carol, { maxAge: -60 });
    b.jar.set("other", "x");
    await b.get("/providers");
    await b.get("/signin");
    await b.get("/signout");
    await b.get("/session");
    await b.get("/session");
  },
};

const chunked = {
  name: "session in pieces",
  site: "plain",
  async run(b) {
    await b.csrf();
    for (const length of [2500, 5500, 9000]) {
      b.jar.clear();
      await b.carry({ ...carol, filler: filler(length) });
      await b.get("/session");
      await b.get("/session");
      await b.post("/session", { json: { csrfToken: await b.csrf() } });
    }
    await b.post("/signout", { form: { csrfToken: await b.csrf() } });
    await b.get("/session");
  },
};

/** Around the length from which on a token is cut. */
const edge = {
  name: "session at the length of a piece",
  site: "plain",
  async run(b) {
    const limit = pieceLength[b.dialect];
    const length = async (n) => (await b.mint({ ...carol, filler: filler(n) })).length;
    let n = 2000;
    while ((await length(n + 1)) <= limit) n++;
    for (const size of [n - 1, n, n + 1, n + 2]) {
      b.jar.clear();
      await b.csrf();
      await b.carry({ ...carol, filler: filler(size) });
      await b.get("/session");
    }
  },
};

/** A session of another size than the pieces that the browser still has. */
const resized = {
  name: "session cut anew",
  site: "plain",
  async run(b) {
    await b.csrf();
    const large = pieces(b.dialect, b.names.session, await b.mint({ ...carol, filler: filler(9000) }));
    const set = (cookies) => Object.entries(cookies).forEach(([name, value]) => b.jar.set(name, value));
    set(large);
    await b.password("carol", "carol-test-password"); // from four pieces to one
    await b.get("/session");
    b.jar.clear();
    await b.csrf();
    await b.carry({ ...carol, filler: filler(6000) });
    await b.get("/session");
    // From pieces that are shorter than they need be to fewer.
    b.jar.clear();
    await b.csrf();
    const token = await b.mint({ ...carol, filler: filler(3000) });
    for (let i = 0; i * 1500 < token.length; i++)
      b.jar.set(`${b.names.session}.${i}`, token.slice(i * 1500, (i + 1) * 1500));
    await b.get("/session");
    await b.get("/session");
    // From one that is too long to pieces.
    b.jar.clear();
    await b.csrf();
    b.jar.set(b.names.session, token);
    await b.get("/session");
  },
};

/** Pieces in another order than they were cut in, and other names around them. */
const ordered = {
  name: "session in pieces, in disorder",
  site: "plain",
  async run(b) {
    const cut = Object.entries(pieces(b.dialect, b.names.session, await b.mint({ ...carol, filler: filler(9000) })));
    const line = (pairs) => pairs.map(([name, value]) => `${name}=${value}`).join("; ");
    await b.get("/session", { cookie: line(cut) });
    await b.get("/session", { cookie: line(cut.toReversed()) });
    await b.get("/session", { cookie: `a=b; ${line([cut[1], cut[0]])}; c=d; ${line(cut.slice(2))}` });
    // Not all of them.
    await b.get("/session", { cookie: line(cut.slice(1)) });
    await b.get("/session", { cookie: line(cut.slice(0, -1)) });
    await b.get("/session", { cookie: line([cut[0]]) });
  },
};

const stray = {
  name: "session beside strays",
  site: "plain",
  async run(b) {
    const { session } = b.names;
    const good = `${session}=${await b.mint(carol)}`;
    const instead = { deviation: 6, cookie: good };
    const cut = Object.entries(pieces(b.dialect, session, await b.mint({ ...carol, filler: filler(6000) })));
    await b.get("/session", { cookie: `${good}; other=1` });
    for (const name of [`${session}x`, `${session}-old`, `${session}.x`]) {
      await b.get("/session", { cookie: `${good}; ${name}=stray`, instead });
    }
    const all = cut.map(([name, value]) => `${name}=${value}`).join("; ");
    await b.get("/session", { cookie: `${all}; ${session}x=stray`, instead: { deviation: 6, cookie: all } });
  },
};

export const sessionSequences = [
  ...shapes,
  anonymous,
  update,
  changed,
  spelled,
  loose,
  foreign,
  times,
  ended,
  chunked,
  edge,
  resized,
  ordered,
  stray,
];
