// The unmodified clients of other frameworks, and none at all, in a real
// browser.

import assert from "node:assert/strict";
import { join } from "node:path";
import { before, describe, it } from "node:test";

import { bundleAstro, bundleNuxt, bundleSvelteKit } from "./lib/app.mjs";
import { Visitor, startBrowser } from "./lib/browser.mjs";
import { temporary } from "./lib/process.mjs";
import { startSites } from "./lib/sites.mjs";
import { suite } from "./lib/suite.mjs";

const right = { username: "carol", password: "carol-demo-password" };
const wrong = { username: "carol", password: "wrong" };
const carol = { name: "Carol Example", email: "carol@example.com" };
const alice = { name: "Alice Example", email: "alice@example.com" };

describe("clients beside React", { concurrency: 3 }, () => {
  const all = suite();
  let browser, caddy, svelte, v5, v4;

  before(async () => {
    const directories = await Promise.all([temporary(all), temporary(all), temporary(all)]);
    await bundleSvelteKit(join(directories[0], "app"));
    await bundleAstro(join(directories[1], "app"));
    await bundleNuxt(join(directories[2], "app"));
    browser = await startBrowser(all);
    ({ caddy, origins: [svelte, v5, v4] } = await startSites(all, [
      { directory: directories[0], auth: "compat v5\nbase_path /auth" },
      { directory: directories[1], auth: "compat v5" },
      { directory: directories[2], auth: "compat v4" },
    ]));
  });

  /** Somebody at a client's page, signed out. */
  async function arrive(t, origin) {
    const visitor = await Visitor.arrive(t, browser, origin);
    visitor.base = origin === svelte ? "/auth" : "/api/auth";
    // What a page without a client would do.
    visitor.user = () => visitor.page.evaluate((base) => fetch(`${base}/session`).then((r) => r.json()).then((s) => s?.user), visitor.base);
    await visitor.open("/app/");
    return visitor;
  }

  /** Through the development provider and back to a page. */
  async function viaDev(visitor, where) {
    await visitor.page.getByRole("heading", { name: "Choose a person" }).waitFor();
    await visitor.page.locator('button[name="sub"][value="alice"]').click();
    await visitor.page.waitForURL(visitor.origin + where);
    assert.deepEqual(await visitor.user(), alice);
    visitor.assertUnlogged(caddy);
  }

  describe("@auth/sveltekit", () => {
    it("signs in and out without leaving the page, and without a token", async (t) => {
      const visitor = await arrive(t, svelte);
      const result = await visitor.call("signIn", "credentials", { ...right, redirect: false });
      assert.deepEqual(result, { error: undefined, code: undefined, status: 200, ok: true, url: `${svelte}/app/` });
      assert.deepEqual(await visitor.user(), carol);
      assert.deepEqual(await visitor.call("signOut", { redirect: false }), { url: `${svelte}/app/` });
      assert.equal(await visitor.user(), undefined);
      visitor.quiet();
    });

    it("hears of a wrong password", async (t) => {
      const visitor = await arrive(t, svelte);
      assert.deepEqual(await visitor.call("signIn", "credentials", { ...wrong, redirect: false }), {
        error: "CredentialsSignin",
        code: "credentials",
        status: 200,
        ok: true,
        url: null,
      });
      assert.equal(await visitor.user(), undefined);
      visitor.quiet();
    });

    it("follows redirects, also through a provider", async (t) => {
      const visitor = await arrive(t, svelte);
      await visitor.leave("signIn", "credentials", { ...right, redirectTo: "/app/?in" });
      await visitor.page.waitForURL(`${svelte}/app/?in`);
      assert.deepEqual(await visitor.user(), carol);
      await visitor.leave("signOut", { callbackUrl: "/app/?out" });
      await visitor.page.waitForURL(`${svelte}/app/?out`);
      assert.equal(await visitor.user(), undefined);
      await visitor.leave("signIn", "dev", { callbackUrl: "/app/?dev" });
      await viaDev(visitor, "/app/?dev");
      visitor.quiet();
    });

    it("is not believed without a token if it is somebody else", async (t) => {
      const visitor = await arrive(t, svelte);
      const { request } = visitor.context;
      const header = { "X-Auth-Return-Redirect": "1" };
      const post = async (headers) => {
        const response = await request.post(`${svelte}/auth/callback/credentials`, { form: right, headers, maxRedirects: 0 });
        return response.headers().location ?? (await response.json()).url;
      };
      const refused = `${svelte}/auth/signin?error=MissingCSRF`;
      assert.equal(await post({ origin: svelte }), refused);
      assert.equal(await post(header), refused);
      assert.equal(await post({ ...header, origin: v5 }), refused);
      assert.equal(await post({ ...header, origin: svelte, "sec-fetch-site": "same-site" }), refused);
      assert.equal(await post({ ...header, origin: svelte, "sec-fetch-site": "cross-site" }), refused);
      assert.equal(await visitor.user(), undefined);
      assert.equal(await post({ ...header, origin: svelte }), svelte);
      assert.deepEqual(await visitor.user(), carol);
      visitor.quiet();
    });
  });

  describe("auth-astro", () => {
    it("signs in and out", async (t) => {
      const visitor = await arrive(t, v5);
      // It stays for errors only.
      await visitor.leave("signIn", "credentials", { ...right, redirect: false, callbackUrl: "/app/?in" });
      await visitor.page.waitForURL(`${v5}/app/?in`);
      assert.deepEqual(await visitor.user(), carol);
      await visitor.leave("signOut", { callbackUrl: "/app/?out" });
      await visitor.page.waitForURL(`${v5}/app/?out`);
      assert.equal(await visitor.user(), undefined);
      visitor.quiet();
    });

    it("hears of a wrong password", async (t) => {
      const visitor = await arrive(t, v5);
      assert.deepEqual(await visitor.call("signIn", "credentials", { ...wrong, redirect: false }), {
        status: 200,
        body: { url: `${v5}/api/auth/signin?error=CredentialsSignin&code=credentials` },
      });
      visitor.quiet();
    });

    it("signs in through a provider, with its default and a given prefix", async (t) => {
      for (const [origin, options] of [[v5, {}], [svelte, { prefix: "/auth" }]]) {
        const visitor = await arrive(t, v5);
        const page = await visitor.context.request.get(`${v5}/app/app.js`);
        visitor.origin = origin;
        visitor.base = options.prefix ?? visitor.base;
        await visitor.context.route("**/app/app.js", (route) => route.fulfill({ response: page }));
        await visitor.open("/app/");
        await visitor.leave("signIn", "dev", { ...options, callbackUrl: "/app/?dev" });
        await viaDev(visitor, "/app/?dev");
        visitor.quiet();
      }
    });
  });

  describe("@sidebase/nuxt-auth", () => {
    it("getSession, getProviders and getCsrfToken of somebody signed out", async (t) => {
      const visitor = await arrive(t, v4);
      await visitor.call("getSession");
      assert.deepEqual(await visitor.call("state"), { status: "unauthenticated", data: null });
      assert.deepEqual(Object.keys(await visitor.call("getProviders")), ["dev", "credentials"]);
      assert.match(await visitor.call("getCsrfToken"), /^[0-9a-f]{64}$/);
      visitor.quiet();
    });

    it("signs in and out without leaving the page", async (t) => {
      const visitor = await arrive(t, v4);
      assert.deepEqual(await visitor.call("signIn", "credentials", { ...right, redirect: false }), {
        error: null,
        status: 200,
        ok: true,
        url: `${v4}/app/`,
        navigationResult: undefined,
      });
      const { status, data } = await visitor.call("state");
      assert.equal(status, "authenticated");
      assert.deepEqual(data.user, carol);
      assert.deepEqual(await visitor.call("signOut", { redirect: false }), { url: `${v4}/app/` });
      assert.deepEqual(await visitor.call("state"), { status: "unauthenticated", data: null });
      visitor.quiet();
    });

    it("hears of a wrong password", async (t) => {
      const visitor = await arrive(t, v4);
      assert.deepEqual(await visitor.call("signIn", "credentials", { ...wrong, redirect: false }), {
        error: "CredentialsSignin",
        status: 200,
        ok: true,
        url: null,
        navigationResult: undefined,
      });
      assert.deepEqual(await visitor.call("state"), { status: "unauthenticated", data: null });
      visitor.quiet(/status of 401/);
    });

    it("follows redirects, also through a provider and to the sign-in page", async (t) => {
      const visitor = await arrive(t, v4);
      await visitor.leave("signIn", "credentials", { ...right, callbackUrl: "/app/?in" });
      await visitor.page.waitForURL(`${v4}/app/?in`);
      assert.deepEqual(await visitor.user(), carol);
      await visitor.leave("signOut", { callbackUrl: "/app/?out" });
      await visitor.page.waitForURL(`${v4}/app/?out`);
      assert.equal(await visitor.user(), undefined);
      await visitor.leave("signIn", "unknown", { callbackUrl: "/app/?none" });
      await visitor.page.waitForURL(`${v4}/api/auth/signin?callbackUrl=%2Fapp%2F%3Fnone`);
      await visitor.open("/app/");
      await visitor.leave("signIn", "dev", { callbackUrl: "/app/?dev" });
      await viaDev(visitor, "/app/?dev");
      visitor.quiet();
    });
  });

  for (const dialect of ["v4", "v5"]) {
    it(`plain fetch with compat ${dialect}`, async (t) => {
      const visitor = await arrive(t, dialect === "v4" ? v4 : v5);
      const result = await visitor.page.evaluate(plainFetch, { dialect, right });
      const nobody = dialect === "v4" ? {} : null;
      const home = { status: 200, type: "basic", url: `${visitor.origin}/app/?form` };
      assert.deepEqual(result, {
        before: [200, "private, no-cache, no-store", nobody],
        json: { status: 200, body: { url: `${visitor.origin}/app/?json` } },
        user: carol,
        out: { status: 200, body: { url: `${visitor.origin}/app/?out` } },
        after: nobody,
        form: home,
        again: carol,
        start: { status: 200, type: "basic", provider: true },
      });
      visitor.quiet();
    });
  }

  it("answers servers that hand on a cookie", async (t) => {
    const visitor = await arrive(t, v4);
    await visitor.call("signIn", "credentials", { ...right, redirect: false });
    const cookies = await visitor.context.cookies();
    const cookie = cookies.map(({ name, value }) => `${name}=${value}`).join("; ");
    const response = await fetch(`${v4}/api/auth/session?callbackUrl=${encodeURIComponent(`${v4}/app/?server`)}`, { headers: { cookie } });
    assert.deepEqual((await response.json()).user, carol);
    const names = response.headers.getSetCookie().map((line) => line.slice(0, line.indexOf("=")));
    assert.deepEqual(names, ["next-auth.callback-url", "next-auth.session-token"]);
    visitor.quiet();
  });
});

