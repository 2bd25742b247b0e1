// One host where people sign in for sites of two root domains.

import assert from "node:assert/strict";
import { join } from "node:path";
import { before, describe, it } from "node:test";

import { Visitor, startBrowser } from "./lib/browser.mjs";
import { startCaddy } from "./lib/gateway.mjs";
import { freePort, root } from "./lib/process.mjs";
import { suite } from "./lib/suite.mjs";

const users = join(root, "testdata", "demo", "users.yml");

/** Starts caddy with the portal and two members, and returns their origins. */
async function startPortal(t) {
  const port = await freePort();
  const [auth, wiki, shop] = ["auth.example.com", "wiki.example.com", "shop.example.net"].map((host) => `https://${host}:${port}`);
  const caddy = await startCaddy(
    t,
    `{
	admin off
	skip_install_trust
	persist_config off
	auto_https disable_redirects
	caddyauth {
		users ${users}
		portal auth.example.com
		store memory
		allow any
		limit off
	}
}
${auth} {
	bind 127.0.0.1
	log
	tls internal
	caddyauth
}
${[wiki, shop]
  .map(
    (origin) => `${origin} {
	bind 127.0.0.1
	log
	tls internal
	caddyauth
	header Content-Type text/html
	respond "<!DOCTYPE html><link rel=icon href=data:,><title>in</title><p id=who>{http.auth.user.name}</p><p id=where>{http.request.host}</p>"
}
`,
  )
  .join("")}`,
    [port],
  );
  for (const origin of [auth, wiki, shop]) {
    await caddy.until(() => caddy.output.includes(`"certificate obtained successfully","identifier":"${new URL(origin).hostname}"`), "certificates");
  }
  return { caddy, auth, wiki, shop };
}

for (const javaScriptEnabled of [true, false]) {
  describe(javaScriptEnabled ? "a portal, with JavaScript" : "a portal, without JavaScript", () => {
    const all = suite();
    let browser, sites;

    before(async () => {
      browser = await startBrowser(all, ["--host-resolver-rules=MAP *.example.com 127.0.0.1, MAP *.example.net 127.0.0.1"]);
      sites = await startPortal(all);
    });

    const arrive = async (t) => {
      const visitor = await Visitor.arrive(t, browser, sites.wiki, { javaScriptEnabled, ignoreHTTPSErrors: true });
      visitor.others = [sites.auth, sites.shop];
      return visitor;
    };
    const shot = (name) => (javaScriptEnabled ? name : `${name}-nojs`);

    /** On a member's sign-in page: goes to the portal. */
    const leave = (visitor) => visitor.page.locator('form[action$="/signin/credentials"] button').click();

    const isIn = async (visitor, address) => {
      await visitor.page.waitForURL(address);
      assert.equal(await visitor.page.locator("#who").textContent(), "Carol Example");
    };

    it("signs in once for two root domains, and out of both", async (t) => {
      const visitor = await arrive(t);
      const { page } = visitor;
      const deep = "/a%2Fb/%E2%9C%93?x=1&y=%2F%26&z=a+b";
      await page.goto(sites.wiki + deep);
      assert.ok(page.url().startsWith(`${sites.wiki}/api/auth/signin?`), page.url());
      await visitor.screenshot(shot("portal-member"));
      await leave(visitor);
      await page.waitForURL(`${sites.auth}/api/auth/signin?*`);
      await visitor.screenshot(shot("portal-signin"));
      assert.match(await page.locator("main").textContent(), /wiki\.example\.com/);
      await visitor.password("carol", "carol-demo-password");
      await isIn(visitor, sites.wiki + deep);

      // The second site asks nothing.
      await page.goto(`${sites.shop}/y`);
      await leave(visitor);
      await isIn(visitor, `${sites.shop}/y`);

      await page.goto(`${sites.auth}/`);
      await visitor.screenshot(shot("portal"));
      assert.match(await page.locator("main").textContent(), /signed in as carol@example\.com/);

      // A copy of everything that the browser has is worth nothing after signing out.
      const copy = await browser.newContext({ javaScriptEnabled, ignoreHTTPSErrors: true, storageState: await visitor.context.storageState() });
      t.after(() => copy.close());
      await page.goto(`${sites.shop}/api/auth/signout`);
      await page.locator('form[action$="/signout"] button').click();
      await page.waitForURL((url) => url.origin === sites.shop && !url.pathname.endsWith("/signout"));
      for (const context of [visitor.context, copy]) {
        const tab = await context.newPage();
        for (const origin of [sites.wiki, sites.shop]) {
          await tab.goto(`${origin}/`);
          assert.ok(tab.url().startsWith(`${origin}/api/auth/signin?`), tab.url());
        }
        await tab.goto(`${sites.auth}/`);
        assert.match(await tab.locator("main").textContent(), /not signed in/);
      }
      visitor.quiet();
      visitor.assertUnlogged(sites.caddy);
    });

    it("refuses a code in another browser, which can sign in all the same", async (t) => {
      const [attacker, victim] = [await arrive(t), await arrive(t)];
      // The attacker signs in, and keeps the code from the member.
      let code;
      await attacker.page.goto(`${sites.wiki}/`);
      await leave(attacker);
      await attacker.page.waitForURL(`${sites.auth}/api/auth/signin?*`);
      await attacker.page.route(`${sites.wiki}/**`, (route) => route.abort());
      attacker.context.on("request", (request) => {
        if (request.url().startsWith(`${sites.wiki}/api/auth/handoff?code=`)) code = request.url();
      });
      await attacker.password("carol", "carol-demo-password").catch(() => {});
      for (let i = 0; !code && i < 100; i++) await new Promise((resolve) => setTimeout(resolve, 50));
      assert.ok(code, "no code was issued");
      await attacker.context.close();

      await victim.page.goto(code);
      assert.equal(new URL(victim.page.url()).pathname, "/api/auth/signin");
      assert.equal(await victim.page.getByRole("alert").count(), 0, "the page shows an error");
      await leave(victim);
      await victim.page.waitForURL(`${sites.auth}/api/auth/signin?*`);
      await victim.password("carol", "carol-demo-password");
      await isIn(victim, `${sites.wiki}/`);
      victim.quiet();
    });
  });
}
