// Signing in with an identity provider: whole flows, and everything that a
// callback may arrive with.

const everyday = ["alice", "zoe", "bare"].flatMap((account) =>
  ["op", "plain"].map((id) => ({
    name: `flow at ${id} by ${account}`,
    site: "plain",
    async run(b) {
      await b.oauth(id, { account });
      await b.get("/session");
      await b.get("/session");
    },
  })),
);

/** The start as next-auth's clients make it, who follow no redirect. */
const started = {
  name: "flow begun by scripts",
  site: "plain",
  async run(b) {
    for (const id of ["op", "plain"]) {
      await b.open(await b.consent(id, { form: { json: "true" }, headers: { "X-Auth-Return-Redirect": "1" } }));
      await b.get("/session");
    }
    const csrfToken = await b.csrf();
    await b.post("/signin/op", { json: { csrfToken, callbackUrl: b.after } });
    await b.post("/signin/op", { json: { csrfToken, callbackUrl: b.after, json: "true" } });
  },
};

const denied = {
  name: "flow denied",
  site: "plain",
  async run(b) {
    for (const id of ["op", "plain"]) {
      await b.oauth(id, { account: "nobody" });
      await b.get("/error", { query: { error: "Callback" } });
      await b.get("/session");
      await b.open(await b.consent(id)); // and then not
    }
  },
};

