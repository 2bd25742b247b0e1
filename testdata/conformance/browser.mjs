// What a sequence drives: a browser in front of one of the two sides. It keeps
// cookies and writes down every exchange.

import assert from "node:assert/strict";

import { Jar, exchange } from "./client.mjs";
import { occurs } from "./deviations.mjs";
import { readPage } from "./html.mjs";
import { otherSecret, secret } from "./sites.mjs";
import { cookieNames, mint, open, pieces } from "./tokens.mjs";

/** Fields of a form or a query: an object, or pairs where a name repeats. */
function encoded(fields) {
  if (typeof fields === "string") return fields;
  return new URLSearchParams(Array.isArray(fields) ? fields : Object.entries(fields)).toString();
}

/** The body and its type, of the options of a request. */
function content({ form, json, body, type }) {
  if (form !== undefined) return { body: encoded(form), type: type ?? "application/x-www-form-urlencoded" };
  if (json !== undefined) return { body: JSON.stringify(json), type: type ?? "application/json" };
  return { body, type };
}

export class Browser {
  transcript = [];
  jar = new Jar();

  /** side is "real" or "ours". */
  constructor(world, side, site) {
    this.world = world;
    this.side = side;
    this.site = site;
    this.dialect = world.dialect;
    this.names = cookieNames(world.dialect, site.secure);
  }

  get v5() {
    return this.dialect === "v5";
  }

  /** The address that the sequences want to come back to. */
  get after() {
    return `${this.site.origin}/after?a=1&b=%C3%A4`;
  }

  /** The account of somebody at an identity provider, for the store of this site alone. */
  person(name) {
    return `${name}-at-${this.site.name}`;
  }

  /** The address of a person. */
  address(name) {
    return `${this.person(name)}@people.test`;
  }

  get(path, options) {
    return this.request("GET", path, options);
  }

  post(path, options) {
    return this.request("POST", path, options);
  }

  /**
   * Sends a request below the base path. Options:
   *
   *   query    fields, or text as it is
   *   form, json, or body and type
   *   headers  further ones; null leaves out one that would be there
   *   cookie   the whole Cookie header, instead of the jar's
   *   at       the whole path, instead of base path and path
   *   instead  {deviation, ...}: what the real server is asked where caddyauth
   *            departs from it, see #ask
   */
  async request(method, path, options = {}) {
    const cookie = options.cookie ?? this.jar.header;
    const response = await this.#ask(method, path, options);
    this.jar.take(response);
    this.transcript.push({ method, path: this.#path(path, options), options, cookie, response });
    return response;
  }

  /**
   * Where caddyauth departs on purpose, what it answers is what the real server
   * answers to another request: one without the bad address, say. So that nothing
   * else can hide behind the deviation, the real server is asked that other
   * request, and the answers are compared to the letter. It is asked only if its
   * answer to the request at hand is the one that is departed from.
   */
  async #ask(method, path, options) {
    const response = await this.#send(method, path, options);
    const { instead } = options;
    if (!instead || this.side === "ours" || !occurs(instead.deviation, response, this, options)) return response;
    const { deviation: _, ...other } = instead;
    const substitute = await this.#send(other.method ?? method, other.path ?? path, { ...options, ...other });
    if (method === "HEAD") substitute.body = "";
    return substitute;
  }

  #send(method, path, options) {
    const { body, type } = content(options);
    const headers = {
      Host: this.site.host,
      Cookie: options.cookie ?? this.jar.header,
      "Content-Type": type,
      ...(body !== undefined && { "Content-Length": String(Buffer.byteLength(body)) }),
      ...this.site.headers,
      ...options.headers,
    };
    for (const [name, value] of Object.entries(headers))
      if (value === undefined || value === null) delete headers[name];
    return exchange(this.#server, { method, path: this.#path(path, options), headers, body });
  }

  get #server() {
    const { world, side, site } = this;
    return side === "real" && site.store ? world.realWithStores : world[side];
  }

