// The same day at differently configured sites.

import { sites } from "../sites.mjs";

const carol = { name: "Carol Example", email: "carol@example.com", sub: "carol" };

async function day(b) {
  for (const path of ["/csrf", "/providers", "/session", "/signin", "/signout", "/error", "/verify-request"])
    await b.get(path);
  await b.password("carol", "wrong");
  await b.password("carol", "carol-test-password");
  await b.get("/session");
  await b.post("/session", { json: { csrfToken: await b.csrf() } });
  await b.post("/session", { json: { csrfToken: "wrong" } });
  await b.get("/unknown");
  await b.post("/signin/op", { form: { csrfToken: "wrong" } });
  await b.oauth("op", { account: "nobody" });
  await b.oauth("op");
  await b.get("/session");
  await b.oauth("plain", { account: "zoe" });
  await b.get("/session");
  await b.post("/signout", { form: { csrfToken: "wrong" } });
  await b.post("/signout", { form: { csrfToken: await b.csrf(), callbackUrl: b.after } });
  await b.get("/session");
  await b.carry({ ...carol, filler: "0123456789abcdef".repeat(400) });
  await b.get("/session");
}

const days = Object.values(sites)
  .filter(({ store }) => !store)
  .map(({ name }) => ({ name: `day at ${name}`, site: name, run: day }));

/** Paths that are below another base path than the site's. */
const outside = {
  name: "paths at another base path",
  site: "base",
  async run(b) {
    for (const path of ["/session", "/session/x", "/signin/op", "/callback/op", "/unknown", "/sess%69on"])
      await b.get(path);
    await b.get("", { at: `${b.site.basePath}/session?x` });
  },
};

export const siteSequences = [...days, outside];
