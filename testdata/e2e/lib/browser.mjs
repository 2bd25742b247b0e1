// Debian's Chromium, and what a test wants to know about what happened in it.

import assert from "node:assert/strict";
import { access, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const screenshots = join(dirname(fileURLToPath(import.meta.url)), "..", "screenshots");

/** Starts the browser, for all tests of a file. */
export async function startBrowser(t) {
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
    visitor.context = context;
    visitor.page = await context.newPage();
    visitor.page.setDefaultTimeout(15_000);
    visitor.#listen();
    return visitor;
  }

  #listen() {
    this.page.on("pageerror", (error) => this.problems.push(String(error)));
    this.page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") {
        this.problems.push(`${message.text()} (${message.location().url})`);
      }
    });
    this.page.on("request", (request) => {
      const { origin, searchParams } = new URL(request.url());
      if (origin !== this.origin && origin !== "null") this.problems.push(`left the site: ${request.url()}`);
      for (const name of ["code", "state", "nonce"]) {
        const value = searchParams.get(name);
        if (value) this.secrets.add(value);
      }
    });
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
    await this.page.locator('form[action$="/signin/dev"] button').click();
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
    await this.page.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true });
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
