package sqlstore

import "time"

// Kind is what an error of a database driver means.
type Kind int

const (
	// Other errors are returned as they are.
	Other Kind = iota
	// Conflict is a row that is there already.
	Conflict
	// Orphan is a row that refers to one that is not there.
	Orphan
	// Busy means that somebody else was first, nothing was done, and another
	// attempt may succeed.
	Busy
	// Gone means that the connection was lost.
	Gone
)

// Dialect is what one kind of database does in its own way.
type Dialect struct {
	// Name begins the message of every error.
	Name string
	// Time is a point in time, not zero, as it is kept.
	Time func(time.Time) any
	// Now is an SQL expression for the current time, as it is kept. Leases go by
	// it.
	Now string
	// Later is one for the time that is parameter $3, in microseconds, later.
	Later string
	// Share ends a query in a transaction, so that what it finds cannot be deleted
	// before the end of that.
	Share string
	// Skip ends a query for rows to delete: those that somebody else is about to
	// change are left out.
	Skip string
	// Serialize is a statement that keeps other migrations out until the end of
	// the transaction. Empty if a transaction does that anyway.
	Serialize string
	// Prepare is true if statements are to be kept prepared; false if the driver
	// does that by itself.
	Prepare bool
	// Timeout bounds each call. Default: the caller's context alone does.
	Timeout time.Duration
	// Judge tells what an error of the driver means, and may explain it in words
	// that stand before it.
	Judge func(error) (Kind, string)
	// Lost is called when a connection was lost, or a call ran out of time.
	// Default: nobody is told.
	Lost func(timeout bool)
}
