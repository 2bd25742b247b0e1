// Runs a program that knows nothing of the test's standard input, and ends it
// when that ends, so that it cannot outlive the test:
//
//   node keep.mjs <program> <argument>...
import { spawn } from "node:child_process";

const [program, ...args] = process.argv.slice(2);
const child = spawn(program, args, { stdio: ["ignore", "inherit", "inherit"] });

function end() {
  child.kill("SIGTERM");
  setTimeout(() => child.kill("SIGKILL"), 3_000).unref();
}

child.once("error", (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
child.once("exit", (code) => process.exit(code ?? 1));
process.stdin.resume();
process.stdin.once("end", end);
process.once("SIGTERM", end);
