// The unmodified next-auth/react 4.24.15 in a real browser.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { before, describe, it } from "node:test";

import { Visitor, startBrowser } from "./lib/browser.mjs";
import { startGateway } from "./lib/gateway.mjs";
import { suite } from "./lib/suite.mjs";

describe("next-auth/react", () => {
  const all = suite();
  let gateway, browser;

  before(async () => {
    browser = await startBrowser(all);
    gateway = await startGateway(all);
  });

  /** The page of buttons, with what it shows. */
  async function app(t) {
    const visitor = await Visitor.arrive(t, browser, gateway.origin);
    await visitor.open("/app/");
    visitor.shown = async (id) => {
      const text = await visitor.page.locator(`#${id}`).textContent();
      return text === "undefined" ? undefined : JSON.parse(text);
    };
    visitor.status = (status) => visitor.page.locator("#status", { hasText: `"${status}"` }).waitFor();
    visitor.press = async (id) => {
      const before = await visitor.page.locator("#result").textContent();
      await visitor.page.locator(`#${id}`).click();
      await visitor.page.waitForFunction((text) => document.getElementById("result").textContent !== text, before);
      return visitor.shown("result");
    };
    await visitor.status("unauthenticated");
    return visitor;
  }

  it("is the version that it should be", async () => {
    const manifest = await readFile(new URL("node_modules/next-auth/package.json", import.meta.url), "utf8");
    assert.equal(JSON.parse(manifest).version, "4.24.15");
  });

  it("has no session when signed out", async (t) => {
    const visitor = await app(t);
    assert.equal(await visitor.shown("session"), null);
    visitor.quiet();
  });

  it("getProviders and getCsrfToken", async (t) => {
    const visitor = await app(t);
    const { origin } = gateway;
    assert.deepEqual(await visitor.press("providers"), {
      dev: {
        id: "dev",
        name: "Development",
        type: "oauth",
        signinUrl: `${origin}/api/auth/signin/dev`,
        callbackUrl: `${origin}/api/auth/callback/dev`,
      },
      credentials: {
        id: "credentials",
        name: "Credentials",
        type: "credentials",
        signinUrl: `${origin}/api/auth/signin/credentials`,
        callbackUrl: `${origin}/api/auth/callback/credentials`,
      },
    });
    assert.match(await visitor.press("csrf"), /^[0-9a-f]{64}$/);
    visitor.quiet();
  });

  it("signs in with a right password, without leaving the page", async (t) => {
    const visitor = await app(t);
    assert.deepEqual(await visitor.press("right"), { error: null, status: 200, ok: true, url: `${gateway.origin}/app/` });
    await visitor.status("authenticated");
    const session = await visitor.shown("session");
    assert.deepEqual(session.user, { name: "Carol Example", email: "carol@example.com" });
    assert.ok(Date.parse(session.expires) > Date.now() + 29 * 86_400_000, session.expires);
    assert.equal(visitor.where, "/app/");
    await visitor.screenshot("next-auth");

    assert.deepEqual(await visitor.press("sign-out"), { url: `${gateway.origin}/app/` });
    await visitor.status("unauthenticated");
    visitor.quiet();
  });

  it("hears of a wrong password", async (t) => {
    const visitor = await app(t);
    assert.deepEqual(await visitor.press("wrong"), { error: "CredentialsSignin", status: 401, ok: false, url: null });
    await visitor.status("unauthenticated");
    visitor.quiet(/status of 401/);
  });

  it("follows redirects by default", async (t) => {
    const visitor = await app(t);
    await visitor.page.locator("#wrong-redirect").click();
    await visitor.page.waitForURL("**/api/auth/signin?*error=CredentialsSignin*");
    await visitor.page.getByRole("alert").waitFor();
    await visitor.open("/app/");
    await visitor.page.locator("#right-redirect").click();
    await visitor.status("authenticated");
    assert.equal(visitor.where, "/app/");
    await visitor.page.locator("#sign-out-redirect").click();
    await visitor.page.waitForURL(`${gateway.origin}/`);
    visitor.quiet(/status of 401/);
  });

  it("signs in with OAuth and comes back to where it said", async (t) => {
    const visitor = await app(t);
    await visitor.page.locator("#dev").click();
    await visitor.page.getByRole("heading", { name: "Choose a person" }).waitFor();
    await visitor.choose("alice");
    assert.equal(visitor.where, "/app/?back=%2F%26");
    await visitor.status("authenticated");
    assert.deepEqual((await visitor.shown("session")).user, { name: "Alice Example", email: "alice@example.com" });
    visitor.quiet();
    visitor.assertUnlogged(gateway.caddy);
  });

  it("goes to the sign-in page for an unknown provider, and for none", async (t) => {
    for (const id of ["unknown", "choose"]) {
      const visitor = await app(t);
      await visitor.page.locator(`#${id}`).click();
      await visitor.page.waitForURL("**/api/auth/signin?callbackUrl=*");
      await visitor.password("carol", "carol-demo-password");
      await visitor.status("authenticated");
      assert.equal(visitor.where, "/app/");
      visitor.quiet();
    }
  });

  it("is not sent to another site", async (t) => {
    const visitor = await app(t);
    const result = await visitor.press("evil");
    assert.equal(result.ok, true);
    assert.equal(new URL(result.url).origin, gateway.origin);
    visitor.quiet();
  });

  it("update() leaves the session as the gateway knows it", async (t) => {
    const visitor = await app(t);
    await visitor.press("right");
    await visitor.status("authenticated");
    const session = await visitor.press("update");
    assert.deepEqual(session.user, { name: "Carol Example", email: "carol@example.com" });
    await visitor.status("authenticated");
    visitor.quiet();
  });

  it("tells other tabs", async (t) => {
    const visitor = await app(t);
    const other = await visitor.context.newPage();
    await other.goto(`${gateway.origin}/app/`);
    const status = (status) => other.locator("#status", { hasText: `"${status}"` }).waitFor({ timeout: 15_000 });
    await status("unauthenticated");
    // The client stamps what it tells with whole seconds, and a tab does not
    // hear of a message that is the same as the last.
    await other.waitForTimeout(1_100);
    await visitor.page.locator("#right-redirect").click();
    await visitor.status("authenticated");
    await status("authenticated");
    await visitor.press("sign-out");
    await status("unauthenticated");
    visitor.quiet();
  });
});
