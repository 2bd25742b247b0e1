// Programs that a test starts and stops: each on loopback, with directories of
// its own, and never left behind.

import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The root of the repository. */
export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");

/** A directory that is removed when the test run ends. */
export async function temporary(t) {
  const directory = await mkdtemp(join(tmpdir(), "caddyauth-e2e-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** A loopback port that was free a moment ago. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** A program that runs, and all that it has written so far. */
export class Program {
  output = "";

  constructor(command, args, options) {
    this.name = command;
    this.child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text) => (this.output += text));
    }
    this.ended = new Promise((resolve) => {
      this.child.once("error", (error) => resolve(error.message));
      this.child.once("exit", (code, signal) => resolve(`exit ${code ?? signal}`));
    });
    this.ended.then((how) => (this.how = how));
  }

  /** Waits until the program fulfills a condition, or fails with its output. */
  async until(condition, what) {
    const deadline = Date.now() + 20_000;
    for (;;) {
      const result = await condition();
      if (result) return result;
      if (this.how || Date.now() > deadline) {
        throw new Error(`${this.name}: ${this.how ?? "timeout"} waiting for ${what}\n${this.output}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Asks the program to end, and insists after five seconds. */
  async stop() {
    if (this.how) return;
    this.child.kill("SIGTERM");
    const timer = setTimeout(() => this.child.kill("SIGKILL"), 5_000);
    await this.ended;
    clearTimeout(timer);
  }
}

/** Whether something listens on a loopback port. */
export function listens(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(socket.destroy() && true));
    socket.once("error", () => resolve(false));
  });
}

/** Runs a program to its end and fails if it does. */
export function run(command, args, options) {
  const result = spawnSync(command, args, { encoding: "utf8", ...options });
  if (result.error || result.status !== 0) {
    throw new Error(`${command} ${args.join(" ")}: ${result.error?.message ?? result.status}\n${result.stdout}${result.stderr}`);
  }
  return result.stdout;
}
