// Takes what is optional out of package-lock.json: compilers and image tools of
// Next.js for every platform, which nothing here uses and not every registry has.
// `npm run lock` does it after npm has written the file.

import { readFile, writeFile } from "node:fs/promises";

const lock = JSON.parse(await readFile("package-lock.json", "utf8"));
for (const [path, entry] of Object.entries(lock.packages)) {
  if (entry.optional || entry.devOptional) delete lock.packages[path];
  delete entry.optionalDependencies;
}
await writeFile("package-lock.json", `${JSON.stringify(lock, null, 2)}\n`);
