package authapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/page"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// accountAction is what a form of the page does.
type accountAction struct {
	// do says what has been done, or why it has not: an accountError, or whatever
	// the store says. If it says neither, it has answered itself.
	do func(*request, *owner) (page.AccountNotice, error)
	// recent says that it takes a recent sign-in.
	recent bool
	// tokens says that it takes a site with tokens.
	tokens bool
}

const actionCreateToken = "create_token"

var accountActions = map[string]accountAction{
	"end_session":     {do: (*request).endSession},
	"end_others":      {do: (*request).endOthers},
	"end_all":         {do: (*request).endEverywhere, recent: true},
	"unlink":          {do: (*request).unlink, recent: true},
	"rename_passkey":  {do: (*request).renamePasskey},
	"delete_passkey":  {do: (*request).deletePasskey, recent: true},
	actionCreateToken: {do: (*request).createToken, recent: true, tokens: true},
	"end_token":       {do: (*request).endToken, tokens: true},
}

// accountError is why something has not been done.
type accountError struct {
	status int
	notice page.AccountNotice
}

func (e *accountError) Error() string { return "authapi: account: " + string(e.notice) }

var (
	errGone    = &accountError{http.StatusNotFound, page.AccountGone}
	errLastWay = &accountError{http.StatusConflict, page.AccountLastWay}
	errBusy    = &accountError{http.StatusConflict, page.AccountBusy}
)

func wrongField(n page.AccountNotice) error { return &accountError{http.StatusBadRequest, n} }

// changeAccount answers POST {base}/account. Whatever a form names is looked for
// among what the person has, so that nothing of another's can be touched.
func (q *request) changeAccount() {
	o := q.owner()
	if o == nil {
		return
	}
	action, known := accountActions[q.body.text("action")]
	switch {
	case !q.csrf.verified:
		q.showAccount(o, http.StatusForbidden, page.AccountCSRF)
		return
	case !known, action.tokens && !q.api.opts.Account.Tokens:
		q.showAccount(o, http.StatusBadRequest, page.AccountUnknown)
		return
	case action.recent && !o.recent:
		q.showAccount(o, http.StatusForbidden, page.AccountSignInAgain)
		return
	}
	done, err := action.do(q, o)
	refused, ok := errors.AsType[*accountError](err)
	switch {
	case ok:
		q.showAccount(o, refused.status, refused.notice)
	case errors.Is(err, store.ErrNotFound):
		q.showAccount(o, errGone.status, errGone.notice)
	case err != nil:
		q.unavailable(err)
	case done != "":
		q.leave(notice{code: noticeAccount, reason: reason(done)})
		q.seeOther(q.accountURL())
	}
}

// logAccount logs what somebody has done on the page.
func (q *request) logAccount(message string, o *owner, fields ...zap.Field) {
	if entry := q.api.opts.Log.Check(zap.InfoLevel, message); entry != nil {
		entry.Write(append(q.about(o.session.Evidence.Provider, o.user.ID), fields...)...)
	}
}

// accountLock is how long a change may take that must not meet another one.
const accountLock = 10 * time.Second

// alone makes a change while no other is made of the same user's ways to sign in:
// each of two could leave what the other one takes.
func (q *request) alone(o *owner, change func() error) error {
	d, name, me := q.api.opts.Store, "account:"+o.user.ID, store.NewID()
	locked, err := d.Lock(q.r.Context(), name, me, accountLock)
	switch {
	case err != nil:
		return err
	case !locked:
		return errBusy
	}
	// If that fails, the lock ends by itself.
	defer func() { _ = d.Unlock(context.WithoutCancel(q.r.Context()), name, me) }()
	return change()
}

