package authapi

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// person is whom a sign-in is found to be, where users are kept.
type person struct {
	// user is the stored user, the zero value for somebody new.
	user store.User
	// kept is the user as the store has it, where user is to be kept instead.
	kept store.User
	// linked says that the account is the user's already, byAddress that it is to
	// be, as the provider is trusted with addresses.
	linked, byAddress bool
	// proved says that the person has just shown to receive mail at the address,
	// so that it needs no account.
	proved bool
	isNew  bool
	// created and joined say that this sign-in has made the user, and made the
	// account one of the user's.
	created, joined bool
	// vain is a user who signed up with the address that this person has proved,
	// and has shown nothing for it.
	vain store.User
}

// identify finds out who signs in, by NextAuth's rules: whose the account is, or
// who is signed in, or nobody yet. It changes nothing, so that rules and callbacks
// can be asked first.
func (q *request) identify(s *signIn) bool {
	if q.api.opts.Store == nil {
		return true
	}
	var f *failure
	switch s.provider.(type) {
	case provider.Email:
		f = q.identifyByEmail(s)
	case provider.Passkeys:
		f = q.identifyByPasskey(s)
	default:
		f = q.identifyByAccount(s)
	}
	if f != nil {
		q.fail(*f)
		return false
	}
	q.become(s)
	return true
}

// identifyByEmail finds the user that an address belongs to.
func (q *request) identifyByEmail(s *signIn) *failure {
	s.person.proved = true
	u, err := q.api.opts.Store.UserByEmail(q.r.Context(), text(s.identity.User.Email))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return q.storeFailure(s, err)
	}
	taken, err := q.takenInVain(u)
	switch {
	case err != nil:
		return q.storeFailure(s, err)
	case taken:
		s.person.vain = u
	default:
		s.person.user = u
	}
	return nil
}

// takenInVain reports whether somebody signed up with an address that nobody has
// vouched for: whoever proves to have it must not become that user, with whom
// they would share everything. An application of Auth.js does not note who
// vouched, so its users are taken as NextAuth takes them.
func (q *request) takenInVain(u store.User) (bool, error) {
	if u.ID == "" || !u.EmailVerified.IsZero() || q.api.opts.Foreign {
		return false, nil
	}
	if current, err := q.storedUser(); err != nil || current.ID == u.ID {
		return false, err
	}
	accounts, err := q.api.opts.Store.Accounts(q.r.Context(), u.ID)
	if slices.ContainsFunc(accounts, func(a store.Account) bool { return a.Type == provider.TypeCredentials }) {
		return false, nil // it is in the operator's own file
	}
	return len(accounts) > 0, err
}

// identifyByAccount follows NextAuth's table: a known account is its user's, if
// nobody else is signed in; a new one becomes the account of whoever is; else the
// address decides whether it is somebody new.
func (q *request) identifyByAccount(s *signIn) *failure {
	current, fresh, err := q.currentUser(s)
	if err != nil {
		return q.storeFailure(s, err)
	}
	u, err := q.api.opts.Store.UserByAccount(q.r.Context(), s.evidence.Provider, s.evidence.Account)
	switch {
	case err == nil && current.ID != "" && current.ID != u.ID:
		return s.refusal(kindNotLinked, ReasonAccountTaken)
	case err == nil:
		s.person.user, s.person.kept, s.person.linked = u, u, true
		return q.keepUp(s)
	case !errors.Is(err, store.ErrNotFound):
		return q.storeFailure(s, err)
	case current.ID != "" && !fresh:
		// A stolen cookie must not be made a way in of the thief's own.
		return s.refusal(kindNotLinked, ReasonSignInAgain)
	case current.ID != "":
		s.person.user = current
		return nil
	}
	return q.identifyByAddress(s)
}

// keepUp brings a user up with the users file, where the operator changes people's
// names and addresses. What other providers say counts once.
func (q *request) keepUp(s *signIn) *failure {
	if !isCredentials(s.provider) {
		return nil
	}
	u := &s.person.user
	u.Name = text(s.identity.User.Name)
	email := text(s.identity.User.Email)
	if email == "" || email == u.Email {
		return nil
	}
	u.Email, u.EmailVerified = email, time.Time{}
	_, err := q.api.opts.Store.UserByEmail(q.r.Context(), email)
	switch {
	case err == nil:
		u.Email = "" // it is another user's, see identifyByAddress
	case !errors.Is(err, store.ErrNotFound):
		return q.storeFailure(s, err)
	}
	return nil
}

