// What a Next.js app needs of next-auth 5 to read a session that somebody else
// has made: no providers, no route, the same secret (AUTH_SECRET). AUTH_URL is
// for the proxy alone, which otherwise sends people to Next's own port.
import NextAuth from "next-auth";

export const { auth } = NextAuth({
  providers: [],
  callbacks: { authorized: ({ auth }) => !!auth },
});
