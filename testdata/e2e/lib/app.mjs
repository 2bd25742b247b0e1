// The pages that the clients run in.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const source = join(dirname(fileURLToPath(import.meta.url)), "..", "app");

const page = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<link rel="icon" href="data:,">
<title>A client</title>
</head>
<body>
<div id="root"></div>
<script src="app.js"></script>
</body>
</html>
`;

/** Bundles a page into a directory of its own. */
export async function bundle(directory, entry, options = {}) {
  await mkdir(directory, { recursive: true });
  await build({
    entryPoints: [join(source, entry)],
    outfile: join(directory, "app.js"),
    bundle: true,
    format: "iife",
    target: "es2022",
    jsx: "automatic",
    logLevel: "silent",
    ...options,
    // The clients read process.env when they are loaded, which browsers lack.
    define: { "process.env.NODE_ENV": '"production"', "process.env": "{}", ...options.define },
  });
  await writeFile(join(directory, "index.html"), page);
}

/** The React client of either dialect: its name in this package differs, that is all. */
export const bundleReact = (directory, dialect) =>
  bundle(directory, "app.jsx", dialect === "v5" ? { alias: { "next-auth/react": "next-auth5/react" } } : {});

/** The client for passkeys, which next-auth 4 lacks. */
export const bundleWebAuthn = (directory) =>
  bundle(directory, "webauthn.js", { alias: { "next-auth/webauthn": "next-auth5/webauthn" } });

const stub = (name) => join(source, "stubs", name);

/** The client of @auth/sveltekit. */
export const bundleSvelteKit = (directory) =>
  bundle(directory, "sveltekit.js", { alias: { "$app/paths": stub("svelte-paths.js") } });

/** The client of auth-astro. */
export const bundleAstro = (directory) => bundle(directory, "astro.js");

/** The client of @sidebase/nuxt-auth. */
export const bundleNuxt = (directory) =>
  bundle(directory, "nuxt.js", {
    alias: {
      "#app/nuxt": stub("nuxt.js"),
      "#app": stub("nuxt.js"),
      "#imports": stub("nuxt.js"),
      h3: stub("nuxt.js"),
      vue: "@vue/reactivity",
    },
    define: { "import.meta.server": "false" },
  });

/** The page that needs no bundler, as it is but for the base path. */
export async function copyPage(directory, base = "/api/auth") {
  await mkdir(directory, { recursive: true });
  const text = await readFile(join(source, "client.html"), "utf8");
  await writeFile(join(directory, "index.html"), text.replaceAll("/api/auth", base));
}