/** Runs in the page: what somebody writes who has only read about the API. */
async function plainFetch({ dialect, right }) {
  const api = "/api/auth";
  const session = async () => (await fetch(`${api}/session`)).json();
  const { csrfToken } = await (await fetch(`${api}/csrf`)).json();
  const post = (path, fields, headers = {}) =>
    fetch(api + path, { method: "POST", headers, body: new URLSearchParams({ csrfToken, ...fields }) });
  const asks = dialect === "v4" ? [{ json: "true" }] : [{}, { "X-Auth-Return-Redirect": "" }];
  const answer = async (response) => ({ status: response.status, body: await response.json() });

  const first = await fetch(`${api}/session`);
  const before = [first.status, first.headers.get("cache-control"), await first.json()];
  // A body in JSON is as good as a form.
  const json = await answer(
    await fetch(`${api}/callback/credentials`, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...asks[1] },
      body: JSON.stringify({ csrfToken, ...right, ...asks[0], callbackUrl: "/app/?json" }),
    }),
  );
  const { user } = await session();
  const out = await answer(await post("/signout", { ...asks[0], callbackUrl: "/app/?out" }, asks[1]));
  const after = await session();
  // Without a wish for JSON there is a redirect, and fetch follows it.
  const { status, type, url } = await post("/callback/credentials", { ...right, callbackUrl: "/app/?form" });
  const { user: again } = await session();
  const start = await post("/signin/dev", { ...asks[0], callbackUrl: "/app/" }, asks[1]);
  const provider = new URL((await start.json()).url).searchParams.has("client_id");
  return { before, json, user, out, after, form: { status, type, url }, again, start: { status: start.status, type: start.type, provider } };
}
