// Writes tokens.json: what the real NextAuth and Auth.js seal, open and refuse,
// for the Go tests. What goes in is the same every time; what comes out differs
// in its random parts and its times.
import assert from "node:assert/strict"
import { writeFileSync } from "node:fs"
import { jar, site, v4, v5, versions } from "./lib/packages.mjs"

const long = "oracle-secret-0123456789abcdef0123456789"
const unicode = "pässwörd-🔑"
const fiftyYears = 50 * 365 * 24 * 60 * 60
const seconds = () => Math.floor(Date.now() / 1000)

const person = { name: "J Smith", email: "jsmith@example.com", picture: "https://x.example/p.png", sub: "1" }
const payloads = {
  "a person": person,
  nothing: {},
  unicode: { name: "Zoë Ünïcode 名前 🔑", email: "zoë@bücher.example", sub: "名", "ключ": "значение" },
  "escapes and separators": { name: "\"\\/\b\f\n\r\t\u0000\u001f\u007f\u2028\u2029", html: "<script>&'\"</script>", half: "\ud800", sub: "1" },
  "JSON of all kinds": { sub: "1", list: [1, -0.5, 1e21, 1e-7, true, false, null, [], {}, "x"], big: Number.MAX_SAFE_INTEGER, deep: { a: { b: { c: [[[]]] } } } },
  "members called like ours": { sub: "1", SUB: "2", Exp: 3, caddyauth: { sid: "s", provider: "op", exp: 5 } },
  "3 kB": { ...person, note: "x".repeat(3000) },
}

const tokens = []
const refused = []
const stricter = []
const sessions = []
const csrf = []

const decode = {
  v4: (token, secrets, salt) => v4.jwt.decode({ token, secret: secrets[0], salt }),
  v5: (token, secrets, salt) => v5.jwt.decode({ token, secret: secrets, salt }),
}

// opens records a token that the package's own decode opens.
async function opens(name, dialect, secrets, salt, token, list = tokens) {
  const claims = await decode[dialect](token, secrets, salt)
  list.push({ name, dialect, secrets, salt, at: seconds(), token, claims })
}

// fails records one that it refuses.
async function fails(name, dialect, secrets, salt, token) {
  const error = await decode[dialect](token, secrets, salt).then(
    (claims) => assert.fail(`${dialect}, ${name}: opens to ${JSON.stringify(claims)}`),
    (error) => error.code ?? error.message,
  )
  assert.notEqual(error, "ERR_ASSERTION", name)
  refused.push({ name, dialect, secrets, salt, at: seconds(), token, error })
}

// --- Tokens that encode makes.

const names = { v4: "next-auth", v5: "authjs" }
for (const [dialect, { jwt }] of Object.entries({ v4, v5 })) {
  const session = dialect === "v4" ? "" : "authjs.session-token"
  const encode = (token, secret, salt) => jwt.encode({ token, secret, salt, maxAge: fiftyYears })
  for (const [name, payload] of Object.entries(payloads)) {
    await opens(name, dialect, [long], session, await encode(payload, long, session))
  }
  for (const secret of ["s", unicode, "x".repeat(1000), " leading and trailing "]) {
    await opens(`secret ${secret.slice(0, 25)}`, dialect, [secret], session, await encode(person, secret, session))
  }
  const prefix = names[dialect]
  for (const salt of [`__Secure-${prefix}.session-token`, "__Secure-gate.session-token", "gate.session-token", "s", "näme", ""]) {
    await opens(`salt ${salt || "empty"}`, dialect, [long], salt, await encode(person, long, salt))
  }
}

// --- Several secrets, which only v5 has.

{
  const salt = "__Secure-authjs.session-token"
  const encode = (secret) => v5.jwt.encode({ token: person, secret, salt, maxAge: fiftyYears })
  const all = ["new", "older", long]
  await opens("sealed with a list", "v5", all, salt, await encode(all))
  for (const secret of all) await opens(`rotation, sealed with ${secret}`, "v5", all, salt, await encode(secret))
  await fails("a secret that is gone", "v5", all, salt, await encode("gone"))
}

// --- Check cookies, made by the code that makes them at sign-in.

for (const secure of [false, true]) {
  const common = { logger: { debug() {} }, provider: { id: "op", checks: ["state", "pkce", "nonce"] } }
  for (const secrets of [[long], [unicode, "old"]]) {
    const where = `${secure ? "https" : "http"}, ${secrets.length} secrets`
    const options4 = { ...common, cookies: v4.defaultCookies(secure), jwt: { secret: secrets[0] } }
    const options5 = { ...common, cookies: v5.defaultCookies(secure), jwt: { secret: secrets } }
    for (const check of ["state", "pkce", "nonce"]) {
      const made = []
      await v4.checks[check].create(options4, made, {})
      await opens(`${check} cookie, ${where}`, "v4", secrets, made[0].name, made[0].value)
      const { cookie, value } = await v5.checks[check].create(options5)
      await opens(`${check} cookie, ${where}`, "v5", secrets, cookie.name, cookie.value)
      if (check === "state") await opens(`state parameter, ${where}`, "v5", secrets, "encodedState", value)
    }
  }
}

