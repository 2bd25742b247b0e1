package authapi

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// LogoutOptions are what signing out has to do with identity providers.
type LogoutOptions struct {
	// Provider signs people out at their provider too, once they have signed out
	// here (OpenID Connect RP-Initiated Logout 1.0); they come back to
	// {base}/signed-out. A provider without a place for that is asked for a fresh
	// sign-in the next time (prompt=login). What it granted for the session alone is
	// revoked.
	Provider bool

	// Backchannel serves {base}/backchannel-logout/:provider, where a provider says
	// that somebody has signed out (OpenID Connect Back-Channel Logout 1.0).
	Backchannel bool

	// Frontchannel serves {base}/frontchannel-logout/:provider, where a provider's
	// page says so in a frame (OpenID Connect Front-Channel Logout 1.0).
	Frontchannel bool
}

// The actions of signing out at, and by, providers.
const (
	actionSignedOut    = "signed-out"
	actionBackchannel  = "backchannel-logout"
	actionFrontchannel = "frontchannel-logout"
)

const (
	// revokeWait is how long they wait for the provider to forget its refresh token.
	revokeWait = 2 * time.Second
	// leaveWait is how long somebody who has signed out waits for the provider's
	// metadata.
	leaveWait = 3 * time.Second
	// promptAge is how long it is remembered that a provider is to ask again.
	// Sessions at providers seldom last longer without being used.
	promptAge = 30 * 24 * time.Hour
	// maxPrompts bounds how many providers that is.
	maxPrompts = 8
	// maxExitURL bounds an address that stands in another one.
	maxExitURL = 1 << 10
)

// addLogout adds the routes that the options ask for. They are none of NextAuth's.
func (a *API) addLogout() (err error) {
	o, routes := a.opts.Logout, a.contract.routes
	if o.Provider || a.opts.Portal != nil { // members may have the option alone
		routes[actionSignedOut] = &route{extra: true, get: (*request).signedOut, noHead: true}
	}
	if o.Backchannel {
		routes[actionBackchannel] = &route{extra: true, post: (*request).backchannelLogout, rawBody: true, ownID: true}
	}
	if o.Frontchannel {
		routes[actionFrontchannel] = &route{extra: true, get: (*request).frontchannelLogout, noHead: true, ownID: true}
	}
	if a.opts.InitiateLogin {
		routes[actionLogin] = &route{
			extra: true, get: (*request).initiateLogin, post: (*request).initiateLogin, noHead: true, rawBody: true, ownID: true,
		}
	}
	if a.opts.Portal != nil {
		a.exits, err = jwt.NewRing(dialect.V4, a.opts.Secrets, "caddyauth sign-out at a member")
	}
	return err
}

// leaveProvider is where somebody goes whose session has ended here: to the
// provider, if it is to end there too. Whatever is wrong with the provider, they
// have signed out.
func (q *request) leaveProvider(s *session.Session) string {
	// Whoever came with a passkey may have no session at the provider.
	if !q.api.opts.Logout.Provider || s == nil || s.Evidence.Method != "" {
		return q.callbackURL
	}
	p, ok := q.api.providers[s.Evidence.Provider].(provider.OAuth)
	if !ok || p.Info().Realm != s.Evidence.Realm {
		return q.callbackURL
	}
	q.revoke(s)
	state := q.api.randomToken()
	back := q.base + "/" + actionSignedOut
	if q.member() {
		// Providers know the portal's addresses only.
		back, state = q.api.opts.Portal.URL()+"/"+actionSignedOut, q.exit("")
	}
	if to := q.endSessionURL(p, s, back, state); to != "" {
		if !q.member() {
			q.set(q.leaving(state))
		}
		return to
	}
	if !q.member() {
		q.askNextTime(p.Info().ID)
		return q.callbackURL
	}
	return back + "?state=" + q.exit(p.Info().ID)
}

// revoke has the provider forget the refresh token of a session that has ended, of
// which nobody has any further use. That the browser goes away does not stop it, and
// that it fails makes no difference to whoever has signed out.
func (q *request) revoke(s *session.Session) {
	if q.api.opts.Grants == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(q.r.Context()), revokeWait)
	defer cancel()
	asked, err := q.api.opts.Grants.Revoke(ctx, q.r.Header, &q.jar.names, s)
	about := q.about(s.Evidence.Provider, s.AccountID())
	switch {
	case err != nil:
		q.api.opts.Log.Warn("signed out, but the provider's refresh token could not be revoked: it stays good for whoever has it",
			append(about, zap.String("reason", string(reasonOf(err))), zap.String("error", q.describe(err)))...)
	case asked:
		q.api.opts.Log.Info("the provider's refresh token was revoked", about...)
	}
}

// endSessionURL is the address at the provider, empty if there is none, or none
// that can be found out now.
func (q *request) endSessionURL(p provider.OAuth, s *session.Session, back, state string) string {
	about := q.about(p.Info().ID, s.AccountID())
	leaver, ok := p.(provider.Leaver)
	if !ok {
		q.api.opts.Log.Info("the provider has no sign-out of its own: it will be asked for a fresh sign-in", about...)
		return ""
	}
	ctx, cancel := context.WithTimeout(q.r.Context(), leaveWait)
	defer cancel()
	hint := ""
	if q.api.opts.Grants != nil {
		hint = q.api.opts.Grants.IDToken(ctx, q.r.Header, &q.jar.names, s)
	}
	to, err := leaver.EndSession(ctx, provider.EndSessionRequest{IDToken: hint, RedirectURI: back, State: state})
	switch {
	case err != nil:
		q.api.opts.Log.Warn("signed out here, but not at the provider: it will be asked for a fresh sign-in",
			append(about, zap.String("reason", string(reasonOf(err))), zap.String("error", q.describe(err)))...)
		return ""
	case to == "":
		q.api.opts.Log.Info("the provider has no sign-out of its own: it will be asked for a fresh sign-in", about...)
		return ""
	}
	q.api.opts.Log.Info("sent to the provider to sign out there", append(about, zap.Bool("id_token_hint", hint != ""))...)
	return to
}

