// What the real servers keep users in: an adapter as those for databases are, but
// in memory. What is not there is null, as in a database's row, and nothing is
// unique that NextAuth itself does not look up.

import { randomUUID } from "node:crypto";

const same = (wanted) => (row) => Object.entries(wanted).every(([name, value]) => row[name] === value);

/** A row of its own, so that nobody changes what is kept. */
const copy = (row) => (row ? { ...row } : null);

/** Takes a row out of a table. */
function take(table, wanted) {
  const at = table.findIndex(same(wanted));
  return at < 0 ? null : table.splice(at, 1)[0];
}

/** Changes a row of a table. */
const change = (table, wanted, changes) => copy(Object.assign(table.find(same(wanted)), changes));

/** Returns an adapter of either dialect, with nobody in it. */
export function adapter() {
  const [users, accounts, sessions, tokens] = [[], [], [], []];
  const find = (table, wanted) => copy(table.find(same(wanted)));
  const add = (table, row) => copy(table[table.push(row) - 1]);
  return {
    async createUser({ name = null, email = null, emailVerified = null, image = null }) {
      return add(users, { id: randomUUID(), name, email, emailVerified, image });
    },
    getUser: async (id) => find(users, { id }),
    getUserByEmail: async (email) => find(users, { email }),
    async getUserByAccount({ provider, providerAccountId }) {
      const account = find(accounts, { provider, providerAccountId });
      return account && find(users, { id: account.userId });
    },
    updateUser: async ({ id, ...changes }) => change(users, { id }, changes),
    linkAccount: async (account) => add(accounts, account),
    createSession: async (session) => add(sessions, session),
    async getSessionAndUser(sessionToken) {
      const session = find(sessions, { sessionToken });
      return session && { session, user: find(users, { id: session.userId }) };
    },
    updateSession: async ({ sessionToken, ...changes }) => change(sessions, { sessionToken }, changes),
    deleteSession: async (sessionToken) => take(sessions, { sessionToken }),
    createVerificationToken: async (token) => add(tokens, token),
    useVerificationToken: async ({ identifier, token }) => take(tokens, { identifier, token }),
  };
}
