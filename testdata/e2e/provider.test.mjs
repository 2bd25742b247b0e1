// Signing in and out at a provider of another site, with pages of its own.

import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, it } from "node:test";

import { Visitor, startBrowser } from "./lib/browser.mjs";
import { temporary } from "./lib/process.mjs";
import { startProvider } from "./lib/provider.mjs";
import { startSites } from "./lib/sites.mjs";
import { suite } from "./lib/suite.mjs";

const html = (title) => `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,"><title>${title}</title></head><body><h1>${title}</h1></body></html>
`;

for (const dialect of ["v4", "v5"]) {
  describe(`a provider with pages of its own, ${dialect}`, () => {
    const all = suite();
    let browser, caddy, origin, issuer;

    before(async () => {
      const directory = await temporary(all);
      await mkdir(join(directory, "members"));
      await writeFile(join(directory, "index.html"), html("Front"));
      await writeFile(join(directory, "members", "index.html"), html("Members"));
      browser = await startBrowser(all);
      ({
        caddy,
        origins: [origin],
      } = await startSites(all, [
        {
          directory,
          // At http://localhost, and the provider at http://127.0.0.1: that is another site.
          auth: async (origin) => {
            const client = { client_id: "site", client_secret: "a secret of the site, for tests" };
            let server;
            ({ issuer, server } = await startProvider({
              ...client,
              redirect_uris: [`${origin}/api/auth/callback/company`],
              client: { post_logout_redirect_uris: [`${origin}/api/auth/signed-out`] },
              users: { alice: { name: "Alice Example", email: "alice@example.com", email_verified: true } },
            }));
            all.after(() => {
              server.closeAllConnections();
              return new Promise((resolve) => server.close(resolve));
            });
            return `compat ${dialect}
		logout
		provider oidc ${issuer} as company {
			name Company
			client_id ${client.client_id}
			client_secret "${client.client_secret}"
			response_mode form_post
		}`;
          },
        },
      ]));
    });

    async function arrive(t) {
      const visitor = await Visitor.arrive(t, browser, origin);
      // The provider's pages want fonts from elsewhere.
      visitor.others = [issuer, "https://fonts.googleapis.com"];
      await visitor.context.route("https://fonts.googleapis.com/**", (route) => route.fulfill({ contentType: "text/css", body: "" }));
      visitor.posted = [];
      visitor.context.on("request", (request) => {
        if (request.method() === "POST" && request.url() === `${origin}/api/auth/callback/company`) visitor.posted.push(request);
      });
      return visitor;
    }

    const company = (visitor) => visitor.page.getByRole("button", { name: "Company" }).click();

    async function signIn(visitor, path) {
      await visitor.open(path);
      await company(visitor);
      await visitor.page.locator('input[name="login"]').fill("alice");
      await visitor.page.locator('input[name="password"]').fill("any");
      await visitor.page.getByRole("button", { name: "Sign-in" }).click();
      await visitor.page.waitForURL((url) => url.origin === origin && url.pathname === new URL(path, origin).pathname);
    }

    /** The names of the cookies that came with a request, without what precedes the dot. */
    async function cookies(request) {
      const { cookie = "" } = await request.allHeaders();
      return cookie.split("; ").map((pair) => pair.split("=")[0].replace(/^.*\./, ""));
    }

    it("comes back with a form that the provider's page posts", async (t) => {
      const visitor = await arrive(t);
      await visitor.open("/members/?tab=1&x=%2F");
      await company(visitor);
      await visitor.page.locator('input[name="login"]').waitFor();
      const kept = Object.fromEntries((await visitor.context.cookies(origin)).map((c) => [c.name.replace(/^.*\./, ""), c]));
      for (const name of ["state", "nonce", "code_verifier"]) {
        assert.equal(kept[name]?.sameSite, "None", `${name} does not go with the form`);
        assert.equal(kept[name].secure, true);
      }
      assert.equal(kept["callback-url"].sameSite, "Lax");

      await signIn(visitor, "/members/?tab=1&x=%2F");
      assert.equal(visitor.where, "/members/?tab=1&x=%2F");
      assert.equal(await visitor.page.locator("h1").textContent(), "Members");
      assert.equal(visitor.posted.length, 1);
      const sent = await cookies(visitor.posted[0]);
      assert.ok(sent.includes("state") && !sent.includes("callback-url"), `the form came with ${sent}`);
      const session = (await visitor.context.cookies(origin)).filter((c) => c.name.includes("session-token"));
      assert.deepEqual(session.map((c) => c.sameSite), ["Lax"]);
      assert.ok(!visitor.page.url().includes("posted="));
      const form = new URLSearchParams(visitor.posted[0].postData());
      for (const name of ["code", "state"]) visitor.secrets.add(form.get(name));
      visitor.quiet();
      visitor.assertUnlogged(caddy);
    });

    it("signs out there too", async (t) => {
      const visitor = await arrive(t);
      const { page } = visitor;
      await signIn(visitor, "/members/");
      // The provider has a session: it asks nothing the next time.
      await visitor.signOutUnnoticed();
      await visitor.open("/members/");
      await company(visitor);
      await page.waitForURL(`${origin}/members/`);

      await visitor.open("/api/auth/signout?callbackUrl=%2F%3Fbye");
      await page.locator('form[action$="/signout"] button').click();
      await page.getByRole("button", { name: "Yes, sign me out" }).waitFor();
      assert.ok(page.url().startsWith(`${issuer}/session/end?`), page.url());
      await visitor.screenshot(`provider-${dialect}-signout`);
      visitor.secrets.add(new URL(page.url()).searchParams.get("id_token_hint"));
      await page.getByRole("button", { name: "Yes, sign me out" }).click();
      await page.waitForURL(`${origin}/?bye`);
      assert.equal((await visitor.context.cookies(origin)).filter((c) => c.name.includes("session-token")).length, 0);
      assert.equal((await visitor.context.cookies(issuer)).filter((c) => c.name === "_session").length, 0);

      await visitor.open("/members/");
      await company(visitor);
      await page.locator('input[name="login"]').waitFor();
      assert.ok(page.url().startsWith(issuer), page.url());
      visitor.quiet();
      visitor.assertUnlogged(caddy);
    });
  });
}
