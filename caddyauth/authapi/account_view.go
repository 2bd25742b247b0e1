package authapi

import (
	"cmp"
	"encoding/json"
	"net/netip"
	"slices"

	"github.com/caddyauth/gateway/caddyauth/page"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

const (
	// maxListed is how many sessions are looked at for the page, and maxShown how
	// many it shows.
	maxListed = 1000
	maxShown  = 50
)

// accountView is the whole page.
func (q *request) accountView(o *owner) (page.Account, error) {
	d, ctx := q.api.opts.Store, q.r.Context()
	v := q.accountFrame(o)
	rows, err := d.ListSessions(ctx, store.SessionFilter{UserID: o.user.ID, Limit: maxListed}, q.now)
	if err != nil {
		return v, err
	}
	v.Sessions, v.Hidden = q.sessionList(o, rows)
	w, err := q.waysOf(o.user)
	if err != nil {
		return v, err
	}
	v.Accounts = q.accountList(w, logins(o, rows))
	for _, b := range q.buttons() {
		switch q.api.providers[b.ID].(type) {
		case provider.OAuth:
			if !w.has(b.ID) {
				v.Connect = append(v.Connect, b)
			}
		case provider.Passkeys:
			v.Passkeys = &page.AccountPasskeys{List: passkeyList(w)}
			if len(w.passkeys) < maxPasskeys && !q.member() {
				v.Passkeys.Add = &b
			}
		}
	}
	if q.api.opts.Account.Tokens {
		list, err := d.Tokens(ctx, o.user.ID)
		if err != nil {
			return v, err
		}
		v.Tokens = &page.AccountTokens{List: tokenList(list)}
	}
	return v, nil
}

// sessionList shows the session at hand first, then those that were seen last.
func (q *request) sessionList(o *owner, rows []store.SessionAndUser) (list []page.AccountSession, hidden int) {
	current := q.currentSession(o)
	for _, row := range rows {
		s := q.accountSession(row.Session)
		if s.ID == current.ID {
			s.Current, s.Seen = true, q.now
			current = s
			continue
		}
		list = append(list, s)
	}
	slices.SortStableFunc(list, func(a, b page.AccountSession) int { return b.Seen.Compare(a.Seen) })
	list = slices.Insert(list, 0, current)
	shown := min(len(list), maxShown)
	return list[:shown], len(list) - shown
}

// currentSession is the session at hand as it says itself: those that NextAuth
// made are not listed.
func (q *request) currentSession(o *owner) page.AccountSession {
	s := o.session
	row := store.Session{ID: s.Key(), Provider: s.Evidence.Provider, Expires: s.Expires, Seen: q.now}
	if s.HasEvidence {
		row.Created = s.Since()
		row.Evidence, _ = s.KeptEvidence() // strings and numbers always encode
	}
	from := q.from()
	row.UserAgent, row.IP = from.UserAgent, from.IP
	v := q.accountSession(row)
	v.Current = true
	return v
}

func (q *request) accountSession(row store.Session) page.AccountSession {
	s := page.AccountSession{ID: row.ID, Provider: q.providerName(row.Provider), Created: row.Created, Seen: row.Seen, Expires: row.Expires}
	if p, ok := providerOf[provider.Passkeys](q.api); ok && evidenceOf(row).Method == session.MethodPasskey {
		s.Provider = q.providerName(p.Info().ID)
	}
	s.Browser, s.System = describeAgent(row.UserAgent)
	if ip, err := netip.ParseAddr(row.IP); err == nil {
		s.IP = ip.Unmap().String()
	}
	return s
}

// evidenceOf is the evidence of a row, the zero value if it has none.
func evidenceOf(row store.Session) session.Evidence {
	e, _, err := session.OpenEvidence(row.Evidence)
	if err != nil {
		return session.Evidence{}
	}
	return e
}

// providerName is what people call a provider, its id if it is none of this
// site's.
func (q *request) providerName(id string) string {
	if p, ok := q.api.providers[id]; ok {
		return cmp.Or(p.Info().Name, id)
	}
	return id
}

// accountID names an account.
type accountID struct{ provider, id string }

// logins are what people are called at their providers, as far as their sessions
// say so: an account is kept by its id alone.
func logins(o *owner, rows []store.SessionAndUser) map[accountID]string {
	known := make(map[accountID]string)
	learn := func(e session.Evidence) {
		if e.Login != "" {
			known[accountID{e.Provider, e.Account}] = e.Login
		}
	}
	for _, row := range rows {
		var e session.Evidence
		if json.Unmarshal(row.Session.Evidence, &e) == nil {
			learn(e)
		}
	}
	learn(o.session.Evidence)
	return known
}

func (q *request) accountList(w ways, logins map[accountID]string) []page.AccountLink {
	var list []page.AccountLink
	for _, a := range w.accounts {
		link := page.AccountLink{
			Provider: a.Provider, ID: a.ProviderAccountID, Name: q.providerName(a.Provider),
			Login: logins[accountID{a.Provider, a.ProviderAccountID}],
			Last:  w.without(a) == 0, Passkeys: w.carries(a),
		}
		if p, ok := q.api.providers[a.Provider]; ok {
			link.Logo = p.Info().Logo
		}
		list = append(list, link)
	}
	return list
}

func passkeyList(w ways) []page.AccountPasskey {
	var list []page.AccountPasskey
	for _, k := range w.passkeys {
		list = append(list, page.AccountPasskey{
			ID: k.CredentialID, Name: k.Name, Created: k.Created, Used: k.Used, Last: w.withoutPasskey(k) == 0,
			Dead: !w.standFor[k.CredentialID].good,
		})
	}
	return list
}

func tokenList(tokens []store.Token) []page.AccountToken {
	var list []page.AccountToken
	for _, t := range tokens {
		list = append(list, accountToken(t))
	}
	return list
}

func accountToken(t store.Token) page.AccountToken {
	return page.AccountToken{
		ID: t.ID, Name: t.Name, Paths: t.Paths, Methods: t.Methods,
		Created: t.Created, Used: t.Used, Expires: t.Expires,
	}
}
