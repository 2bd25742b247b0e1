// Tokens as the real packages seal and open them.

import * as v5 from "@auth/core/jwt";
import v4 from "next-auth/jwt";

/** What the names of cookies begin with. */
export const prefixes = { v4: "next-auth", v5: "authjs" };

/** The names of the cookies of a dialect, at an http or https site. */
export function cookieNames(dialect, secure) {
  const name = (rest) => `${secure ? "__Secure-" : ""}${prefixes[dialect]}.${rest}`;
  return {
    session: name("session-token"),
    csrf: `${secure ? "__Host-" : ""}${prefixes[dialect]}.csrf-token`,
    callbackUrl: name("callback-url"),
    state: name("state"),
    pkce: name("pkce.code_verifier"),
    nonce: name("nonce"),
    notice: name("notice"),
  };
}

/** The length of the pieces that a session token is cut into. */
export const pieceLength = { v4: 3933, v5: 3936 };

/** The salt of a cookie's key: v4 has none for the session. */
function salt(dialect, cookie) {
  return dialect === "v4" && cookie.endsWith("session-token") ? "" : cookie;
}

/** Seals claims for a cookie. A negative maxAge makes a token that has expired. */
export function mint(dialect, cookie, claims, { secret, maxAge }) {
  const encode = dialect === "v4" ? v4.encode : v5.encode;
  return encode({ token: claims, secret, maxAge, salt: salt(dialect, cookie) });
}

/** Opens what a cookie holds; null if it does not. */
export async function open(dialect, cookie, token, secret) {
  const decode = dialect === "v4" ? v4.decode : v5.decode;
  try {
    return await decode({ token, secret, salt: salt(dialect, cookie) });
  } catch {
    return null;
  }
}

/** The cookies that hold a token, cut as NextAuth cuts it. */
export function pieces(dialect, name, token) {
  const length = pieceLength[dialect];
  if (token.length <= length) return { [name]: token };
  const cut = {};
  for (let i = 0; i * length < token.length; i++) cut[`${name}.${i}`] = token.slice(i * length, (i + 1) * length);
  return cut;
}
