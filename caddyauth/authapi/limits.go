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
	// client address, as many flows with OAuth providers that it begins, as many
	// callbacks that would make us call the provider, and as many challenges for
	// passkeys and answers to them. Default: 60 a minute.
	Client *limit.Limiter

	// Mail bounds the links that are mailed to one address for one client address;
	// what is too much is not mailed, and looks as if it were. Default: 5 in 15
	// minutes.
	Mail *limit.Limiter

	// MailAccount bounds the links that are mailed to one address, whoever asks. It
	// is wider than Mail, so that a single attacker cannot keep somebody from
	// getting any. Default: 20 in 15 minutes.
	MailAccount *limit.Limiter

	// MailClient bounds the links that one client address asks for, whatever the
	// address. Default: 20 in 15 minutes.
	MailClient *limit.Limiter

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
		per     time.Duration
	}{
		{&l.SignIn, 10, time.Minute},
		{&l.Account, 100, time.Minute},
		{&l.Client, 60, time.Minute},
		{&l.ClientLog, 10, time.Minute},
		{&l.Mail, 5, 15 * time.Minute},
		{&l.MailAccount, 20, 15 * time.Minute},
		{&l.MailClient, 20, 15 * time.Minute},
	} {
		if *d.limiter == nil {
			*d.limiter = limit.New(limit.Rate{N: d.n, Per: d.per}, 0, now)
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

// mayAskOptions and mayAnswer take one of either off the limit: the answers of
// authenticators cost us their verification.
func (q *request) mayAskOptions() bool {
	return q.api.opts.Limits.Client.Allow("passkey options\x00" + q.client())
}

func (q *request) mayAnswer() bool {
	return q.api.opts.Limits.Client.Allow("passkey\x00" + q.client())
}

// mayMail takes one mailed link off the client's limit.
func (q *request) mayMail() bool {
	return q.api.opts.Limits.MailClient.Allow("mail\x00" + q.client())
}

// mayMailTo takes one mailed link off the limits of an address, the narrowest
// first, as mayTry does.
func (q *request) mayMailTo(providerID, address string) bool {
	account := providerID + "\x00" + address
	return q.api.opts.Limits.Mail.Allow(q.client()+"\x00"+account) && q.api.opts.Limits.MailAccount.Allow(account)
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

// storeRetryAfter is what a client is told to wait for a store that is down.
const storeRetryAfter = 5 * time.Second

// setRetryAfter goes with an answer to a party that should try again later.
func (q *request) setRetryAfter(wait time.Duration) {
	q.w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)))
}
