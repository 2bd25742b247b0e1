// Databases of Auth.js's adapters, read and continued by us, and by them again.
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { createHash, randomUUID } from "node:crypto"
import { once } from "node:events"
import { createInterface } from "node:readline"
import { after, before, describe, test } from "node:test"
import { fileURLToPath } from "node:url"
import pg from "pg"
import { databases } from "./lib/adapters.mjs"
import { v4, v5 } from "./lib/packages.mjs"
import { start } from "./lib/postgres.mjs"

const cwd = fileURLToPath(new URL(".", import.meta.url))
const soon = new Date(Math.floor(Date.now() / 1000) * 1000 + 3600_123)
const later = new Date(+soon + 3600_000)
const ids = (token) => createHash("sha256").update(token).digest("hex").slice(0, 32)
const sameTime = (got, want) => assert.equal(+new Date(got), +want)

let server
before(async () => (server = await start()))
after(() => server.stop())

// open starts our program. A call that fails is an error with our words.
function open(schema, url) {
  const program = spawn("go", ["run", "./ours/store", schema, url], { cwd, stdio: ["pipe", "pipe", "inherit"] })
  const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]()
  const call = async (...args) => {
    program.stdin.write(JSON.stringify(args) + "\n")
    const { value, done } = await lines.next()
    assert.ok(!done, "the program has ended")
    const [result, error] = JSON.parse(value)
    if (error) throw new Error(error)
    return result
  }
  const close = async () => {
    program.stdin.end()
    if (program.exitCode === null) await once(program, "exit")
    assert.equal(program.exitCode, 0)
  }
  return { call, close }
}

const gone = (promise) => assert.rejects(promise, { message: "not found" })

