// Signing in with a password.

import { users } from "../people.mjs";

const right = Object.entries(users).map(([name, { password }]) => ({
  name: `credentials of ${name}`,
  site: "plain",
  async run(b) {
    await b.password(name, password);
    await b.get("/session");
    await b.get("/signin");
    await b.password(name, password, { form: { json: "true" } });
    await b.get("/session");
  },
}));

const attempts = [
  ["carol", "wrong"],
  ["carol", ""],
  ["", "carol-test-password"],
  ["", ""],
  ["Carol", "carol-test-password"],
  ["carol ", "carol-test-password"],
  ["carol", "carol-test-password "],
  ["carol", "CAROL-TEST-PASSWORD"],
  ["nobody", "carol-test-password"],
  ["__proto__", "x"],
  ["carol", "x".repeat(2000)],
  ["carol\u0000", "carol-test-password"],
];

const wrong = {
  name: "credentials wrong",
  site: "plain",
  async run(b) {
    for (const [name, password] of attempts) {
      await b.password(name, password);
      await b.password(name, password, { form: { json: "true" } });
      await b.password(name, password, { headers: { "X-Auth-Return-Redirect": "1" } });
    }
  },
};

const fields = {
  name: "credentials in other fields",
  site: "plain",
  async run(b) {
    const csrfToken = await b.csrf();
    const post = (options) => b.post("/callback/credentials", options);
    const good = { username: "carol", password: "carol-test-password" };
    await post({ form: { csrfToken } });
    await post({ form: { csrfToken, username: "carol" } });
    await post({ form: { csrfToken, password: good.password } });
    await post({ form: { csrfToken, Username: "carol", Password: good.password } });
    await post({
      form: [
        ["csrfToken", csrfToken],
        ["username", "carol"],
        ["username", "carol"],
        ["password", good.password],
      ],
    });
    await post({
      form: [
        ["csrfToken", csrfToken],
        ["username", "carol"],
        ["password", "wrong"],
        ["password", good.password],
      ],
    });
    await post({ form: { csrfToken, ...good, redirect: "false", extra: "x" } });
    await post({ form: { csrfToken }, query: good });
    await post({ json: { csrfToken, ...good } });
    await post({ json: { csrfToken, ...good, json: "true", callbackUrl: b.after } });
    await post({ json: { csrfToken, username: "carol", password: 1 } });
    await post({ json: { csrfToken, username: ["carol"], password: good.password } });
    await post({ json: { csrfToken, username: null, password: null } });
    await post({ json: { csrfToken, username: "carol", password: { $ne: "" } } });
  },
};

/** A failed attempt leaves the session alone, a good one replaces it. */
const signedIn = {
  name: "credentials while signed in",
  site: "plain",
  async run(b) {
    await b.password("carol", users.carol.password);
    await b.password("zoe", "wrong");
    await b.get("/session");
    await b.password("zoe", users.zoe.password);
    await b.get("/session");
    await b.post("/signin/credentials", { form: { csrfToken: await b.csrf() } });
    await b.get("/callback/credentials", { query: { username: "carol", password: users.carol.password } });
    await b.get("/session");
  },
};

/** Where to go afterwards is kept in a cookie for a form that does not say. */
const kept = {
  name: "credentials and the callback-url cookie",
  site: "plain",
  async run(b) {
    await b.get("/signin", { query: { callbackUrl: "/kept?x=1" } });
    const csrfToken = await b.csrf();
    await b.post("/callback/credentials", { form: { csrfToken, username: "carol", password: users.carol.password } });
    await b.post("/callback/credentials", { form: { csrfToken, username: "carol", password: "wrong" } });
    await b.post("/callback/credentials", {
      form: { csrfToken, callbackUrl: "", username: "carol", password: users.carol.password },
    });
    await b.post("/callback/credentials", {
      query: { callbackUrl: "/query" },
      form: { csrfToken, username: "carol", password: users.carol.password },
    });
    await b.post("/callback/credentials", {
      query: { callbackUrl: "/query" },
      form: { csrfToken, callbackUrl: "/body", username: "carol", password: users.carol.password },
    });
  },
};

export const credentialsSequences = [...right, wrong, fields, signedIn, kept];
