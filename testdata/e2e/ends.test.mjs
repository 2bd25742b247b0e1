// Where sign-ins used to end in nothing: lost fragments, loops, forms and tabs that
// have outlived their session.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, it } from "node:test";

import { Visitor, becomeVisible, startBrowser } from "./lib/browser.mjs";
import { temporary } from "./lib/process.mjs";
import { expire } from "./lib/session.mjs";
import { startSites } from "./lib/sites.mjs";
import { suite } from "./lib/suite.mjs";

const fragment = "#/route/5?tab=%2F&x=</script><img src=x onerror=alert(1)>//evil.example";
const password = "carol-demo-password";
const secret = randomBytes(32).toString("base64");
const form = `<!DOCTYPE html><title>form</title><link rel="icon" href="data:,"><form method="POST" action="send"><input name="text"><button>Send</button></form>`;

for (const dialect of ["v4", "v5"]) {
  describe(`no dead ends, ${dialect}`, { concurrency: 3 }, () => {
    const all = suite();
    let browser, origin, looping;

    before(async () => {
      const directory = await temporary(all);
      await mkdir(join(directory, "members"));
      await writeFile(join(directory, "members", "index.html"), '<!DOCTYPE html><title>members</title><link rel="icon" href="data:,">members');
      await writeFile(join(directory, "members", "form.html"), form);
      browser = await startBrowser(all);
      const lines = () => 'respond /members/send "received {http.request.body}"';
      // Chromium drops a cookie with SameSite=None that is not Secure.
      const none = "session {\n\t\t\tsame_site none\n\t\t}";
      ({ origins: [origin, looping] } = await startSites(all, [
        { directory, auth: `compat ${dialect}\n\t\tsecret ${secret}`, lines },
        { directory, auth: `compat ${dialect}\n\t\t${none}`, lines },
      ]));
    });

    const arrive = (t, options = {}) => Visitor.arrive(t, browser, options.origin ?? origin);
    const hash = (page) => page.evaluate(() => location.hash);

    it("keeps the fragment through the development provider", async (t) => {
      const visitor = await arrive(t);
      await visitor.open("/members/" + fragment);
      const before = await hash(visitor.page);
      assert.ok(before.length > 50, before);
      await visitor.toDev();
      await visitor.choose("alice");
      assert.equal(visitor.where.split("#")[0], "/members/");
      assert.equal(await hash(visitor.page), before.replaceAll("<", "%3C").replaceAll(">", "%3E"));
      visitor.quiet();
    });

    it("keeps the fragment through a form, a wrong password included", async (t) => {
      const visitor = await arrive(t);
      await visitor.open("/members/?q=1#section-2");
      await visitor.password("carol", "wrong");
      await visitor.page.getByRole("alert").waitFor();
      await visitor.password("carol", password);
      await visitor.page.waitForURL("**/members/?q=1#section-2");
      visitor.quiet();
    });

    it("takes nobody elsewhere with a fragment", async (t) => {
      const visitor = await arrive(t);
      for (const bad of ["#javascript:alert(1)", "#//evil.example", "#@evil.example"]) {
        await visitor.open(`/api/auth/signin?callbackUrl=%2F%2Fevil.example${bad}`);
        const value = await visitor.page.locator('input[name="callbackUrl"]').first().inputValue();
        assert.equal(new URL(value).origin, origin);
      }
      visitor.quiet();
    });

    it("a page that is older than its cookies works at the second try", async (t) => {
      const visitor = await arrive(t);
      await visitor.open("/members/#here");
      await visitor.context.clearCookies();
      await visitor.password("carol", password);
      await visitor.page.getByRole("alert").waitFor();
      await visitor.password("carol", password);
      await visitor.page.waitForURL("**/members/#here");
      visitor.quiet();
    });

    it("names the cause of a loop", async (t) => {
      const visitor = await arrive(t, { origin: looping });
      await visitor.open("/members/#here");
      for (let round = 1; round < 3; round++) {
        const arrived = visitor.page.waitForEvent("framenavigated");
        await visitor.password("carol", password);
        await arrived;
        await visitor.page.waitForURL("**/api/auth/signin?callbackUrl=*");
      }
      await visitor.password("carol", password);
      await visitor.page.getByRole("heading", { name: "Signing in leads nowhere" }).waitFor();
      await visitor.page.getByText("this page came over plain http").waitFor();
      await visitor.screenshot(`loop-${dialect}`);
      await visitor.page.getByRole("link", { name: "Try again" }).click();
      await visitor.page.waitForURL("**/api/auth/signin?callbackUrl=*");
      assert.equal(await hash(visitor.page), "#here");
      visitor.quiet(/status of 403/, /SameSite/);
    });

    it("sends a form again when somebody has signed in in another tab", async (t) => {
      const visitor = await arrive(t);
      const { page } = visitor;
      await visitor.signIn("/members/form.html", "alice");
      await page.locator("input").fill("a-long-letter");
      await visitor.signOutUnnoticed();
      await page.getByRole("button", { name: "Send" }).click();
      await page.getByRole("heading", { name: "Your session has ended" }).waitFor();
      await visitor.screenshot(`form-${dialect}`);
      const again = page.getByRole("button", { name: "Send the form again" });
      await page.evaluate(becomeVisible);
      assert.equal(await again.isVisible(), false);

      const [tab] = await Promise.all([
        visitor.context.waitForEvent("page"),
        page.getByRole("link", { name: "Sign in" }).click(),
      ]);
      const other = Object.assign(Object.create(visitor), { page: tab });
      await other.password("carol", password);
      await tab.getByText("Go back to the other tab").waitFor();
      await other.screenshot(`signed-in-${dialect}`);

      await page.evaluate(becomeVisible);
      await again.click();
      await page.getByText("received text=a-long-letter").waitFor();
      visitor.quiet(/status of 401/, /favicon/);
    });

    it("a sign-in page in the background goes on when somebody has signed in elsewhere", async (t) => {
      const visitor = await arrive(t);
      await visitor.open("/members/?a=1#here");
      await visitor.page.evaluate(becomeVisible);
      const tab = await visitor.tab("/members/");
      await tab.password("carol", password);
      await tab.page.waitForURL("**/members/");
      await visitor.page.evaluate(becomeVisible);
      await visitor.page.waitForURL("**/members/?a=1#here");
      // Who is somebody and opens the page wants to be somebody else.
      await visitor.open("/api/auth/signin?callbackUrl=%2Fmembers%2F");
      assert.equal(await visitor.page.locator("[data-session]").count(), 0);
      visitor.quiet();
    });

    it("a tab whose session has expired goes on when somebody has signed in elsewhere", async (t) => {
      const visitor = await arrive(t);
      const { page } = visitor;
      await visitor.signIn("/members/?a=1", "alice");
      await visitor.open("/members/?a=1#here");
      await expire(visitor, dialect, secret);
      assert.equal(await page.evaluate(async () => (await fetch("/members/form.html")).status), 401);
      await page.reload();
      await page.waitForURL("**/api/auth/signin?callbackUrl=*");

      const tab = await visitor.tab("/members/");
      await tab.password("carol", password);
      await tab.page.waitForURL("**/members/");
      await page.evaluate(becomeVisible);
      await page.waitForURL("**/members/?a=1#here");
      visitor.quiet(/status of 401/);
    });
  });
}
