// A gateway on free ports, with the demonstration's site and a real upstream
// behind it.

import { cp, readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { Program, freePort, listens, root, run, temporary } from "./process.mjs";

const demo = join(root, "testdata", "demo");

/** The program under test. */
function caddyBinary() {
  const path = process.env.CADDY_BIN;
  if (!path) throw new Error("CADDY_BIN must name the caddy to test: go build -o /tmp/caddy ./cmd/caddy");
  return path;
}

/** Starts caddy with a Caddyfile and waits until it listens on all ports. */
export async function startCaddy(t, caddyfile, ports, env = {}) {
  const home = await temporary(t);
  const config = join(home, "Caddyfile");
  await writeFile(config, caddyfile);
  const caddy = new Program(caddyBinary(), ["run", "--config", config, "--adapter", "caddyfile"], {
    cwd: root,
    env: {
      PATH: process.env.PATH,
      HOME: home,
      XDG_DATA_HOME: join(home, "data"),
      XDG_CONFIG_HOME: join(home, "config"),
      ...env,
    },
  });
  t.after(() => caddy.stop());
  for (const port of ports) await caddy.until(() => listens(port), `port ${port}`);
  return caddy;
}

/** Starts the upstream of the demonstration and returns its address. */
export async function startUpstream(t) {
  const binary = process.env.UPSTREAM_BIN ?? join(await temporary(t), "upstream");
  if (!process.env.UPSTREAM_BIN) run("go", ["build", "-o", binary, "./testdata/demo/upstream"], { cwd: root });
  const upstream = new Program(binary, ["-listen", "127.0.0.1:0"]);
  t.after(() => upstream.stop());
  return upstream.until(() => /^127\.0\.0\.1:\d+$/m.exec(upstream.output)?.[0], "its address");
}

/**
 * Starts a gateway: public front page, private /members/ and /upstream/, /admin/
 * for administrators.
 */
export async function startGateway(t) {
  const [port, upstream, site] = await Promise.all([freePort(), startUpstream(t), temporary(t)]);
  await cp(join(demo, "site"), site, { recursive: true });
  // As old as files of a site usually are: browsers then think their copies
  // fresh for a while, if nobody tells them otherwise (RFC 9111, section 4.2.2).
  const old = new Date(Date.now() - 100 * 86_400_000);
  for (const page of ["members", "admin"]) await utimes(join(site, page, "index.html"), old, old);
  const caddy = await startCaddy(
    t,
    `{
	admin off
	skip_install_trust
	persist_config off
}
http://localhost:${port} {
	bind 127.0.0.1
	root ${site}
	log
	caddyauth {
		provider dev
		users ${join(demo, "users.yml")}
		public
		private /members/*
		private /admin/*
		private /upstream/*
		client
		allow any
		allow /admin/* role admin
		headers
	}
	reverse_proxy /upstream/* ${upstream}
	file_server
}
`,
    [port],
  );
  return { caddy, origin: `http://localhost:${port}` };
}

/** Starts the repository's example as it is, on free ports. */
export async function startExample(t) {
  const [site, upstream] = [await freePort(), await freePort()];
  const text = await readFile(join(root, "Caddyfile.example"), "utf8");
  const caddyfile = text.replaceAll("8080", String(site)).replaceAll("8081", String(upstream));
  const caddy = await startCaddy(t, caddyfile, [site, upstream]);
  return { caddy, origin: `http://localhost:${site}` };
}