// leaving is the cookie by which the browser's return is known.
func (q *request) leaving(state string) cookie.Cookie {
	c := q.newCookie(q.jar.names.Leaving, "")
	sealed, err := jwt.SealClaims(q.jar.leaving, map[string]any{"state": state, "callbackUrl": q.callbackURL}, q.now, checkAge)
	if err != nil {
		return cookie.Clear(c) // without it, the return ends at the front page
	}
	c.Value, c.Expires = sealed, q.now.Add(checkAge)
	c.MaxAge, c.HasMaxAge = int(checkAge/time.Second), true
	return c
}

// exit is what a member has the portal told when somebody has signed out: where they
// go, and which provider has to ask again, if any.
func (q *request) exit(prompt string) string {
	to := q.callbackURL
	if len(to) > maxExitURL {
		to = q.site.Origin
	}
	sealed, err := jwt.SealClaims(q.api.exits, map[string]any{"callbackUrl": to, "prompt": prompt}, q.now, checkAge)
	if err != nil {
		return ""
	}
	return sealed
}

// signedOut answers GET {base}/signed-out, where providers send people back who have
// signed out there. They have signed out here before, so whatever is wrong with the
// state decides no more than which page they see.
func (q *request) signedOut() {
	if q.providerID != "" {
		q.unsupported()
		return
	}
	to, why := q.returned(q.query.text("state"))
	if why != "" {
		to = q.site.Origin
	}
	if entry := q.api.opts.Log.Check(zap.InfoLevel, "back from signing out at the provider"); entry != nil {
		entry.Write(zap.String("reason", why), zap.String("client_ip", q.site.ClientIP.String()))
	}
	q.stay()
	q.redirect(to)
}

// returned is where a sign-out with that state was to lead, or what is wrong with it.
func (q *request) returned(state string) (to, why string) {
	if state == "" {
		return "", string(ReasonStateMissing)
	}
	if q.api.exits != nil && !q.member() {
		var prompt string
		if open(q.api.exits, state, q.now, func(name string, v jwt.Value) bool {
			switch name {
			case "callbackUrl":
				to = v.String()
			case "prompt":
				prompt = v.String()
			default:
				return false
			}
			return true
		}) == "" && to != "" {
			if _, known := q.api.providers[prompt]; known {
				q.askNextTime(prompt)
			}
			return to, "" // the member has looked at it
		}
	}
	name := q.jar.names.Leaving
	value, sent := cookie.Get(q.r.Header, name)
	if !sent {
		return "", string(ReasonStateCookieMissing)
	}
	var kept string
	if open(q.jar.leaving, value, q.now, func(name string, v jwt.Value) bool {
		switch name {
		case "state":
			kept = v.String()
		case "callbackUrl":
			to = v.String()
		default:
			return false
		}
		return true
	}) != "" {
		return "", string(ReasonStateExpired)
	}
	if !equalText(kept, state) {
		return "", string(ReasonStateMismatch)
	}
	q.set(cookie.Clear(q.newCookie(name, "")))
	return q.resolve(to), ""
}

// prompts are the providers that are to ask for a sign-in the next time.
func (q *request) prompts() []string {
	value, sent := cookie.Get(q.r.Header, q.jar.names.Prompt)
	if !sent {
		return nil
	}
	var list []string
	why := open(q.jar.prompt, value, q.now, func(name string, v jwt.Value) bool {
		if name == "providers" {
			list = v.Strings()
		}
		return name == "providers"
	})
	if why != "" {
		return nil
	}
	return list
}

// setPrompts keeps that list in the browser.
func (q *request) setPrompts(list []string) {
	c := q.newCookie(q.jar.names.Prompt, "")
	if len(list) == 0 {
		q.set(cookie.Clear(c))
		return
	}
	sealed, err := jwt.SealClaims(q.jar.prompt, map[string]any{"providers": list[:min(len(list), maxPrompts)]}, q.now, promptAge)
	if err != nil {
		return
	}
	c.Value, c.Expires = sealed, q.now.Add(promptAge)
	c.MaxAge, c.HasMaxAge = int(promptAge/time.Second), true
	q.set(c)
}

// askNextTime makes the next sign-in of this browser with a provider a fresh one.
func (q *request) askNextTime(id string) {
	rest := slices.DeleteFunc(q.prompts(), func(p string) bool { return p == id })
	q.setPrompts(append([]string{id}, rest...))
}

// askAgain adds prompt=login (OpenID Connect Core, section 3.1.2.1) to a flow with a
// provider at which the person could not be signed out. Services of OAuth 2.0 that do
// not know the parameter ignore it (RFC 6749, section 3.1).
func (q *request) askAgain(id string, extra url.Values) url.Values {
	if !slices.Contains(q.prompts(), id) {
		return extra
	}
	extra = maps.Clone(extra)
	if extra == nil {
		extra = make(url.Values)
	}
	prompt := "login"
	if slices.Contains(strings.Fields(extra.Get("prompt")), "consent") {
		prompt = "login consent"
	}
	extra.Set("prompt", prompt)
	return extra
}

// asked notes that a sign-in with a provider has succeeded.
func (q *request) asked(id string) {
	list := q.prompts()
	if slices.Contains(list, id) {
		q.setPrompts(slices.DeleteFunc(list, func(p string) bool { return p == id }))
	}
}
