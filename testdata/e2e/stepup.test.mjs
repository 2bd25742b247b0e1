// Pages that ask for a sign-in that is recent or strong.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, it } from "node:test";

import { Visitor, startBrowser } from "./lib/browser.mjs";
import { temporary } from "./lib/process.mjs";
import { startProvider } from "./lib/provider.mjs";
import { age } from "./lib/session.mjs";
import { startSites } from "./lib/sites.mjs";
import { suite } from "./lib/suite.mjs";

const secret = randomBytes(32).toString("base64");

const html = (title, body = title) => `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,"><title>${title}</title></head>
<body><h1>${title}</h1>${body}</body></html>
`;
const pages = {
  members: html("Members"),
  vault: html("Vault"),
  gold: html("Gold"),
  form: html("Form", '<form method="POST" action="/vault/send"><input name="text"><button>Send</button></form>'),
};

const rules = `secret ${secret}
		private /vault/*
		private /gold/*
		private /form/*
		step_up /vault/* max_age 5m
		step_up /gold/* acr gold`;

/** How providers answer: as they are asked, and as they always do. */
const answers = {
  heeds: ({ acr_values: acr = "silver" }) => ({ acr }),
  ignores: () => ({ acr: "silver", ts: Math.floor(Date.now() / 1_000) - 3_600 }),
};

