// The switches by which a client asks for JSON instead of a redirect. Each
// dialect knows one of them, and has to ignore the other.

const fieldValues = ["true", "TRUE", "1", "", " true"];
const headerValues = ["1", "", "false"];

/** Every answer that is a redirect otherwise. */
async function redirects(b, how) {
  b.jar.clear();
  const csrfToken = await b.csrf();
  const send = (path, fields = {}) => b.post(path, how({ csrfToken, callbackUrl: b.after, ...fields }));
  await send("/signin/op");
  await send("/signin/plain");
  await send("/signin/credentials");
  await send("/signin/unknown");
  await send("/signin");
  await send("/signin/op", { csrfToken: "wrong" });
  await send("/callback/credentials", { username: "carol", password: "wrong" });
  await send("/callback/credentials", { username: "carol", password: "carol-test-password", csrfToken: "wrong" });
  await send("/callback/credentials", { username: "carol", password: "carol-test-password" });
  await send("/session");
  await send("/signout", { csrfToken: "wrong" });
  await send("/signout");
  await send("/callback/op", { error: "access_denied", state: "x" });
  await send("/callback/op", { code: "x", state: "x" });
  await send("/callback/unknown");
}

const fields = fieldValues.map((json) => ({
  name: `json field ${JSON.stringify(json)}`,
  site: "plain",
  run: (b) => redirects(b, (form) => ({ form: { ...form, json } })),
}));

const headers = headerValues.map((value) => ({
  name: `redirect header ${JSON.stringify(value)}`,
  site: "plain",
  run: (b) => redirects(b, (form) => ({ form, headers: { "X-Auth-Return-Redirect": value } })),
}));

const inJSON = ["true", true, 1, null, ["true"]].map((value) => ({
  name: `json member ${JSON.stringify(value)}`,
  site: "plain",
  run: (b) => redirects(b, (form) => ({ json: { ...form, json: value } })),
}));

const both = {
  name: "json field and redirect header",
  site: "plain",
  run: (b) =>
    redirects(b, (form) => ({
      form: { ...form, json: "true", redirect: "false" },
      headers: { "x-auth-return-redirect": "1" },
    })),
};

const twice = {
  name: "json field twice",
  site: "plain",
  run: (b) => redirects(b, (form) => ({ form: [...Object.entries(form), ["json", "true"], ["json", "true"]] })),
};

const query = {
  name: "json in the query",
  site: "plain",
  run: (b) => redirects(b, (form) => ({ form, query: { json: "true", "X-Auth-Return-Redirect": "1" } })),
};

/** What a GET redirects to: its body is read by nobody. */
const gets = {
  name: "json mode of GET",
  site: "pages",
  async run(b) {
    for (const path of ["/signin", "/signout", "/error", "/verify-request", "/callback/op"]) {
      await b.get(path, { query: { json: "true" } });
      await b.get(path, { headers: { "X-Auth-Return-Redirect": "1" } });
    }
  },
};

export const jsonModeSequences = [...fields, ...headers, ...inJSON, both, twice, query, gets];
