// Package storetest is the contract of [store.Driver] as tests. Every driver
// passes the same ones, against the server that it is for.
package storetest

import (
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// Options tell what a driver can do besides the interfaces.
type Options struct {
	// Shared opens one empty store twice, as two processes would. It is nil for
	// stores that one process has for itself.
	Shared func(t *testing.T) (a, b store.Driver)
	// Reopen closes a store and opens it again. It is nil for stores that keep
	// nothing.
	Reopen func(t *testing.T, d store.Driver) store.Driver
	// Outages are the ways in which the store's server may be gone, such as
	// "stopped" and "hanging". Each opens an empty store on a server of its own,
	// and returns what takes that away and what brings it back with its data.
	Outages map[string]func(t *testing.T) (d store.Driver, stop, start func())
	// AuthJS says that users, accounts and sessions are in the tables of Auth.js,
	// where some columns hold 255 characters.
	AuthJS bool
}

// Run holds a driver to the contract. Open returns an empty store and registers
// its closing with t.Cleanup; it is called several times, also at once. Servers
// that it needs have to be ended by t.Cleanup as well, not by defer.
func Run(t *testing.T, open func(t *testing.T) store.Driver, opt Options) {
	for _, group := range []struct {
		name string
		test func(*suite, *testing.T)
	}{
		{"Users", (*suite).users},
		{"Accounts", (*suite).accounts},
		{"Sessions", (*suite).sessions},
		{"ExtendSession", (*suite).extend},
		{"DeleteUserSessions", (*suite).endSessions},
		{"ListSessions", (*suite).list},
		{"VerificationTokens", (*suite).verificationTokens},
		{"Authenticators", (*suite).authenticators},
		{"Tokens", (*suite).tokens},
		{"Revocations", (*suite).revocations},
		{"Locks", (*suite).locks},
		{"DeleteUser", (*suite).deleteUser},
		{"Sweep", (*suite).sweep},
		{"Values", (*suite).values},
		{"Clock", (*suite).clock},
		{"Contexts", (*suite).contexts},
		{"Close", (*suite).close},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			group.test(&suite{Driver: open(t), opt: opt}, t)
		})
	}
	if opt.Reopen != nil {
		t.Run("Reopen", func(t *testing.T) {
			t.Parallel()
			reopen(t, open(t), opt)
		})
	}
	if opt.Shared != nil {
		t.Run("Shared", func(t *testing.T) {
			t.Parallel()
			a, b := opt.Shared(t)
			shared(t, &suite{Driver: a, opt: opt}, &suite{Driver: b, opt: opt})
		})
	}
	for name, begin := range opt.Outages {
		t.Run("Outage/"+name, func(t *testing.T) {
			t.Parallel()
			d, stop, start := begin(t)
			outage(t, &suite{Driver: d, opt: opt}, stop, start)
		})
	}
}

// suite is a driver under test. The tests of a group share a store, so they make
// up names of their own and look only at what they put there.
type suite struct {
	store.Driver
	opt Options
}

// base is the time at which the tests play. It is far from that of the machine:
// a driver that looks at its own clock instead of its arguments is found out.
var base = time.Date(2041, time.March, 4, 5, 6, 7, 89_000_000, time.UTC)

// contenders is how many goroutines want what only one can get.
const contenders = 16
