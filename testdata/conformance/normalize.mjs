// Makes two transcripts comparable: what is random or depends on the clock gets
// a name that says all that is worth comparing.

import { createHash } from "node:crypto";

import { readPage } from "./html.mjs";
import { open } from "./tokens.mjs";

const jwe = /^eyJ[\w-]*\.\.[\w-]+\.[\w-]+\.[\w-]+$/;
const uuid = /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/;
/** Whether a user's id is one that was made here: by Auth.js, or by one of the stores. */
const isId = (text) => uuid.test(text) || /^[A-Z2-7]{26}$/.test(text);
const isoDate = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g;

const sha256 = (text, encoding) => createHash("sha256").update(text).digest(encoding);

/**
 * One-time values. A value is <new state> in the response that brings it and
 * <state> later on: where the two sides differ in when they set one, the
 * exchanges after that are still comparable.
 */
class Nonces {
  #kinds = new Map();
  #fresh = new Set();
  #current = {};

  /** Begins a response; of CSRF tokens and sessions the browser has but one at a time. */
  begin(csrf, session) {
    this.#fresh.clear();
    this.#current = { csrf, session };
  }

  add(kind, value) {
    if (!value || this.#kinds.has(value)) return;
    this.#kinds.set(value, kind);
    this.#fresh.add(value);
  }

  get(value) {
    const kind = this.#kinds.get(value);
    if (!kind) return undefined;
    if (this.#fresh.has(value)) return `<new ${kind}>`;
    return kind in this.#current && value !== this.#current[kind] ? `<another ${kind}>` : `<${kind}>`;
  }

  /** Replaces all of them in a text. */
  hide(text) {
    for (const value of this.#kinds.keys()) text = text.replaceAll(value, this.get(value));
    return text;
  }
}

/** Seconds to the accuracy of a busy computer: they ask for the time twice. */
const about = (seconds) => Math.round(seconds / 5) * 5;

/** A moment as seconds from another. */
function relative(moment, now) {
  const seconds = about((moment - now) / 1_000);
  return `<now${seconds < 0 ? "" : "+"}${seconds}s>`;
}

/** The token that the pieces of a response make up. */
function joined(cookies, stem) {
  const number = ({ name }) => Number(name.slice(stem.length + 1));
  const pieces = cookies.filter(({ name }) => name.startsWith(`${stem}.`));
  return pieces
    .sort((a, b) => number(a) - number(b))
    .map(({ value }) => value)
    .join("");
}

export class Normalizer {
  #nonces = new Nonces();
  #flows = new Map(); // what caddyauth calls a flow, by its state

  constructor({ dialect, site, names, secret }) {
    Object.assign(this, { dialect, site, names, secret });
  }

  /** Returns an exchange as it is compared. Exchanges come in order. */
  async exchange({ address, letters, ...rest }) {
    return letters ? this.#mail(address, letters) : this.#answer(rest);
  }

  /** What an address has got, as it is compared: not the looks. */
  #mail(address, letters) {
    this.#nonces.begin();
    for (const { link } of letters) this.#nonces.add("token", new URL(link).searchParams.get("token"));
    return {
      request: { method: "MAIL", path: address, body: "", headers: {} },
      letters: letters.map(({ from, to, subject, text }) => ({ from, to, subject, text: this.#nonces.hide(text) })),
    };
  }

  async #answer({ method, path, options, cookie, response }) {
    this.#nonces.begin(this.#token(cookie), this.#session(cookie));
    const request = this.#request(method, path, options);
    this.#collect(response);
    const now = Date.parse(response.get("date")) || Date.now();
    return {
      request,
      // Neither is compared, but deviations may look at them.
      sent: this.#nonces.hide(cookie ?? ""),
      flow: this.#flow(path, options),
      status: response.status,
      location: response.location === undefined ? undefined : this.#nonces.hide(response.location),
      contentType: response.get("content-type"),
      cache: Object.fromEntries(
        ["cache-control", "pragma", "expires", "vary"].map((name) => [
          name,
          response.all(name).join(", ") || undefined,
        ]),
      ),
      cookies: await this.#cookies(response.cookies, now),
      body: this.#body(response, path, now),
    };
  }

  #request(method, path, { form, json, body, headers, cookie }) {
    const text = (value) => (typeof value === "string" ? value : JSON.stringify(value));
    const sent = form !== undefined ? text(form) : json !== undefined ? text(json) : (body ?? "");
    return { method, path: this.#nonces.hide(path), body: this.#nonces.hide(sent), headers: headers ?? {}, cookie };
  }

  /** The flow that a request comes back to, if its state is one that a cookie has held. */
  #flow(path, { form = "" }) {
    const text = path + JSON.stringify(form);
    return [...this.#flows].find(([state]) => text.includes(state))?.[1];
  }

  /** The CSRF token that a Cookie header holds. */
  #token(header) {
    const at = header?.indexOf(`${this.names.csrf}=`) ?? -1;
    return at < 0 ? undefined : /^[^%|;]*/.exec(header.slice(at + this.names.csrf.length + 1))[0];
  }

  /** The session that a Cookie header holds, as it is written there. */
  #session(header = "") {
    const { session } = this.names;
    return header
      .split("; ")
      .find((pair) => pair.startsWith(`${session}=`))
      ?.slice(session.length + 1);
  }

  /** Finds the one-time values of a response. */
  #collect(response) {
    for (const { name, value } of response.cookies) {
      if (name === this.names.csrf) this.#nonces.add("csrf", /^[\da-f]{64}(?=%7C|\|)/.exec(value)?.[0]);
    }
    for (const address of this.#addresses(response)) {
      if (!URL.canParse(address)) continue;
      const { searchParams, hostname } = new URL(address);
      if (hostname !== "127.0.0.1") continue;
      for (const kind of ["state", "nonce", "code_challenge"]) this.#nonces.add(kind, searchParams.get(kind));
    }
  }

  #addresses({ location, body }) {
    const url = /^\{"url":"((?:[^"\\]|\\.)*)"\}$/.exec(body);
    return [location, url && JSON.parse(`"${url[1]}"`)].filter(Boolean);
  }

  async #cookies(cookies, now) {
    const read = [];
    for (const cookie of cookies) {
      read.push({
        name: cookie.name,
        ...(await this.#value(cookie, cookies, now)),
        attributes: this.#attributes(cookie, now),
      });
    }
    return read;
  }

  #attributes({ attributes }, now) {
    return attributes
      .map((text) => text.replace(/^Expires=(.+)/, (_, date) => `Expires=${relative(Date.parse(date), now)}`))
      .join("; ");
  }

  /** The value of a cookie as text and, if it is sealed, its claims. */
  async #value({ name, value }, cookies, now) {
    if (name === this.names.csrf) {
      const [token, hash] = decodeURIComponent(value).split("|");
      return {
        value: this.#nonces
          .hide(value)
          .replace(hash, (all) => (all === sha256(token + this.secret, "hex") ? "<its hash>" : all)),
      };
    }
    if (name === this.names.session && uuid.test(value)) this.#nonces.add("session", value);
    const [piece, stem, number] = /^(.*session-token)\.(\d+)$/.exec(name) ?? [];
    if (piece && value) {
      const whole = joined(cookies, stem);
      return { value: `<piece of ${value.length}>`, ...(number === "0" && (await this.#sealed(stem, whole, now))) };
    }
    if (!jwe.test(value)) return { value: this.#nonces.hide(value) };
    return { value: "<sealed>", ...(await this.#sealed(name, value, now)) };
  }

  async #sealed(name, token, now) {
    const claims = await open(this.dialect, name, token, this.secret);
    if (!claims) return { claims: "<sealed by nobody>" };
    const header = Buffer.from(token.split(".")[0], "base64url").toString();
    return { header, claims: this.#claims(claims, now) };
  }

  #claims({ iat, exp, jti, ...rest }, now) {
    const claims = {
      ...rest,
      iat: relative(iat * 1000, now),
      lifetime: about(exp - iat),
      jti: uuid.test(jti) ? "<uuid>" : jti,
    };
    if (typeof rest.nbf === "number") claims.nbf = relative(rest.nbf * 1000, now);
    if (isId(rest.sub)) {
      this.#nonces.add("sub", rest.sub); // without a store, v5 draws one at every sign-in
      claims.sub = this.#nonces.get(rest.sub);
    }
    if (typeof rest.value === "string") claims.value = this.#check(rest.value);
    if (rest.attempt) this.#flows.set(rest.value, rest.attempt);
    return claims;
  }

  /** The value in a check cookie is one that went to the provider, or proves one. */
  #check(value) {
    const challenge = this.#nonces.get(sha256(value, "base64url"));
    return this.#nonces.get(value) ?? (challenge ? `<verifier of ${challenge}>` : value);
  }

  #body(response, path, now) {
    const type = response.get("content-type") ?? "";
    if (response.body && /^text\/html/.test(type)) {
      // The one-time values are replaced in the text: the forms have them.
      return { kind: "page", page: readPage(this.#nonces.hide(response.body), this.site.origin + path) };
    }
    // Callbacks of the site may show it.
    this.#nonces.add("sub", /"id":"([\w-]+)"/.exec(response.body)?.slice(1).find(isId));
    const text = this.#nonces.hide(response.body);
    if (!/^application\/json/.test(type)) return { kind: "text", text };
    return { kind: "json", text: text.replace(isoDate, (date) => relative(Date.parse(date), now)) };
  }
}
