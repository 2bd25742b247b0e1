// HTTP as it is on the wire: nothing is added to a request, and of a response
// nothing is merged, sorted or decoded. A browser's cookies are kept in the order
// in which they came.

import { Agent, request as send } from "node:http";

const agent = new Agent({ keepAlive: true, maxSockets: 8 });

/** Ends the connections that are kept for later requests. */
export const hangUp = () => agent.destroy();

/**
 * Sends one request to a server. headers is an object whose values may be lists;
 * path is sent as it is.
 */
export function exchange(origin, { method, path, headers, body }) {
  const { hostname, port } = new URL(origin);
  return new Promise((resolve, reject) => {
    const request = send({ agent, hostname, port, method, path, headers, setHost: false, timeout: 20_000 });
    request.once("timeout", () => request.destroy(new Error(`no answer to ${method} ${path}`)));
    request.once("error", reject);
    request.once("response", async (response) => {
      try {
        const pieces = [];
        for await (const piece of response) pieces.push(piece);
        resolve(new Response(response.statusCode, response.rawHeaders, Buffer.concat(pieces).toString()));
      } catch (error) {
        reject(error);
      }
    });
    request.end(body);
  });
}

/** A response, its header lines as they came. */
export class Response {
  constructor(status, lines, body) {
    this.status = status;
    this.body = body;
    this.headers = [];
    for (let i = 0; i < lines.length; i += 2) this.headers.push([lines[i].toLowerCase(), lines[i + 1]]);
  }

  /** All values of a header field. */
  all(name) {
    return this.headers.filter(([key]) => key === name).map(([, value]) => value);
  }

  /** The first value of a header field. */
  get(name) {
    return this.all(name)[0];
  }

  get location() {
    return this.get("location");
  }

  get cookies() {
    return this.all("set-cookie").map(parseSetCookie);
  }

  json() {
    return JSON.parse(this.body);
  }
}

/** Takes a Set-Cookie line apart; value and attributes stay as written. */
export function parseSetCookie(line) {
  const [pair, ...attributes] = line.split(";").map((part) => part.trim());
  const at = pair.indexOf("=");
  return { name: pair.slice(0, at), value: pair.slice(at + 1), attributes };
}

/** The cookies of one browser at one host. */
export class Jar {
  #cookies = new Map();

  /** Takes the cookies of a response. */
  take(response) {
    for (const { name, value, attributes } of response.cookies) {
      const gone = attributes.includes("Max-Age=0");
      if (gone) this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
  }

  get(name) {
    return this.#cookies.get(name);
  }

  /** Sets a cookie to a value as it is on the wire; undefined removes it. */
  set(name, value) {
    if (value === undefined) this.#cookies.delete(name);
    else this.#cookies.set(name, value);
  }

  names() {
    return [...this.#cookies.keys()];
  }

  clear() {
    this.#cookies.clear();
  }

  /** The Cookie header, undefined without any. */
  get header() {
    if (this.#cookies.size === 0) return undefined;
    return [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  }

  copy() {
    const copy = new Jar();
    for (const [name, value] of this.#cookies) copy.set(name, value);
    return copy;
  }
}
