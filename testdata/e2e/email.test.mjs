// Mailed links in a real browser, from the mail server's point of view as well:
// on our own pages, and with the unmodified clients of both dialects.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { join } from "node:path";
import { before, describe, it } from "node:test";

import { bundleReact, copyPage } from "./lib/app.mjs";
import { Visitor, startBrowser } from "./lib/browser.mjs";
import { Mail } from "./lib/mail.mjs";
import { freePort, temporary } from "./lib/process.mjs";
import { startSites } from "./lib/sites.mjs";
import { suite } from "./lib/suite.mjs";

const dialects = {
  v4: {
    noSession: "{}",
    cookie: "next-auth.session-token",
    asked: { error: null, status: 200, ok: true },
    refused: { error: "EmailSignin", status: 200, ok: true, url: null },
    unsent: "/api/auth/signin?error=EmailSignin",
    noise: [],
  },
  v5: {
    noSession: "null",
    cookie: "authjs.session-token",
    asked: { error: undefined, code: undefined, status: 200, ok: true },
    refused: { error: "Configuration", code: undefined, status: 200, ok: true, url: null },
    // Auth.js calls it a matter of configuration, with the page's status.
    unsent: "/api/auth/error?error=Configuration",
    noise: [/status of 500/],
  },
};

/** What mail programs and the scanners of mail call themselves. */
const scanners = [
  "OneOutlook/1.2024.1", // prefetches in the name of the person
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36",
  "Barracuda Sentinel (EE)",
];

/** With these policies nobody learns the page's address, which has the token in it. */
const withoutAddress = /^(no-referrer|strict-origin)$/;

/** A mail server that takes connections and says nothing. */
async function startSilence(t) {
  const sockets = new Set();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}); // caddy hangs up
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return `127.0.0.1:${server.address().port}`;
}

