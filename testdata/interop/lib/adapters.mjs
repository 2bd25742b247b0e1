// Databases as applications of Auth.js have them, with the adapters themselves.
import { PrismaAdapter } from "@auth/prisma-adapter"
import PostgresAdapter from "@auth/pg-adapter"
import { PrismaPg } from "@prisma/adapter-pg"
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import pg from "pg"

const here = (path) => fileURLToPath(new URL("../" + path, import.meta.url))
const require = createRequire(import.meta.url)

// Each makes the tables in an empty database and returns the adapter, the name
// of the schema and what closes the connections.
export const databases = {
  async "pg-adapter"(url) {
    const pool = new pg.Pool({ connectionString: url })
    await pool.query(readFileSync(here("../../caddyauth/store/postgres/testdata/pg-adapter.sql"), "utf8"))
    return { schema: "pg-adapter", adapter: PostgresAdapter(pool), close: () => pool.end() }
  },
  "prisma v4": (url) => prisma(url, "v4"),
  "prisma v5": (url) => prisma(url, "v5"),
}

// Prisma itself says in SQL what its models mean.
async function prisma(url, version) {
  const run = async (...args) => {
    // It would download engines that it does not use; any file keeps it from that.
    const unused = process.execPath
    const engines = { PRISMA_SCHEMA_ENGINE_BINARY: unused, PRISMA_QUERY_ENGINE_LIBRARY: unused }
    const env = { ...process.env, ...engines, DATABASE_URL: url, CHECKPOINT_DISABLE: "1" }
    const cli = [require.resolve("prisma/build/index.js"), ...args, "--config", here("prisma/config.mjs")]
    return (await promisify(execFile)(process.execPath, cli, { cwd: here("."), env })).stdout
  }
  const models = `prisma/${version}.prisma`
  const sql = await run("migrate", "diff", "--from-empty", "--to-schema-datamodel", models, "--script")
  await run("generate", "--schema", models)
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(sql)
  await client.end()
  const { PrismaClient } = require(here("node_modules/.prisma-" + version))
  const p = new PrismaClient({ adapter: new PrismaPg({ connectionString: url }) })
  return { schema: "prisma", adapter: PrismaAdapter(p), close: () => p.$disconnect() }
}
