// Everything that a test of one dialect needs: the identity providers, the real
// server, and caddyauth.

import { Mail } from "../e2e/lib/mail.mjs";
import { Program, freePort, listens, root, temporary } from "../e2e/lib/process.mjs";

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { caddyfile } from "./servers/caddyfile.mjs";
import { callbacks, sites } from "./sites.mjs";

/** A program that ends when its standard input does, whatever becomes of us. */
class Kept extends Program {
  constructor(script, args, options) {
    const path = fileURLToPath(new URL(`servers/${script}.mjs`, import.meta.url));
    super(process.execPath, [path, ...args], { ...options, stdio: ["pipe", "pipe", "pipe"] });
    this.child.stdin.on("error", () => {}); // it may be gone already
  }

  stop() {
    this.child.stdin.end();
    return super.stop();
  }

  /** The addresses that it prints on its first line. */
  async addresses() {
    const line = await this.until(() => /^\{.*\}$/m.exec(this.output)?.[0], "its addresses");
    return JSON.parse(line);
  }
}

const startMail = (t) => Mail.start(t, (binary, args) => new Kept("keep", [binary, ...args]));

function caddyBinary() {
  const path = process.env.CADDY_BIN;
  if (!path) throw new Error("CADDY_BIN must name the caddy to test: go build -o /tmp/caddy ./cmd/caddy");
  return path;
}

/** Starts caddy with all sites and returns its origin. */
async function startCaddy(t, dialect, addresses) {
  const [home, port] = await Promise.all([temporary(t), freePort()]);
  const config = join(home, "Caddyfile");
  await writeFile(config, caddyfile(dialect, port, addresses));
  const caddy = new Kept("keep", [caddyBinary(), "run", "--config", config, "--adapter", "caddyfile"], {
    cwd: root,
    env: {
      PATH: process.env.PATH,
      HOME: home,
      XDG_DATA_HOME: join(home, "data"),
      XDG_CONFIG_HOME: join(home, "config"),
      [dialect === "v5" ? "AUTH_URL" : "NEXTAUTH_URL"]: sites.env.url,
    },
  });
  t.after(() => caddy.stop());
  await caddy.until(() => listens(port), `port ${port}`);
  return { origin: `http://127.0.0.1:${port}`, program: caddy };
}

/**
 * Starts the world of a dialect. t ends it, in node:test or otherwise: it has a
 * method after that takes what to do.
 */
export async function startWorld(t, dialect) {
  const op = new Kept("op", [JSON.stringify({ oidc: ["op", "op2", "refused", "trusted"].flatMap(callbacks) })]);
  t.after(() => op.stop());
  // A mail server for each side: both mail to the same people.
  const [addresses, ...mail] = await Promise.all([op.addresses(), startMail(t), startMail(t)]);
  const reached = ({ smtp }) => ({ ...addresses, smtp });
  const [real, stores] = [[], ["stores"]].map((args) => {
    const program = new Kept("real", [dialect, JSON.stringify(reached(mail[0])), ...args]);
    t.after(() => program.stop());
    return program;
  });
  const [{ origin }, { origin: withStores }, caddy] = await Promise.all([
    real.addresses(),
    stores.addresses(),
    startCaddy(t, dialect, reached(mail[1])),
  ]);
  return {
    dialect,
    real: origin,
    realWithStores: withStores,
    ours: caddy.origin,
    mail: { real: mail[0], ours: mail[1] },
    programs: { op, real, stores, caddy: caddy.program },
  };
}
