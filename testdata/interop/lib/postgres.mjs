// A PostgreSQL server for a test, on a free port of 127.0.0.1.
import { execFileSync, spawn } from "node:child_process"
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { setTimeout } from "node:timers/promises"
import pg from "pg"

// Debian keeps the programs out of the path.
function program(name) {
  const root = "/usr/lib/postgresql/"
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => b - a) : []
  const found = versions.map((v) => `${root}${v}/bin/${name}`).find(existsSync)
  return found ?? name
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1")
  await new Promise((resolve) => server.once("listening", resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

// start returns the URL of a database and what ends the server. PostgreSQL
// refuses root, and must not outlive the test.
export async function start() {
  const dir = mkdtempSync(tmpdir() + "/caddyauth-interop-")
  const as = ["--pdeathsig=INT"]
  if (process.getuid() === 0) {
    const id = (flag) => Number(execFileSync("id", [flag, "postgres"]))
    chownSync(dir, id("-u"), id("-g"))
    as.push("--reuid=postgres", "--regid=postgres", "--clear-groups")
  }
  const data = dir + "/data"
  const initdb = ["-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
  execFileSync("setpriv", [...as, program("initdb"), ...initdb], { cwd: dir, stdio: ["ignore", "ignore", "inherit"] })
  const port = await freePort()
  const settings = { listen_addresses: "127.0.0.1", port, unix_socket_directories: "", fsync: "off", timezone: "Asia/Kolkata" }
  const args = ["-D", data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])]
  let log = ""
  const server = spawn("setpriv", [...as, program("postgres"), ...args], { cwd: dir, stdio: ["ignore", "ignore", "pipe"] })
  server.stderr.on("data", (chunk) => (log += chunk))
  const ended = new Promise((resolve) => server.once("exit", resolve))
  const stop = async () => {
    server.kill("SIGINT")
    await ended
    rmSync(dir, { recursive: true, force: true })
  }
  const url = `postgresql://postgres@127.0.0.1:${port}/postgres`
  for (let i = 0; i < 100; i++) {
    const client = new pg.Client({ connectionString: url })
    try {
      await client.connect()
      await client.end()
      return { url, stop }
    } catch {
      await setTimeout(100)
    }
  }
  await stop()
  throw new Error("PostgreSQL does not start:\n" + log)
}
