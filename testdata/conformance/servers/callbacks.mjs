// Callbacks of a site, in the words of both sides: as functions for NextAuth, as
// expressions for caddyauth.

/** Where zoe is sent instead of being signed in. */
export const welcome = "/welcome?who=zoe";

/** Another site that callbackUrl may lead to. */
export const partner = "https://partner.test/";

/** NextAuth's, the same for both of its versions. */
export const functions = {
  signIn({ user }) {
    if (user.name?.startsWith("Zo")) return welcome;
    return user.name !== "bare";
  },
  redirect({ url, baseUrl }) {
    if (url.startsWith("/")) return baseUrl + url;
    return url.startsWith(partner) || new URL(url).origin === baseUrl ? url : baseUrl;
  },
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

/** caddyauth's, as lines of its block. */
export const expressions = [
  `sign_in \`user.?name.orValue("").startsWith("Zo") ? dyn("${welcome}") : dyn(user.?name.orValue("") != "bare")\``,
  `redirect \`url == baseUrl || url.startsWith(baseUrl + "/") || url.startsWith("${partner}") ? url : ` +
    `url.startsWith("/") ? baseUrl + url : baseUrl\``,
  'jwt role `trigger == "signIn" ? optional.of("member") : optional.none()`',
  'jwt name `trigger == "update" ? session.?name : optional.none()`',
  "session user.id token.?sub",
  "session user.role token.?role",
];
