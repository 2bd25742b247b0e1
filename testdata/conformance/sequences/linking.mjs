// Accounts of people whom a store remembers: whose they are, and whose they become.

/** A sequence at a site for each strategy; the store of each site is its own. */
const both = (name, run) => ["kept", "rows"].map((site) => ({ name: `accounts: ${name}, at ${site}`, site, run }));

/** What the browser is told about who is signed in. */
const who = (b) => b.get("/session");

const everyday = ["op", "plain"].flatMap((id) =>
  both(`somebody new at ${id}`, async (b) => {
    await b.oauth(id, { account: b.person(`anna.new-at-${id}`) });
    await who(b);
    await b.post("/session", { json: { csrfToken: await b.csrf(), data: { name: "Other" } } });
    await who(b);
    await b.signOut();
    await who(b);
    // Again, and from another browser.
    await b.oauth(id, { account: b.person(`anna.new-at-${id}`) });
    await who(b);
    b.jar.clear();
    await b.oauth(id, { account: b.person(`anna.new-at-${id}`) });
    await who(b);
  }),
);

/** A profile without an address, of two people. */
const quiet = both("nobody has an address", async (b) => {
  await b.oauth("op", { account: b.person("quiet.one") });
  await who(b);
  b.jar.clear();
  await b.oauth("op", { account: b.person("quiet.two") });
  await who(b);
  b.jar.clear();
  await b.oauth("plain", { account: b.person("quiet.two") });
  await who(b);
});

/** An address in capitals is the same address. */
const capitals = both("an address in capitals", async (b) => {
  await b.oauth("op", { account: b.person("loud.capitals") });
  await who(b);
  b.jar.clear();
  await b.mailed(b.address("loud.capitals"));
  await who(b);
  b.jar.clear();
  await b.oauth("plain", { account: b.person("loud.capitals") });
  await who(b);
});

const again = both("the same account while signed in", async (b) => {
  await b.oauth("op", { account: b.person("bea.again") });
  await b.oauth("op", { account: b.person("bea.again") });
  await who(b);
  await b.signOut();
  await who(b);
});

const second = both("another account while signed in", async (b) => {
  await b.oauth("op", { account: b.person("carl.second") });
  await b.oauth("plain", { account: b.person("carl.elsewhere") });
  await who(b);
  await b.oauth("plain", { account: b.person("carl+2.second") });
  await who(b);
  await b.oauth("op", { account: b.person("carl+3.second") }); // a second one of the same provider
  await who(b);
  for (const [id, account] of [
    ["plain", "carl.elsewhere"],
    ["plain", "carl+2.second"],
    ["op", "carl+3.second"],
  ]) {
    await b.signOut();
    await b.oauth(id, { account: b.person(account) });
    await who(b);
  }
});

const taken = both("an account of somebody else", async (b) => {
  await b.oauth("op", { account: b.person("dora.taken") });
  await b.signOut();
  await b.oauth("op", { account: b.person("dora.other") });
  await b.oauth("op", { account: b.person("dora.taken") });
  await b.get("/error", { query: { error: "OAuthAccountNotLinked" } });
  await b.get("/signin", { query: { error: "OAuthAccountNotLinked" } });
  await who(b); // the other one is still signed in
  await b.oauth("plain", { account: b.person("dora.taken") }); // a new account, with the address of the first
  await who(b);
});

const sameAddress = both("the address of a user, at another provider", async (b) => {
  await b.oauth("op", { account: b.person("emil.same") });
  await b.signOut();
  await b.oauth("plain", { account: b.person("emil.same") });
  await who(b);
  await b.oauth("op", { account: b.person("emil+2.same") }); // or another account at the same
  await who(b);
  await b.oauth("op", { account: b.person("emil.same") });
  await b.oauth("plain", { account: b.person("emil.same") }); // as signed in, it can be linked
  await who(b);
  await b.signOut();
  await b.oauth("plain", { account: b.person("emil.same") });
  await who(b);
});