// unlink takes an account from the person, and with it what others may have begun
// with it. That comes first, so that whoever is told that it failed can try
// again, and once more at the end: until the account was gone, more could begin.
func (q *request) unlink(o *owner) (page.AccountNotice, error) {
	return page.AccountUnlinked, q.alone(o, func() error {
		w, err := q.waysOf(o.user)
		if err != nil {
			return err
		}
		a, ok := w.find(q.body.text("provider"), q.body.text("account"))
		switch {
		case !ok:
			return errGone
		case w.without(a) == 0:
			return errLastWay
		}
		if err := q.drop(o, a); err != nil {
			return err
		}
		q.logAccount("account unlinked", o, zap.String("unlinked", a.Provider))
		return nil
	})
}

// drop removes an account, and what began with it before and after.
func (q *request) drop(o *owner, a store.Account) error {
	if err := q.endAccount(o, a); err != nil {
		return err
	}
	if err := q.api.opts.Store.UnlinkAccount(q.r.Context(), a.Provider, a.ProviderAccountID); err != nil {
		return err
	}
	return q.endAccount(o, a)
}

// endAccount ends the sessions that began with an account, but not the one at hand,
// and the tokens that were made in them. The tokens come last: a session that is
// about to end can still make one.
func (q *request) endAccount(o *owner, a store.Account) error {
	err := q.endRows(o, func(s store.Session) bool { return s.Provider == a.Provider && s.Account == a.ProviderAccountID })
	if err != nil {
		return err
	}
	return q.endTokensOf(o, func(e session.Evidence) bool { return e.Provider == a.Provider && e.Account == a.ProviderAccountID })
}

// deletePasskey takes a passkey from the person, and with it what others may have
// begun with it, as unlink does. Its account goes first: without the passkey,
// nobody would find it again.
func (q *request) deletePasskey(o *owner) (page.AccountNotice, error) {
	return page.AccountPasskeyRemoved, q.alone(o, func() error {
		w, err := q.waysOf(o.user)
		if err != nil {
			return err
		}
		k, ok := w.passkey(q.body.text("id"))
		switch {
		case !ok:
			return errGone
		case w.withoutPasskey(k) == 0:
			return errLastWay
		}
		if err := q.endPasskey(o, k); err != nil {
			return err
		}
		for _, a := range w.ofPasskeys {
			if a.ProviderAccountID != k.ProviderAccountID {
				continue
			}
			if err := q.drop(o, a); err != nil {
				return err
			}
		}
		if err := q.api.opts.Store.DeleteAuthenticator(q.r.Context(), o.user.ID, k.CredentialID); err != nil {
			return err
		}
		if err := q.endPasskey(o, k); err != nil {
			return err
		}
		q.logAccount("passkey removed", o)
		return nil
	})
}

// passkey returns one of the passkeys.
func (w ways) passkey(id string) (store.Authenticator, bool) {
	i := slices.IndexFunc(w.passkeys, func(k store.Authenticator) bool { return k.CredentialID == id })
	if i < 0 {
		return store.Authenticator{}, false
	}
	return w.passkeys[i], true
}

// maxPasskeyName bounds the names that people give, in runes.
const maxPasskeyName = 64

func (q *request) renamePasskey(o *owner) (page.AccountNotice, error) {
	name, ok := cleanName(q.body.text("name"), maxPasskeyName)
	if !ok {
		return "", wrongField(page.AccountPasskeyName)
	}
	w, err := q.waysOf(o.user)
	if err != nil {
		return "", err
	}
	k, ok := w.passkey(q.body.text("id"))
	if !ok {
		return "", errGone
	}
	k.Name = name
	return page.AccountPasskeyRenamed, q.api.opts.Store.UpdateAuthenticator(q.r.Context(), k)
}

// cleanName is a name as it is kept. It is false for one that is empty, too long or
// has control characters, which could do anything to a terminal.
func cleanName(name string, most int) (string, bool) {
	name = strings.TrimSpace(name)
	return name, name != "" && utf8.RuneCountInString(name) <= most && !strings.ContainsFunc(name, unicode.IsControl)
}
