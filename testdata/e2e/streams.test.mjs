// WebSockets and event streams: who gets them, and that they end with the session.

import assert from "node:assert/strict";
import { mkdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, it } from "node:test";

import { Visitor, startBrowser } from "./lib/browser.mjs";
import { startUpstream } from "./lib/gateway.mjs";
import { temporary } from "./lib/process.mjs";
import { startSites } from "./lib/sites.mjs";
import { suite } from "./lib/suite.mjs";

/**
 * How many milliseconds the end of a session may take to reach what it began: two
 * seconds, and what a busy machine needs.
 */
const soon = 2_500;

/** More than what browsers and kernels keep of what nobody has read. */
const large = 256 << 20;

const html = '<!DOCTYPE html><title>a page</title><link rel="icon" href="data:,">A page';

describe("streams", { concurrency: 3 }, () => {
  const all = suite();
  let browser, origin;

  before(async () => {
    const [directory, upstream] = await Promise.all([temporary(all), startUpstream(all)]);
    await mkdir(join(directory, "members"));
    for (const name of ["index.html", "members/index.html"]) await writeFile(join(directory, name), html);
    await writeFile(join(directory, "members", "large"), "");
    await truncate(join(directory, "members", "large"), large);
    browser = await startBrowser(all);
    const auth = "private /upstream/*\n\t\tstore memory\n\t\taccount\n\t\theaders";
    const lines = () => `reverse_proxy /upstream/* ${upstream}`;
    ({ origins: [origin] } = await startSites(all, [{ directory, auth, lines }]));
  });

  /** Somebody who has signed in, at a page that says nothing by itself. */
  async function arrive(t, sub) {
    const visitor = await Visitor.arrive(t, browser, origin);
    await visitor.signIn("/members/", sub);
    return visitor;
  }

  /** On a page: what lasts is open. */
  async function watch({ page }) {
    await page.evaluate(openAll, ["/upstream/ws", "/upstream/events?n=1000&every=100ms"]);
    await page.waitForFunction(() => window.seen.said > 0 && window.seen.events > 0);
  }

  /** On a page with what lasts: it goes on, both ways. */
  async function goesOn({ page }) {
    const before = await page.evaluate(() => {
      window.seen.socket.send("still here");
      return { said: window.seen.said, events: window.seen.events };
    });
    await page.waitForFunction(({ said, events }) => window.seen.said > said && window.seen.events > events, before);
    assert.deepEqual(await page.evaluate(() => [window.seen.closed, window.seen.interrupted]), [null, null]);
  }

  /** On a page with what lasts: it has ended in time, and cannot begin again. */
  async function ends({ page }, since) {
    await page.waitForFunction(() => window.seen.closed && window.seen.interrupted);
    const { closed, interrupted } = await page.evaluate(() => ({ closed: window.seen.closed, interrupted: window.seen.interrupted }));
    assert.ok(closed - since < soon, `the WebSocket was closed after ${closed - since} ms`);
    assert.ok(interrupted - since < soon, `the events ended after ${interrupted - since} ms`);
    // The browser asks for the events again, and gives up when it hears 401.
    await page.waitForFunction(() => window.seen.source.readyState === EventSource.CLOSED);
    assert.deepEqual(await page.evaluate(webSocket, "/upstream/ws"), ["closed"]);
  }

  /** The statuses of a page's answers from a path, in order. */
  function statuses({ page }, path) {
    const seen = [];
    page.on("response", (response) => new URL(response.url()).pathname === path && seen.push(response.status()));
    return seen;
  }

  const noise = [/WebSocket connection to .* failed/, /ERR_INCOMPLETE_CHUNKED_ENCODING/, /status of 401/];

  it("a WebSocket reaches the upstream with an identity, and without a session does not", async (t) => {
    const visitor = await Visitor.arrive(t, browser, origin);
    await visitor.open("/");
    assert.deepEqual(await visitor.page.evaluate(webSocket, "/upstream/ws"), ["closed"]);
    await visitor.signIn("/members/", "alice");
    assert.deepEqual(await visitor.page.evaluate(webSocket, "/upstream/ws"), ["hello dev:alice", "ping 1", "closed"]);
    visitor.quiet(/WebSocket connection to .* failed/);
  });

  it("events arrive one by one", async (t) => {
    const visitor = await arrive(t, "alice");
    const seen = await visitor.page.evaluate(events, "/upstream/events?n=3&every=300ms");
    assert.deepEqual(seen.map(({ data }) => data), [0, 1, 2].map((n) => ({ n, user: "dev:alice" })));
    // Buffered, they would come together.
    assert.ok(seen[2].at - seen[0].at > 300, `within ${seen[2].at - seen[0].at} ms`);
    visitor.quiet();
  });

  it("end when somebody signs out in another tab, and downloads do not", async (t) => {
    const [visitor, other] = await Promise.all([arrive(t, "alice"), arrive(t, "alice")]);
    const { page } = visitor;
    const answers = statuses(visitor, "/upstream/events");
    await Promise.all([watch(visitor), watch(other)]);
    await page.evaluate(download, "/members/large");
    await goesOn(visitor);

    const tab = await visitor.tab("/api/auth/signout");
    const [answer] = await Promise.all([
      tab.page.waitForResponse((response) => response.request().method() === "POST"),
      tab.page.locator('form[action$="/signout"] button').click(),
    ]);
    const since = Date.now();
    assert.ok(answer.status() < 400, `status ${answer.status()}`);
    await ends(visitor, since);
    assert.deepEqual(answers, [200, 401]);
    assert.equal(await page.evaluate(() => window.seen.download()), large);
    // The same person's other browser has a session of its own.
    await goesOn(other);
    visitor.quiet(...noise);
    other.quiet();
  });

  it("end when the person ends the session from another browser", async (t) => {
    const visitor = await arrive(t, "admin");
    await watch(visitor);
    const phone = await arrive(t, "admin");
    const tab = await phone.tab("/members/");
    await watch(tab);
    await goesOn(visitor);
    await phone.open("/api/auth/account");
    await phone.screenshot("streams-account");
    await phone.page.locator('form:has(input[value="end_session"]) button').click();
    await phone.page.getByRole("status").waitFor();
    const since = Date.now();
    await ends(visitor, since);
    await goesOn(tab);
    visitor.quiet(...noise);
    phone.quiet();
  });
});