for (const [dialect, expected] of Object.entries(dialects)) {
  describe(`mailed links, ${dialect}`, { concurrency: 3 }, () => {
    const all = suite();
    let browser, caddy, mail, origin, rows, narrow, dead, silent;

    before(async () => {
      const directory = await temporary(all);
      await Promise.all(["app", "members"].map((name) => bundleReact(join(directory, name), dialect)));
      await copyPage(join(directory, "plain"));
      mail = await Mail.start(all);
      browser = await startBrowser(all);
      const email = (server) => `email login@example.com smtp://${server} {\n\t\t\ttls off\n\t\t}`;
      const auth = (server = mail.smtp) => `compat ${dialect}\n\t\tstore memory\n\t\tclient\n\t\t${email(server)}`;
      ({
        caddy,
        origins: [origin, rows, narrow, dead, silent],
      } = await startSites(all, [
        { directory, auth: auth() },
        { directory, auth: `${auth()}\n\t\tsession {\n\t\t\tstrategy database\n\t\t}` },
        { directory, auth: auth(), allow: "allow domain example.com" },
        { directory, auth: auth(`127.0.0.1:${await freePort()}`) },
        { directory, auth: auth(await startSilence(all)) },
      ]));
    });

    const arrive = (t, at = origin) => Visitor.arrive(t, browser, at);

    /** On the sign-in page: asks for a link. */
    async function ask({ page }, address) {
      const form = page.locator('form[action$="/signin/email"]');
      await form.locator('input[name="email"]').fill(address);
      await form.locator("button").click();
    }

    /** Asks for a link on the way to a private page, and returns it. */
    async function asked(visitor, address, typed = address) {
      await visitor.open("/members/");
      await ask(visitor, typed);
      await visitor.page.waitForURL("**/api/auth/verify-request?provider=email&type=email");
      return mail.link(address);
    }

    /** Whose session it is, as an address. */
    async function email({ context, origin }) {
      const response = await context.request.get(`${origin}/api/auth/session`);
      return (await response.json())?.user?.email;
    }

    it("signs in where it was asked for, without another question", async (t) => {
      const visitor = await arrive(t);
      await visitor.open("/members/");
      await visitor.screenshot(`email-${dialect}-signin`);
      const link = await asked(visitor, "anna@example.com", " Anna@Example.com");
      await visitor.page.getByRole("heading", { name: "Check your email" }).waitFor();
      await visitor.screenshot(`email-${dialect}-verify`);
      assert.equal(await email(visitor), undefined);

      const pages = [];
      visitor.page.on("framenavigated", (frame) => pages.push(frame.url().slice(origin.length)));
      await visitor.page.goto(link);
      await visitor.status("authenticated");
      assert.deepEqual(pages, ["/members/"]);
      assert.equal((await visitor.session()).user.email, "anna@example.com");
      visitor.quiet();
      visitor.assertUnlogged(caddy);
    });

    it("is one mail, to the address alone, with the link in it", async (t) => {
      const visitor = await arrive(t);
      await asked(visitor, "ben@example.com");
      const [message, ...more] = await mail.messages("ben@example.com");
      assert.deepEqual(more, []);
      assert.deepEqual(message.to, ["ben@example.com"]);
      assert.equal(message.from, "login@example.com");
      assert.ok(message.subject.includes(new URL(origin).host), message.subject);
      assert.ok(message.html.includes(message.link.replaceAll("&", "&amp;")), message.html);
      const { pathname, searchParams } = new URL(message.link);
      assert.equal(pathname, "/api/auth/callback/email");
      assert.deepEqual([...searchParams.keys()], ["callbackUrl", "token", "email"]);
    });

    it("asks first in another browser, which it then signs in", async (t) => {
      const [desk, phone] = [await arrive(t), await arrive(t)];
      const link = await asked(desk, "clara@example.com");
      const response = await phone.page.goto(link);
      assert.equal(response.status(), 200);
      assert.match((await response.allHeaders())["referrer-policy"], withoutAddress);
      const text = await phone.page.locator("main, body").first().innerText();
      assert.ok(text.includes("as clara@example.com"), text);
      await phone.screenshot(`email-${dialect}-confirm`);
      assert.equal(await email(phone), undefined);

      await phone.page.getByRole("button", { name: "Sign in" }).click();
      await phone.status("authenticated");
      assert.equal(phone.where, "/members/");
      assert.equal(await email(phone), "clara@example.com");
      assert.equal(await email(desk), undefined);
      phone.quiet();
      phone.assertUnlogged(caddy);
    });

    it("asks without scripts as well", async (t) => {
      const [desk, phone] = [await arrive(t), await Visitor.arrive(t, browser, origin, { javaScriptEnabled: false })];
      const link = await asked(desk, "dora@example.com");
      await phone.page.goto(link);
      await phone.page.getByRole("button", { name: "Sign in" }).click();
      await phone.page.waitForURL(`${origin}/members/`);
      assert.equal(await email(phone), "dora@example.com");
      phone.quiet();
    });

    it("is good once", async (t) => {
      const visitor = await arrive(t);
      const link = await asked(visitor, "emil@example.com");
      await visitor.page.goto(link);
      await visitor.status("authenticated");
      await visitor.page.goto(link);
      await visitor.page.getByRole("heading", { name: "Unable to sign in" }).waitFor();
      assert.equal(visitor.where, "/api/auth/error?error=Verification");
      await visitor.screenshot(`email-${dialect}-used`);
      assert.equal(await email(visitor), "emil@example.com", "the session that there was");

      // Nor is it elsewhere, where the button is what says so.
      const other = await arrive(t);
      await other.page.goto(link);
      await other.page.getByRole("button", { name: "Sign in" }).click();
      await other.page.getByRole("heading", { name: "Unable to sign in" }).waitFor();
      assert.equal(await email(other), undefined);
      const noise = /status of 403/; // the page's own
      visitor.quiet(noise);
      other.quiet(noise);
    });

    it("MAIL-01: a scanner's HEAD does not use it up", async (t) => {
      const visitor = await arrive(t);
      const link = await asked(visitor, "fritz@example.com");
      for (const agent of scanners) {
        const response = await fetch(link, { method: "HEAD", redirect: "manual", headers: { "User-Agent": agent } });
        assert.equal(response.status, 400);
        assert.deepEqual(response.headers.getSetCookie(), []);
      }
      await visitor.page.goto(link);
      await visitor.status("authenticated");
      assert.equal(await email(visitor), "fritz@example.com");
      visitor.quiet();
    });

    it("MAIL-02: a scanner's GET does not use it up, nor does one with a browser", async (t) => {
      const visitor = await arrive(t);
      const link = await asked(visitor, "gerda@example.com");
      for (const agent of scanners) {
        const response = await fetch(link, { redirect: "manual", headers: { "User-Agent": agent, Accept: "*/*" } });
        assert.equal(response.status, 200);
        assert.match(response.headers.get("referrer-policy"), withoutAddress);
        const names = response.headers.getSetCookie().map((line) => line.split("=")[0]);
        assert.ok(!names.some((name) => name.includes("session-token")), names.join());
      }
      const scanner = await arrive(t);
      await scanner.page.goto(link);
      await scanner.page.waitForLoadState("networkidle");
      await scanner.page.reload();
      assert.equal(await email(scanner), undefined);

      await visitor.page.goto(link);
      await visitor.status("authenticated");
      assert.equal(await email(visitor), "gerda@example.com");
      visitor.quiet();
    });

    it("is not mailed to whom the rules refuse, which does not show", async (t) => {
      const visitor = await arrive(t, narrow);
      for (const address of ["hugo@example.com", "hugo@example.net"]) {
        await visitor.open("/api/auth/signin");
        await ask(visitor, address);
        await visitor.page.waitForURL("**/api/auth/verify-request?provider=email&type=email");
        await visitor.page.getByRole("heading", { name: "Check your email" }).waitFor();
      }
      assert.equal((await mail.messages("hugo@example.com")).length, 1);
      assert.deepEqual(await mail.messages("hugo@example.net"), []);
      visitor.quiet();
    });

    it("BRUTE-02: the answer is the same for a known address and an unknown one", async (t) => {
      const visitor = await arrive(t);
      await visitor.page.goto(await asked(visitor, "irma@example.com"));
      await visitor.status("authenticated");
      const pages = [];
      for (const address of ["irma@example.com", "unknown@example.com"]) {
        const other = await arrive(t);
        await asked(other, address);
        pages.push([other.where, await other.page.content()]);
      }
      assert.deepEqual(pages[0], pages[1]);
    });

    it("says so if the address is none", async (t) => {
      const visitor = await arrive(t);
      await visitor.open("/api/auth/signin");
      await ask(visitor, "jan%example.net@example.com"); // which browsers take for one
      await visitor.page.getByText("This is not an email address that mail can be sent to.").waitFor();
      assert.equal(visitor.where, expected.unsent);
      visitor.quiet(...expected.noise);
    });

    for (const [what, site, seconds] of [
      ["is down", () => dead, 5],
      ["does not answer", () => silent, 15],
    ]) {
      it(`says so within ${seconds} seconds if the mail server ${what}`, async (t) => {
        const visitor = await arrive(t, site());
        await visitor.open("/api/auth/signin");
        const begun = Date.now();
        await ask(visitor, "kim@example.com");
        await visitor.page.getByText("The email could not be sent.").waitFor({ timeout: 30_000 });
        const took = (Date.now() - begun) / 1_000;
        assert.ok(took < seconds, `${took} seconds`);
        assert.equal(visitor.where, expected.unsent);
        await visitor.screenshot(`email-${dialect}-${what.replaceAll(" ", "-")}`);
        visitor.quiet(...expected.noise);
      });
    }

    it("is asked for by next-auth/react without leaving the page", async (t) => {
      const visitor = await arrive(t);
      await visitor.open("/app/");
      await visitor.status("unauthenticated");
      const address = "lena@example.com";
      const options = { email: address, redirect: false, callbackUrl: "/app/?in" };
      assert.deepEqual(await visitor.call("signIn", "email", options), {
        ...expected.asked,
        url: `${origin}/api/auth/verify-request?provider=email&type=email`,
      });
      assert.equal(visitor.where, "/app/");
      const nobody = { email: "nobody", redirect: false };
      assert.deepEqual(await visitor.call("signIn", "email", nobody), expected.refused);
      await visitor.status("unauthenticated");
      // In a tab of its own, as links in mails open; the first one hears of it.
      const tab = await visitor.tab("/app/");
      await tab.page.goto(await mail.link(address));
      await tab.status("authenticated");
      assert.equal(tab.where, "/app/?in");
      assert.deepEqual((await tab.session()).user, { name: null, email: address, image: null });
      visitor.quiet();
      visitor.assertUnlogged(caddy);
    });

    it("is asked for by next-auth/react, which goes to the page that says so", async (t) => {
      const visitor = await arrive(t);
      await visitor.open("/app/");
      await visitor.status("unauthenticated");
      await visitor.leave("signIn", "email", { email: "max@example.com", callbackUrl: "/app/?in" });
      await visitor.page.waitForURL("**/api/auth/verify-request?provider=email&type=email");
      await visitor.page.goto(await mail.link("max@example.com"));
      await visitor.status("authenticated");
      assert.equal(visitor.where, "/app/?in");
      visitor.quiet();
    });

    it("is asked for by client.js", async (t) => {
      const visitor = await arrive(t);
      await visitor.open("/plain/");
      await visitor.status("signed out");
      const result = await visitor.call("signIn", "email", { email: "nora@example.com", redirect: false });
      assert.deepEqual(result, {
        error: null,
        status: 200,
        ok: true,
        url: `${origin}/api/auth/verify-request?provider=email&type=email`,
      });
      await visitor.page.goto(await mail.link("nora@example.com"));
      assert.equal(await email(visitor), "nora@example.com");
      assert.equal(visitor.where, "/plain/");
      visitor.quiet();
    });

    it("signs in to a session in the store, which useSession shows and signOut ends", async (t) => {
      const visitor = await arrive(t, rows);
      const address = "olga@example.com";
      await visitor.page.goto(await asked(visitor, address));
      await visitor.status("authenticated");
      const session = await visitor.session();
      assert.deepEqual(session.user, { name: null, email: address, image: null });
      assert.ok(Date.parse(session.expires) > Date.now() + 29 * 86_400_000, session.expires);
      const cookies = await visitor.context.cookies();
      const cookie = cookies.find(({ name }) => name === expected.cookie);
      assert.match(cookie.value, /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
      assert.deepEqual((await visitor.call("update", { name: "Mallory" })).user, session.user);

      await visitor.open("/app/");
      await visitor.status("authenticated");
      assert.deepEqual(await visitor.call("signOut", { redirect: false }), { url: `${rows}/app/` });
      await visitor.status("unauthenticated");
      // A copy of the token has ended with it.
      const headers = { Cookie: `${expected.cookie}=${cookie.value}` };
      const copy = await fetch(`${rows}/api/auth/session`, { headers });
      assert.equal(await copy.text(), expected.noSession);
      visitor.quiet();
    });
  });
}
