// Sessions that a store keeps, strategy database: the cookie has a token that says
// nothing.

import { setTimeout as pass } from "node:timers/promises";

import { users } from "../people.mjs";

const session = (b) => b.get("/session");

/** Asks who is signed in with a value in the session cookie. */
async function ask(b, value) {
  b.jar.set(b.names.session, value);
  await session(b);
}

const everyday = ["rows", "safe"].map((site) => ({
  name: `rows: a session at ${site}`,
  site,
  async run(b) {
    await session(b);
    await b.oauth("op", { account: b.person("anna.row") });
    await session(b);
    await session(b);
    await b.get("/signin");
    await b.get("/signout");
    await b.get("/session", { query: { update: "" } });
    const csrfToken = await b.csrf();
    await b.post("/session", { json: { csrfToken } });
    await b.post("/session", { json: { csrfToken, data: { name: "Mallory", user: { email: "x@people.test" } } } });
    await b.post("/session", { form: { csrfToken, data: "x" } });
    await b.post("/session", { json: { csrfToken: "wrong", data: {} } });
    await b.post("/session", { json: {} });
    await session(b);
    await b.post("/signout", { form: { csrfToken: "wrong" } });
    await session(b);
    const token = b.jar.get(b.names.session);
    await b.post("/signout", { form: { csrfToken, callbackUrl: b.after } });
    await session(b);
    await ask(b, token); // a copy, which has ended as well
    await b.post("/session", { json: { csrfToken, data: {} } });
  },
}));

const scripted = {
  name: "rows: signing out by scripts",
  site: "rows",
  async run(b) {
    for (const options of [{ form: { json: "true" } }, { headers: { "X-Auth-Return-Redirect": "1" } }]) {
      await b.oauth("op", { account: b.person("ben.scripted") });
      const csrfToken = await b.csrf();
      await b.post("/signout", { ...options, form: { csrfToken, callbackUrl: b.after, ...options.form } });
      await session(b);
    }
  },
};

const garbage = {
  name: "rows: cookies that are no session",
  site: "rows",
  async run(b) {
    const csrfToken = await b.csrf();
    const sealed = await b.mint({ name: "Clara", email: "clara@people.test", sub: "clara" });
    for (const value of [
      "garbage",
      "00000000-0000-4000-8000-000000000000",
      "' OR 1=1 --",
      "%27%20OR%201%3D1",
      "%",
      "%00",
      "",
      "null",
      "x".repeat(600),
      sealed,
    ]) {
      await ask(b, value);
      b.jar.set(b.names.session, value);
      await b.post("/session", { json: { csrfToken, data: {} } });
      b.jar.set(b.names.session, value);
      await b.post("/signout", { form: { csrfToken } });
    }
    b.jar.set(b.names.session, undefined);
    await b.carry({ name: "Clara", sub: "clara", filler: "0123456789abcdef".repeat(400) });
    await session(b);
  },
};

/** Upper case, spaces and the like make another token of it. */
const spelled = {
  name: "rows: a session's token in other words",
  site: "rows",
  async run(b) {
    await b.oauth("op", { account: b.person("dora.spelled") });
    const token = b.jar.get(b.names.session);
    for (const value of [token.toUpperCase(), `${token}0`, token.slice(1), token.replaceAll("-", "%2D"), `${token}%00`])
      await ask(b, value);
    await ask(b, token);
  },
};

/** A token is one piece, whatever the cookie's name says. */
const cut = {
  name: "rows: a session's token under other names",
  site: "rows",
  async run(b) {
    await b.oauth("op", { account: b.person("emil.cut") });
    const token = b.jar.get(b.names.session);
    const { session: name } = b.names;
    await b.get("/session", { cookie: `${name}.0=${token}` });
    await b.get("/session", { cookie: `${name}.0=${token.slice(0, 18)}; ${name}.1=${token.slice(18)}` });
    await b.get("/session", { cookie: `${name}=${token}; other=1` });
  },
};

const two = {
  name: "rows: two browsers of one person",
  site: "rows",
  async run(b) {
    await b.oauth("op", { account: b.person("fritz.two") });
    const first = b.jar.copy();
    b.jar.clear();
    await b.oauth("op", { account: b.person("fritz.two") });
    await b.signOut();
    await session(b);
    b.jar = first;
    await session(b);
    await b.signOut();
    await session(b);
  },
};

/** The old end in the body, the one that the cookie gets, and when the row moves. */
const renewed = {
  name: "rows: a session is renewed",
  site: "renewed",
  async run(b) {
    await b.oauth("op", { account: b.person("gerda.renewed") });
    await session(b);
    await pass(10_000);
    await session(b); // due: the row moves, the body has the old end
    await session(b);
    await b.post("/session", { json: { csrfToken: await b.csrf(), data: {} } });
  },
};

const expired = {
  name: "rows: a session expires",
  site: "brief",
  async run(b) {
    await b.oauth("op", { account: b.person("hugo.expired") });
    const token = b.jar.get(b.names.session);
    await pass(3_500);
    await session(b);
    await ask(b, token);
    b.jar.set(b.names.session, token);
    await b.post("/signout", { form: { csrfToken: await b.csrf() } });
    b.jar.set(b.names.session, token);
    await b.oauth("op", { account: b.person("hugo+2.expired") }); // the account of somebody who seems new
    await session(b);
  },
};

/** A session that somebody brings into the browser is never the one that is signed in. */
const fixed = {
  name: "rows: a session from elsewhere in the cookie",
  site: "rows",
  async run(b) {
    await b.oauth("op", { account: b.person("irma.fixed") });
    const theirs = b.jar.get(b.names.session);
    b.jar.clear();
    await b.csrf();
    b.jar.set(b.names.session, "7f1b7e6e-6d3c-4d7e-9a6b-5d5f7b1c2d3e");
    await b.oauth("op", { account: b.person("jan.fixed") });
    await session(b);
    b.jar.set(b.names.session, theirs);
    await b.mailed(b.address("jan.fixed"));
    await session(b);
    await ask(b, theirs); // ended, as it was replaced
  },
};

/** People of the users file are stored too, where there is a store. */
const passwords = ["kept", "rows"].map((site) => ({
  name: `rows: a password at ${site}`,
  site,
  async run(b) {
    await b.password("carol", "wrong");
    await b.password("carol", users.carol.password);
    await session(b);
    await session(b);
    await b.signOut();
    await session(b);
  },
}));

export const rowSequences = [
  ...everyday,
  scripted,
  garbage,
  spelled,
  cut,
  two,
  renewed,
  expired,
  fixed,
  ...passwords,
];
