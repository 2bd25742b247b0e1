package authapi

import (
	"strconv"
	"strings"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/limit"
	"github.com/caddyauth/gateway/caddyauth/provider"
)

// Limits bound what one party may try. They are made by the caller where they
// have to outlive a reload; nil means the default. A limiter whose rate is zero
// allows everything.
type Limits struct {
	// SignIn bounds attempts with a password at one account from one client
	// address. Default: 10 a minute.
	SignIn *limit.Limiter

	// Account bounds attempts with a password at one account from everywhere.
	// It is wider than SignIn, so that a single attacker cannot lock somebody
	// out. Default: 100 a minute.
	Account *limit.Limiter

	// Client bounds attempts with a password, whatever the account, from one
	// client address, as many flows with OAuth providers that it begins, and as
	// many callbacks that would make us call the provider. Default: 60 a minute.
	Client *limit.Limiter

	// ClientLog bounds the lines that one client address adds to the log with
	// POST {base}/_log and, counted apart, by making callbacks fail.
	// Default: 10 a minute.
	ClientLog *limit.Limiter
}

// retryAfter is what a client that reached a limit is told to wait.
const retryAfter = time.Minute

func (l *Limits) complete(now func() time.Time) {
	for _, d := range []struct {
		limiter **limit.Limiter
		n       int
	}{{&l.SignIn, 10}, {&l.Account, 100}, {&l.Client, 60}, {&l.ClientLog, 10}} {
		if *d.limiter == nil {
			*d.limiter = limit.New(limit.Rate{N: d.n, Per: time.Minute}, 0, now)
		}
	}
}

func (q *request) client() string { return limit.ClientKey(q.site.ClientIP) }

// mayTry takes one attempt at an account off the limits. The narrowest is asked
// first: an attacker who has used up an address costs the account nothing more.
// Every spelling of a name counts as the same account, whatever the provider
// makes of it.
func (q *request) mayTry(providerID, account string) bool {
	client, account := q.client(), providerID+"\x00"+limit.AccountKey(strings.TrimSpace(account))
	return q.api.opts.Limits.SignIn.Allow(client+"\x00"+account) &&
		q.api.opts.Limits.Client.Allow("password\x00"+client) &&
		q.api.opts.Limits.Account.Allow(account)
}

// mayBegin takes one flow off the limit.
func (q *request) mayBegin() bool {
	return q.api.opts.Limits.Client.Allow("flow\x00" + q.client())
}

// mayExchange takes one callback off the limit. One state serves for any number
// of made-up codes, each of which costs the provider a request in our name.
func (q *request) mayExchange() bool {
	return q.api.opts.Limits.Client.Allow("callback\x00" + q.client())
}

// accountOf is what was typed for a name: the field called username, else email,
// else the first one that is not a password.
func accountOf(c provider.Credentials, body fields) string {
	first := ""
	for _, f := range c.Fields() {
		switch {
		case f.Name == "username", f.Name == "email":
			return body.text(f.Name)
		case first == "" && f.Type != "password":
			first = f.Name
		}
	}
	return body.text(first)
}

// setRetryAfter goes with an answer to a party that reached a limit.
func (q *request) setRetryAfter() {
	q.w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter/time.Second)))
}
