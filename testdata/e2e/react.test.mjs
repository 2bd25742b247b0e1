// The unmodified React clients of both dialects in a real browser.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, it } from "node:test";

import { bundleReact } from "./lib/app.mjs";
import { Visitor, becomeVisible, startBrowser } from "./lib/browser.mjs";
import { temporary } from "./lib/process.mjs";
import { startSites } from "./lib/sites.mjs";
import { suite } from "./lib/suite.mjs";

// Carol has a nickname once a page has set one.
const auth = (dialect) => `compat ${dialect}
		callbacks {
			jwt nickname session.?nickname
			session user.nickname token.?nickname
		}`;

const right = { username: "carol", password: "carol-demo-password" };
const wrong = { username: "carol", password: "wrong" };
const carol = { name: "Carol Example", email: "carol@example.com" };

const dialects = {
  v4: {
    manifest: "next-auth/package.json",
    version: "4.24.15",
    cookie: "next-auth.session-token",
    type: "oauth",
    signedIn: { error: null },
    refused: { error: "CredentialsSignin", status: 401, ok: false, url: null },
    noise: [/status of 401/],
  },
  v5: {
    manifest: "next-auth5/package.json",
    version: "5.0.0-beta.32",
    cookie: "authjs.session-token",
    type: "oidc",
    signedIn: { error: undefined, code: undefined },
    refused: { error: "CredentialsSignin", code: "credentials", status: 200, ok: true, url: null },
    noise: [],
  },
};

