// What counts as a body. The probe is a sign-out: it works only if the token in
// the body was understood, and goes to the callbackUrl in it.

/** Content types that a form's text is sent with. */
const formTypes = [
  "application/x-www-form-urlencoded",
  "application/x-www-form-urlencoded; charset=UTF-8",
  "application/x-www-form-urlencoded;charset=iso-8859-1",
  "application/x-www-form-urlencoded ; x",
  " application/x-www-form-urlencoded",
  "text/plain",
  "text/plain; charset=utf-8",
  "multipart/form-data",
  "multipart/form-data; boundary=x",
  "application/octet-stream",
  "text/html",
  "x-www-form-urlencoded",
  "application/x-www-form-urlencoded, text/plain",
  "text/plain; application/x-www-form-urlencoded",
  "application",
  "*/*",
];

/** Content types that a JSON text is sent with. */
const jsonTypes = [
  "application/json",
  "application/json; charset=utf-8",
  "application/json;charset=UTF-8",
  "application/ld+json",
  "application/problem+json",
  "application/vnd.api+json",
  "text/json",
  "text/plain",
  "text/plain; application/json",
];

const fields = (b, csrfToken) => ({ csrfToken, callbackUrl: b.after });

/** A sign-out with whatever a sequence makes of token and callbackUrl. */
async function signOut(b, options) {
  b.jar.clear();
  const csrfToken = await b.csrf();
  await b.carry({ name: "Carol Example", sub: "carol" });
  return b.post("/signout", options(csrfToken));
}

const types = {
  name: "bodies by type",
  site: "plain",
  async run(b) {
    for (const type of formTypes) await signOut(b, (token) => ({ form: fields(b, token), type }));
    for (const type of jsonTypes) await signOut(b, (token) => ({ json: fields(b, token), type }));
    await signOut(b, (token) => ({ form: fields(b, token), headers: { "Content-Type": null } }));
    await signOut(b, (token) => ({ json: fields(b, token), headers: { "Content-Type": null } }));
    await signOut(b, (token) => ({ json: fields(b, token), type: "application/x-www-form-urlencoded" }));
    await signOut(b, (token) => ({ form: fields(b, token), type: "application/json" }));
  },
};

/** Texts that are sent as JSON, given the token. */
const jsonTexts = [
  () => "",
  () => " ",
  () => "{",
  () => "null",
  () => "[]",
  () => "true",
  () => "0",
  () => '"text"',
  () => "{}",
  () => "undefined",
  (token) => `{"csrfToken":"${token}"`,
  (token) => `{"csrfToken":"${token}"} x`,
  (token) => `{"csrfToken":"${token}",}`,
  (token) => `{'csrfToken':'${token}'}`,
  (token) => `{csrfToken:"${token}"}`,
  (token) => `[{"csrfToken":"${token}"}]`,
  (token) => ` \r\n\t{ "csrfToken" : "${token}" } \n`,
  (token) => `\uFEFF{"csrfToken":"${token}"}`,
  (token) => `{"csrfToken":"x","csrfToken":"${token}"}`,
  (token) => `{"csrfToken":"${token}","csrfToken":"x"}`,
  (token) => `{"\\u0063srfToken":"${token}"}`,
  (token) => `{"csrfToken":"${token}","callbackUrl":null}`,
  (token) => `{"csrfToken":"${token}","callbackUrl":""}`,
  (token) => `{"csrfToken":"${token}","callbackUrl":"/\\u00e4?q=\\"x\\""}`,
  (token) => `{"csrfToken":"${token}","__proto__":{"callbackUrl":"/x"}}`,
  (token) => `{"csrfToken":"${token}","a":${"[".repeat(60)}${"]".repeat(60)}}`,
];

const json = {
  name: "bodies of JSON",
  site: "plain",
  async run(b) {
    for (const text of jsonTexts) await signOut(b, (token) => ({ body: text(token), type: "application/json" }));
  },
};

/** Texts that are sent as a form, given the token. */
const formTexts = [
  () => "",
  () => "&",
  () => "=",
  (token) => `csrfToken=${token}`,
  (token) => `&csrfToken=${token}&`,
  (token) => `&&csrfToken=${token}&&&x`,
  (token) => `csrfToken=${token};callbackUrl=/x`,
  (token) => `csrf%54oken=${token}`,
  (token) => `csrfToken=%${token.charCodeAt(0).toString(16)}${token.slice(1)}`,
  (token) => `csrfToken=${token}%20`,
  (token) => `csrfToken=+${token}`,
  (token) => `csrfToken[]=${token}`,
  (token) => `csrfToken=${token}&callbackUrl=/a+b%2Bc`,
  (token) => `csrfToken=${token}&callbackUrl=/%`,
  (token) => `csrfToken=${token}&callbackUrl=/%zz%4`,
  (token) => `csrfToken=${token}&callbackUrl=/%C3%A4`,
  (token) => `csrfToken=${token}&callbackUrl=/=x=y`,
  (token) => `csrfToken=${token}&callbackUrl`,
  (token) => `csrfToken=${token}&__proto__=x&constructor=y&hasOwnProperty=z`,
  (token) => `${"x=y&".repeat(998)}csrfToken=${token}`,
  (token) => `${"x=y&".repeat(999)}csrfToken=${token}`,
];

/** One field more than Node's parser takes, which v4 has. */
const crowded = {
  name: "bodies of forms with many fields",
  site: "plain",
  async run(b) {
    const many = "x=y&".repeat(1000);
    await signOut(b, (token) => ({
      body: `${many}csrfToken=${token}`,
      type: "application/x-www-form-urlencoded",
      instead: { deviation: "field-limit", body: many },
    }));
  },
};

const forms = {
  name: "bodies of forms",
  site: "plain",
  async run(b) {
    for (const text of formTexts) {
      await signOut(b, (token) => ({ body: text(token), type: "application/x-www-form-urlencoded" }));
    }
  },
};

const large = {
  name: "bodies that are large",
  site: "plain",
  async run(b) {
    const limit = 1 << 20;
    for (const length of [limit - 1, limit, limit + 1]) {
      await signOut(b, (token) => {
        const start = `csrfToken=${token}&x=`;
        return { body: start.padEnd(length, "y"), type: "application/x-www-form-urlencoded" };
      });
    }
    await signOut(b, (token) => ({ json: { csrfToken: token, x: "y".repeat(limit) } }));
    await signOut(b, () => ({ body: "x".repeat(limit + 1), type: "text/plain" }));
  },
  dialects: ["v4"], // who limits the size in v5 is the server in front of it
};

/** Requests that have a body although nobody reads one there. */
const unread = {
  name: "bodies of GET",
  site: "plain",
  async run(b) {
    const csrfToken = await b.csrf();
    for (const path of ["/session", "/csrf", "/providers", "/signin"]) {
      const instead = { deviation: "get-body", form: undefined };
      await b.get(path, { form: { csrfToken, callbackUrl: "/x", json: "true", error: "Verification" }, instead });
    }
  },
};

export const bodySequences = [types, json, forms, crowded, large, unread];
