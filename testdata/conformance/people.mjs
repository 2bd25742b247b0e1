// Who signs in. The real servers and caddyauth get the same people: those with
// a password from this list and from users.yml, the others from the provider.

/** People with a password, under the name they type. */
export const users = {
  carol: { password: "carol-test-password", user: { id: "carol", name: "Carol Example", email: "carol@example.com" } },
  zoe: { password: "p&ss=wörd +%", user: { id: "u-1001", name: 'Zoë "Ω" <b>&amp;</b>', email: "zoe@example.com" } },
  bare: { password: "bare-test-password", user: { id: "bare", name: "bare" } },
};

/** NextAuth's authorize function over the same people. */
export async function authorize({ username, password }) {
  if (typeof username !== "string" || !Object.hasOwn(users, username)) return null;
  return users[username].password === password ? { ...users[username].user } : null;
}

/** What the identity providers know, by subject. */
const accounts = {
  alice: { name: "Alice Example", email: "Alice@Example.com", picture: "https://images.test/alice.png" },
  zoe: { name: 'Zoë "Ω" <b>&amp;</b>', email: "zoe@example.com" },
  bare: {},
};

/**
 * What the identity providers know of a subject. Stores remember people, and so
 * that sequences do not meet there, any "<name>.<word>" is somebody, with an
 * address at people.test, and "<name>+<digits>.<word>" another account with the
 * same address. Those called "loud" write it in capitals, those called "quiet"
 * have none.
 */
export function account(sub) {
  if (Object.hasOwn(accounts, sub)) return accounts[sub];
  const [found, name, word] = /^(\w+)(?:\+\d+)?\.([\w-]+)$/.exec(sub) ?? [];
  if (!found) return undefined;
  const address = `${name}.${word}@people.test`;
  return {
    name: `${name[0].toUpperCase()}${name.slice(1)} of ${word}, as ${sub}`,
    ...(name !== "quiet" && { email: name === "loud" ? address.toUpperCase() : address, email_verified: true }),
  };
}
