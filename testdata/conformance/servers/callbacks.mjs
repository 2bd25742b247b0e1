// Callbacks of a site, in the words of both sides: as functions for NextAuth, as
// expressions for caddyauth.

/** Where zoe is sent instead of being signed in. */
export const welcome = "/welcome?who=zoe";

/** Another site that callbackUrl may lead to. */
export const partner = "https://partner.test/";

/** Who gets no link, and whose link signs nobody in. */
const unwelcome = { asking: "unwelcome.", clicking: "late." };

/** NextAuth's, the same for both of its versions. */
const common = {
  signIn({ user, email }) {
    if (user.name?.startsWith("Zo") || user.email?.startsWith("zo.")) return welcome;
    if (email?.verificationRequest) return !user.email.startsWith(unwelcome.asking);
    return user.name !== "bare" && !user.email?.startsWith(unwelcome.clicking);
  },
  redirect({ url, baseUrl }) {
    if (url.startsWith("/")) return baseUrl + url;
    return url.startsWith(partner) || new URL(url).origin === baseUrl ? url : baseUrl;
  },
};

const jwt = {
  ...common,
  // The token is changed in place, as people write it. Of a copy v4 would take the
  // user of the session only the next time.
  jwt({ token, trigger, session }) {
    if (trigger === "signIn") token.role = "member";
    if (trigger === "update" && session?.name !== undefined) token.name = session.name;
    return token;
  },
  session({ session, token }) {
    session.user.id = token.sub;
    session.user.role = token.role;
    return session;
  },
};

// Where there are no tokens, the user comes from the store.
const database = {
  ...common,
  session({ session, user }) {
    const { id, name, email, image } = user;
    return { user: { name, email, image, id }, expires: session.expires };
  },
};

/** By the strategy of sessions. */
export const functions = { jwt, database };

/** What JavaScript writes as user.<field>?.startsWith(<text>). */
const begins = (field, text) => `(user.?${field}.orValue(null) != null && user.${field}.startsWith("${text}"))`;

/** caddyauth's, as lines of its block. */
const commonExpressions = [
  `sign_in \`${begins("name", "Zo")} || ${begins("email", "zo.")} ? dyn("${welcome}") : ` +
    `email.?verificationRequest.orValue(false) ? dyn(!${begins("email", unwelcome.asking)}) : ` +
    `dyn(user.?name.orValue(null) != "bare" && !${begins("email", unwelcome.clicking)})\``,
  `redirect \`url == baseUrl || url.startsWith(baseUrl + "/") || url.startsWith("${partner}") ? url : ` +
    `url.startsWith("/") ? baseUrl + url : baseUrl\``,
];

const jwtExpressions = [
  ...commonExpressions,
  'jwt role `trigger == "signIn" ? optional.of("member") : optional.none()`',
  'jwt name `trigger == "update" ? session.?name : optional.none()`',
  "session user.id token.?sub",
  "session user.role token.?role",
];

const databaseExpressions = [...commonExpressions, "session user.id user.id"];

/** By the strategy of sessions. */
export const expressions = { jwt: jwtExpressions, database: databaseExpressions };
