// A client of caddyauth for pages without a bundler; client.d.ts documents it.
// What it sends means the same in both of NextAuth's dialects, and what it
// tells other tabs is understood by next-auth/react of either version.

const base = new URL(".", import.meta.url).href;
const message = "nextauth.message"; // next-auth/react v4: a key of localStorage
const mark = `caddyauth ${base}`; // what the tabs of this site last knew
const channel = globalThis.BroadcastChannel && new BroadcastChannel("next-auth"); // v5

const listeners = new Set();
let listening, timer, lastNews;
let session, content; // as last seen; undefined: not known
let asked = 0;
let answered = 0;

async function get(path) {
  const response = await fetch(base + path);
  if (!response.ok) throw new Error(`caddyauth: GET ${path}: status ${response.status}`);
  return response.json();
}

async function post(path, query, fields) {
  for (let last = false; ; last = true) {
    const { csrfToken } = await get("csrf");
    const response = await fetch(base + path + query, {
      method: "POST",
      headers: { "X-Auth-Return-Redirect": "1" },
      body: new URLSearchParams({ ...fields, csrfToken, json: "true" }),
    });
    const { url } = (await response.json().catch(() => null)) ?? {};
    if (!url) throw new Error(`caddyauth: POST ${path}: status ${response.status}`);
    const { searchParams } = new URL(url);
    let error = searchParams.get("error");
    if (url.startsWith(base) && searchParams.has("csrf")) error = "MissingCSRF";
    // On a first visit, answers that come at the same time each set a token.
    if (error === "MissingCSRF" && !last) continue;
    return { response, url, error, code: searchParams.get("code") };
  }
}

/** Asks for the session and tells the listeners, and other tabs if `tell`. */
async function refresh(tell) {
  const turn = ++asked;
  const body = await get("session");
  const found = Object.keys(body ?? {}).length ? body : null;
  if (turn < answered) return found; // a later answer was faster
  answered = turn;
  // Each answer has a later `expires`; that alone is no news.
  const text = found && JSON.stringify({ ...found, expires: 0 });
  const news = session === undefined || text !== content;
  session = found;
  content = text;
  if (news) listeners.forEach(call);
  try {
    // People also sign in without this script: the next page that has it tells.
    // A short hash will do; names and addresses are not to be left behind.
    let hash = null;
    if (text) hash = String([...text].reduce((sum, c) => Math.imul(sum ^ c.codePointAt(), 16777619), 1));
    if (localStorage.getItem(mark) === hash) return found;
    if (hash) localStorage.setItem(mark, hash);
    else localStorage.removeItem(mark);
    if (tell) announce("getSession");
  } catch {
    // Without storage, tabs look when they become visible.
  }
  return found;
}

/** Calls a listener unless it has heard that or does not listen anymore. */
async function call(entry) {
  await null;
  if (!listeners.has(entry) || entry.heard === content) return;
  entry.heard = content;
  try {
    await entry.listener(session);
  } catch (error) {
    reportError(error);
  }
}

/** Tells other tabs, in either way. The id keeps them from looking twice. */
function announce(trigger) {
  const news = { event: "session", data: { trigger }, timestamp: Math.floor(Date.now() / 1000), id: Math.random() };
  channel?.postMessage(news);
  try {
    localStorage.setItem(message, JSON.stringify(news));
  } catch {}
}

function hear(news) {
  if (!news?.id || news.id !== lastNews) soon();
  lastNews = news?.id;
}

/** Refreshes once for everything that happens within some milliseconds. */
function soon(tell, delay = 50) {
  timer ??= setTimeout(async () => {
    timer = undefined;
    if (!listeners.size) return;
    try {
      await refresh(tell);
    } catch {
      if (session !== undefined) return;
      session = content = null;
      listeners.forEach(call);
    }
  }, delay);
}

function listen() {
  listening = true;
  channel?.addEventListener("message", ({ data }) => hear(data));
  addEventListener("storage", ({ key, newValue }) => key === message && newValue && hear(JSON.parse(newValue)));
  addEventListener("online", () => soon(true));
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && soon(true));
}

function go(url) {
  const here = location.href;
  location.assign(url);
  // A new fragment alone does not load the page anew.
  if (url.includes("#") && url.split("#")[0] === here.split("#")[0]) location.reload();
}

export async function signIn(provider, options, authorizationParams) {
  const { redirect = true, callbackUrl = location.href, redirectTo = callbackUrl, ...fields } = options ?? {};
  const providers = await getProviders();
  if (!Object.hasOwn(providers, provider ?? "")) {
    return go(`${base}signin?${new URLSearchParams({ callbackUrl: redirectTo })}`);
  }
  const credentials = providers[provider].type === "credentials";
  const { response, url, error, code } = await post(
    `${credentials ? "callback" : "signin"}/${encodeURIComponent(provider)}`,
    authorizationParams ? `?${new URLSearchParams(authorizationParams)}` : "",
    { ...fields, callbackUrl: redirectTo },
  );
  if (credentials && !error) announce("getSession");
  if (redirect) return go(url);
  if (credentials && !error) await refresh().catch(() => {});
  return { error, ...(code && { code }), status: response.status, ok: response.ok && !error, url: error ? null : url };
}

export async function signOut(options) {
  const { redirect = true, callbackUrl = location.href, redirectTo = callbackUrl } = options ?? {};
  const { url, error } = await post("signout", "", { callbackUrl: redirectTo });
  // The page that it leads to asks again.
  if (error === "MissingCSRF" && !redirect) throw new Error("caddyauth: POST signout: no token is good");
  announce("signout");
  if (redirect) return go(url);
  await refresh().catch(() => {});
  return { url };
}

export const getSession = () => refresh(true);

export const getProviders = () => get("providers");

export function onSession(listener) {
  const entry = { listener };
  if (!listening) listen();
  if (!listeners.size) {
    session = undefined; // nobody kept it up to date
    soon(true, 0);
  }
  listeners.add(entry);
  if (session !== undefined) call(entry);
  return () => void listeners.delete(entry);
}