// identifyByAddress deals with an account that nobody has. That its address is a
// user's says nothing: at many providers one can have any (IDENT-04).
func (q *request) identifyByAddress(s *signIn) *failure {
	email := text(s.identity.User.Email)
	if email == "" {
		return nil
	}
	u, err := q.api.opts.Store.UserByEmail(q.r.Context(), email)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return q.storeFailure(s, err)
	case q.sameByEmail(s, u):
		s.person.user, s.person.byAddress = u, !isCredentials(s.provider)
		return nil
	}
	// Another tab may have signed in with this very account since it was looked
	// for, and the address is that user's.
	owner, err := q.api.opts.Store.UserByAccount(q.r.Context(), s.evidence.Provider, s.evidence.Account)
	switch {
	case err == nil:
		s.person.user, s.person.kept, s.person.linked = owner, owner, true
		return q.keepUp(s)
	case !errors.Is(err, store.ErrNotFound):
		return q.storeFailure(s, err)
	case isCredentials(s.provider):
		// The file's word against that of somebody unproved: they are two people,
		// and only one of them can be found by the address.
		s.identity.User.Email, s.identity.Verified = provider.Text{}, false
		s.user.Email, s.evidence.Verified = provider.Null(), false
		return nil
	}
	return s.refusal(kindNotLinked, ReasonEmailTaken)
}

// sameByEmail reports whether an address suffices to make a new account a user's:
// the operator says so of the provider, which vouches for it, or the address is in
// the operator's own file and the user has proved to have it.
func (q *request) sameByEmail(s *signIn, u store.User) bool {
	proved := !u.EmailVerified.IsZero()
	if isCredentials(s.provider) {
		return proved && !q.api.opts.Foreign
	}
	return s.provider.Info().LinkByEmail && s.evidence.Verified && (proved || q.api.opts.Foreign)
}

func isCredentials(p provider.Provider) bool {
	_, ok := p.(provider.Credentials)
	return ok
}

// currentUser is the stored user who is signed in, the zero value if nobody is,
// and whether that was a short time ago. A form with a password starts anew: it is
// how people change accounts. So does a step-up: another account is another
// session then, and not one more way into the same. So does what another site has
// begun: whose account the browser has at the provider may be that site's doing.
func (q *request) currentUser(s *signIn) (u store.User, fresh bool, err error) {
	if isCredentials(s.provider) || q.improves != "" || q.flow.initiated() {
		return store.User{}, false, nil
	}
	current, u, err := q.signedIn()
	if !q.mayLink(u) {
		return store.User{}, false, err
	}
	return u, current != nil && q.recent(current), err
}

// storedUser is the stored user of the browser's session.
func (q *request) storedUser() (store.User, error) {
	_, u, err := q.signedIn()
	return u, err
}

// become makes the session that of the stored user, as far as one is known.
func (q *request) become(s *signIn) {
	u := s.person.user
	if u.ID == "" {
		return
	}
	vouched := s.identity.Verified && strings.EqualFold(u.Email, text(s.identity.User.Email))
	s.user = storedUser(u)
	s.evidence.User = u.ID
	// What an application notes of addresses says nothing about its accounts.
	proved := !u.EmailVerified.IsZero() && !q.api.opts.Foreign
	s.evidence.Verified = u.Email != "" && (vouched || s.person.proved || proved)
}

// storedUser is a user as adapters return it: what is not there is null.
func storedUser(u store.User) provider.User {
	return provider.User{ID: u.ID, Name: orNull(u.Name), Email: orNull(u.Email), Image: orNull(u.Image)}
}

func orNull(s string) provider.Text {
	if s == "" {
		return provider.Null()
	}
	return provider.String(s)
}

// text is a value, empty if there is none.
func text(t provider.Text) string {
	s, _ := t.Any().(string)
	return s
}

// rowUser is the user of a database session, for callbacks.
func rowUser(s *session.Session) map[string]any {
	return userObject(storedUser(store.User{ID: s.User.ID, Name: s.User.Name, Email: s.User.Email, Image: s.User.Image}))
}

// settle keeps what has been found out: a new user, a new account of an old one,
// or that an address was proved.
func (q *request) settle(s *signIn) bool {
	if q.api.opts.Store == nil {
		return true
	}
	var f *failure
	switch {
	case s.person.proved:
		f = q.settleProved(s)
	case s.person.linked:
		f = q.settleKnown(s)
	case s.person.user.ID != "":
		f = q.link(s)
	default:
		f = q.create(s)
	}
	if f != nil {
		q.fail(*f)
		return false
	}
	q.become(s)
	return q.preview(s)
}

// settleKnown keeps what has changed of a user.
func (q *request) settleKnown(s *signIn) *failure {
	u := s.person.user
	if !isCredentials(s.provider) || u == s.person.kept {
		return nil
	}
	err := q.api.opts.Store.UpdateUser(q.r.Context(), u)
	if errors.Is(err, store.ErrConflict) { // the address is another user's
		u.Email = ""
		err = q.api.opts.Store.UpdateUser(q.r.Context(), u)
	}
	if err != nil {
		return q.storeFailure(s, err)
	}
	s.person.user = u
	return nil
}