const mailedFirst = both("a mailed link first", async (b) => {
  await b.mailed(b.address("fritz.mailed"));
  await b.signOut();
  await b.oauth("op", { account: b.person("fritz.mailed") });
  await who(b);
  await b.mailed(b.address("fritz.mailed"));
  await b.oauth("op", { account: b.person("fritz.mailed") });
  await who(b);
  await b.signOut();
  await b.oauth("op", { account: b.person("fritz.mailed") });
  await who(b);
});

const mailedThen = both("a mailed link then", async (b) => {
  await b.oauth("op", { account: b.person("gerda.mailed") });
  await who(b);
  await b.signOut();
  await b.mailed(b.address("gerda.mailed"));
  await who(b);
  await b.mailed(b.address("gerda.mailed")); // while signed in
  await who(b);
});

/** Whoever signs in with a link is that person, whoever they were before. */
const switched = both("a mailed link while somebody else is signed in", async (b) => {
  await b.oauth("op", { account: b.person("hugo.switched") });
  await b.mailed(b.address("irma.switched"));
  await who(b);
  await b.oauth("plain", { account: b.person("hugo.switched") }); // is linked to the new one
  await who(b);
  await b.oauth("op", { account: b.person("hugo.switched") });
  await who(b);
});

/** A session of whom no store knows anything is nobody's here. */
const unknown = {
  name: "accounts: a session of a user who is gone",
  site: "kept",
  async run(b) {
    await b.csrf();
    await b.carry({ name: "Nobody", email: "nobody.unknown@people.test", sub: "gone" });
    await who(b);
    await b.oauth("op", { account: b.person("jana.unknown") });
    await who(b);
  },
};

/** A cookie that is no session, when somebody signs in. */
const garbage = both("while the cookie is garbage", async (b) => {
  for (const [i, value] of ["garbage", "7f1b7e6e-6d3c-4d7e-9a6b-5d5f7b1c2d3e", ""].entries()) {
    b.jar.clear();
    await b.csrf();
    b.jar.set(b.names.session, value);
    await b.oauth("op", { account: b.person(`kim.garbage-${i}`) });
    await who(b);
    b.jar.set(b.names.session, value);
    await b.mailed(b.address(`kim.garbage-${i}`));
    await who(b);
  }
});

/** The operator trusts what the provider says about addresses. */
const trusted = {
  name: "accounts: a provider that may link by the address",
  site: "welcome",
  async run(b) {
    await b.oauth("op", { account: b.person("lars.trusted") }); // new: to the page for them
    await b.signOut();
    await b.oauth("trusted", { account: b.person("lars.trusted") });
    await who(b);
    await b.signOut();
    await b.oauth("trusted", { account: b.person("lars.trusted") });
    await who(b);
    await b.signOut();
    await b.oauth("trusted", { account: b.person("mona.trusted") }); // who is new
    await who(b);
    await b.signOut();
    await b.oauth("op", { account: b.person("mona.trusted") });
    await b.get("/session");
  },
};

const denied = both("a flow that is denied", async (b) => {
  await b.oauth("op", { account: b.person("nina.denied") });
  await b.oauth("op", { account: "nobody" });
  await who(b);
  await b.oauth("op", { account: b.person("nina+2.denied"), form: { callbackUrl: "/linked" } });
  await who(b);
});

/** Callbacks hear of the stored user, where there is one. */
const judged = ["judged", "shown"].map((site) => ({
  name: `accounts: callbacks, at ${site}`,
  site,
  async run(b) {
    await b.oauth("op", { account: b.person("olga.judged") });
    await who(b);
    await who(b);
    await b.oauth("plain", { account: b.person("olga.judged-too") });
    await who(b);
    await b.oauth("op", { account: b.person("zora.judged") }); // who is sent elsewhere
    await who(b);
    await b.signOut();
    await b.oauth("op", { account: b.person("late.judged-too") });
    await who(b);
  },
}));

export const linkingSequences = [
  ...everyday,
  ...quiet,
  ...capitals,
  ...again,
  ...second,
  ...taken,
  ...sameAddress,
  ...mailedFirst,
  ...mailedThen,
  ...switched,
  unknown,
  ...garbage,
  trusted,
  ...denied,
  ...judged,
];
