package authapi

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/caddyauth/gateway/caddyauth/page"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// AccountOptions configures the person's own page, {base}/account: sessions, ways
// to sign in and tokens, and what can be done with them. It needs a store.
type AccountOptions struct {
	// Path is where people find the page, a path of the site. Requests for it have
	// to be served with the Path of the Site set to {base}/account. Default:
	// {base}/account.
	Path string

	// Tokens lets people make personal access tokens.
	Tokens bool

	// CheckPaths says what is wrong with the paths that a token is to be good for.
	// They begin with a slash. Default: nothing is.
	CheckPaths func(patterns ...string) error
}

// addAccount makes the API serve the page. Its route is none of NextAuth's.
func (a *API) addAccount() error {
	if a.opts.Account == nil {
		return nil
	}
	if a.opts.Store == nil {
		return errors.New("authapi: the account page needs a store")
	}
	a.contract.routes["account"] = &route{extra: true, get: (*request).accountPage, post: (*request).changeAccount}
	return nil
}

// accountURL is the page's own address.
func (q *request) accountURL() string {
	if path := q.api.opts.Account.Path; path != "" {
		return q.site.Origin + path
	}
	return q.base + "/account"
}

// recentFor is how long after a sign-in the changes that matter can be made:
// whoever finds a browser, or the copy of a cookie, must not be able to take the
// account over.
const recentFor = time.Hour

// accountPage answers GET {base}/account.
func (q *request) accountPage() {
	o := q.owner()
	if o == nil {
		return
	}
	n, _ := q.take(noticeAccount)
	q.showAccount(o, http.StatusOK, page.AccountNotice(n.reason))
}

// owner is whose page it is.
type owner struct {
	session *session.Session
	user    store.User
	// recent says that the sign-in was a short time ago.
	recent bool
}

// owner finds out whose page it is. If it is nil, it has answered: nobody is
// signed in, or asks too often, or the store does not answer.
func (q *request) owner() *owner {
	q.initCSRF()
	if q.crossSitePost() {
		q.cookies = nil // see init
	}
	s, u, err := q.signedIn()
	switch {
	case err != nil:
		q.unavailable(err)
		return nil
	case u.ID == "":
		q.toSignIn(s != nil)
		return nil
	}
	o := &owner{session: s, user: u, recent: q.recent(s)}
	if !q.api.opts.Limits.Client.Allow("account\x00" + u.ID + "\x00" + q.client()) {
		q.setRetryAfter(retryAfter)
		v := q.accountFrame(o)
		v.Bare, v.Status, v.Notice = true, http.StatusTooManyRequests, page.AccountTooMany
		q.writeAccount(v)
		return nil
	}
	return o
}

// signedIn is the browser's session, nil if it has none, and the stored user that
// it is of, the zero value if that is nobody.
func (q *request) signedIn() (*session.Session, store.User, error) {
	s, err := q.api.opts.Sessions.Read(q.r.Context(), q.r.Header, &q.jar.names)
	switch {
	case errors.Is(err, session.ErrUnavailable):
		return nil, store.User{}, err
	case err != nil:
		return nil, store.User{}, nil
	}
	id := s.Evidence.User
	if !s.HasEvidence {
		id = s.User.ID // NextAuth's tokens say it there
	}
	if id == "" {
		return s, store.User{}, nil
	}
	u, err := q.api.opts.Store.User(q.r.Context(), id)
	if errors.Is(err, store.ErrNotFound) {
		return s, store.User{}, nil
	}
	if err != nil || !s.HasEvidence || q.api.opts.Sessions.Database() {
		return s, u, err
	}
	// Another site with the same keys may have another store, where the id is
	// somebody else's. Every session is listed in the store that it is of.
	row, err := q.api.opts.Store.SessionByID(q.r.Context(), s.Key())
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && row.Session.UserID != u.ID:
		return s, store.User{}, nil
	case err != nil:
		return nil, store.User{}, err
	}
	return s, u, nil
}

// recent reports whether a session began a short time ago. A token of NextAuth's
// own does not say.
func (q *request) recent(s *session.Session) bool {
	if s.Evidence.Since == 0 && s.Evidence.AuthTime == 0 {
		return false
	}
	age := q.now.Sub(s.Since())
	return age > -time.Minute && age < recentFor // the clocks of two nodes may differ a little
}

// toSignIn sends somebody away to sign in and come back. Whoever is signed in, but
// as nobody that is stored, would be sent back at once by a page that starts
// flows by itself; the error code keeps it from doing so.
func (q *request) toSignIn(signedIn bool) {
	to := q.base + "/signin?callbackUrl=" + url.QueryEscape(q.accountURL())
	if signedIn {
		to += "&error=SessionRequired"
	}
	if q.r.Method == http.MethodPost {
		q.seeOther(to)
		return
	}
	q.redirect(to)
}

// seeOther makes a GET of what was a POST (RFC 9110, section 15.4.4).
func (q *request) seeOther(to string) {
	q.w.Header().Set("Location", to)
	q.writeCookies()
	q.w.WriteHeader(http.StatusSeeOther)
}

// noticeAccount is the code of notices for the page. It is none of NextAuth's.
const noticeAccount = "account"

// showAccount writes the page.
func (q *request) showAccount(o *owner, status int, n page.AccountNotice) {
	v, err := q.accountView(o)
	if err != nil {
		q.unavailable(err)
		return
	}
	v.Status, v.Notice = status, n
	if v.Tokens != nil && q.body.text("action") == actionCreateToken {
		v.Tokens.Form = q.tokenForm()
	}
	q.writeAccount(v)
}

func (q *request) writeAccount(v page.Account) {
	q.writeCookies()
	q.api.opts.Page.Account(q.w, q.r, v)
}

// accountFrame is the page without what the store knows.
func (q *request) accountFrame(o *owner) page.Account {
	return page.Account{
		Common: q.common(), URL: q.accountURL(), CSRFToken: q.csrf.token,
		Account: o.session.Label(), Recent: o.recent, Now: q.now,
	}
}

// providerOf returns the first provider of a kind.
func providerOf[P provider.Provider](a *API) (P, bool) {
	for _, p := range a.opts.Providers {
		if p, ok := p.(P); ok {
			return p, true
		}
	}
	var none P
	return none, false
}
