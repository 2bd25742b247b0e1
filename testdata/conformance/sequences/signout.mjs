// Signing out.

const carol = { name: "Carol Example", email: "carol@example.com", sub: "carol" };

const everyday = {
  name: "signout",
  site: "plain",
  async run(b) {
    await b.password("carol", "carol-test-password");
    await b.get("/signout");
    await b.get("/session");
    await b.post("/signout", { form: { csrfToken: await b.csrf(), callbackUrl: b.after } });
    await b.get("/session");
    await b.get("/signin");
  },
};

const nobody = {
  name: "signout of nobody",
  site: "plain",
  async run(b) {
    await b.get("/signout");
    const csrfToken = await b.csrf();
    await b.post("/signout", { form: { csrfToken } });
    await b.post("/signout", { form: { csrfToken, callbackUrl: "/x", json: "true" } });
    await b.post("/signout", { form: { csrfToken, callbackUrl: "/x" }, headers: { "X-Auth-Return-Redirect": "1" } });
    await b.post("/signout", { query: { callbackUrl: "/query" }, form: { csrfToken } });
  },
};

/** What is no session is cleared all the same. */
const remains = {
  name: "signout with what is no session",
  site: "plain",
  async run(b) {
    for (const options of [{ maxAge: -60 }, { foreign: true }]) {
      b.jar.clear();
      const csrfToken = await b.csrf();
      await b.carry(carol, options);
      await b.post("/signout", { form: { csrfToken } });
    }
    b.jar.clear();
    const csrfToken = await b.csrf();
    b.jar.set(b.names.session, "garbage");
    await b.post("/signout", { form: { csrfToken } });
  },
};

const large = {
  name: "signout of a session in pieces",
  site: "plain",
  async run(b) {
    const csrfToken = await b.csrf();
    await b.carry({ ...carol, filler: "0123456789abcdef".repeat(600) });
    await b.post("/signout", { form: { csrfToken: "wrong" } });
    await b.post("/signout", { form: { csrfToken, callbackUrl: b.after } });
    await b.get("/session");
  },
};

const json = {
  name: "signout with JSON",
  site: "plain",
  async run(b) {
    for (const how of [{}, { json: "true" }, { json: true }]) {
      b.jar.clear();
      const csrfToken = await b.csrf();
      await b.carry(carol);
      await b.post("/signout", { json: { csrfToken, callbackUrl: b.after, ...how } });
      await b.get("/session");
    }
  },
};

export const signOutSequences = [everyday, nobody, remains, large, json];