/** The address of a callback with other parameters; null takes one away. */
function changed(address, parameters) {
  const url = new URL(address);
  for (const [name, value] of Object.entries(parameters)) {
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  return url.href;
}

/** What may be wrong with a callback, by provider. */
const wrong = {
  "no state": { state: null },
  "an empty state": { state: "" },
  "another state": { state: "x".repeat(43) },
  "no code": { code: null },
  "an empty code": { code: "" },
  "another code": { code: "x".repeat(43) },
  nothing: { code: null, state: null, iss: null },
  "an empty error": { error: "" },
};

const atOIDC = {
  ...wrong,
  "no iss": { iss: null },
  "another iss": { iss: "https://evil.test" },
  "an empty iss": { iss: "" },
};

const callbacks = [
  ["op", atOIDC],
  ["plain", wrong],
].flatMap(([id, cases]) =>
  Object.entries(cases).map(([what, parameters]) => ({
    name: `callback at ${id} with ${what}`,
    site: "plain",
    async run(b) {
      const back = await b.consent(id);
      await b.open(changed(back, parameters));
      await b.get("/session");
      await b.open(back); // whatever it was, has it ended the flow?
      await b.get("/session");
    },
  })),
);

const errors = [
  "access_denied",
  "server_error",
  "login_required",
  "<script>",
  "x".repeat(300),
  "Configuration",
  "CredentialsSignin",
];

const refused = {
  name: "callback with an error",
  site: "plain",
  async run(b) {
    for (const error of errors) {
      const back = await b.consent("op");
      await b.open(changed(back, { error, error_description: "what happened", code: null }));
      await b.get("/session");
    }
    for (const parameters of [{ iss: "https://evil.test" }, { iss: null }, { state: "x" }, { state: null }]) {
      await b.open(changed(await b.consent("op"), { error: "access_denied", code: null, ...parameters }));
    }
    b.jar.clear();
    await b.get("/callback/op", { query: { error: "access_denied" } });
    await b.get("/callback/op", { query: { error: "access_denied", state: "x" } });
    await b.get("/callback/plain", { query: { error: "access_denied" } });
    await b.get("/callback/plain", { query: { error_description: "x" } });
  },
};

/** A check cookie that is missing, or another one. */
const cookies = ["state", "pkce", "nonce"].flatMap((check) => {
  const changes = {
    "is missing": () => undefined,
    "is garbage": () => "garbage",
    "has expired": (b) => b.mint({ value: "x".repeat(43), provider: "op" }, { cookie: b.names[check], maxAge: -60 }),
    "has another value": (b) => b.mint({ value: "x".repeat(43), provider: "op" }, { cookie: b.names[check] }),
    "has no value": (b) => b.mint({ provider: "op" }, { cookie: b.names[check] }),
    "is of another secret": (b) =>
      b.mint({ value: "x".repeat(43), provider: "op" }, { cookie: b.names[check], foreign: true }),
    "is a session": (b) => b.mint({ value: "x".repeat(43), provider: "op" }),
  };
  return Object.entries(changes).map(([what, value]) => ({
    name: `callback whose ${check} cookie ${what}`,
    site: "plain",
    async run(b) {
      const back = await b.consent("op");
      b.jar.set(b.names[check], await value(b));
      await b.open(back);
      await b.get("/session");
    },
  }));
});

const nothingKept = {
  name: "callback without cookies",
  site: "plain",
  async run(b) {
    const back = await b.consent("op");
    b.jar.clear();
    await b.open(back);
    await b.get("/session");
  },
};

/** The cookies of a flow with one provider are no good at another. */
const elsewhere = {
  name: "callback at another provider",
  site: "many",
  async run(b) {
    const back = await b.consent("op");
    await b.open(back.replace("/callback/op", "/callback/op2"));
    await b.open(back.replace("/callback/op", "/callback/plain"));
    await b.open(back.replace("/callback/op", "/callback/credentials"));
    await b.open(back.replace("/callback/op", "/callback/unknown"));
    await b.open(back);
    await b.get("/session");
  },
};

/** A second time, when the flow is over: ours redirects whoever is signed in. */
const replayed = {
  name: "callback replayed by nobody",
  site: "plain",
  async run(b) {
    const back = await b.consent("op");
    await b.open(back);
    for (const name of b.jar.names()) if (name.includes("session-token")) b.jar.set(name, undefined);
    await b.open(back);
    await b.get("/session");
  },
};

const replayedSignedIn = {
  name: "callback replayed",
  site: "plain",
  async run(b) {
    const back = await b.consent("op");
    await b.open(back);
    await b.open(back);
    await b.get("/session");
  },
};

/** Another flow than the one whose cookies the browser has: login CSRF. */
const foreign = {
  name: "callback of another browser's flow",
  site: "plain",
  async run(b) {
    const theirs = await b.consent("op");
    b.jar.clear();
    await b.consent("op");
    await b.open(theirs);
    await b.get("/session");
  },
};

const mixed = {
  name: "callback with another browser's code",
  site: "plain",
  async run(b) {
    const theirs = new URL(await b.consent("op"));
    b.jar.clear();
    const mine = await b.consent("op");
    await b.open(changed(mine, { code: theirs.searchParams.get("code") }));
    await b.get("/session");
  },
};

const posted = {
  name: "callback by POST",
  site: "plain",
  async run(b) {
    for (const id of ["op", "plain"]) {
      const { searchParams, pathname } = new URL(await b.consent(id));
      await b.post("", { at: pathname, form: Object.fromEntries(searchParams) });
      await b.get("/session");
    }
    await b.post("/callback/op", { form: { error: "access_denied", state: "x" } });
    await b.post("/callback/op", { query: { error: "access_denied", state: "x" } });
    await b.post("/callback/op", { query: { code: "x", state: "x" } });
  },
};

const split = {
  name: "callback by POST, half in the query",
  site: "plain",
  async run(b) {
    const { searchParams, pathname } = new URL(await b.consent("op"));
    const { code, ...rest } = Object.fromEntries(searchParams);
    await b.post("", { at: pathname, query: { code }, form: rest });
    await b.get("/session");
  },
};

/** What a client may add to the authorization request. */
const added = {
  name: "signin with parameters in the query",
  site: "plain",
  async run(b) {
    for (const query of [
      { prompt: "login" },
      { login_hint: "x y" },
      { scope: "openid" },
      { ui_locales: "de", x: "ä&=" },
      { prompt: "" },
      "prompt",
      "a=1&b=2&c=3",
    ]) {
      await b.signIn("op", { query });
      await b.signIn("plain", { query });
    }
  },
};

const overridden = {
  name: "signin with the flow's own parameters in the query",
  site: "plain",
  async run(b) {
    const csrfToken = await b.csrf();
    const form = { csrfToken, callbackUrl: b.after };
    for (const query of [{ client_id: "evil" }, { redirect_uri: "https://evil.test/" }, { callbackUrl: "/x" }]) {
      await b.post("/signin/op", {
        query: { prompt: "login", ...query },
        form,
        instead: { deviation: 1, query: { prompt: "login" } },
      });
    }
    // The real server's own values win over these.
    for (const name of ["state", "nonce", "code_challenge", "code_challenge_method"]) {
      await b.post("/signin/op", { query: { [name]: "evil" }, form });
    }
  },
};

const many = {
  name: "providers in another order",
  site: "many",
  async run(b) {
    await b.get("/providers");
    await b.get("/signin");
    await b.oauth("op2");
    await b.get("/session");
    await b.oauth("plain", { account: "zoe" });
    await b.get("/session");
  },
};

/** Providers that are broken in one way each. */
const broken = [
  {
    name: "provider that does not answer",
    site: "many",
    run: (b) => b.signIn("dead", { form: { json: "true" } }).then(() => b.signIn("dead")),
  },
  {
    name: "provider that refuses the client",
    site: "many",
    run: (b) => b.oauth("refused").then(() => b.get("/session")),
  },
  { name: "provider whose profile has no id", site: "many", run: (b) => b.oauth("nobody") },
];

export const oauthSequences = [
  ...everyday,
  started,
  denied,
  ...callbacks,
  refused,
  ...cookies,
  nothingKept,
  elsewhere,
  replayed,
  replayedSignedIn,
  foreign,
  mixed,
  posted,
  split,
  added,
  overridden,
  many,
  ...broken,
];
