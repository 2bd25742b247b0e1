// The test page around the unmodified next-auth/react.

import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const source = join(dirname(fileURLToPath(import.meta.url)), "..", "app");

const page = `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<link rel="icon" href="data:,">
<title>next-auth/react</title>
</head>
<body>
<div id="root"></div>
<script src="app.js"></script>
</body>
</html>
`;

/** Bundles the page into a directory. */
export async function buildApp(directory) {
  await build({
    entryPoints: [join(source, "app.jsx")],
    outfile: join(directory, "app.js"),
    bundle: true,
    format: "iife",
    target: "es2020",
    jsx: "automatic",
    logLevel: "silent",
    // The client reads process.env when it is loaded, which browsers lack.
    define: { "process.env.NODE_ENV": '"production"', "process.env": "{}" },
  });
  await writeFile(join(directory, "index.html"), page);
}
