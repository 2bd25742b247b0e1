// The gateway as people meet it, with JavaScript and without.

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";

import { Visitor, startBrowser } from "./lib/browser.mjs";
import { startExample, startGateway } from "./lib/gateway.mjs";
import { suite } from "./lib/suite.mjs";

// What a private page's query must survive: escapes that decode to delimiters,
// a plus, an empty value, a parameter that names our own.
const deep = "/upstream/a%2Fb/%E2%9C%93?x=1&y=%2F%26&z=a+b&empty=&callbackUrl=%2F%2Fevil.example&k=%7B%7D";

for (const javaScriptEnabled of [true, false]) {
  describe(javaScriptEnabled ? "with JavaScript" : "without JavaScript", { concurrency: 3 }, () => {
    const all = suite();
    let gateway, arrive;

    before(async () => {
      const browser = await startBrowser(all);
      gateway = await startGateway(all);
      arrive = (t, options) => Visitor.arrive(t, browser, gateway.origin, { javaScriptEnabled, ...options });
    });

    const shot = (name) => (javaScriptEnabled ? name : `${name}-nojs`);

    it("the front page is public", async (t) => {
      const visitor = await arrive(t);
      const response = await visitor.open("/");
      assert.equal(response.status(), 200);
      await visitor.screenshot(shot("front"));
      await visitor.page.getByRole("main").getByRole("link", { name: "Sign in" }).click();
      await visitor.page.waitForURL("**/api/auth/signin?callbackUrl=*");
      await visitor.screenshot(shot("signin"));
      visitor.quiet();
    });

    it("signs in through the development provider, sees the members' page, signs out", async (t) => {
      const visitor = await arrive(t);
      await visitor.open("/members/");
      assert.match(visitor.where, /^\/api\/auth\/signin\?/);
      await visitor.toDev();
      await visitor.screenshot(shot("personas"));
      const page = await visitor.page.content();
      for (const text of ["Ada Admin", "admin@example.com", "Alice Example", "Zoë Ōta"]) {
        assert.ok(page.includes(text), `personas: no ${text}`);
      }
      await visitor.choose("alice");
      assert.equal(visitor.where, "/members/");
      if (javaScriptEnabled) {
        await visitor.page.getByText("Welcome, Alice Example.").waitFor();
        assert.equal(await visitor.page.locator("#email").textContent(), "alice@example.com");
      }
      await visitor.screenshot(shot("members"));

      if (javaScriptEnabled) {
        await visitor.page.getByRole("button", { name: "Sign out", exact: true }).click();
      } else {
        await visitor.page.getByRole("link", { name: "Sign out" }).click();
        await visitor.screenshot(shot("signout"));
        await visitor.page.locator('form[action$="/signout"] button').click();
      }
      await visitor.page.waitForURL(`${gateway.origin}/`);
      await visitor.open("/members/");
      assert.match(visitor.where, /^\/api\/auth\/signin\?/);
      visitor.quiet();
      visitor.assertUnlogged(gateway.caddy);
    });

    it("returns to a deep link, byte for byte, and tells the upstream who it is", async (t) => {
      // Whatever the browser itself says about identities is not passed on.
      const forged = { "Remote-User": "admin", "Remote-Groups": "admin", remote_email: "admin@example.com", "Remote-Whatever": "kept" };
      const visitor = await arrive(t, { extraHTTPHeaders: forged });
      await visitor.signIn(deep, "zoe");
      assert.equal(visitor.where, deep);
      const headers = await visitor.headers();
      await visitor.screenshot(shot("upstream"));
      assert.deepEqual(headers["(request)"], [`GET ${deep}`]);
      // With two providers a login alone would not say whose.
      assert.deepEqual(headers["remote-user"], ["dev:zoe"]);
      assert.deepEqual(headers["remote-email"], ["zoe@example.net"]);
      assert.equal(headers["remote-name"]?.length, 1);
      assert.equal(headers["remote-groups"], undefined);
      assert.equal(headers["remote_email"], undefined);
      assert.deepEqual(headers["remote-whatever"], ["kept"]);
      assert.ok(!(headers["cookie"] ?? []).join().includes("next-auth"), "our cookies reached the upstream");
      visitor.quiet();
    });

    it("refuses the plain user where only administrators may go", async (t) => {
      const visitor = await arrive(t);
      await visitor.signIn("/members/", "alice");
      const refused = await visitor.open("/admin/");
      assert.equal(refused.status(), 403);
      await visitor.screenshot(shot("denied"));
      const text = await visitor.page.locator("main").textContent();
      assert.match(text, /alice/i, "the page does not name the account");
      assert.ok(!text.includes("Only administrators get here"));
      visitor.quiet(/status of 403/);
    });

    it("lets the administrator in, with groups for the upstream", async (t) => {
      const visitor = await arrive(t);
      await visitor.signIn("/admin/", "admin");
      assert.equal(visitor.where, "/admin/");
      await visitor.page.getByText("Only administrators get here.").waitFor();
      await visitor.open("/upstream/");
      const headers = await visitor.headers();
      assert.deepEqual(headers["remote-user"], ["dev:admin"]);
      assert.match(headers["remote-groups"].join(), /admin/);
      assert.match(headers["remote-groups"].join(), /staff/);
      visitor.quiet();
    });

    it("signs in with a password, and says when it is wrong", async (t) => {
      const visitor = await arrive(t);
      await visitor.open("/upstream/?from=password");
      await visitor.password("carol", "guess");
      await visitor.page.getByRole("alert").waitFor();
      assert.match(visitor.where, /^\/api\/auth\/signin\?/);
      assert.equal(new URL(visitor.page.url()).searchParams.get("error"), "CredentialsSignin");
      await visitor.screenshot(shot("wrong-password"));

      await visitor.password("carol", "carol-demo-password");
      await visitor.page.waitForURL(`${gateway.origin}/upstream/?from=password`);
      const headers = await visitor.headers();
      assert.deepEqual(headers["remote-user"], ["credentials:carol"]);
      assert.deepEqual(headers["remote-email"], ["carol@example.com"]);
      visitor.quiet(/status of 401/);
    });

    it("says so when somebody cancels at the provider, and works the next time", async (t) => {
      const visitor = await arrive(t);
      await visitor.open("/members/");
      await visitor.toDev();
      await visitor.page.getByRole("button", { name: "Cancel" }).click();
      await visitor.page.waitForURL((url) => url.searchParams.has("error"));
      await visitor.screenshot(shot("canceled"));
      assert.match(await visitor.page.locator("main").textContent(), /cancel/i);
      visitor.quiet(/status of 40/);
      visitor.assertUnlogged(gateway.caddy);

      await visitor.signIn("/members/", "alice");
      assert.equal(visitor.where, "/members/");
    });

    it("does not show a page from the browser's cache to the next person", async (t) => {
      const visitor = await arrive(t);
      await visitor.signIn("/admin/", "admin");
      await visitor.open("/api/auth/signout?callbackUrl=%2F");
      await visitor.page.locator('form[action$="/signout"] button').click();
      await visitor.page.waitForURL(`${gateway.origin}/`);
      await visitor.open("/admin/");
      assert.match(visitor.where, /^\/api\/auth\/signin\?/, "shown although signed out");
      await visitor.toDev();
      await visitor.page.locator('button[name="sub"][value="alice"]').click();
      await visitor.page.waitForURL(`${gateway.origin}/admin/`);
      assert.match(await visitor.page.locator("main").textContent(), /alice/i);
    });

    it("shows a used sign-in at the provider as over", async (t) => {
      const visitor = await arrive(t);
      await visitor.open("/members/");
      await visitor.toDev();
      const login = visitor.where;
      await visitor.choose("alice");
      const again = await visitor.open(login);
      assert.equal(again.status(), 400);
      await visitor.page.getByRole("heading", { name: "This sign-in is over" }).waitFor();
    });

    it("fits a narrow screen", async (t) => {
      for (const colorScheme of ["light", "dark"]) {
        const visitor = await arrive(t, { viewport: { width: 320, height: 640 }, colorScheme });
        await visitor.open("/members/");
        await visitor.screenshot(shot(`narrow-signin-${colorScheme}`));
        await fits(visitor);
        await visitor.toDev();
        await visitor.screenshot(shot(`narrow-personas-${colorScheme}`));
        await fits(visitor);
        visitor.quiet();
      }
    });
  });
}