/** Runs in the page: says one thing and returns what is heard until the end. */
function webSocket(path) {
  return new Promise((resolve) => {
    const heard = [];
    const socket = new WebSocket(location.origin.replace("http", "ws") + path);
    socket.onmessage = ({ data }) => {
      heard.push(data);
      if (heard.length === 1) socket.send("ping 1");
      else socket.close();
    };
    socket.onclose = () => resolve([...heard, "closed"]);
  });
}

/** Runs in the page: returns three events and when they came. */
function events(path) {
  return new Promise((resolve, reject) => {
    const seen = [];
    const source = new EventSource(path);
    source.onerror = () => reject(new Error(`after ${seen.length} events`));
    source.onmessage = ({ data }) => {
      seen.push({ data: JSON.parse(data), at: performance.now() });
      if (seen.length < 3) return;
      source.close();
      resolve(seen);
    };
  });
}

/** Runs in the page: opens a WebSocket and a stream of events, and keeps account of them. */
function openAll([socketPath, eventsPath]) {
  const socket = new WebSocket(location.origin.replace("http", "ws") + socketPath);
  const source = new EventSource(eventsPath);
  const seen = { socket, source, said: 0, events: 0, closed: null, interrupted: null };
  socket.onmessage = () => seen.said++;
  socket.onclose = () => (seen.closed = Date.now());
  source.onmessage = () => seen.events++;
  source.onerror = () => (seen.interrupted ??= Date.now());
  window.seen = seen;
}

/** Runs in the page: begins a download, whose rest is read when asked for. */
async function download(path) {
  const reader = (await fetch(path)).body.getReader();
  let length = (await reader.read()).value.length;
  window.seen.download = async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return length;
      length += value.length;
    }
  };
}
