package sqlstore

import (
	"context"
	"fmt"
	"time"
)

// Expiring is a table whose rows expire.
type Expiring struct {
	Table string
	// Key is the columns that tell rows apart, and Time the one that says when
	// they expire. Rows without a time do not.
	Key, Time string
}

// Tables of ours that stand beside any schema.
var (
	ExpiringTokens      = Expiring{Table: "caddyauth_tokens", Key: "id", Time: "expires"}
	ExpiringRevocations = Expiring{Table: "caddyauth_revocations", Key: "kind, subject", Time: "until"}
)

// sweepAtOnce bounds how many rows one statement removes, and with it how long
// others wait.
const sweepAtOnce = 500

// Sweep removes the rows of tables that have expired by now, and leases that are
// over.
func (db *DB) Sweep(ctx context.Context, now time.Time, tables ...Expiring) error {
	for _, t := range tables {
		query := fmt.Sprintf("DELETE FROM %[1]s WHERE (%[2]s) IN (SELECT %[2]s FROM %[1]s WHERE %[3]s <= $1 LIMIT %[4]d%[5]s)",
			t.Table, t.Key, t.Time, sweepAtOnce, db.dialect.Skip)
		for n := int64(sweepAtOnce); n == sweepAtOnce; {
			var err error
			if n, err = db.Count(ctx, query, now); err != nil {
				return err
			}
		}
	}
	return db.Delete(ctx, "DELETE FROM caddyauth_locks WHERE until <= "+db.dialect.Now)
}