describe("the example", () => {
  const all = suite();
  let browser, example;

  before(async () => {
    browser = await startBrowser(all);
    example = await startExample(all);
  });

  it("works as it is", async (t) => {
    const visitor = await Visitor.arrive(t, browser, example.origin);
    await visitor.signIn("/upstream/?x=1", "admin");
    assert.equal(visitor.where, "/upstream/?x=1");
    const headers = await visitor.headers();
    assert.deepEqual(headers["remote-user"], ["dev:admin"]);
    assert.deepEqual(headers["remote-email"], ["admin@example.com"]);
    await visitor.screenshot("example-upstream");
    await visitor.open("/admin/");
    await visitor.page.getByText("Only administrators get here.").waitFor();
    await visitor.open("/members/");
    await visitor.page.getByRole("button", { name: "Sign out", exact: true }).click();
    await visitor.page.waitForURL(`${example.origin}/`);

    await visitor.open("/admin/");
    await visitor.password("dave", "dave-demo-password");
    await visitor.page.getByText("Only administrators get here.").waitFor();
    visitor.quiet();
  });
});

/** No scrolling sideways, no control too small for a finger. */
async function fits(visitor) {
  const width = await visitor.page.locator("html").evaluate((html) => html.scrollWidth);
  assert.ok(width <= 320, `the page is ${width} wide`);
  for (const control of await visitor.page.locator("button, a.button, input:not([type=hidden])").all()) {
    const box = await control.boundingBox();
    assert.ok(box && box.height >= 44, `a control is ${box?.height} high`);
  }
}
