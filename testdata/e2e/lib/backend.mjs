// Backends that read the session with the libraries' own getToken.

import { createServer } from "node:http";

import { getToken as getTokenV5 } from "@auth/core/jwt";
import { parse } from "cookie";
import { getToken as getTokenV4 } from "next-auth/jwt";

const readers = {
  // Next.js gives its handlers the cookies; @auth/core reads the header itself.
  v4: (req, options) => getTokenV4({ req: Object.assign(req, { cookies: parse(req.headers.cookie ?? "") }), ...options }),
  v5: (req, options) => getTokenV5({ req, ...options }),
};

/**
 * Starts a backend that answers every request with the token that getToken
 * reads, null if it reads none, and with the names of the cookies it got.
 */
export async function startBackend(t, dialect, options) {
  const server = createServer(async (req, res) => {
    const token = await readers[dialect](req, options);
    const cookies = Object.keys(parse(req.headers.cookie ?? "")).sort();
    res.setHeader("Content-Type", "application/json");
    res.end(JSON.stringify({ token, cookies }));
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return `127.0.0.1:${server.address().port}`;
}
