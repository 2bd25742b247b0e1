// Package dialect names the two contracts that clients and backends in the
// field speak. They have the same routes, and differ in the names of cookies,
// the sealing of tokens, statuses, bodies and error codes; each package says
// for its own part how.
package dialect

import "fmt"

// Dialect is one of the two contracts. The zero value is V4.
type Dialect uint8

const (
	// V4 is the contract of next-auth 4.
	V4 Dialect = iota
	// V5 is the contract of Auth.js: @auth/core 0.x, and next-auth 5 on top of it.
	V5
)

// Parse returns the dialect called "v4" or "v5".
func Parse(s string) (Dialect, error) {
	switch s {
	case "v4":
		return V4, nil
	case "v5":
		return V5, nil
	}
	return V4, fmt.Errorf("there is no dialect %q, only v4 and v5", s)
}

// String returns "v4" or "v5".
func (d Dialect) String() string {
	if d == V5 {
		return "v5"
	}
	return "v4"
}

// CookiePrefix is what the names of all cookies start with by default, before
// the dot.
func (d Dialect) CookiePrefix() string {
	if d == V5 {
		return "authjs"
	}
	return "next-auth"
}
