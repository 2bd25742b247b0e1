// Every route with every method, and every way to write its path.

/** The words of a text. */
const words = (text) => text.trim().split(/\s+/);

const routes = words(`
  /providers /csrf /session /verify-request /error /_log /signout /signin /signin/op /signin/plain
  /signin/credentials /signin/unknown /signin/undefined /callback /callback/op /callback/plain
  /callback/credentials /callback/unknown /callback/undefined /webauthn-options /webauthn-options/op /unknown
  /unknown/op /__proto__ /constructor /signin/constructor
`);

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"];

/** Each request with a jar of its own, so that each may have to set cookies. */
const everywhere = (method) => ({
  name: `routes ${method}`,
  site: "plain",
  async run(b) {
    for (const route of routes) {
      b.jar.clear();
      await b.request(method, route);
    }
  },
});

const head = {
  name: "routes HEAD",
  site: "plain",
  async run(b) {
    for (const route of routes) {
      b.jar.clear();
      const answered = /^\/(session|csrf|providers|signin|signout|error|verify-request)(\/|$)/.test(route);
      await b.request("HEAD", route, answered ? { instead: { deviation: 9, method: "GET" } } : {});
    }
  },
};

const paths = words(`
  /session/ /session// /session/extra /session/extra/more /providers/op /csrf/x /signout/x /verify-request/x
  /signin/ /signin// /signin//op /signin/op/ /signin/op/extra /signin/op/callback/plain /error/AccessDenied
  /error/OAuthSignin /error/ /callback/op/ /callback//op /callback/op/x /Session /SESSION /signin/OP
  /%73ession /session%20 /session%2F /session%2Fextra /sign%69n/%6Fp /signin/op%2Fx /signin%2Fop /signin/%6fp
  /signin/o%70?x /session%3Fx /session%23 /session;v=1 /session.json /session%C3%A4 /s%C3%A9ssion
  /session/%E2%82%AC /session? /session?? /session?x /session?= /session?nextauth=csrf /%20 /undefined /null
`);

/** What a URL object has resolved, where the server makes one of the request. */
const dots = words(`
  /./session /../auth/session /x/../session /%2e%2e/auth/session /%2e/session /session/. /session/..
  /session/%2e%2e /session#csrf
`);

/** Without an action v4 believes that its file is in the wrong place. */
const empty = ["//session", "//", "///session"];

const spelled = {
  name: "paths",
  site: "plain",
  async run(b) {
    for (const path of paths) {
      b.jar.clear();
      await b.get(path);
    }
    if (!b.v5) for (const path of dots) await b.get(path);
    for (const path of empty) await b.get(path, b.v5 ? {} : { instead: { deviation: 3, path: "/unknown" } });
  },
};

const posted = {
  name: "paths POST",
  site: "plain",
  async run(b) {
    const csrfToken = await b.csrf();
    const forms = words(`
      /signin/op/ /signin/op/extra /signin//op /signin/OP /signin/%6Fp /signin/op%2Fx /signin /signin/
      /session/x /callback/credentials/x /callback/%63redentials
    `);
    for (const path of forms) {
      await b.post(path, { form: { csrfToken, username: "carol", password: "carol-test-password" } });
    }
  },
};

/** v5 takes what merely begins with the letters of the base path for an action. */
const glued = {
  name: "paths without a slash after the base path",
  site: "plain",
  dialects: ["v5"],
  async run(b) {
    for (const path of ["session", "csrf", "providers", "signin"]) await b.get(path);
  },
};

export const routeSequences = [...methods.map(everywhere), head, spelled, posted, glued];
