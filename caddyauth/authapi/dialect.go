package authapi

import (
	"net/http"
	"net/url"

	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/provider"
)

// contract is what the dialects do differently. The routes ask it instead of
// asking which dialect it is: v4.go has one, v5.go the other.
type contract struct {
	// routes are the actions, and what answers them.
	routes map[string]*route

	// split takes the escaped path of a request apart. It is false for paths
	// that no action can have.
	split func(base, path string) (segments, bool)

	// accepts has the last word before a route answers. If it is false, it has
	// answered itself.
	accepts func(*request) bool

	// unsupported answers what no route does: unknown paths, and methods that an
	// action does not have.
	unsupported func(*request)

	// parseForm reads a query or a form. parseBody reads a body of any type that
	// may have fields; its error is an answer, which refuse writes.
	parseForm func(raw string) fields
	parseBody func(contentType, raw string) (fields, *bodyError)
	refuse    func(*request, *bodyError)

	// callbackParams are where an identity provider's answer is looked for.
	callbackParams func(*request) fields
	// errorFirst says that the error of an identity provider is believed before
	// the flow that it belongs to is looked for.
	errorFirst bool

	// errorCode is the error that a page is asked to show, and whether there is
	// one. pageCode folds a code that the built-in error page does not know.
	errorCode func(*request) (code string, given bool)
	pageCode  func(string) string
	// bounced are the codes that the error page leaves to the sign-in page.
	bounced map[string]bool

	// jsonType is the content type of JSON.
	jsonType string

	// wantsURL is the switch for clients that cannot follow a redirect to
	// another site: they get the address in a body. keepsLocation says that a
	// success has it in the header as well.
	wantsURL      func(*request) bool
	keepsLocation bool
	// vary is the header that the switch is, if it is one.
	vary string

	// encode writes the value of a query parameter for a page of the site's own.
	encode func(string) string
	// verifyQuery is what such a page gets of the query of verify-request.
	verifyQuery func(raw string) string

	// csrfKeys are what the hash in the CSRF cookie can be made with, the one
	// that signs first.
	csrfKeys func(secrets []string) []string
	// excused reports whether a form may do without the token.
	excused func(*request) bool

	// noSession is the body of GET session for a browser that has none, and
	// refuseUpdate answers a POST without a token there.
	noSession    string
	refuseUpdate func(*request)

	// providerType is a provider's type as clients know it.
	providerType func(string) string
	// subject is the claim sub of somebody who signs in with an OAuth provider.
	subject func(*request, *provider.Identity) string

	// authorizationURL spells the address at the identity provider.
	authorizationURL func(string) string
	// signInNowhere answers the POST of a sign-in with no provider that could
	// do it, and callbackByGet the GET of a form's callback.
	signInNowhere func(*request)
	callbackByGet func(*request, provider.Provider)

	// linkedIsNew says that a user whom a new account is linked to by the address
	// counts as a new one.
	linkedIsNew bool

	// dottedDomain says that an e-mail address needs a dot in its domain.
	dottedDomain bool

	// endings are what becomes of failures. locate is the address of one, and
	// keeps tells which of the cookies set so far go with it.
	endings [kinds]ending
	locate  func(*request, ending, failure) string
	keeps   func(q *request, cookieName string) bool
}

// contractOf returns the contract of a dialect.
func contractOf(d dialect.Dialect) *contract {
	if d == dialect.V5 {
		return v5()
	}
	return v4()
}

// kind says what went wrong, as far as the answer depends on it; the reason is
// finer, for the log and for people. The set is closed: a contract has an ending
// for each.
type kind uint8

const (
	// kindCSRF is a form that does not prove where it comes from;
	// kindCSRFSignOut is the one for signing out.
	kindCSRF kind = iota
	kindCSRFSignOut
	// kindUnsupported is an action that there is not, where that is no mere 400.
	kindUnsupported
	// kindProvider is an id in the path that no provider has.
	kindProvider
	// kindStart is a flow that cannot begin.
	kindStart
	// kindDeclined is an error response of the identity provider.
	kindDeclined
	// kindCallback is a flow that cannot end.
	kindCallback
	// kindProfile is an identity provider that does not say who it is.
	kindProfile
	// kindCredentials is a wrong password, and kindAuthorize one that could not
	// be checked.
	kindCredentials
	kindAuthorize
	// kindSession is a session that could not be made.
	kindSession
	// kindDenied is a person who may not sign in.
	kindDenied
	// kindNotLinked is an account that cannot be this person's.
	kindNotLinked
	// kindPasskey is a passkey that cannot be used, and kindPasskeyTaken one that is
	// another person's.
	kindPasskey
	kindPasskeyTaken
	// kindEmail is a link that could not be mailed, kindLink one that is not
	// whole, and kindVerification one that is not or no longer good.
	kindEmail
	kindLink
	kindVerification
	// kindStore is a store that does not answer; kindCreate one that could not
	// keep a new user, and kindCreateByEmail one who came by a link.
	kindStore
	kindCreate
	kindCreateByEmail

	kinds // how many there are
)

// ending is what becomes of a failure: the browser goes to one of the pages.
type ending struct {
	// page is the action: "signin", "signout" or "error".
	page string
	// code is the error code. Empty means that the address has none.
	code string
	// query is that of the address, where it is not error= and the code.
	query string
	// named says that the provider's id follows in the query.
	named bool
	// status is for clients that get the address in a body. 0 means 200.
	status int
	// quiet says that it is nothing to log, and to tell the page.
	quiet bool
}

// parameters are the query of the ending's address.
func (e ending) parameters(f failure) string {
	query := e.query
	if query == "" && e.code != "" {
		query = "error=" + e.code
	}
	if e.named {
		query += "&provider=" + url.QueryEscape(f.provider)
	}
	return query
}

// baseRoutes are the actions that both dialects have.
func baseRoutes() map[string]*route {
	return map[string]*route{
		"providers":      {get: (*request).providers},
		"session":        {get: (*request).session, post: (*request).updateSession},
		"csrf":           {get: (*request).csrfToken},
		"signin":         {get: (*request).signInPage, post: (*request).signIn},
		"signout":        {get: (*request).signOutPage, post: (*request).signOut},
		"callback":       {get: (*request).callback, post: (*request).callback, noHead: true},
		"verify-request": {get: (*request).verifyRequest},
		"error":          {get: (*request).errorPage},
		actionSignedIn:   {get: (*request).signedInPage, extra: true},
	}
}

// route answers one action. GET also answers HEAD, POST nothing else.
type route struct {
	get, post func(*request)
	noHead    bool
	// rawBody leaves the body of a POST to the route.
	rawBody bool
	// ownID leaves it to the route what is answered to a provider's id that there is
	// not.
	ownID bool
	// extra says that NextAuth has no such action.
	extra bool
}

// handler returns what answers the request, nil if nothing does. HEAD is a GET
// whose body is dropped by net/http, but not on a callback: the scanners that
// look at links with it must not use up a code.
func (q *request) handler() func(*request) {
	rt := q.api.contract.routes[q.action]
	if rt == nil {
		return nil
	}
	switch q.r.Method {
	case http.MethodGet:
		return rt.get
	case http.MethodHead:
		if !rt.noHead {
			return rt.get
		}
	case http.MethodPost:
		return rt.post
	}
	return nil
}