  #path(path, { at, query }) {
    const whole = at ?? this.site.basePath + path;
    return query === undefined ? whole : `${whole}?${encoded(query)}`;
  }

  /** Opens an absolute address of the site. */
  open(address, options) {
    const { origin, pathname, search } = new URL(address);
    assert.equal(origin, this.site.origin, `${address} is not at the site`);
    return this.get("", { ...options, at: pathname + search });
  }

  /** A CSRF token, and its cookie in the jar. */
  async csrf() {
    return (await this.get("/csrf")).json().csrfToken;
  }

  /** Begins to sign in with a provider, as the sign-in page's form does. */
  async signIn(id, { form, ...options } = {}) {
    const csrfToken = await this.csrf();
    return this.post(`/signin/${id}`, { form: { csrfToken, callbackUrl: this.after, ...form }, ...options });
  }

  /**
   * What happens at the identity provider: returns the address that it sends the
   * browser back to. None of it is part of the transcript.
   */
  async authorize(address, account = "alice") {
    let url = new URL(address);
    url.searchParams.set("login_hint", account);
    const jar = new Jar();
    for (let hop = 0; hop < 8; hop++) {
      if (url.hostname !== "127.0.0.1") return url.href;
      const headers = { Host: url.host, ...(jar.header && { Cookie: jar.header }) };
      const response = await exchange(url.origin, { method: "GET", path: url.pathname + url.search, headers });
      assert.ok(response.location, `the identity provider answers ${response.status} ${response.body}`);
      jar.take(response);
      url = new URL(response.location, url);
    }
    throw new Error(`the identity provider does not come to an end at ${url}`);
  }

  /** Begins to sign in and returns the address that the provider sends back to. */
  async consent(id, { account, ...options } = {}) {
    const begun = await this.signIn(id, options);
    return this.authorize(begun.location ?? begun.json().url, account);
  }

  /** Signs in with a provider, from the form to the callback. */
  async oauth(id, options) {
    return this.open(await this.consent(id, options));
  }

  /** Has a link mailed, as the sign-in page's form does. */
  ask(email, { form, ...options } = {}) {
    return this.signIn("email", { form: { email, ...form }, ...options });
  }

  /** The mails that an address has got, which are part of the transcript. */
  async letters(address) {
    const letters = await this.world.mail[this.side].messages(address);
    this.transcript.push({ address, letters });
    return letters;
  }

  /** The link in the last mail to an address. */
  async link(address) {
    const letters = await this.letters(address);
    assert.ok(letters.length > 0, `${address} has no mail`);
    return letters.at(-1).link;
  }

  /**
   * Opens a mailed link where the browser did not ask for it. There the real
   * server decides at once, and caddyauth shows a page with a button: the two
   * requests that it takes are one exchange of the transcript.
   */
  async openElsewhere(link) {
    const { pathname, search } = new URL(link);
    const path = pathname + search;
    if (this.side === "real") {
      const response = await this.open(link);
      assert.ok(occurs(10, response, this), `${path} is answered as caddyauth answers it`);
      return response;
    }
    const cookie = this.jar.header;
    const page = await this.#send("GET", "", { at: path });
    this.jar.take(page);
    const { action, csrfToken } = this.#button(page, path);
    const response = await this.#send("POST", "", { at: action, form: { csrfToken } });
    response.headers.unshift(...page.headers.filter(([name]) => name === "set-cookie"));
    this.jar.take(response);
    this.transcript.push({ method: "GET", path, options: {}, cookie, response });
    return response;
  }

  /** The only form of the page that asks whether a link is to be used. */
  #button({ status, body }, path) {
    assert.equal(status, 200, body);
    const { forms } = readPage(body, this.site.origin + path);
    const [{ action, method, fields }] = forms;
    assert.deepEqual([forms.length, method, fields.map(({ name }) => name)], [1, "POST", ["csrfToken"]]);
    const { origin, pathname, search } = new URL(action);
    assert.equal(origin, this.site.origin);
    return { action: pathname + search, csrfToken: fields[0].value };
  }

  /** Signs in with a link, in the browser that asked for it. */
  async mailed(email, options) {
    await this.ask(email, options);
    return this.open(await this.link(email));
  }

  /** Signs out, as the page's form does. */
  async signOut() {
    return this.post("/signout", { form: { csrfToken: await this.csrf() } });
  }

  /** Signs in with a password. */
  async password(username, password, { form, ...options } = {}) {
    const csrfToken = await this.csrf();
    return this.post("/callback/credentials", {
      form: { csrfToken, callbackUrl: this.after, username, password, ...form },
      ...options,
    });
  }

  /** The claims of the session that the jar holds, null if there is none. */
  async claims() {
    const { session } = this.names;
    const names = this.jar.names().filter((name) => name === session || name.startsWith(`${session}.`));
    return open(this.dialect, session, names.map((name) => this.jar.get(name)).join(""), secret);
  }

  /** Seals claims as a session of the dialect's, with the real package. */
  mint(claims, { cookie = this.names.session, dialect = this.dialect, foreign = false, maxAge = 3600 } = {}) {
    return mint(dialect, cookie, claims, { secret: foreign ? otherSecret : secret, maxAge });
  }

  /** Puts a session into the jar, in pieces if it is large. */
  async carry(claims, options) {
    const token = await this.mint(claims, options);
    for (const [name, value] of Object.entries(pieces(this.dialect, this.names.session, token)))
      this.jar.set(name, value);
    return token;
  }
}
