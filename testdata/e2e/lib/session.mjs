// Session cookies, opened and sealed with the libraries' own functions.

import { decode as decodeV5, encode as encodeV5 } from "@auth/core/jwt";
import { decode as decodeV4, encode as encodeV4 } from "next-auth/jwt";

/** What the cookie is called on a site without TLS. */
export const cookieNames = { v4: "next-auth.session-token", v5: "authjs.session-token" };

const seals = {
  v4: { decode: decodeV4, encode: encodeV4 },
  v5: { decode: decodeV5, encode: encodeV5 },
};

/**
 * Puts another session in the place of a visitor's: change gets its claims, and
 * it expires in maxAge seconds.
 */
async function reseal(visitor, dialect, secret, change, maxAge = 3_600) {
  const name = cookieNames[dialect];
  const { decode, encode } = seals[dialect];
  const salt = dialect === "v5" ? name : "";
  const cookie = (await visitor.context.cookies(visitor.origin)).find((cookie) => cookie.name === name);
  const token = await decode({ token: cookie.value, secret, salt });
  change(token);
  await visitor.context.addCookies([{ ...cookie, value: await encode({ token, secret, salt, maxAge }) }]);
}

/** Makes it seem that the visitor signed in an hour earlier. */
export const age = (visitor, dialect, secret) =>
  reseal(visitor, dialect, secret, ({ caddyauth }) => {
    caddyauth.auth_time -= 3_600;
    caddyauth.since -= 3_600_000;
  });

/** Makes the visitor's session one that has expired. */
export const expire = (visitor, dialect, secret) => reseal(visitor, dialect, secret, () => {}, -60);
