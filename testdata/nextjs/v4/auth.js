// What a Next.js app needs of next-auth 4 to read a session that somebody else
// has made: no providers, no route, the same secret.
export const authOptions = {
  secret: process.env.NEXTAUTH_SECRET,
  providers: [],
};