for (const [name, make] of Object.entries(databases)) {
  describe(name, () => {
    let adapter, ours, call, theirs
    before(async () => {
      const database = name.replace(/\W/g, "_")
      const client = new pg.Client({ connectionString: server.url })
      await client.connect()
      await client.query("CREATE DATABASE " + database)
      await client.end()
      const url = server.url.replace(/postgres$/, database)
      theirs = await make(url)
      adapter = theirs.adapter
      ours = open(theirs.schema, url)
      call = ours.call
    })
    after(async () => {
      await ours?.close()
      await theirs?.close()
    })

    // What an application has after a sign-in.
    const signedIn = async () => {
      const sub = randomUUID()
      const user = await adapter.createUser({
        id: randomUUID(), name: "Zoë 名前", email: sub + "@example.com", emailVerified: soon, image: "https://app.example.com/p.png",
      })
      const account = {
        userId: user.id, type: "oidc", provider: "keycloak", providerAccountId: sub, access_token: "at", refresh_token: "rt",
        id_token: "idt", token_type: "bearer", scope: "openid email", session_state: "s", expires_at: 1893456000,
      }
      await adapter.linkAccount(account)
      const session = await adapter.createSession({ sessionToken: randomUUID(), userId: user.id, expires: soon })
      return { user, account, token: session.sessionToken, id: String(user.id) }
    }

    test("we read what the adapter wrote", async () => {
      const { user, account, token, id } = await signedIn()
      const found = await call("User", id)
      assert.deepEqual({ ...found, EmailVerified: +new Date(found.EmailVerified) },
        { ID: id, Name: user.name, Email: user.email, Image: user.image, EmailVerified: +soon })
      assert.deepEqual(await call("UserByEmail", user.email), found)
      assert.deepEqual(await call("UserByAccount", "keycloak", account.providerAccountId), found)
      assert.deepEqual(await call("Account", "keycloak", account.providerAccountId), {
        UserID: id, Type: "oidc", Provider: "keycloak", ProviderAccountID: account.providerAccountId, AccessToken: "at", RefreshToken: "rt",
        IDToken: "idt", TokenType: "bearer", Scope: "openid email", SessionState: "s", ExpiresAt: 1893456000,
      })
      const { Session, User } = await call("SessionByToken", token)
      assert.deepEqual(User, found)
      assert.deepEqual([Session.ID, Session.Token, Session.UserID, Session.Evidence], [ids(token), token, id, null])
      sameTime(Session.Expires, soon)
      assert.deepEqual(await call("SessionByID", ids(token)), { Session, User })
      await assert.rejects(call("CreateUser", { Email: user.email }), { message: "conflict" })
      await assert.rejects(call("LinkAccount", { UserID: id, Provider: "keycloak", ProviderAccountID: account.providerAccountId }), { message: "conflict" })
    })

    test("we continue what the adapter wrote, and it reads that", async () => {
      const { user, account, token, id } = await signedIn()
      assert.equal(await call("ExtendSession", ids(token), soon, later, soon), true)
      assert.equal(await call("ExtendSession", ids(token), soon, later, soon), false)
      const { session } = await adapter.getSessionAndUser(token)
      sameTime(session.expires, later)

      const found = await call("User", id)
      await call("UpdateUser", { ...found, Name: "Grace", Image: "" })
      const updated = await adapter.getUser(user.id)
      assert.deepEqual([updated.name, updated.image, updated.email], ["Grace", null, user.email])
      sameTime(updated.emailVerified, soon)

      await call("UpdateAccount", { Provider: "keycloak", ProviderAccountID: account.providerAccountId, AccessToken: "at2", ExpiresAt: 1893459600 })
      await call("LinkAccount", { UserID: id, Type: "oauth", Provider: "github", ProviderAccountID: account.providerAccountId })
      for (const provider of ["keycloak", "github"]) {
        assert.equal((await adapter.getUserByAccount({ provider, providerAccountId: account.providerAccountId })).id, user.id)
      }

      await call("DeleteSession", ids(token))
      assert.equal(await adapter.getSessionAndUser(token), null)

      const link = { identifier: user.email, token: randomUUID(), expires: soon }
      await adapter.createVerificationToken(link)
      await gone(call("UseVerificationToken", "other@example.com", link.token))
      sameTime((await call("UseVerificationToken", link.identifier, link.token)).Expires, soon)
      await gone(call("UseVerificationToken", link.identifier, link.token))
      assert.equal(await adapter.useVerificationToken({ identifier: link.identifier, token: link.token }), null)

      await call("DeleteUser", id)
      assert.equal(await adapter.getUser(user.id), null)
      assert.equal(await adapter.getUserByAccount({ provider: "keycloak", providerAccountId: account.providerAccountId }), null)
    })

    // The same, the other way round.
    const wrote = async () => {
      const sub = randomUUID()
      const user = await call("CreateUserAndAccount",
        { Name: "Zoë 名前", Email: sub + "@example.com", EmailVerified: soon },
        { Type: "oidc", Provider: "keycloak", ProviderAccountID: sub, AccessToken: "at", ExpiresAt: 1893456000 })
      const session = {
        ID: randomUUID(), Token: randomUUID(), UserID: user.ID, Provider: "keycloak", Account: sub,
        Expires: soon, Created: soon, Seen: soon, Evidence: { groups: ["staff"] },
      }
      await call("CreateSession", session)
      return { user, session, sub }
    }

    test("the adapter reads what we wrote", async () => {
      const { user, session, sub } = await wrote()
      const found = await adapter.getUserByEmail(user.Email)
      assert.deepEqual([String(found.id), found.name, found.image], [user.ID, "Zoë 名前", null])
      sameTime(found.emailVerified, soon)
      assert.deepEqual(await adapter.getUser(found.id), found)
      assert.deepEqual(await adapter.getUserByAccount({ provider: "keycloak", providerAccountId: sub }), found)
      const both = await adapter.getSessionAndUser(session.Token)
      assert.deepEqual(both.user, found)
      assert.deepEqual([both.session.sessionToken, both.session.userId], [session.Token, found.id])
      sameTime(both.session.expires, soon)
    })

    test("the adapter continues what we wrote, and we read that", async () => {
      const { user, session, sub } = await wrote()
      await adapter.updateSession({ sessionToken: session.Token, expires: later })
      const { Session } = await call("SessionByToken", session.Token)
      sameTime(Session.Expires, later)
      assert.deepEqual([Session.ID, Session.Evidence, Session.Account], [session.ID, session.Evidence, sub])
      assert.equal(await call("ExtendSession", session.ID, soon, later, soon), false)
      assert.equal(await call("ExtendSession", session.ID, later, soon, soon), true)

      const found = await adapter.getUserByEmail(user.Email)
      await adapter.updateUser({ id: found.id, name: "Grace" })
      assert.deepEqual(await call("User", user.ID), { ...user, Name: "Grace", EmailVerified: (await call("User", user.ID)).EmailVerified })

      const link = { Identifier: user.Email, Token: randomUUID(), Expires: soon }
      await call("CreateVerificationToken", link)
      sameTime((await adapter.useVerificationToken({ identifier: link.Identifier, token: link.Token })).expires, soon)
      await gone(call("UseVerificationToken", link.Identifier, link.Token))

      await adapter.deleteSession(session.Token)
      await gone(call("SessionByToken", session.Token))
      await gone(call("SessionByID", session.ID))
      await adapter.unlinkAccount({ provider: "keycloak", providerAccountId: sub })
      await gone(call("Account", "keycloak", sub))
      await adapter.deleteUser(found.id)
      await gone(call("User", user.ID))
    })

    test("NextAuth and Auth.js know a session that we made, and we one that they extended", async () => {
      const { user, session } = await wrote()
      const settings = { adapter, secret: "s", session: { strategy: "database", maxAge: 7200, updateAge: 0 }, providers: [] }
      const expect = (body) => {
        assert.deepEqual([body.user.name, body.user.email], [user.Name, user.Email])
        assert.ok(new Date(body.expires) >= soon)
      }
      const fresh = async () => (await call("SessionByID", session.ID)).Session.Expires

      const cookie = { "next-auth.session-token": session.Token }
      const req = { action: "session", method: "GET", query: {}, cookies: cookie, headers: { host: "app.example.com" } }
      expect((await v4.AuthHandler({ req, options: { ...settings, useSecureCookies: false } })).body)
      const first = await fresh()
      assert.ok(new Date(first) > soon)

      const headers = { cookie: "authjs.session-token=" + session.Token }
      const options = { ...settings, trustHost: true, basePath: "/auth" }
      expect(await (await v5.Auth(new Request("http://app.example.com/auth/session", { headers }), options)).json())
      assert.ok(new Date(await fresh()) > new Date(first))
    })

    if (name === "prisma v5") {
      test("passkeys", async () => {
        const { user, id } = await signedIn()
        const key = {
          credentialID: "AQID+/8=", userId: user.id, providerAccountId: "AQID+/8=", credentialPublicKey: "BAUG", counter: 1,
          credentialDeviceType: "multiDevice", credentialBackedUp: true, transports: "internal,hybrid",
        }
        await adapter.createAuthenticator(key)
        const [read] = await call("Authenticators", id)
        assert.deepEqual([read.CredentialID, read.PublicKey, read.Transports, read.BackedUp], [key.credentialID, "BAUG", ["internal", "hybrid"], true])
        await call("UpdateAuthenticator", { ...read, Counter: 7 })
        assert.deepEqual(await adapter.getAuthenticator(key.credentialID), { ...key, counter: 7 })
        await adapter.updateAuthenticatorCounter(key.credentialID, 9)
        assert.equal((await call("Authenticators", id))[0].Counter, 9)
        await call("CreateAuthenticator", { ...read, CredentialID: "AAAA", Counter: 3 })
        assert.deepEqual(await adapter.getAuthenticator("AAAA"), { ...key, credentialID: "AAAA", counter: 3 })
        assert.equal((await adapter.listAuthenticatorsByUserId(user.id)).length, 2)
      })
    }
  })
}