for (const [dialect, expected] of Object.entries(dialects)) {
  describe(`next-auth/react ${expected.version}`, { concurrency: 3 }, () => {
    const all = suite();
    let browser, caddy, origin;

    before(async () => {
      const directory = await temporary(all);
      await bundleReact(join(directory, "app"), dialect);
      browser = await startBrowser(all);
      ({ caddy, origins: [origin] } = await startSites(all, [{ directory, auth: auth(dialect) }]));
    });

    /** Somebody at the page, signed out. */
    async function arrive(t) {
      const visitor = await Visitor.arrive(t, browser, origin);
      await visitor.open("/app/");
      await visitor.status("unauthenticated");
      return visitor;
    }

    it("is what it should be", async () => {
      const manifest = await readFile(new URL(`node_modules/${expected.manifest}`, import.meta.url), "utf8");
      assert.equal(JSON.parse(manifest).version, expected.version);
    });

    it("getSession, getProviders and getCsrfToken of somebody signed out", async (t) => {
      const visitor = await arrive(t);
      assert.equal(await visitor.call("getSession"), null);
      const provider = (id, name, type) => ({
        id,
        name,
        type,
        signinUrl: `${origin}/api/auth/signin/${id}`,
        callbackUrl: `${origin}/api/auth/callback/${id}`,
      });
      const providers = await visitor.call("getProviders");
      assert.deepEqual(providers, {
        dev: provider("dev", "Development", expected.type),
        credentials: provider("credentials", "Credentials", "credentials"),
      });
      assert.deepEqual(Object.keys(providers), ["dev", "credentials"]);
      assert.match(await visitor.call("getCsrfToken"), /^[0-9a-f]{64}$/);
      visitor.quiet();
    });

    it("signs in with a right password and out again, without leaving the page", async (t) => {
      const visitor = await arrive(t);
      const result = await visitor.call("signIn", "credentials", { ...right, redirect: false });
      assert.deepEqual(result, { ...expected.signedIn, status: 200, ok: true, url: `${origin}/app/` });
      await visitor.status("authenticated");
      const session = await visitor.session();
      assert.deepEqual(session.user, carol);
      assert.ok(Date.parse(session.expires) > Date.now() + 29 * 86_400_000, session.expires);
      assert.equal(visitor.where, "/app/");
      const names = (await visitor.context.cookies()).map(({ name }) => name);
      assert.ok(names.includes(expected.cookie), names.join());
      await visitor.screenshot(`next-auth-${dialect}`);

      assert.deepEqual(await visitor.call("signOut", { redirect: false }), { url: `${origin}/app/` });
      await visitor.status("unauthenticated");
      visitor.quiet();
    });

    it("hears of a wrong password", async (t) => {
      const visitor = await arrive(t);
      assert.deepEqual(await visitor.call("signIn", "credentials", { ...wrong, redirect: false }), expected.refused);
      await visitor.status("unauthenticated");
      visitor.quiet(...expected.noise);
    });

    it("follows redirects by default", async (t) => {
      const visitor = await arrive(t);
      await visitor.leave("signIn", "credentials", wrong);
      await visitor.page.waitForURL("**/api/auth/signin?*error=CredentialsSignin*");
      await visitor.page.getByRole("alert").waitFor();
      await visitor.open("/app/");
      await visitor.leave("signIn", "credentials", { ...right, callbackUrl: "/app/?in" });
      await visitor.page.waitForURL(`${origin}/app/?in`);
      await visitor.status("authenticated");
      await visitor.leave("signOut", { callbackUrl: "/app/?out" });
      await visitor.page.waitForURL(`${origin}/app/?out`);
      await visitor.status("unauthenticated");
      visitor.quiet(...expected.noise);
    });

    it("signs in with OAuth and comes back to where it said", async (t) => {
      const visitor = await arrive(t);
      const asked = visitor.page.waitForRequest("**/api/auth/dev/authorize?*");
      await visitor.leave("signIn", "dev", { callbackUrl: "/app/?back=%2F%26" }, { login_hint: "alice", redirect_uri: "https://evil.example/" });
      const { searchParams } = new URL((await asked).url());
      assert.equal(searchParams.get("login_hint"), "alice");
      assert.equal(searchParams.get("redirect_uri"), `${origin}/api/auth/callback/dev`);
      await visitor.page.getByRole("heading", { name: "Choose a person" }).waitFor();
      await visitor.choose("alice");
      assert.equal(visitor.where, "/app/?back=%2F%26");
      await visitor.status("authenticated");
      assert.deepEqual((await visitor.session()).user, { name: "Alice Example", email: "alice@example.com" });
      visitor.quiet();
      visitor.assertUnlogged(caddy);
    });

    for (const id of ["unknown", undefined]) {
      it(`goes to the sign-in page for ${id ? "an unknown provider" : "none"}`, async (t) => {
        const visitor = await arrive(t);
        await visitor.leave("signIn", id, { callbackUrl: "/app/?in" });
        await visitor.page.waitForURL("**/api/auth/signin?callbackUrl=*");
        await visitor.password(right.username, right.password);
        await visitor.status("authenticated");
        assert.equal(visitor.where, "/app/?in");
        visitor.quiet();
      });
    }

    it("is not sent to another site", async (t) => {
      const visitor = await arrive(t);
      const elsewhere = { callbackUrl: "https://evil.example/", redirect: false };
      const signedIn = await visitor.call("signIn", "credentials", { ...right, ...elsewhere });
      assert.equal(signedIn.ok, true);
      assert.equal(new URL(signedIn.url).origin, origin);
      assert.equal(new URL((await visitor.call("signOut", elsewhere)).url).origin, origin);
      visitor.quiet();
    });

    it("signs in where a session is required", async (t) => {
      const visitor = await Visitor.arrive(t, browser, origin);
      await visitor.open("/app/?required");
      await visitor.page.waitForURL("**/api/auth/signin?*");
      const { searchParams } = new URL(visitor.page.url());
      assert.deepEqual([...searchParams], [["error", "SessionRequired"], ["callbackUrl", `${origin}/app/?required`]]);
      await visitor.page.getByText("Please sign in to access this page.").waitFor();
      await visitor.password(right.username, right.password);
      await visitor.status("authenticated");
      assert.equal(visitor.where, "/app/?required");
      visitor.quiet();
    });

    it("updates the session as the callbacks say", async (t) => {
      const visitor = await arrive(t);
      await visitor.call("signIn", "credentials", { ...right, redirect: false });
      await visitor.status("authenticated");
      // The client does nothing while it loads, which is for a moment longer.
      const updated = await visitor.call("update", { nickname: "Caz", email: "admin@example.com" });
      assert.deepEqual(updated.user, { ...carol, nickname: "Caz" });
      await visitor.page.locator("#session", { hasText: '"Caz"' }).waitFor();
      const same = await visitor.call("update");
      assert.deepEqual(same.user, { ...carol, nickname: "Caz" });
      await visitor.status("authenticated");
      await visitor.page.reload();
      await visitor.status("authenticated");
      assert.deepEqual((await visitor.session()).user, { ...carol, nickname: "Caz" });
      visitor.quiet();
    });

    it("tells other tabs", async (t) => {
      const visitor = await arrive(t);
      const other = await visitor.tab("/app/");
      await other.status("unauthenticated");
      // The client of v4 stamps what it tells with whole seconds, and a tab does
      // not hear of a message that is the same as the last.
      if (dialect === "v4") await other.page.waitForTimeout(1_100);
      await visitor.leave("signIn", "credentials", { ...right, callbackUrl: "/app/?in" });
      await visitor.page.waitForURL(`${origin}/app/?in`);
      await visitor.status("authenticated");
      await other.status("authenticated");
      await visitor.call("signOut", { redirect: false });
      await other.status("unauthenticated");
      visitor.quiet();
    });

    it("looks again when the tab becomes visible", async (t) => {
      const visitor = await arrive(t);
      await visitor.call("signIn", "credentials", { ...right, redirect: false });
      await visitor.status("authenticated");
      await visitor.signOutUnnoticed();
      await visitor.status("authenticated");
      await visitor.page.evaluate(becomeVisible);
      await visitor.status("unauthenticated");
      visitor.quiet();
    });
  });
}