/** Starts a provider for a site, and returns what the site's caddyauth says of it. */
async function withProvider(t, origin, answer, started) {
  const client = { client_id: "site", client_secret: "a secret of the site, for tests" };
  const { issuer, server } = await startProvider({
    ...client,
    redirect_uris: [`${origin}/api/auth/callback/company`],
    users: { alice: { name: "Alice Example", email: "alice@example.com", email_verified: true } },
    acr_values: ["silver", "gold"],
    answer,
  });
  t.after(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  started(issuer);
  return `provider oidc ${issuer} as company {
			name Company
			client_id ${client.client_id}
			client_secret "${client.client_secret}"
		}`;
}

for (const dialect of ["v4", "v5"]) {
  describe(`step_up, ${dialect}`, { concurrency: 3 }, () => {
    const all = suite();
    const sites = {};
    let browser;

    before(async () => {
      const directory = await temporary(all);
      for (const [name, text] of Object.entries(pages)) {
        await mkdir(join(directory, name));
        await writeFile(join(directory, name, "index.html"), text);
      }
      browser = await startBrowser(all);
      const lines = () => 'respond /vault/send "received {http.request.body}"';
      const auth = `compat ${dialect}\n\t\t${rules}`;
      const issuers = {};
      const { origins } = await startSites(all, [
        { directory, lines, auth },
        ...Object.entries(answers).map(([name, answer]) => ({
          directory,
          auth: async (origin) => `${auth}\n\t\t${await withProvider(all, origin, answer, (issuer) => (issuers[name] = issuer))}`,
        })),
      ]);
      ["dev", ...Object.keys(answers)].forEach((name, i) => (sites[name] = { origin: origins[i], issuer: issuers[name] }));
    });

    /** Somebody who has signed in, an hour ago, and what providers are asked from then on. */
    async function arrive(t, name) {
      const { origin, issuer } = sites[name];
      const visitor = await Visitor.arrive(t, browser, origin);
      if (issuer) {
        visitor.others = [issuer];
        await visitor.open("/members/");
        await visitor.page.getByRole("button", { name: "Company" }).click();
        await visitor.page.waitForURL(`${origin}/members/`);
      } else {
        await visitor.signIn("/members/", "alice");
      }
      await age(visitor, dialect, secret);
      visitor.asked = [];
      visitor.context.on("request", (request) => {
        const { searchParams } = new URL(request.url());
        if (searchParams.has("code_challenge")) visitor.asked.push(Object.fromEntries(searchParams));
      });
      return visitor;
    }

    it("asks the development provider for a fresh sign-in, once", async (t) => {
      const visitor = await arrive(t, "dev");
      await visitor.open("/vault/?tab=1&x=%2F#here");
      await visitor.page.getByRole("heading", { name: "Choose a person" }).waitFor();
      await visitor.screenshot(`stepup-${dialect}-provider`);
      assert.equal(visitor.asked.length, 1);
      assert.equal(visitor.asked[0].prompt, "login");
      assert.equal(visitor.asked[0].max_age, "300");
      await visitor.choose("alice");
      assert.equal(visitor.where.split("#")[0], "/vault/?tab=1&x=%2F");
      await visitor.page.getByRole("heading", { name: "Vault" }).waitFor();
      await visitor.screenshot(`stepup-${dialect}-page`);

      for (const path of ["/vault/", "/vault/?again"]) {
        assert.equal((await visitor.open(path)).status(), 200);
        assert.equal(visitor.where, path);
      }
      assert.equal(visitor.asked.length, 1);
      visitor.quiet();
    });

    it("shows a page when the development provider knows no stronger way", async (t) => {
      const visitor = await arrive(t, "dev");
      await visitor.open("/gold/");
      assert.equal(visitor.asked[0].acr_values, "gold");
      await visitor.page.locator('button[name="sub"][value="alice"]').click();
      await refused(visitor, "/gold/", "needs a stronger way of signing in. Development was asked for it");
      await visitor.screenshot(`stepup-${dialect}-weak`);
      visitor.quiet(/status of 403/);
    });

    for (const [path, title, parameter, value] of [
      ["/vault/", "Vault", "max_age", "300"],
      ["/gold/", "Gold", "acr_values", "gold"],
    ]) {
      it(`comes back at once from a provider that does what it is asked for: ${path}`, async (t) => {
        const visitor = await arrive(t, "heeds");
        for (let visit = 1; visit < 3; visit++) {
          assert.equal((await visitor.open(path)).status(), 200);
          assert.equal(visitor.where, path);
          assert.equal(await visitor.page.locator("h1").textContent(), title);
          assert.equal(visitor.asked.length, 1);
        }
        assert.equal(visitor.asked[0].prompt, "login");
        assert.equal(visitor.asked[0][parameter], value);
        visitor.quiet();
      });
    }

    for (const [path, text] of [
      ["/vault/", "needs a sign-in that is more recent. Company was asked for one"],
      ["/gold/", "needs a stronger way of signing in. Company was asked for it"],
    ]) {
      it(`does not circle where a provider takes no notice: ${path}`, async (t) => {
        const visitor = await arrive(t, "ignores");
        await visitor.open(path);
        await refused(visitor, path, text);
        await visitor.screenshot(`stepup-${dialect}-ignored${path.replaceAll("/", "-")}`);
        await visitor.page.reload();
        await refused(visitor, path, text);
        // The rest of the site is open as before.
        assert.equal((await visitor.open("/members/")).status(), 200);
        visitor.quiet(/status of 403/);
      });
    }

    it("a form says what is missing, and can be sent again", async (t) => {
      const visitor = await arrive(t, "dev");
      const { page } = visitor;
      await visitor.open("/form/");
      await page.locator("input").fill("a-long-letter");
      const [answer] = await Promise.all([page.waitForResponse("**/vault/send"), page.getByRole("button", { name: "Send" }).click()]);
      assert.equal(answer.status(), 401);
      await page.getByText("The form you sent was not processed").waitFor();
      assert.equal(visitor.asked.length, 0);
      await visitor.screenshot(`stepup-${dialect}-form`);
      await page.getByRole("link", { name: "Sign in" }).click();
      await page.waitForURL("**/api/auth/signin?callbackUrl=*");
      await visitor.screenshot(`stepup-${dialect}-again`);
      await visitor.toDev();
      await visitor.choose("alice");
      assert.equal(visitor.asked[0].prompt, "login");
      assert.equal(visitor.asked[0].max_age, "300");
      assert.equal(visitor.where, "/form/");
      await page.locator("input").fill("a-long-letter");
      await page.getByRole("button", { name: "Send" }).click();
      await page.getByText("received text=a-long-letter").waitFor();
      visitor.quiet(/status of 401/, /favicon/);
    });

    it("a script gets the challenge of RFC 9470, and is sent nowhere", async (t) => {
      const visitor = await arrive(t, "dev");
      await visitor.open("/members/");
      for (const [path, method, lacking] of [
        ["/vault/data", "GET", 'max_age="300"'],
        ["/vault/data", "POST", 'max_age="300"'],
        ["/gold/data", "GET", 'acr_values="gold"'],
      ]) {
        const answer = await visitor.page.evaluate(async ([path, method]) => {
          const response = await fetch(path, { method });
          return { status: response.status, redirected: response.redirected, challenge: response.headers.get("WWW-Authenticate") };
        }, [path, method]);
        assert.equal(answer.status, 401);
        assert.equal(answer.redirected, false);
        assert.match(answer.challenge, /^Bearer .*error="insufficient_user_authentication"/);
        assert.ok(answer.challenge.includes(lacking), answer.challenge);
      }
      assert.equal(visitor.asked.length, 0);
      visitor.quiet(/status of 401/);
    });

    /** The page that says so, after a provider was asked once. */
    async function refused(visitor, path, text) {
      await visitor.page.getByText(text).waitFor();
      assert.equal(visitor.where, path);
      assert.equal(visitor.asked.length, 1);
    }
  });
}
