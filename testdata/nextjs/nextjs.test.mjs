// Next.js apps behind the gateway see, when they render on the server, the
// session that caddyauth has made.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { dirname, join } from "node:path";
import { before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

import { Visitor, startBrowser } from "../e2e/lib/browser.mjs";
import { Program, freePort, listens, run } from "../e2e/lib/process.mjs";
import { startSites } from "../e2e/lib/sites.mjs";
import { suite } from "../e2e/lib/suite.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const next = join(here, "node_modules", "next", "dist", "bin", "next");
const secret = randomBytes(32).toString("base64");
const carol = { name: "Carol Example", email: "carol@example.com" };

const apps = {
  v4: { pages: ["/", "/classic"], env: (origin) => ({ NEXTAUTH_SECRET: secret, NEXTAUTH_URL: origin }) },
  v5: { pages: ["/"], env: (origin) => ({ AUTH_SECRET: secret, AUTH_URL: origin }) },
};
const cases = Object.keys(apps).flatMap((dialect) => ["http", "https"].map((scheme) => ({ dialect, scheme })));

const environment = { PATH: process.env.PATH, HOME: process.env.HOME, NEXT_TELEMETRY_DISABLED: "1" };

describe("Next.js apps", () => {
  const all = suite();
  let browser, origins;

  before(async () => {
    for (const dialect of Object.keys(apps)) {
      run(process.execPath, [next, "build"], { cwd: join(here, dialect), env: environment, timeout: 300_000 });
    }
    browser = await startBrowser(all);
    ({ origins } = await startSites(all, cases.map(({ dialect, scheme }) => ({
      scheme,
      auth: `compat ${dialect}
		secret ${secret}
		session {
			pass_cookie
		}
		allow /members/* group users`,
      lines: async (origin) => `${scheme === "https" ? "tls internal" : ""}
	reverse_proxy 127.0.0.1:${await startApp(all, dialect, origin)}`,
    }))));
  });

  cases.forEach(({ dialect, scheme }, i) => {
    it(`next-auth ${dialect} on ${scheme}`, async (t) => {
      // Without JavaScript, all that there is to see comes from the server.
      const visitor = await Visitor.arrive(t, browser, origins[i], { javaScriptEnabled: false, ignoreHTTPSErrors: true });
      const see = async (path) => {
        const response = await visitor.open(path);
        assert.equal(response.status(), 200);
        assert.equal(visitor.where, path);
        return JSON.parse(await visitor.page.locator("#session").textContent());
      };
      const cookie = async () => (await visitor.context.cookies()).find(({ name }) => name.endsWith("session-token")).value;

      for (const path of apps[dialect].pages) assert.equal(await see(path), null, path);
      // The app itself sends people to sign in, and gets them back.
      await visitor.open("/guarded?x=%2F%26");
      assert.match(visitor.where, /^\/api\/auth\/signin\?(.*&)?callbackUrl=/);
      await visitor.password("carol", "carol-demo-password");
      await visitor.page.waitForURL(`${visitor.origin}/guarded?x=%2F%26`);
      for (const path of [...apps[dialect].pages, "/guarded"]) assert.deepEqual(await see(path), carol, path);

      // The app has sealed the session anew, and the gate still knows whose it is.
      const sealed = await cookie();
      await see(dialect === "v4" ? "/classic" : "/guarded");
      assert.notEqual(await cookie(), sealed);
      const response = await visitor.open("/members/");
      assert.equal(response.status(), 404); // of the app

      await visitor.open("/api/auth/signout?callbackUrl=/");
      await visitor.page.locator('form[action$="/signout"] button').click();
      await visitor.page.waitForURL(`${visitor.origin}/`);
      for (const path of apps[dialect].pages) assert.equal(await see(path), null, path);
      visitor.quiet(/status of 404/);
    });
  });
});

/** Starts an app that has been built, for a site, and returns its port. */
async function startApp(t, dialect, origin) {
  const port = await freePort();
  const app = new Program(process.execPath, [next, "start", "--hostname", "127.0.0.1", "--port", String(port)], {
    cwd: join(here, dialect),
    env: { ...environment, ...apps[dialect].env(origin) },
  });
  t.after(() => app.stop());
  await app.until(() => listens(port), `port ${port}`);
  return port;
}
