// Debian's Chromium, and what a test wants to know about what happened in it.

import assert from "node:assert/strict";
import { access, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const screenshots = join(dirname(fileURLToPath(import.meta.url)), "..", "screenshots");

/** Starts the browser, for all tests of a file, with further switches. */
export async function startBrowser(t, switches = []) {
  const executablePath = process.env.CHROMIUM_BIN ?? "/usr/bin/chromium";
  await access(executablePath); // a missing browser is a failure, not a skip
  const browser = await chromium.launch({
    executablePath,
    chromiumSandbox: false,
    args: [
      "--disable-gpu",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-default-apps",
      "--disable-sync",
      "--no-first-run",
      "--no-default-browser-check",
      ...switches,
    ],
  });
  t.after(() => browser.close());
  return browser;
}

/**
 * A person in front of a browser with a clean profile. Everything that the
 * console complains about ends up in `problems`, every one-time value that
 * appeared in an address in `secrets`.
 */
export class Visitor {
  problems = [];
  secrets = new Set();

  static async arrive(t, browser, origin, options = {}) {
    const context = await browser.newContext({ locale: "en-US", ...options });
    t.after(() => context.close());
    const visitor = new Visitor();
    visitor.origin = origin;
    visitor.others = [];
    visitor.context = context;
    context.setDefaultTimeout(15_000);
    visitor.#listen();
    visitor.page = await context.newPage();
    return visitor;
  }

  #listen() {
    this.context.on("weberror", (problem) => this.problems.push(String(problem.error())));
    this.context.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") {
        this.problems.push(`${message.text()} (${message.location().url})`);
      }
    });
    this.context.on("request", (request) => {
      const { origin, searchParams } = new URL(request.url());
      if (origin !== this.origin && origin !== "null" && !this.others.includes(origin)) this.problems.push(`left the site: ${request.url()}`);
      for (const name of ["code", "state", "nonce", "token", "start"]) {
        const value = searchParams.get(name);
        if (value) this.secrets.add(value);
      }
    });
  }

  /** Another tab of the same browser. */
  async tab(path) {
    const tab = Object.create(this);
    tab.page = await this.context.newPage();
    await tab.open(path);
    return tab;
  }

  /** Opens a path of the site and returns the response. */
  open(path) {
    return this.page.goto(this.origin + path);
  }

  /** The path and query that the address bar shows. */
  get where() {
    return this.page.url().slice(this.origin.length);
  }

  /** On the sign-in page: continues with the development provider. */
  async toDev() {
    await this.page.locator('form[action*="/signin/dev"] button').click();
    await this.page.getByRole("heading", { name: "Choose a person" }).waitFor();
  }

  /** On the development provider's page: chooses a persona. */
  async choose(sub) {
    await this.page.locator(`button[name="sub"][value="${sub}"]`).click();
    await this.page.waitForURL((url) => !url.pathname.startsWith("/api/auth/"));
  }

  /** From a private page all the way back to it. */
  async signIn(path, sub) {
    await this.open(path);
    await this.toDev();
    await this.choose(sub);
  }

  /** On the sign-in page: fills in name and password. */
  async password(username, password) {
    const form = this.page.locator('form[action$="/callback/credentials"]');
    await form.locator('input[name="username"]').fill(username);
    await form.locator('input[name="password"]').fill(password);
    await form.locator("button").click();
  }

  /** On a client's page: calls one of its functions and returns the result. */
  call(name, ...args) {
    return this.page.evaluate(([name, args]) => window.client[name](...args), [name, args]);
  }

  /** On a client's page: calls a function that leaves the page. */
  leave(name, ...args) {
    return this.page.evaluate(([name, args]) => void window.client[name](...args), [name, args]);
  }

  /** On a client's page: waits until it shows a status. */
  status(text) {
    const quoted = text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    return this.page.locator("#status", { hasText: new RegExp(`^"?${quoted}"?$`) }).waitFor();
  }

  /** On a client's page: the session that it shows. */
  async session() {
    return JSON.parse(await this.page.locator("#session").textContent());
  }

  /** Ends the session where no page sees it. */
  async signOutUnnoticed() {
    const { request } = this.context;
    const { csrfToken } = await (await request.get(`${this.origin}/api/auth/csrf`)).json();
    const response = await request.post(`${this.origin}/api/auth/signout`, { form: { csrfToken }, maxRedirects: 0 });
    assert.equal(response.status(), 302);
  }

  /** The upstream's table of headers, the request's first line included. */
  async headers() {
    const rows = await this.page.locator("table tr").all();
    const headers = {};
    for (const row of rows) {
      const [name, value] = [row.locator("th").first(), row.locator("td")];
      if (await value.count()) (headers[(await name.textContent()).toLowerCase()] ??= []).push(await value.textContent());
    }
    return headers;
  }

  async screenshot(name) {
    await mkdir(screenshots, { recursive: true });
    const take = () => this.page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });
    // A busy machine's Chromium may have no frame to copy yet.
    await take().catch(() => delay(1_000).then(take));
  }

  /** The console had nothing to say but what the test expected. */
  quiet(...expected) {
    const surprises = this.problems.filter((problem) => !expected.some((pattern) => pattern.test(problem)));
    assert.deepEqual(surprises, [], "the browser's console");
  }

  /** None of the one-time values is in a program's output. */
  assertUnlogged(program) {
    assert.ok(this.secrets.size > 0, "no one-time value was seen");
    for (const secret of this.secrets) {
      assert.ok(!program.output.includes(secret), `a log line contains ${secret}`);
      assert.ok(!program.output.includes(encodeURIComponent(secret)), `a log line contains ${secret}`);
    }
  }
}

/**
 * Runs in the page, as when the person comes back to the tab. Without a screen
 * all tabs are visible all the time, so the event is all that is missing.
 */
export function becomeVisible() {
  document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
}
