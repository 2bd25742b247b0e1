// The built-in pages, and pages of the site's own in their place.

/** The codes of both dialects, and what is none. */
const codes = `
  Signin OAuthSignin OAuthCallback OAuthCallbackError OAuthSignInError OAuthCreateAccount EmailCreateAccount
  Callback OAuthAccountNotLinked AccountNotLinked EmailSignin EmailSignInError CredentialsSignin SessionRequired
  MissingCSRF Configuration AccessDenied Verification Default default configuration accessdenied ACCESSDENIED
  verification oauthcallback Unknown undefined __proto__ constructor toString <script>alert(1)</script>`
  .trim()
  .split(/\s+/)
  .concat("", "x y&z=1");

const shown = (site) => [
  {
    name: `error page of ${site}`,
    site,
    async run(b) {
      await b.get("/error");
      for (const error of codes) await b.get("/error", { query: { error } });
      // No header can hold this one as it is.
      await b.get("/error", {
        query: { error: "ä€" },
        instead: { deviation: 3, query: { error: encodeURIComponent("ä€") } },
      });
      for (const error of codes.slice(0, 24)) await b.get(`/error/${error}`);
      await b.get("/error/AccessDenied", { query: { error: "Verification" } });
      await b.get("/error/Unknown", { query: { error: "" } });
    },
  },
  {
    name: `signin page of ${site}`,
    site,
    async run(b) {
      await b.get("/signin");
      for (const error of codes) await b.get("/signin", { query: { error } });
      for (const error of codes.slice(0, 6)) await b.get(`/signin/${error}`);
      await b.get("/signin/op", { query: { error: "Callback" } });
      await b.get("/signin", { query: { error: "Callback", callbackUrl: "/x?y=1", csrf: "true", email: "a@b.test" } });
      await b.get("/signin", { query: { callbackUrl: "/x", code: "credentials" } });
    },
  },
  {
    name: `other pages of ${site}`,
    site,
    async run(b) {
      await b.get("/signout");
      await b.get("/signout", { query: { csrf: "true", callbackUrl: "/x?y=<z>" } });
      await b.get("/verify-request");
      await b.get("/verify-request", { query: { provider: "email", type: "email" } });
      await b.carry({ name: "Carol Example", email: "carol@example.com", sub: "carol" });
      for (const path of ["/signin", "/signout", "/error", "/verify-request"]) await b.get(path);
    },
  },
];

/** Where a flow leads when the site has pages of its own. */
const flows = ["pages", "asked"].map((site) => ({
  name: `flows at ${site}`,
  site,
  async run(b) {
    const csrfToken = await b.csrf();
    await b.post("/signin/op", { form: { csrfToken: "wrong" } });
    await b.post("/signout", { form: { csrfToken: "wrong" } });
    await b.post("/signin/credentials", { form: { csrfToken } });
    await b.post("/signin/unknown", { form: { csrfToken } });
    await b.post("/signin", { form: { csrfToken } });
    await b.password("carol", "wrong");
    await b.password("carol", "wrong", { form: { json: "true" } });
    await b.oauth("op", { account: "nobody" });
    await b.get("/callback/op", { query: { code: "x", state: "x" } });
    await b.get("/callback/credentials");
    await b.oauth("op");
    await b.get("/session");
    await b.post("/signout", { form: { csrfToken: await b.csrf() } });
  },
}));

/** Queries that the real server's pages stumble over. */
const odd = {
  name: "pages with odd parameters",
  site: "plain",
  async run(b) {
    const plain = (query) => ({ query, instead: { deviation: 3, query: "x=y" } });
    await b.get("/error", plain("error=AccessDenied&error=Verification"));
    await b.get("/error", { query: "error[]=AccessDenied" });
    await b.get("/signin", {
      query: "error=Callback&error=Signin",
      instead: { deviation: [3, "error-twice"], query: "x=y" },
    });
    await b.get("/signin", plain("email=a&email=b"));
    await b.get("/signin", plain({ theme: "x" }));
    await b.get("/signin", plain({ providers: "y" }));
    await b.get("/signin", { query: { csrfToken: "z" }, instead: { deviation: "form-props", query: "x=y" } });
  },
};

/** What a mistake in the configuration would look like: a bad cookie looks alike. */
const misconfigured = ["plain", "pages", "asked"].map((site) => ({
  name: `pages of ${site} with a bad callback-url cookie`,
  site,
  async run(b) {
    const bad = `${b.names.callbackUrl}=garbage`;
    for (const path of ["/signin", "/signout", "/error", "/verify-request", "/session", "/csrf", "/providers"]) {
      await b.get(path, { cookie: bad, instead: { deviation: 3, cookie: "other=x" } });
    }
  },
}));

export const pageSequences = [...["plain", "pages", "asked"].flatMap(shown), ...flows, odd, ...misconfigured];
