// The client for pages without a bundler, as the site serves it.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { gzipSync } from "node:zlib";

import { transform } from "esbuild";

import { bundleReact, copyPage } from "./lib/app.mjs";
import { Visitor, becomeVisible, startBrowser } from "./lib/browser.mjs";
import { root, temporary } from "./lib/process.mjs";
import { startSites } from "./lib/sites.mjs";
import { suite } from "./lib/suite.mjs";

const right = { username: "carol", password: "carol-demo-password" };
const wrong = { username: "carol", password: "wrong" };
const signedIn = "signed in: Carol Example";

const dialects = {
  v4: { type: "oauth", refused: { error: "CredentialsSignin", status: 401, ok: false, url: null }, noise: [/status of 401/] },
  v5: { type: "oidc", refused: { error: "CredentialsSignin", code: "credentials", status: 200, ok: false, url: null }, noise: [] },
};

describe("client.js", () => {
  const source = (name) => readFile(join(root, "caddyauth", "authapi", name), "utf8");

  it("is small", async () => {
    const size = gzipSync(await source("client.js"), { level: 9 }).length;
    assert.ok(size <= 3_072, `${size} bytes`);
  });

  it("depends on nothing", async () => {
    const text = await source("client.js");
    assert.doesNotMatch(text, /\bimport\s*[({"'*\w]|\bfrom\s*["']|require\(/);
  });

  it("has types for all that it exports, and for nothing else", async () => {
    const declared = await source("client.d.ts");
    await transform(declared, { loader: "ts" }); // is TypeScript
    const names = (text) => [...new Set([...text.matchAll(/^export (?:declare )?(?:async )?(?:function|const) (\w+)/gm)].map(([, name]) => name))].sort();
    assert.deepEqual(names(declared), ["getProviders", "getSession", "onSession", "signIn", "signOut"]);
    assert.deepEqual(names(await source("client.js")), names(declared));
  });
});

for (const [dialect, expected] of Object.entries(dialects)) {
  describe(`client.js with compat ${dialect}`, { concurrency: 3 }, () => {
    const all = suite();
    let browser, caddy, origin, elsewhere;

    before(async () => {
      const [directory, other] = await Promise.all([temporary(all), temporary(all)]);
      await copyPage(directory);
      await copyPage(join(directory, "members"));
      await bundleReact(join(directory, "app"), dialect);
      await copyPage(other, "/login/api");
      browser = await startBrowser(all);
      ({ caddy, origins: [origin, elsewhere] } = await startSites(all, [
        { directory, auth: `compat ${dialect}\nclient` },
        { directory: other, auth: `compat ${dialect}\nclient\nbase_path /login/api` },
      ]));
    });

    /** Somebody at the page, signed out. */
    async function arrive(t) {
      const visitor = await Visitor.arrive(t, browser, origin);
      visitor.requests = [];
      visitor.context.on("request", (request) => visitor.requests.push(`${request.method()} ${request.url().slice(origin.length)}`));
      await visitor.open("/");
      await visitor.status("signed out");
      return visitor;
    }

    const heard = ({ page }) => page.evaluate(() => window.heard.map((session) => session && session.user.name));
    const looks = ({ requests }) => requests.filter((request) => request === "GET /api/auth/session").length;

    it("knows nobody when signed out, and asks once", async (t) => {
      const visitor = await arrive(t);
      assert.deepEqual(await heard(visitor), [null]);
      assert.equal(looks(visitor), 1);
      assert.equal(await visitor.call("getSession"), null);
      const provider = (id, name, type) => ({
        id,
        name,
        type,
        signinUrl: `${origin}/api/auth/signin/${id}`,
        callbackUrl: `${origin}/api/auth/callback/${id}`,
      });
      assert.deepEqual(await visitor.call("getProviders"), {
        dev: provider("dev", "Development", expected.type),
        credentials: provider("credentials", "Credentials", "credentials"),
      });
      assert.deepEqual(await heard(visitor), [null]);
      visitor.quiet();
    });

    it("signs in with a right password and out again, without leaving the page", async (t) => {
      const visitor = await arrive(t);
      const result = await visitor.call("signIn", "credentials", { ...right, redirect: false });
      assert.deepEqual(result, { error: null, status: 200, ok: true, url: `${origin}/` });
      // What follows has the session already, and a second look is no news.
      assert.deepEqual(await heard(visitor), [null, "Carol Example"]);
      const session = await visitor.call("getSession");
      assert.deepEqual(session.user, { name: "Carol Example", email: "carol@example.com" });
      assert.ok(Date.parse(session.expires) > Date.now() + 29 * 86_400_000, session.expires);
      await visitor.status(signedIn);

      const elsewhere = { redirect: false, callbackUrl: "https://evil.example/" };
      assert.equal(new URL((await visitor.call("signOut", elsewhere)).url).origin, origin);
      await visitor.status("signed out");
      assert.deepEqual(await heard(visitor), [null, "Carol Example", null]);
      visitor.quiet();
    });

    it("hears of a wrong password", async (t) => {
      const visitor = await arrive(t);
      assert.deepEqual(await visitor.call("signIn", "credentials", { ...wrong, redirect: false }), expected.refused);
      assert.deepEqual(await heard(visitor), [null]);
      visitor.quiet(...expected.noise);
    });

    it("follows redirects by default, to the same page with a fragment too", async (t) => {
      const visitor = await arrive(t);
      await visitor.leave("signIn", "credentials", wrong);
      await visitor.page.waitForURL("**/api/auth/signin?*error=CredentialsSignin*");
      await visitor.page.getByRole("alert").waitFor();
      await visitor.open("/");
      await visitor.status("signed out");
      for (const options of [{ callbackUrl: "/#there" }, { callbackUrl: "/?old", redirectTo: "/?new" }]) {
        const loaded = visitor.page.waitForEvent("load");
        await visitor.leave("signIn", "credentials", { ...right, ...options });
        await loaded;
        await visitor.status(signedIn);
        assert.equal(visitor.where, options.redirectTo ?? options.callbackUrl);
      }
      await visitor.leave("signOut", { callbackUrl: "/?out" });
      await visitor.page.waitForURL(`${origin}/?out`);
      await visitor.status("signed out");
      visitor.quiet(...expected.noise);
    });

    it("signs in with OAuth and comes back to where it said", async (t) => {
      const visitor = await arrive(t);
      const asked = visitor.page.waitForRequest("**/api/auth/dev/authorize?*");
      await visitor.leave("signIn", "dev", { callbackUrl: "/?back=%2F%26" }, { login_hint: "alice" });
      assert.equal(new URL((await asked).url()).searchParams.get("login_hint"), "alice");
      await visitor.page.getByRole("heading", { name: "Choose a person" }).waitFor();
      await visitor.choose("alice");
      await visitor.status("signed in: Alice Example");
      assert.equal(visitor.where, "/?back=%2F%26");
      visitor.quiet();
      visitor.assertUnlogged(caddy);
    });

    it("says where to go for OAuth instead of going there", async (t) => {
      const visitor = await arrive(t);
      const result = await visitor.call("signIn", "dev", { redirect: false });
      assert.ok(result.url.startsWith(`${origin}/api/auth/dev/authorize?`), result.url);
      assert.deepEqual({ ...result, url: null }, { error: null, status: 200, ok: true, url: null });
      await visitor.status("signed out");
      visitor.quiet();
    });

    it("keeps tabs in step, with one look each", async (t) => {
      const visitor = await arrive(t);
      const tabs = [visitor, await visitor.tab("/"), await visitor.tab("/")];
      for (const tab of tabs) await tab.status("signed out");
      for (const status of [signedIn, "signed out", signedIn]) {
        visitor.requests.length = 0;
        if (status === signedIn) await tabs[0].call("signIn", "credentials", { ...right, redirect: false });
        else await tabs[1].call("signOut", { redirect: false });
        for (const tab of tabs) await tab.status(status);
        await settled(visitor);
        assert.equal(looks(visitor), tabs.length);
      }
      assert.deepEqual(await heard(tabs[2]), [null, "Carol Example", null, "Carol Example"]);
      visitor.quiet();
    });

    it("tells tabs of those who sign in and out without it", async (t) => {
      const visitor = await arrive(t);
      const other = await visitor.tab("/");
      await other.status("signed out");
      // The gate asks, another page answers.
      await visitor.signIn("/members/", "alice");
      await visitor.status("signed in: Alice Example");
      await other.status("signed in: Alice Example");
      await visitor.open("/api/auth/signout?callbackUrl=/");
      await visitor.page.locator('form[action$="/signout"] button').click();
      await visitor.page.waitForURL(`${origin}/`);
      await other.status("signed out");
      // A page that finds what all know has nothing to tell.
      await settled(visitor);
      visitor.requests.length = 0;
      await visitor.open("/");
      await visitor.status("signed out");
      await settled(visitor);
      assert.equal(looks(visitor), 1);
      visitor.quiet();
    });

    it("keeps in step with a tab of next-auth/react", async (t) => {
      const visitor = await arrive(t);
      const react = await visitor.tab("/app/");
      await react.status("unauthenticated");
      await visitor.call("signIn", "credentials", { ...right, redirect: false });
      await react.status("authenticated");
      await react.call("signOut", { redirect: false });
      await visitor.status("signed out");
      await react.leave("signIn", "credentials", { ...right, callbackUrl: "/app/?in" });
      await visitor.status(signedIn);
      await visitor.call("signOut", { redirect: false });
      await react.status("unauthenticated");
      // Neither sets the other off for ever.
      await settled(visitor);
      visitor.quiet();
    });

    it("looks again when the tab becomes visible, and listeners hear news only", async (t) => {
      const visitor = await arrive(t);
      await visitor.call("signIn", "credentials", { ...right, redirect: false });
      visitor.requests.length = 0;
      const answered = visitor.page.waitForResponse("**/api/auth/session");
      await visitor.page.evaluate(`(${becomeVisible})(), (${becomeVisible})()`);
      await answered;
      await settled(visitor);
      assert.equal(looks(visitor), 1);
      assert.deepEqual(await heard(visitor), [null, "Carol Example"]);
      await visitor.signOutUnnoticed();
      await visitor.page.evaluate(becomeVisible);
      await visitor.status("signed out");
      assert.deepEqual(await heard(visitor), [null, "Carol Example", null]);
      visitor.quiet();
    });

    it("asks for another token when two first answers crossed", async (t) => {
      const visitor = await arrive(t);
      const posts = () => visitor.requests.filter((request) => request.startsWith("POST")).length;
      const cross = () => visitor.context.clearCookies({ name: /csrf-token$/ });
      await visitor.context.route("**/api/auth/csrf", async (route) => {
        const response = await route.fetch();
        await cross();
        await route.fulfill({ response, headers: { ...response.headers(), "set-cookie": "" } });
      }, { times: 1 });
      const result = await visitor.call("signIn", "credentials", { ...right, redirect: false });
      assert.equal(result.error, null);
      assert.equal(posts(), 2);
      await visitor.status(signedIn);
      visitor.quiet();
    });

    it("says so when no token will do", async (t) => {
      const visitor = await arrive(t);
      await visitor.context.route("**/api/auth/csrf", (route) => route.fulfill({ json: { csrfToken: "0".repeat(64) } }));
      const result = await visitor.call("signIn", "dev", { redirect: false });
      assert.deepEqual(result, { error: "MissingCSRF", status: 200, ok: false, url: null });
      await assert.rejects(visitor.call("signOut", { redirect: false }), /POST signout: no token is good/);
      visitor.quiet();
    });

    it("works below another base path", async (t) => {
      const visitor = await Visitor.arrive(t, browser, elsewhere);
      await visitor.open("/");
      await visitor.status("signed out");
      await visitor.call("signIn", "credentials", { ...right, redirect: false });
      await visitor.status(signedIn);
      await visitor.leave("signOut", { callbackUrl: "/?out" });
      await visitor.page.waitForURL(`${elsewhere}/?out`);
      await visitor.status("signed out");
      visitor.quiet();
    });

    // The rest is the same for both.
    if (dialect !== "v4") return;

    it("is served with its types", async (t) => {
      const visitor = await arrive(t);
      const { request } = visitor.context;
      for (const [name, type] of [["client.js", "text/javascript"], ["client.d.ts", "text/"]]) {
        const response = await request.get(`${origin}/api/auth/${name}`);
        assert.equal(response.status(), 200);
        assert.ok(response.headers()["content-type"].startsWith(type), response.headers()["content-type"]);
        const file = await readFile(join(root, "caddyauth", "authapi", name), "utf8");
        assert.ok((await response.text()) === file, `${name} differs from the file`);
      }
      visitor.quiet();
    });

    it("goes to the sign-in page for an unknown provider, and for none", async (t) => {
      const visitor = await arrive(t);
      for (const id of ["unknown", "toString", undefined]) {
        await visitor.leave("signIn", id, { callbackUrl: "/?in" });
        await visitor.page.waitForURL(`${origin}/api/auth/signin?callbackUrl=%2F%3Fin`);
        await visitor.open("/");
        await visitor.status("signed out");
      }
      visitor.quiet();
    });

    it("calls listeners that come late, not those that left, and bears those that fail", async (t) => {
      const visitor = await arrive(t);
      const result = await visitor.page.evaluate(async (right) => {
        const heard = { late: [], left: [], errors: [] };
        addEventListener("error", (event) => (heard.errors.push(event.error.message), event.preventDefault()));
        client.onSession(() => { throw new Error("thrown"); });
        client.onSession(async () => { throw new Error("rejected"); });
        client.onSession((session) => heard.late.push(session?.user.name));
        const leave = client.onSession((session) => heard.left.push(session?.user.name));
        await new Promise((resolve) => client.onSession(resolve));
        leave();
        leave();
        client.onSession(() => heard.left.push("never"))();
        await client.signIn("credentials", { ...right, redirect: false });
        await new Promise((resolve) => setTimeout(resolve));
        return heard;
      }, right);
      assert.deepEqual(result, {
        late: [undefined, "Carol Example"],
        left: [undefined],
        errors: ["thrown", "rejected", "thrown", "rejected"],
      });
      await visitor.page.evaluate(() => stop());
      await visitor.call("signOut", { redirect: false });
      assert.deepEqual(await heard(visitor), [null, "Carol Example"]);
      visitor.quiet();
    });

    it("rejects while the site cannot be reached, and looks again when it can", async (t) => {
      const visitor = await arrive(t);
      const { page, context } = visitor;
      await visitor.call("signIn", "credentials", { ...right, redirect: false });
      await context.setOffline(true);
      for (const name of ["getSession", "getProviders", "signIn", "signOut"]) {
        await assert.rejects(visitor.call(name, "credentials"), /TypeError: Failed to fetch/);
      }
      await page.evaluate(becomeVisible);
      await page.waitForEvent("requestfailed");
      assert.deepEqual(await heard(visitor), [null, "Carol Example"]);
      // Who listens first while nothing is known hears that nobody is there.
      await page.evaluate(() => stop());
      await page.evaluate(() => new Promise((resolve) => client.onSession((session) => resolve(heard.push(session)))));
      await page.evaluate(() => client.onSession((session) => heard.push(session)));
      assert.deepEqual(await heard(visitor), [null, "Carol Example", null, null]);
      await context.setOffline(false);
      await page.waitForFunction(() => heard.length === 6);
      assert.equal((await heard(visitor)).at(-1), "Carol Example");
      visitor.quiet(/net::ERR_INTERNET_DISCONNECTED/);
    });

    it("rejects what is no answer", async (t) => {
      const visitor = await arrive(t);
      await visitor.context.route("**/api/auth/{session,signout}", (route) => route.fulfill({ status: 502, body: "Bad Gateway" }));
      await assert.rejects(visitor.call("getSession"), /caddyauth: GET session: status 502/);
      await assert.rejects(visitor.call("signOut"), /caddyauth: POST signout: status 502/);
      visitor.quiet(/status of 502/);
    });

    it("works where the browser keeps nothing", async (t) => {
      const visitor = await Visitor.arrive(t, browser, origin);
      await visitor.context.addInitScript(() => {
        const denied = { get() { throw new DOMException("denied", "SecurityError"); } };
        Object.defineProperties(window, { localStorage: denied, BroadcastChannel: { value: undefined } });
      });
      await visitor.open("/");
      await visitor.status("signed out");
      await visitor.call("signIn", "credentials", { ...right, redirect: false });
      await visitor.status(signedIn);
      await visitor.call("signOut", { redirect: false });
      await visitor.status("signed out");
      visitor.quiet();
    });
  });
}

/** Waits until no page asks for anything anymore, which one in a loop would. */
async function settled({ page, requests }) {
  const deadline = Date.now() + 15_000;
  for (let seen = -1; seen !== requests.length; ) {
    assert.ok(Date.now() < deadline, `no end of requests: ${requests.slice(-5).join(", ")}`);
    seen = requests.length;
    await page.waitForTimeout(400);
  }
}