// link makes the account one of the user's.
func (q *request) link(s *signIn) *failure {
	err := q.api.opts.Store.LinkAccount(q.r.Context(), q.account(s, s.person.user.ID))
	switch {
	case errors.Is(err, store.ErrConflict):
		// Somebody has linked it since it was looked for.
		return s.refusal(kindNotLinked, ReasonAccountTaken)
	case err != nil:
		return q.storeFailure(s, err)
	}
	s.person.joined = true
	if s.person.byAddress {
		// NextAuth says so here of users that there were, and version 4 even calls
		// them new.
		_ = q.emit(eventCreateUser, func() map[string]any { return map[string]any{"user": userObject(s.user)} })
		s.person.isNew = q.api.contract.linkedIsNew
	}
	_ = q.emit(eventLinkAccount, func() map[string]any { return q.linkData(s) })
	return nil
}

// create keeps somebody new, with the account.
func (q *request) create(s *signIn) *failure {
	u := newUser(s.identity.User)
	if s.identity.Verified && u.Email != "" && !isCredentials(s.provider) && !q.api.opts.Foreign {
		// The provider's word is as good as a mail: it keeps those who receive mail
		// there one with this user, and those who do not, apart.
		u.EmailVerified = q.now
	}
	u, err := q.api.opts.Store.CreateUserAndAccount(q.r.Context(), u, q.account(s, ""))
	if errors.Is(err, store.ErrConflict) {
		// Two tabs at once: the other one was first.
		if f := q.identifyByAccount(s); f != nil {
			return f
		}
		switch {
		case s.person.linked:
			return nil
		case s.person.user.ID != "":
			return q.link(s)
		}
		return s.refusal(kindNotLinked, ReasonEmailTaken)
	}
	if err != nil {
		f := q.storeFailure(s, err)
		f.kind = kindCreate
		return f
	}
	s.person.user, s.person.isNew, s.person.created = u, true, true
	s.user = storedUser(u)
	_ = q.emit(eventCreateUser, func() map[string]any { return map[string]any{"user": userObject(s.user)} })
	_ = q.emit(eventLinkAccount, func() map[string]any { return q.linkData(s) })
	return nil
}

// settleProved notes when an address was proved, of a new user or an old one.
func (q *request) settleProved(s *signIn) *failure {
	u, ctx := s.person.user, q.r.Context()
	event := eventUpdateUser
	var err error
	if vain := s.person.vain; vain.ID != "" {
		vain.Email = ""
		if err := q.api.opts.Store.UpdateUser(ctx, vain); err != nil {
			return q.storeFailure(s, err)
		}
		q.api.opts.Log.Warn("a user has lost an address that somebody else has proved to have", q.about(s.evidence.Provider, vain.ID)...)
	}
	if u.ID == "" {
		u = newUser(s.identity.User)
		u.EmailVerified = q.now
		u, err = q.api.opts.Store.CreateUser(ctx, u)
		event, s.person.isNew = eventCreateUser, true
	} else {
		u.EmailVerified = q.now
		err = q.api.opts.Store.UpdateUser(ctx, u)
	}
	if err != nil {
		f := q.storeFailure(s, err)
		f.kind = kindCreateByEmail
		return f
	}
	s.person.user, s.person.created = u, s.person.isNew
	_ = q.emit(event, func() map[string]any { return map[string]any{"user": userObject(storedUser(u))} })
	return nil
}

// unsettle takes back what settle has made for somebody who may not sign in after
// all. An address that was proved stays so, as that is true.
func (q *request) unsettle(s *signIn) {
	// The answer is the same whether or not the browser waits for it.
	ctx := context.WithoutCancel(q.r.Context())
	var err error
	switch {
	case s.person.created:
		err = q.api.opts.Store.DeleteUser(ctx, s.person.user.ID)
	case s.person.joined:
		err = q.api.opts.Store.UnlinkAccount(ctx, s.evidence.Provider, s.evidence.Account)
	}
	if err != nil {
		q.api.opts.Log.Error("what a refused sign-in has left in the store could not be removed",
			append(q.about(s.evidence.Provider, s.person.user.ID), zap.String("error", q.describe(err)))...)
	}
}

func newUser(u provider.User) store.User {
	return store.User{Name: text(u.Name), Email: text(u.Email), Image: text(u.Image)}
}

// account is the account as it is kept.
func (q *request) account(s *signIn, userID string) store.Account {
	a := s.identity.Account
	return store.Account{
		UserID: userID, Type: q.api.contract.providerType(s.provider.Info().Type),
		Provider: s.evidence.Provider, ProviderAccountID: a.ProviderAccountID,
		AccessToken: a.AccessToken, RefreshToken: a.RefreshToken, IDToken: a.IDToken,
		TokenType: a.TokenType, Scope: a.Scope, ExpiresAt: a.ExpiresAt,
	}
}

// refusal is a sign-in that cannot be this person's.
func (s *signIn) refusal(k kind, why reason) *failure {
	return &failure{kind: k, reason: why, provider: s.provider.Info().ID, userID: s.identity.User.ID}
}

// storeFailure is a sign-in that the store has no answer for.
func (q *request) storeFailure(s *signIn, err error) *failure {
	f := s.refusal(kindStore, ReasonStore)
	f.err = err
	return f
}
