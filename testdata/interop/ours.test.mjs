// What this module seals, read by the real NextAuth and Auth.js.
import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { fileURLToPath } from "node:url"
import { jar, site, v4, v5, versions } from "./lib/packages.mjs"

const cwd = fileURLToPath(new URL(".", import.meta.url))
const run = { cwd, maxBuffer: 64 << 20, stdio: ["ignore", "pipe", "inherit"] }
const ours = JSON.parse(execFileSync("go", ["run", "./ours"], run))
const theirs = JSON.parse(readFileSync(cwd + "tokens.json"))

const packages = { v4, v5 }
// v4 knows one secret only.
const forDialect = (dialect, secrets) => (dialect === "v4" ? secrets[0] : secrets)
const decode = ({ dialect, secrets, salt, token }) => packages[dialect].jwt.decode({ token, salt, secret: forDialect(dialect, secrets) })

test("the packages are those that tokens.json is from", () => {
  assert.deepEqual(versions, theirs.versions)
  assert.ok(ours.tokens.length > 50 && ours.checks.length === 12 && ours.sessions.length > theirs.sessions.length)
})

for (const t of ours.tokens) {
  test(`${t.dialect} decodes: ${t.name}`, async () => {
    const { iat, exp, jti, ...payload } = await decode(t)
    assert.deepEqual(payload, t.payload)
    assert.equal(exp, iat + t.maxAge)
    assert.ok(Math.abs(iat - Date.now() / 1000) < 300)
    assert.match(jti, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)

    await assert.rejects(decode({ ...t, secrets: ["another"] }))
    await assert.rejects(decode({ ...t, salt: t.salt + "x" }))
    await assert.rejects(decode({ ...t, dialect: t.dialect === "v4" ? "v5" : "v4" }))
    if (t.dialect === "v5") {
      await decode({ ...t, secrets: ["added later", ...t.secrets] })
    }
  })
}

test("tokens have the headers that encode writes", async () => {
  for (const t of ours.tokens) {
    const encoded = await packages[t.dialect].jwt.encode({ token: {}, secret: forDialect(t.dialect, t.secrets), salt: t.salt })
    assert.equal(t.token.split(".")[0], encoded.split(".")[0], t.name)
  }
})

for (const t of ours.checks) {
  test(`${t.dialect} uses the ${t.name} cookie ${t.salt}`, async () => {
    const { defaultCookies, checks } = packages[t.dialect]
    const options = {
      cookies: defaultCookies(t.salt.startsWith("__Secure-")),
      provider: { id: "op", checks: [t.name] },
      jwt: { secret: forDialect(t.dialect, t.secrets) },
      logger: { debug() {} },
    }
    const use = async (options) => {
      const found = {}
      const value = await checks[t.name].use({ [t.salt]: t.token }, [], options, found)
      return value ?? found.code_verifier ?? found[t.name]
    }
    assert.equal(await use(options), t.payload.value)
    await assert.rejects(use({ ...options, provider: { ...options.provider, id: "another" } }))
  })
}

for (const s of ours.sessions) {
  const secret = forDialect(s.dialect, s.secrets)
  const where = `${s.secure ? "https" : "http"}, ${s.secrets.length} secrets`
  const { jwt, defaultCookies, SessionStore } = packages[s.dialect]
  const getToken = (cookie, rest) => {
    const req = s.dialect === "v4" ? { headers: {}, cookies: v4.cookie.parse(cookie) } : { headers: { cookie } }
    return jwt.getToken({ req, secret, secureCookie: s.secure, ...rest })
  }

  test(`${s.dialect} reads a session: ${s.name} (${where})`, async () => {
    const cookie = jar(s.setCookie)
    assert.deepEqual(await getToken(cookie), s.claims)
    assert.equal(await getToken(cookie, { secureCookie: !s.secure }), null)

    // The same pieces, of the same names, in the same order.
    const token = await getToken(cookie, { raw: true })
    const { name, options } = defaultCookies(s.secure).sessionToken
    const sent = v4.cookie.parse(s.sent)
    const store = new SessionStore({ name, options }, s.dialect === "v4" ? { cookies: sent } : sent, { debug() {} })
    const piece = (name, value) => ({ name, length: value.length, start: token.indexOf(value) })
    const pieces = store.chunk(token, {}).map((c) => piece(c.name, c.value))
    assert.deepEqual(s.setCookie.map((line) => piece(...line.split("; ")[0].split("="))), pieces)
  })

  test(`${s.dialect} answers GET /session: ${s.name} (${where})`, async () => {
    const cookie = jar(s.setCookie)
    const { body, setCookie } = await site(s)("GET", "/session", cookie)
    assert.equal(body.user.name, s.claims.name)
    assert.equal(body.user.email, s.claims.email)

    // It seals the session again and keeps what is not its own in it.
    const { iat, exp, jti, ...kept } = await getToken(jar(setCookie, cookie))
    const { iat: iat0, exp: exp0, jti: jti0, ...before } = s.claims
    assert.deepEqual(kept, before)
    assert.notEqual(jti, jti0)
  })
}

test("session cookies have the attributes that the packages give them", () => {
  const attributes = (line) => line.split("; ").slice(1).map((a) => a.replace(/^(Expires)=.*/, "$1"))
  for (const s of ours.sessions) {
    const { name } = packages[s.dialect].defaultCookies(s.secure).sessionToken
    const model = theirs.sessions.find((t) => t.dialect === s.dialect && t.secure === s.secure)
    const line = model.setCookie.find((line) => line.startsWith(name))
    for (const our of s.setCookie) assert.deepEqual(attributes(our), attributes(line), s.name)
  }
})
