// Backends behind the gateway read the cookie that it has set.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { before, describe, it } from "node:test";

import { startBackend } from "./lib/backend.mjs";
import { Visitor, startBrowser } from "./lib/browser.mjs";
import { cookieNames } from "./lib/session.mjs";
import { startSites } from "./lib/sites.mjs";
import { suite } from "./lib/suite.mjs";

const secret = randomBytes(32).toString("base64");
const big = randomBytes(2_500).toString("hex"); // more than a cookie holds

const cases = Object.keys(cookieNames).flatMap((dialect) =>
  ["http", "https"].flatMap((scheme) => [false, true].map((chunked) => ({ dialect, scheme, chunked }))),
);

describe("backends that read the session with getToken", { concurrency: 4 }, () => {
  const all = suite();
  let browser, origins;

  before(async () => {
    browser = await startBrowser(all);
    const sites = cases.map(({ dialect, scheme, chunked }) => ({
      scheme,
      auth: `compat ${dialect}
		secret ${secret}
		session {
			pass_cookie
			update_age 1s
		}
		private /api/me
		${chunked ? `callbacks {\n\t\t\tjwt big \`"${big}"\`\n\t\t}` : ""}`,
      lines: async () => `${scheme === "https" ? "tls internal" : ""}
	reverse_proxy ${await startBackend(all, dialect, { secret, secureCookie: scheme === "https" })}`,
    }));
    ({ origins } = await startSites(all, sites));
  });

  cases.forEach(({ dialect, scheme, chunked }, i) => {
    it(`${dialect} on ${scheme}, ${chunked ? "several cookies" : "one cookie"}`, async (t) => {
      const visitor = await Visitor.arrive(t, browser, origins[i], { ignoreHTTPSErrors: true });
      const name = `${scheme === "https" ? "__Secure-" : ""}${cookieNames[dialect]}`;
      const expected = chunked ? [`${name}.0`, `${name}.1`] : [name];
      const read = async (response) => {
        const { token, cookies } = await response.json();
        assert.deepEqual(cookies.filter((cookie) => cookie.includes("session-token")), token ? expected : []);
        return token;
      };
      const { request } = visitor.context;
      const look = async () => read(await request.get(`${visitor.origin}/api/look`));

      assert.equal(await look(), null);
      await visitor.open("/api/me");
      await visitor.password("carol", "carol-demo-password");
      await visitor.page.waitForURL(`${visitor.origin}/api/me`);
      const first = await look();
      assert.equal(first.name, "Carol Example");
      assert.equal(first.email, "carol@example.com");
      assert.equal(first.sub, "carol");
      assert.equal(first.big, chunked ? big : undefined);
      assert.ok(first.exp > Date.now() / 1000 + 29 * 86_400, `exp ${first.exp}`);

      // Reading the session renews it,
      await request.get(`${visitor.origin}/api/auth/session`);
      const second = await look();
      assert.notEqual(second.jti, first.jti);
      // and so do visits, once it is old enough.
      const due = (second.iat + 2) * 1_000 - Date.now();
      if (due > 0) await visitor.page.waitForTimeout(due);
      await visitor.open("/api/me");
      const third = await look();
      assert.notEqual(third.jti, second.jti);
      assert.ok(third.iat > second.iat, `${second.iat}, then ${third.iat}`);
      const claims = ({ iat, exp, jti, ...rest }) => rest;
      assert.deepEqual(claims(second), claims(first));
      assert.deepEqual(claims(third), claims(first));

      await visitor.open("/api/auth/signout?callbackUrl=/api/look");
      await visitor.page.locator('form[action$="/signout"] button').click();
      await visitor.page.waitForURL(`${visitor.origin}/api/look`);
      assert.equal(await look(), null);
      visitor.quiet();
    });
  });
});
