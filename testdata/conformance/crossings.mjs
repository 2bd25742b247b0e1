// What one server has made is good at the other: both have the same secret, and
// a browser does not know which of them it talks to.

import assert from "node:assert/strict";

import { getToken as getTokenV5 } from "@auth/core/jwt";
import { getToken as getTokenV4 } from "next-auth/jwt";

import { Browser } from "./browser.mjs";
import { secret, sites } from "./sites.mjs";

const person = { name: "Carol Example", email: "carol@example.com" };
const filler = "0123456789abcdef".repeat(500);

/** The same browser at the other server. */
function moved(browser, side) {
  const other = new Browser(browser.world, side, browser.site);
  other.jar = browser.jar.copy();
  return other;
}

/** Asks who is signed in and, at ours, whether the gate lets them pass. */
async function assertSignedIn(browser, user = person) {
  const { user: found } = (await browser.get("/session")).json() ?? {};
  assert.deepEqual(found, user);
  if (browser.side === "real") return;
  const page = await browser.get("", { at: "/members/page" });
  assert.equal(page.body, `passed as ${user.email}`);
}

async function assertNobody(browser) {
  const { body } = await browser.get("/session");
  assert.equal(body, browser.v5 ? "null" : "{}");
}

/** What a backend with NextAuth's helper reads from the request's cookies. */
function backend({ dialect, jar, site }) {
  const cookies = Object.fromEntries(jar.names().map((name) => [name, jar.get(name)]));
  return dialect === "v4"
    ? getTokenV4({ req: { cookies, headers: {} }, secret, secureCookie: site.secure })
    : getTokenV5({ req: { headers: { cookie: jar.header } }, secret, secureCookie: site.secure });
}

const other = { real: "ours", ours: "real" };

/** A session in one piece, by password. */
async function session(browser) {
  const response = await browser.password("carol", "carol-test-password");
  assert.equal(response.location, browser.after);
  const there = moved(browser, other[browser.side]);
  await assertSignedIn(there);
  // And back, with the token that the other one has sealed anew.
  await assertSignedIn(moved(there, browser.side));
  assert.equal((await backend(there)).email, person.email);
}

/** A session with a large claim, in pieces. */
async function chunks(browser) {
  await browser.carry({ ...person, sub: "carol", filler });
  await assertSignedIn(browser);
  const there = moved(browser, other[browser.side]);
  await assertSignedIn(there);
  assert.equal((await there.claims()).filler, filler);
  assert.ok(there.jar.names().includes(`${there.names.session}.1`), "the session is in one piece");
  assert.equal((await backend(there)).filler, filler);
}

/** A flow that begins at one server and comes back to the other. */
const flow = (id) => async (browser) => {
  const back = await browser.consent(id);
  const there = moved(browser, other[browser.side]);
  assert.equal((await there.open(back)).location, there.after);
  await assertSignedIn(there, {
    name: "Alice Example",
    email: "alice@example.com",
    image: "https://images.test/alice.png",
  });
};

/** A form of one server that is sent to the other. */
async function form(browser) {
  await browser.password("carol", "carol-test-password");
  await browser.get("/signout", { query: { callbackUrl: "/gone" } });
  const csrfToken = await browser.csrf();
  const there = moved(browser, other[browser.side]);
  const response = await there.post("/signout", { form: { csrfToken } });
  assert.equal(response.location, `${browser.site.origin}/gone`);
  await assertNobody(there);
}

const scenes = {
  "a session": session,
  "a session in pieces": chunks,
  "a flow with OpenID Connect": flow("op"),
  "a flow with OAuth 2.0": flow("plain"),
  "a form": form,
};

const from = { real: "the real server", ours: "caddyauth" };

export const crossings = ["plain", "secure"].flatMap((site) =>
  Object.entries(scenes).flatMap(([scene, run]) =>
    Object.entries(from).map(([side, server]) => ({
      name: `${scene} of ${server} at ${site}`,
      run: (world) => run(new Browser(world, side, sites[site])),
    })),
  ),
);
