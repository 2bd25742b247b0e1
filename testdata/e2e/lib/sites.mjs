// Several sites in one caddy, for what needs no more of a gateway than its API.

import { join } from "node:path";

import { startCaddy } from "./gateway.mjs";
import { freePort, root } from "./process.mjs";

const demoUsers = join(root, "testdata", "demo", "users.yml");

/**
 * Starts caddy with a site for each entry: the directory that it serves, what
 * its caddyauth says beside what all have in common, who may sign in, its users
 * file, and further lines of the site. What caddyauth says and the lines may
 * depend on the origin. Returns caddy with the sites' origins.
 */
export async function startSites(t, sites) {
  const ports = await Promise.all(sites.map(() => freePort()));
  const origins = sites.map(({ scheme = "http" }, i) => `${scheme}://localhost:${ports[i]}`);
  const blocks = sites.map(
    async ({ directory, auth = "", allow = "allow any", users = demoUsers, lines = () => "" }, i) => `${origins[i]} {
	bind 127.0.0.1
	log
	caddyauth {
		provider dev
		users ${users}
		${allow}
		public
		private /members/*
		limit off
		${typeof auth === "function" ? await auth(origins[i]) : auth}
	}
	${await lines(origins[i])}
	${directory ? `root ${directory}\n\tfile_server` : ""}
}
`,
  );
  const globals = "{\n\tadmin off\n\tskip_install_trust\n\tpersist_config off\n}\n";
  const caddy = await startCaddy(t, globals + (await Promise.all(blocks)).join(""), ports);
  return { caddy, origins };
}
