// Package postgres keeps everything in a PostgreSQL database, 13 or later, where
// any number of nodes can share it.
//
// The tables of ours begin with caddyauth_, so they can live in the database of an
// application. Times are kept to the microsecond.
//
// The address is a URL as libpq has it, with whatever parameters that knows:
//
//	postgres://user:password@db.example.com/app?sslmode=verify-full
//
// Without sslmode, a server that offers TLS is spoken to with TLS, but nobody
// checks who it is: over a network, use verify-full. Of several hosts,
// h1:5432,h2:5432, the one that can be written to is used, also after a failover.
//
// The users, accounts and sessions of an application of Auth.js can be used where
// they are, together with it: see [AuthJS]. The schema pg-adapter is that of
// @auth/pg-adapter, and prisma that of @auth/prisma-adapter, for NextAuth 4 as well
// as for Auth.js 5. Prisma's own parameters of an address are not libpq's: write
// search_path=auth for schema=auth, and leave out the others.
//
// Without a unique index, pg-adapter's tables are searched from end to end for a
// token or an address, and nobody keeps the application itself from adding one
// twice. These belong in every such database:
//
//	CREATE UNIQUE INDEX ON users (email);
//	CREATE UNIQUE INDEX ON accounts (provider, "providerAccountId");
//	CREATE UNIQUE INDEX ON sessions ("sessionToken");
//
// Revocations travel by LISTEN and NOTIFY. A connection pooler in between must
// therefore pool sessions, not transactions.
package postgres
