// Passkeys in a real browser with a virtual authenticator: on our own pages, and
// with the unmodified client of next-auth 5.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, it } from "node:test";

import { bundleWebAuthn } from "./lib/app.mjs";
import { Authenticator } from "./lib/authenticator.mjs";
import { Visitor, startBrowser } from "./lib/browser.mjs";
import { root, temporary } from "./lib/process.mjs";
import { startSites } from "./lib/sites.mjs";
import { suite } from "./lib/suite.mjs";

const password = "carol-demo-password";

/** A users file with many people of the demonstration's password, one for each test. */
async function writeUsers(path) {
  const demo = await readFile(join(root, "testdata", "demo", "users.yml"), "utf8");
  const hash = /^ +password: (\S+)$/m.exec(demo)[1];
  const people = Array.from({ length: 20 }, (_, i) => `  person${i}:
    displayname: Person ${i}
    email: person${i}@example.com
    password: ${hash}
`);
  await writeFile(path, `users:\n${people.join("")}`);
}

const auth = (dialect) => `compat ${dialect}
		store memory
		passkeys
		account
		headers`;

for (const dialect of ["v4", "v5"]) {
  describe(`passkeys, ${dialect}`, { concurrency: 3 }, () => {
    const all = suite();
    let browser, origin;
    let people = 0;

    before(async () => {
      const directory = await temporary(all);
      const users = join(await temporary(all), "users.yml");
      await Promise.all([bundleWebAuthn(join(directory, "app")), writeUsers(users)]);
      browser = await startBrowser(all);
      ({ origins: [origin] } = await startSites(all, [{ directory, users, auth: auth(dialect) }]));
    });

    /** Somebody with a name of their own, and an authenticator. */
    async function arrive(t) {
      const visitor = await Visitor.arrive(t, browser, origin);
      visitor.name = `person${people++}`;
      const authenticator = await Authenticator.of(visitor);
      return { visitor, page: visitor.page, authenticator };
    }

    /** Signs in with a password on the sign-in page, and comes to the account page. */
    async function toAccount(visitor) {
      await visitor.open("/api/auth/account");
      await visitor.password(visitor.name, password);
      await visitor.page.waitForURL("**/api/auth/account");
    }

    /** Signs in with the password where no page sees it. */
    async function signInUnnoticed(visitor) {
      const { request } = visitor.context;
      const { csrfToken } = await (await request.get(`${origin}/api/auth/csrf`)).json();
      const form = { csrfToken, username: visitor.name, password };
      await request.post(`${origin}/api/auth/callback/credentials`, { form, maxRedirects: 0 });
      await isIn(visitor);
    }

    /** On the account page: the button for another passkey. */
    const adding = (page) => page.getByRole("button", { name: "Add a passkey" });

    /** On the account page: adds a passkey. */
    async function add(page) {
      await adding(page).click();
      await page.getByRole("status").filter({ hasText: "You can sign in with the passkey" }).waitFor();
    }

    /** On the account page: removes the only passkey. */
    async function remove(page) {
      await page.getByRole("button", { name: "Remove" }).click();
      await page.getByText("You have no passkeys.").waitFor();
    }

    /** Whose session it is, as an address. */
    const email = async (visitor) =>
      (await (await visitor.context.request.get(`${origin}/api/auth/session`)).json())?.user?.email;

    const isIn = async (visitor) => assert.equal(await email(visitor), `${visitor.name}@example.com`);
    const isOut = async (visitor) => assert.equal(await email(visitor), undefined);

    it("is registered on the account page, and signs in with the button", async (t) => {
      const { visitor, page, authenticator } = await arrive(t);
      await toAccount(visitor);
      await visitor.screenshot(`passkeys-${dialect}-none`);
      await add(page);
      await visitor.screenshot(`passkeys-${dialect}-added`);
      assert.equal((await authenticator.credentials()).length, 1);

      await visitor.signOutUnnoticed();
      await isOut(visitor);
      // Otherwise the browser would be faster than the button.
      await authenticator.recognizes(false);
      await visitor.open("/api/auth/signin?callbackUrl=%2Fapp%2F");
      await visitor.screenshot(`passkeys-${dialect}-signin`);
      await authenticator.recognizes(true);
      const asked = page.waitForRequest("**/webauthn-options/passkey?action=authenticate");
      await page.getByRole("button", { name: "Sign in with a passkey" }).click();
      await asked;
      await page.waitForURL(`${origin}/app/`);
      await isIn(visitor);
      visitor.quiet();
    });

    it("signs in while the name is typed", async (t) => {
      const { visitor, page } = await arrive(t);
      await toAccount(visitor);
      await add(page);
      await visitor.signOutUnnoticed();
      await visitor.open("/api/auth/signin?callbackUrl=%2Fapp%2F");
      await page.waitForURL(`${origin}/app/`);
      await isIn(visitor);
      visitor.quiet();
    });

    it("says when a device has one already, and when none was used", async (t) => {
      const { visitor, page, authenticator } = await arrive(t);
      await toAccount(visitor);
      await add(page);
      await adding(page).click();
      await page.getByText("There is a passkey of yours on this device already.").waitFor();
      assert.ok(await adding(page).isEnabled());
      await visitor.screenshot(`passkeys-${dialect}-known`);

      await authenticator.recognizes(false);
      await visitor.signOutUnnoticed();
      await visitor.open("/api/auth/signin");
      const button = page.getByRole("button", { name: "Sign in with a passkey" });
      await button.click();
      await page.getByText("No passkey was used.").waitFor();
      assert.ok(await button.isEnabled());
      await visitor.screenshot(`passkeys-${dialect}-canceled`);
      await isOut(visitor);
      visitor.quiet();
    });

    it("explains what happened to a passkey that was removed", async (t) => {
      const { visitor, page } = await arrive(t);
      await toAccount(visitor);
      await add(page);
      await remove(page);
      await visitor.signOutUnnoticed();
      await visitor.open("/api/auth/signin");
      await page.getByText("The passkey could not be used here.").waitFor();
      await visitor.screenshot(`passkeys-${dialect}-removed`);
      assert.equal(new URL(page.url()).searchParams.get("error"), "WebAuthnVerificationError");
      await isOut(visitor);
      visitor.quiet();
    });

    it("works in browsers that do not know its JSON", async (t) => {
      const { visitor, page, authenticator } = await arrive(t);
      await page.addInitScript(() => {
        delete PublicKeyCredential.parseCreationOptionsFromJSON;
        delete PublicKeyCredential.parseRequestOptionsFromJSON;
      });
      await toAccount(visitor);
      await add(page);
      await adding(page).click();
      await page.getByText("There is a passkey of yours on this device already.").waitFor();
      assert.equal((await authenticator.credentials()).length, 1);
      await visitor.signOutUnnoticed();
      await visitor.open("/api/auth/signin?callbackUrl=%2Fapp%2F");
      await page.waitForURL(`${origin}/app/`);
      await isIn(visitor);
      visitor.quiet();
    });

    it("leaves nothing dead where it cannot work", async (t) => {
      const unsupported = "Passkeys need JavaScript, and a browser that knows them.";
      const noScript = await Visitor.arrive(t, browser, origin, { javaScriptEnabled: false });
      await noScript.open("/api/auth/signin");
      assert.equal(await noScript.page.getByRole("button", { name: "passkey" }).count(), 0);
      await noScript.page.getByText(unsupported).waitFor();
      await noScript.screenshot(`passkeys-${dialect}-nojs`);

      const old = await Visitor.arrive(t, browser, origin);
      await old.page.addInitScript(() => delete window.PublicKeyCredential);
      await old.open("/api/auth/signin");
      await old.page.getByText(unsupported).waitFor();
      assert.equal(await old.page.getByRole("button", { name: "passkey" }).count(), 0);
      await old.screenshot(`passkeys-${dialect}-unsupported`);
      old.quiet();
    });

    describe("with next-auth/webauthn", () => {
      /** Somebody at the page with the client. */
      async function atClient(t) {
        const person = await arrive(t);
        await person.visitor.open("/app/");
        await person.page.waitForFunction(() => window.client);
        return person;
      }

      const failed = (error) => ({ error, code: null, status: 200, ok: true, url: null });
      const done = { error: null, code: null, status: 200, ok: true };

      it("is what it should be", async () => {
        const manifest = async (name) => JSON.parse(await readFile(new URL(`node_modules/${name}/package.json`, import.meta.url), "utf8"));
        assert.equal((await manifest("next-auth5")).version, "5.0.0-beta.32");
        assert.equal((await manifest("@simplewebauthn/browser")).version, "9.0.1");
      });

      it("registers and signs in, and the passkey works on our pages too", async (t) => {
        const { visitor, page, authenticator } = await atClient(t);
        await signInUnnoticed(visitor);
        const registered = await visitor.call("signIn", "passkey", { action: "register", redirect: false });
        assert.deepEqual(registered, { ...done, url: `${origin}/app/` });
        assert.equal((await authenticator.credentials()).length, 1);
        await isIn(visitor);

        await visitor.signOutUnnoticed();
        await isOut(visitor);
        const signedIn = await visitor.call("signIn", "passkey", { redirect: false, redirectTo: "/app/?in" });
        assert.deepEqual(signedIn, { ...done, url: `${origin}/app/?in` });
        await isIn(visitor);

        // Who is signed in can show to be there.
        const again = await visitor.call("signIn", "passkey", { action: "authenticate", redirect: false });
        assert.deepEqual(again, { ...done, url: `${origin}/app/` });

        await visitor.signOutUnnoticed();
        await visitor.leave("signIn", "passkey", { redirectTo: "/app/?there" });
        await page.waitForURL(`${origin}/app/?there`);
        await isIn(visitor);

        // The library hands authenticators another user handle than the browser's own
        // JSON would.
        await visitor.signOutUnnoticed();
        await visitor.open("/api/auth/signin?callbackUrl=%2Fapp%2F%3Fpage");
        await page.waitForURL(`${origin}/app/?page`);
        await isIn(visitor);
        visitor.quiet();
      });

      it("signs in with a passkey that was registered on our page", async (t) => {
        const { visitor, page } = await arrive(t);
        await toAccount(visitor);
        await add(page);
        await visitor.signOutUnnoticed();
        await visitor.open("/app/");
        const signedIn = await visitor.call("signIn", "passkey", { redirect: false });
        assert.deepEqual(signedIn, { ...done, url: `${origin}/app/` });
        await isIn(visitor);
        visitor.quiet();
      });

      it("hears of a passkey that nobody knows", async (t) => {
        const { visitor, page } = await arrive(t);
        await toAccount(visitor);
        await add(page);
        await remove(page);
        await visitor.signOutUnnoticed();
        await visitor.open("/app/");
        const refused = await visitor.call("signIn", "passkey", { redirect: false });
        assert.deepEqual(refused, failed("WebAuthnVerificationError"));
        await isOut(visitor);
        visitor.quiet();
      });

      it("registers nobody who is not signed in", async (t) => {
        const { visitor, authenticator } = await atClient(t);
        const options = { action: "register", email: "mallory@example.com", redirect: false };
        assert.equal(await visitor.call("signIn", "passkey", options), undefined);
        assert.equal((await authenticator.credentials()).length, 0);
        await isOut(visitor);
        visitor.quiet(/status of 400/, /Invalid request/);
      });
    });
  });
}