// --- Tokens that decode opens although encode makes none like them.

const seal = async (jose, header, key, claims = {}, options = undefined) =>
  new jose.EncryptJWT({ sub: "1", ...claims }).setProtectedHeader(header).setIssuedAt().setExpirationTime(claims.exp ?? "50y").encrypt(await key, options)
const thumbprint = async (key) => v5.jose.calculateJwkThumbprint({ kty: "oct", k: v5.jose.base64url.encode(await key) }, `sha${(await key).length * 8}`)

const salt5 = "authjs.session-token"
const cbc = { alg: "dir", enc: "A256CBC-HS512" }
const gcm = { alg: "dir", enc: "A256GCM" }
const key5 = (secret) => v5.key(secret, salt5, 64)
const gcmKey5 = (secret) => v5.key(secret, salt5, 32)
const two = ["new", "old"]

await opens("A256GCM, kid of the first secret", "v5", two, salt5, await seal(v5.jose, { ...gcm, kid: await thumbprint(gcmKey5("new")) }, gcmKey5("new")))
await opens("A256GCM, kid of the second secret", "v5", two, salt5, await seal(v5.jose, { ...gcm, kid: await thumbprint(gcmKey5("old")) }, gcmKey5("old")))
await opens("A256GCM, no kid", "v5", two, salt5, await seal(v5.jose, gcm, gcmKey5("new")))
await opens("no kid", "v5", two, salt5, await seal(v5.jose, cbc, key5("new")))
await opens("kid first, with typ and cty", "v5", two, salt5, await seal(v5.jose, { kid: await thumbprint(key5("old")), typ: "JWT", cty: "json", ...cbc }, key5("old")))
await opens("typ, cty and a kid", "v4", [long], "", await seal(v4.jose, { ...gcm, typ: "JWT", cty: "json", kid: "1" }, v4.key(long, "")))

// --- What decode refuses.

await fails("no kid, second secret", "v5", two, salt5, await seal(v5.jose, cbc, key5("old")))
await fails("A256GCM, no kid, second secret", "v5", two, salt5, await seal(v5.jose, gcm, gcmKey5("old")))
await fails("kid unknown", "v5", two, salt5, await seal(v5.jose, { ...cbc, kid: "unknown" }, key5("new")))
await fails("kid empty", "v5", two, salt5, await seal(v5.jose, { ...cbc, kid: "" }, key5("new")))
await fails("kid of another secret's key", "v5", two, salt5, await seal(v5.jose, { ...cbc, kid: await thumbprint(key5("old")) }, key5("new")))
await fails("kid of A256GCM's key", "v5", two, salt5, await seal(v5.jose, { ...cbc, kid: await thumbprint(gcmKey5("new")) }, key5("new")))
await fails("name of the http cookie", "v5", [long], "__Secure-" + salt5, await v5.jwt.encode({ token: person, secret: long, salt: salt5 }))
await fails("name of the https cookie", "v5", [long], salt5, await v5.jwt.encode({ token: person, secret: long, salt: "__Secure-" + salt5 }))
await fails("session of v4", "v5", [long], salt5, await v4.jwt.encode({ token: person, secret: long }))
await fails("session of v5", "v4", [long], "", await v5.jwt.encode({ token: person, secret: long, salt: salt5 }))
await fails("cookie of v5 under its name", "v4", [long], "authjs.state", await v5.jwt.encode({ token: person, secret: long, salt: "authjs.state" }))
for (const [enc, size] of Object.entries({ "A128GCM": 16, "A192GCM": 24, "A128CBC-HS256": 32, "A192CBC-HS384": 48 })) {
  await fails(enc, "v5", [long], salt5, await seal(v5.jose, { alg: "dir", enc }, v5.key(long, salt5, size)))
  if (size !== 32) await fails(enc, "v4", [long], "", await seal(v4.jose, { alg: "dir", enc }, v4.key(long, "", size)))
}
for (const alg of ["A256KW", "A256GCMKW"]) {
  await fails(alg, "v5", [long], salt5, await seal(v5.jose, { alg, enc: "A256CBC-HS512" }, gcmKey5(long)))
}
for (const [dialect, { jose }, header, key, secrets, salt] of [
  ["v4", v4, gcm, v4.key(long, ""), [long], ""],
  ["v5", v5, cbc, key5(long), [long], salt5],
]) {
  const good = await seal(jose, header, key)
  const now = seconds()
  await fails("expired a minute ago", dialect, secrets, salt, await seal(jose, header, key, { exp: now - 60 }))
  await fails("expired at the beginning of time", dialect, secrets, salt, await seal(jose, header, key, { exp: 0 }))
  await fails("not before the next minute", dialect, secrets, salt, await seal(jose, header, key, { nbf: now + 60 }))
  await fails("nbf is no number", dialect, secrets, salt, await seal(jose, header, key, { nbf: "1" }))
  await fails("crit", dialect, secrets, salt, await seal(jose, { ...header, crit: ["x"], x: 1 }, key, {}, { crit: { x: true } }))
  await fails("one character less", dialect, secrets, salt, good.slice(0, -1))
  await fails("a part more", dialect, secrets, salt, good + ".AAAA")
  await fails("an encrypted key", dialect, secrets, salt, good.replace("..", ".AAAA."))
  await fails("another token's tag", dialect, secrets, salt, good.slice(0, good.lastIndexOf(".")) + (await seal(jose, header, key)).match(/\.[^.]*$/)[0])
  const signed = new jose.SignJWT({ sub: "1" }).setProtectedHeader({ alg: "HS256" }).setExpirationTime("1h")
  await fails("signed, not encrypted", dialect, secrets, salt, await signed.sign(await key))
  const bytes = new TextEncoder().encode('["not an object"]')
  await fails("claims that are an array", dialect, secrets, salt, await new jose.CompactEncrypt(bytes).setProtectedHeader(header).encrypt(await key))

  // --- What decode lets pass and caddyauth does not.
  await opens("zip", dialect, secrets, salt, await seal(jose, { ...header, zip: "DEF" }, key), stricter)
  await opens("an unknown parameter", dialect, secrets, salt, await seal(jose, { ...header, x: 1 }, key), stricter)
  await opens("a key in the header", dialect, secrets, salt, await seal(jose, { ...header, jwk: { kty: "oct", k: "AAAA" } }, key), stricter)
  await opens("no exp", dialect, secrets, salt, await new jose.EncryptJWT({ sub: "1" }).setProtectedHeader(header).encrypt(await key), stricter)
}
await opens("A128CBC-HS256, whose key has the same size", "v4", [long], "", await seal(v4.jose, { alg: "dir", enc: "A128CBC-HS256" }, v4.key(long, "")), stricter)

