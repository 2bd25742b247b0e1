// Signing in with a mailed link. The store remembers people, so every sequence
// has its own.

/** The switches for an answer without a redirect, of both dialects. */
const scripted = { form: { json: "true" }, headers: { "X-Auth-Return-Redirect": "1" } };

/** A link with other parameters; null takes one away. */
function changed(link, parameters) {
  const url = new URL(link);
  for (const [name, value] of Object.entries(parameters)) {
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  return url.href;
}

const stores = ["kept", "rows", "safe"];

const everyday = stores.map((site) => ({
  name: `link at ${site}`,
  site,
  async run(b) {
    const address = b.address("anna.everyday");
    await b.get("/signin", { query: { callbackUrl: b.after, email: address } });
    const { location } = await b.ask(address);
    await b.open(location);
    const link = await b.link(address);
    await b.open(link);
    await b.get("/session");
    await b.get("/session");
    await b.open(link); // a second time
    await b.get("/error", { query: { error: "Verification" } });
    await b.get("/session"); // which is still the one that it was
    await b.signOut();
    await b.get("/session");
    await b.open(link);
    // Again, as somebody who is known.
    await b.mailed(address);
    await b.get("/session");
  },
}));

const asked = {
  name: "link asked for by scripts",
  site: "kept",
  async run(b) {
    const address = b.address("ben.asked");
    await b.ask(address, scripted);
    await b.ask(address, { form: { json: "true" } });
    await b.ask(address, { headers: { "X-Auth-Return-Redirect": "1" } });
    const csrfToken = await b.csrf();
    const fields = { csrfToken, callbackUrl: b.after, email: address };
    await b.post("/signin/email", { json: fields });
    await b.post("/signin/email", { json: { ...fields, json: "true" } });
    await b.post("/signin/email", { json: { ...fields, json: true } });
    await b.post("/signin/email", { form: { ...fields, redirect: "false", extra: "x" } });
    await b.post("/signin/email", { form: { ...fields, csrfToken: "wrong" } });
    await b.post("/signin/email", { form: { ...fields, csrfToken: "wrong" }, ...scripted.headers });
    await b.post("/signin/email", { form: { callbackUrl: b.after, email: address } });
    await b.open(await b.link(address));
    await b.get("/session");
  },
};

/** What may be typed, by what becomes of it. */
const addresses = {
  spelled: [
    " Clara.Spelled@People.Test ",
    "clara.spelled@PEOPLE.test",
    "\tclara.spelled@people.test\n",
    "clara.spelled\uFF20people.test",
    "clara.spelled@people.test,evil.test",
    "clara.spelled@people.test,",
    "\u00A0clara.spelled@people.test\uFEFF",
    "ｃlara.spelled@people.test",
  ],
  refused: [
    "",
    " ",
    "clara",
    "@",
    "clara@",
    "@people.test",
    "clara@people@test",
    "clara@people.test@",
    "clara@people.test,dora@people.test",
    "clara\uFF20people@people.test",
    '"clara"@people.test',
    'clara@"people.test"',
    '"clara@evil.test"@people.test',
    "clara@,people.test",
    "clara@people.test\uFF02",
  ],
};

const typed = {
  name: "link for addresses in other words",
  site: "kept",
  async run(b) {
    for (const email of addresses.spelled) await b.ask(email);
    await b.letters(b.address("clara.spelled"));
    for (const email of addresses.refused) {
      await b.ask(email);
      await b.ask(email, scripted);
    }
    await b.get("/error", { query: { error: "EmailSignin" } });
    await b.get("/signin", { query: { error: "EmailSignin" } });
  },
};

/** What mail software could read in more than one way. */
const doubtful = [
  "clara@localhost.",
  "clara@people..test",
  "clara@-people.test",
  "clara@people_.test",
  "clara@[127.0.0.1]",
  "clara@127.0.0.1",
  "<clara@people.test>",
  "Clara <clara@people.test>",
  "clara@people.test>",
  "cla ra@people.test",
  "clara@peo ple.test",
  "clara,dora@people.test",
  "clara;dora@people.test",
  "clara:dora@people.test",
  "clara%dora@people.test",
  "dora.test!clara@people.test",
  "clara(dora)@people.test",
  "clara\\@people.test",
  "clara\u0000@people.test",
  "clara@people.test\u0000.evil.test",
  "clara@people.test\r\nBcc: dora@people.test",
  "=?utf-8?q?clara?=@people.test",
  `${"c".repeat(65)}@people.test`,
  `clara@${"people.".repeat(40)}test`,
];

const refusedHere = {
  name: "link for doubtful addresses",
  site: "kept",
  async run(b) {
    for (const email of doubtful) {
      const csrfToken = await b.csrf();
      const form = { csrfToken, callbackUrl: b.after };
      const instead = { deviation: "MAIL-03", form: { ...form, email: "" } };
      await b.post("/signin/email", { form: { ...form, email }, instead });
    }
  },
};

/** Dialects differ in whether a host needs a dot. */
const dotless = {
  name: "link for a host without a dot",
  site: "kept",
  async run(b) {
    await b.ask("dora@localhost");
    await b.letters("dora@localhost");
  },
};

/** The address comes in other fields, or not as text. */
const fields = {
  name: "link asked for in other fields",
  site: "kept",
  async run(b) {
    const csrfToken = await b.csrf();
    const email = b.address("emil.fields");
    const form = { csrfToken, callbackUrl: b.after };
    const post = (options) => b.post("/signin/email", options);
    await post({ form });
    await post({ form, query: { email } });
    await post({ form: { ...form, Email: email } });
    await post({ form: { ...form, email: "", username: email } });
    for (const value of [5, true, null, {}, [], [email]]) await post({ json: { ...form, email: value } });
    await b.letters(email);
    await b.get("/signin/email");
    await b.get("/callback/email");
    await b.post("/callback/email", { form });
    await b.post("/signin/unknown", { form: { ...form, email } });
  },
};

/** Other cookies than the browser's that asked: GET does not sign in (10). */
const elsewhere = ["kept", "rows"].map((site) => ({
  name: `link in another browser at ${site}`,
  site,
  async run(b) {
    const address = b.address("fanny.elsewhere");
    await b.ask(address);
    const link = await b.link(address);
    b.jar.clear();
    await b.openElsewhere(link);
    await b.get("/session");
    await b.openElsewhere(link);
    await b.get("/session");
    b.jar.clear();
    await b.openElsewhere(link);
    await b.get("/session");
  },
}));

/** A link of which something is missing, or is another's. */
const wrong = (address) => ({
  "no address": { email: null },
  "an empty address": { email: "" },
  "another address": { email: "mallory@people.test" },
  "the address in capitals": { email: address.toUpperCase() },
  "no token": { token: null },
  "an empty token": { token: "" },
  nothing: { token: null, email: null },
});

const damaged = {
  name: "link damaged",
  site: "kept",
  async run(b) {
    const address = b.address("gustav.wrong");
    await b.ask(address);
    const link = await b.link(address);
    for (const parameters of Object.values(wrong(address))) {
      await b.open(changed(link, parameters));
      await b.get("/session");
    }
    await b.open(link); // none of it has used it up
    await b.get("/session");
  },
};

/** Tokens that nobody was sent, which ours would first ask about (10). */
const guessed = {
  name: "link guessed",
  site: "kept",
  async run(b) {
    const address = b.address("hanna.guessed");
    await b.ask(address);
    const link = await b.link(address);
    const token = new URL(link).searchParams.get("token");
    for (const guess of [
      "x",
      "0".repeat(64),
      token.slice(1),
      `${token}0`,
      `${token.slice(0, -1)}${token.endsWith("0") ? "1" : "0"}`,
      ` ${token}`,
      "<script>",
      "ä".repeat(20),
    ]) {
      await b.openElsewhere(changed(link, { token: guess }));
    }
    await b.openElsewhere(changed(link, { token: "x", email: "nobody.guessed@people.test" }));
    await b.get("/session");
    await b.open(link);
    await b.get("/session");
  },
};

/** Each link is good, whichever was asked for last. */
const two = {
  name: "links for two requests",
  site: "kept",
  async run(b) {
    const address = b.address("ida.two");
    await b.ask(address);
    const first = await b.link(address);
    await b.ask(address);
    const second = await b.link(address);
    await b.open(second);
    await b.signOut();
    await b.open(first);
    await b.get("/session");
    await b.open(second);
  },
};

/** What scanners of mail do with a link. */
const scanned = {
  name: "link and other methods",
  site: "kept",
  async run(b) {
    const address = b.address("karla.scanned");
    await b.ask(address);
    const link = new URL(await b.link(address));
    for (const method of ["HEAD", "OPTIONS", "PUT"])
      await b.request(method, "", { at: link.pathname + link.search });
    await b.open(link.href);
    await b.get("/session");
  },
};

/** The page's form has a token, and so must whoever posts what is in a mail. */
const posted = {
  name: "link posted without a token",
  site: "kept",
  async run(b) {
    const address = b.address("lena.posted");
    await b.ask(address);
    const { pathname, search } = new URL(await b.link(address));
    const form = { csrfToken: "wrong" };
    const instead = { deviation: 10, at: `${b.site.basePath}/signin/email`, form };
    await b.post("", { at: pathname + search, form, instead });
    await b.get("/session");
  },
};

const destinations = (b) => [
  b.after,
  "/path?x=1&y=%20#z",
  "/",
  b.site.origin,
  "https://evil.test/",
  "/kept",
];

const kept = {
  name: "link and where to go",
  site: "kept",
  async run(b) {
    const address = b.address("max.kept");
    for (const callbackUrl of destinations(b)) {
      b.jar.clear();
      await b.mailed(address, { form: { callbackUrl } });
    }
    // It says so itself, or else the cookie does.
    b.jar.clear();
    await b.ask(address);
    const link = await b.link(address);
    await b.open(changed(link, { callbackUrl: "https://evil.test/" }));
    await b.ask(address, { form: { callbackUrl: "/asked" } });
    await b.open(changed(await b.link(address), { callbackUrl: null }));
    await b.ask(address, { form: { callbackUrl: "" } });
    await b.open(await b.link(address));
    await b.get("/session");
  },
};

const pages = {
  name: "link at a site with pages of its own",
  site: "welcome",
  async run(b) {
    const address = b.address("nora.pages");
    await b.ask("nobody");
    const { location } = await b.ask(address);
    await b.open(location);
    const link = await b.link(address);
    await b.open(link); // as somebody new
    await b.open(link);
    await b.get("/session");
    await b.mailed(address); // and then not
    await b.mailed(b.address("otto.pages"), { form: { callbackUrl: "/path?x=1&y=%20" } });
    b.jar.clear();
    await b.ask(b.address("paula.pages"));
    const theirs = await b.link(b.address("paula.pages"));
    b.jar.clear();
    await b.openElsewhere(theirs);
    await b.open(changed(theirs, { token: null }));
  },
};

/** Nothing listens where mail should go. */
const unmailed = {
  name: "link that cannot be mailed",
  site: "unmailed",
  async run(b) {
    const address = b.address("quentin.unmailed");
    await b.ask(address);
    await b.ask(address, scripted);
    await b.letters(address);
    await b.get("/session");
  },
};

/** The callback signIn is asked twice: before the mail, and before the session. */
const judged = ["judged", "shown"].map((site) => ({
  name: `link and callbacks at ${site}`,
  site,
  async run(b) {
    await b.mailed(b.address("rosa.judged"));
    await b.get("/session");
    await b.get("/session");
    await b.mailed(b.address("rosa.judged"));
    await b.get("/session");
    await b.post("/session", { json: { csrfToken: await b.csrf(), data: { name: "Rosa" } } });
    await b.signOut();
    for (const name of ["unwelcome", "zo"]) {
      await b.ask(b.address(`${name}.judged`));
      await b.ask(b.address(`${name}.judged`), scripted);
      await b.letters(b.address(`${name}.judged`));
    }
    await b.mailed(b.address("late.judged"));
    await b.get("/session");
  },
}));

/** The pages that have a form for it. */
const shown = {
  name: "pages with a form for links",
  site: "kept",
  async run(b) {
    await b.get("/providers");
    await b.get("/signin");
    await b.get("/signin", { query: { email: 'a"<b>@people.test', error: "EmailSignin" } });
    await b.get("/verify-request", { query: { provider: "email", type: "email" } });
    await b.get("/error", { query: { error: "Verification" } });
  },
};

export const emailSequences = [
  ...everyday,
  asked,
  typed,
  refusedHere,
  dotless,
  fields,
  ...elsewhere,
  damaged,
  guessed,
  two,
  scanned,
  posted,
  kept,
  pages,
  unmailed,
  ...judged,
  shown,
];
