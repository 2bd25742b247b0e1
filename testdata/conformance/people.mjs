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
export const accounts = {
  alice: { name: "Alice Example", email: "Alice@Example.com", picture: "https://images.test/alice.png" },
  zoe: { name: 'Zoë "Ω" <b>&amp;</b>', email: "zoe@example.com" },
  bare: {},
};
