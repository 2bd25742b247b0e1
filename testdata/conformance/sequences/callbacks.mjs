// A site with callbacks (servers/callbacks.mjs): they decide who signs in, shape
// the token and the session, and let callbackUrl lead to a partner.

import { users } from "../people.mjs";
import { partner } from "../servers/callbacks.mjs";

const shaped = (name, run) => ({ name: `callbacks: ${name}`, site: "shaped", run });

const session = shaped("token and session", async (b) => {
  for (const signIn of [() => b.password("carol", users.carol.password), () => b.oauth("op"), () => b.oauth("plain")]) {
    await signIn();
    await b.get("/session");
    await b.get("/session");
  }
});

const update = shaped("update", async (b) => {
  await b.password("carol", users.carol.password);
  const csrfToken = await b.csrf();
  await b.post("/session", { json: { csrfToken, data: { name: "Carol Renamed" } } });
  await b.get("/session");
  await b.post("/session", { json: { csrfToken, data: { name: 5 } } });
  await b.post("/session", { json: { csrfToken, data: null } });
  await b.post("/session", { json: { csrfToken } });
  await b.post("/session", { form: { csrfToken, data: "text" } });
  await b.post("/session", { json: { csrfToken: "wrong", data: { name: "Mallory" } } });
  await b.get("/session");
});

/** Sessions that no sign-in here has made: the claim is not there. */
const unknown = shaped("sessions from elsewhere", async (b) => {
  await b.csrf();
  await b.carry({ name: "Carol Example", sub: "carol" });
  await b.get("/session");
  await b.carry({ name: "Carol Example", sub: "carol", role: "of another application" });
  await b.get("/session");
});

const refused = shaped("who may sign in", async (b) => {
  for (const options of [{}, { form: { json: "true" } }, { headers: { "X-Auth-Return-Redirect": "1" } }]) {
    await b.password("bare", users.bare.password, options);
    await b.password("zoe", users.zoe.password, options);
    await b.get("/session");
  }
  await b.oauth("op", { account: "zoe" });
  await b.oauth("plain", { account: "zoe" });
  await b.get("/session");
});

const redirect = shaped("where to go", async (b) => {
  const addresses = [
    partner,
    `${partner}path?x=1`,
    "https://partner.test.evil.test/",
    "/path",
    b.site.origin,
    `${b.site.origin}/path`,
  ];
  for (const callbackUrl of addresses) {
    b.jar.clear();
    await b.get("/csrf", { query: { callbackUrl } });
    await b.password("carol", users.carol.password, { form: { callbackUrl } });
    await b.post("/signout", { form: { csrfToken: await b.csrf(), callbackUrl } });
  }
  await b.oauth("op", { form: { callbackUrl: `${partner}path` } });
});

export const callbackSequences = [session, update, unknown, refused, redirect];
