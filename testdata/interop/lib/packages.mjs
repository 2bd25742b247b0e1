// The packages themselves, with the parts that they use but do not export.
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { fileURLToPath, pathToFileURL } from "node:url"

const modules = fileURLToPath(new URL("../node_modules/", import.meta.url))

// next-auth takes its origin from the Host header only if told to.
process.env.AUTH_TRUST_HOST = "true"

const requireV4 = createRequire(modules + "next-auth/index.js")
const requireV5 = createRequire(modules + "@auth/core/index.js")
const inV4 = (path) => requireV4(modules + "next-auth/" + path)
const inV5 = (path) => import(pathToFileURL(modules + "@auth/core/" + path))

const version = (name) => JSON.parse(readFileSync(modules + name + "/package.json")).version
export const versions = { "next-auth": version("next-auth"), "@auth/core": version("@auth/core") }

const quiet = { error() {}, warn() {}, debug() {} }

export const v4 = {
  jose: requireV4("jose"),
  jwt: inV4("jwt/index.js"),
  checks: inV4("core/lib/oauth/checks.js"),
  ...inV4("core/lib/cookie.js"),
  ...inV4("core/lib/csrf-token.js"),
  AuthHandler: inV4("core/index.js").AuthHandler,
  Credentials: inV4("providers/credentials.js").default,
  cookie: requireV4("cookie"),
  key: (secret, salt, length = 32) =>
    requireV4("@panva/hkdf").default("sha256", secret, salt, `NextAuth.js Generated Encryption Key${salt ? ` (${salt})` : ""}`, length),
}

export const v5 = {
  jose: await import(pathToFileURL(requireV5.resolve("jose"))),
  jwt: await inV5("jwt.js"),
  checks: await inV5("lib/actions/callback/oauth/checks.js"),
  ...(await inV5("lib/utils/cookie.js")),
  ...(await inV5("lib/actions/callback/oauth/csrf-token.js")),
  Auth: (await inV5("index.js")).Auth,
  Credentials: (await inV5("providers/credentials.js")).default,
  key: (secret, salt, length) =>
    requireV5("@panva/hkdf").default("sha256", secret, salt, `Auth.js Generated Encryption Key (${salt})`, length),
}

// A site of one dialect, without network: get and post take a path below the
// base and a Cookie header, and return the answer with its Set-Cookie lines.
export function site({ dialect, secrets, secure, extra = {} }) {
  const origin = (secure ? "https" : "http") + "://app.example.com"
  const options = {
    secret: dialect === "v4" ? secrets[0] : secrets,
    logger: quiet,
    callbacks: { jwt: ({ token, user }) => (user ? { ...token, ...extra } : token) },
  }
  const authorize = (body) => ({ id: body.id, name: body.name, email: body.email, image: body.image || null })
  if (dialect === "v4") {
    options.providers = [v4.Credentials({ credentials: {}, authorize })]
    return async (method, path, cookie = "", form = {}) => {
      const [action, providerId] = path.slice(1).split("/")
      const req = {
        action, providerId, method, body: form, query: {}, cookies: v4.cookie.parse(cookie),
        headers: { host: "app.example.com", "x-forwarded-proto": secure ? "https" : "http" },
      }
      const res = await v4.AuthHandler({ req, options: { ...options, useSecureCookies: secure } })
      return { body: res.body, setCookie: (res.cookies ?? []).map((c) => v4.cookie.serialize(c.name, c.value, c.options)) }
    }
  }
  options.providers = [v5.Credentials({ credentials: {}, authorize })]
  return async (method, path, cookie = "", form = {}) => {
    const init = { method, headers: { cookie } }
    if (method === "POST") init.body = new URLSearchParams(form)
    const res = await v5.Auth(new Request(origin + "/auth" + path, init), { ...options, trustHost: true, basePath: "/auth" })
    const text = await res.text()
    return { body: text.startsWith("<") || !text ? text : JSON.parse(text), setCookie: res.headers.getSetCookie() }
  }
}

// jar is the Cookie header of a browser that got these Set-Cookie lines.
export function jar(setCookie, cookie = "") {
  const kept = new Map(cookie ? cookie.split("; ").map((pair) => pair.split(/=(.*)/, 2)) : [])
  for (const line of setCookie) {
    const [name, value] = line.split("; ")[0].split(/=(.*)/, 2)
    if (value === "") kept.delete(name)
    else kept.set(name, value)
  }
  return [...kept].map((pair) => pair.join("=")).join("; ")
}