// --- Sessions of whole sign-ins, as Set-Cookie lines.

const jsmith = { id: "1", name: "J Smith", email: "jsmith@example.com", image: "https://x.example/p.png" }
const zoe = { id: "名", name: "Zoë 名前 🔑", email: "zoë@bücher.example" }
const both = ["v4", "v5"]
for (const [name, dialects, secures, secrets, form, extra] of [
  ["a person", both, [false, true], [long], jsmith, {}],
  ["two secrets", ["v5"], [false, true], ["new", long], jsmith, {}],
  ["unicode", both, [true], [unicode], zoe, {}],
  ["two chunks", both, [true], [long], jsmith, { groups: Array.from({ length: 300 }, (_, i) => `group-${i}`) }],
  ["three chunks", ["v5"], [true], [long], jsmith, { note: "x".repeat(6500) }],
]) {
  for (const dialect of dialects) {
    for (const secure of secures) {
      const call = site({ dialect, secrets, secure, extra })
      const first = await call("GET", "/csrf")
      const { csrfToken } = first.body
      const before = jar(first.setCookie)
      const signIn = await call("POST", "/callback/credentials", before, { ...form, csrfToken })
      const after = jar(signIn.setCookie, before)
      const read = await call("GET", "/session", after)
      assert.equal(read.body?.user?.email, form.email, `${dialect}, ${name}: ${JSON.stringify(read.body)}`)

      const add = async (step, setCookie, rest) => {
        const claims = await sessionClaims(dialect, secure, secrets, jar(setCookie, before))
        sessions.push({ name: `${name}, ${step}`, dialect, secure, secrets, at: seconds(), setCookie, claims, ...rest })
      }
      await add("signed in", signIn.setCookie)
      await add("renewed", read.setCookie, { shown: read.body })

      const cookie = (dialect === "v4" ? v4 : v5).defaultCookies(secure).csrfToken.name
      csrf.push({ dialect, secrets, cookie, setCookie: first.setCookie.find((line) => line.startsWith(cookie + "=")), csrfToken })
    }
  }
}

// sessionClaims is what an application gets from getToken.
async function sessionClaims(dialect, secure, secrets, cookie) {
  if (dialect === "v4") {
    const req = { headers: {}, cookies: v4.cookie.parse(cookie) }
    return v4.jwt.getToken({ req, secureCookie: secure, secret: secrets[0] })
  }
  return v5.jwt.getToken({ req: { headers: { cookie } }, secureCookie: secure, secret: secrets })
}

// --- The anti-forgery value by itself, with every kind of secret.

for (const secrets of [[long], ["s"], [unicode], ["new", "old"], ["a,b", "c"], [unicode, long, "s"]]) {
  const { cookie, csrfToken } = await v5.createCSRFToken({ options: { secret: secrets } })
  csrf.push({ dialect: "v5", secrets, value: cookie, csrfToken })
  if (secrets.length === 1) {
    const { cookie, csrfToken } = v4.createCSRFToken({ options: { secret: secrets[0] } })
    csrf.push({ dialect: "v4", secrets, value: cookie, csrfToken })
  }
}

const note = "Written by mint.mjs; see README.md."
const out = JSON.stringify({ note, versions, tokens, refused, stricter, sessions, csrf }, null, 1)
writeFileSync(new URL("tokens.json", import.meta.url), out + "\n")
console.log(`tokens.json: ${tokens.length} tokens, ${refused.length} refused, ${stricter.length} stricter, ${sessions.length} sessions, ${csrf.length} csrf values, ${out.length} bytes`)
