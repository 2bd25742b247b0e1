// Package sqlstore is what the stores in SQL databases have in common: one set of
// queries over database/sql, for two dialects. Parameters are written $1, which
// PostgreSQL and SQLite both understand, and no value is ever put into a query in
// another way.
//
// What the dialects differ in is in [Dialect]: how a point in time is kept, whose
// clock leases go by, and what the errors of the driver mean. The tables are made
// by migrations that each leaf has of its own, in the dialect's types.
//
// [Store] is our own schema. [AuthenticatorTable], [TokenTable] and [LockTable]
// need no users table of ours, so that they can stand beside a schema of somebody
// else's.
package sqlstore
