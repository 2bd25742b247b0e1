package authapi

import (
	"slices"

	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// ways are those in which a user can sign in at this site.
type ways struct {
	// accounts are those at providers, without the ones that belong to passkeys.
	accounts []store.Account
	// usable tells those of them that are at a provider of this site.
	usable func(store.Account) bool
	// withPasskeys says that the site has passkeys, and these are the user's.
	// standFor tells the account that one stands for, and whether it is good for
	// anything.
	withPasskeys bool
	passkeys     []store.Authenticator
	standFor     map[string]passkeyBasis
	// ofPasskeys are the accounts that belong to passkeys.
	ofPasskeys []store.Account
	// mail says that a link can be mailed to an address that is the user's.
	mail bool
}

func (q *request) waysOf(u store.User) (ways, error) {
	w := ways{usable: func(a store.Account) bool { return q.api.providers[a.Provider] != nil }}
	all, err := q.api.opts.Store.Accounts(q.r.Context(), u.ID)
	if err != nil {
		return w, err
	}
	for _, a := range all {
		if a.Type == provider.TypeWebAuthn {
			w.ofPasskeys = append(w.ofPasskeys, a)
		} else {
			w.accounts = append(w.accounts, a)
		}
	}
	if _, w.withPasskeys = providerOf[provider.Passkeys](q.api); w.withPasskeys {
		if w.passkeys, err = q.api.opts.Store.Authenticators(q.r.Context(), u.ID); err != nil {
			return w, err
		}
		w.standFor = q.basisOf(u, w.passkeys, w.accounts)
	}
	_, mail := providerOf[provider.Email](q.api)
	w.mail = mail && u.Email != "" && !u.EmailVerified.IsZero()
	return w, nil
}

// has reports whether the user has an account at a provider.
func (w ways) has(providerID string) bool {
	return slices.ContainsFunc(w.accounts, func(a store.Account) bool { return a.Provider == providerID })
}

// find returns one of the accounts.
func (w ways) find(providerID, id string) (store.Account, bool) {
	i := slices.IndexFunc(w.accounts, func(a store.Account) bool {
		return a.Provider == providerID && a.ProviderAccountID == id
	})
	if i < 0 {
		return store.Account{}, false
	}
	return w.accounts[i], true
}

// count is how many ways there are.
func (w ways) count() int {
	n := 0
	for _, k := range w.passkeys {
		if w.standFor[k.CredentialID].good {
			n++
		}
	}
	for _, a := range w.accounts {
		if w.usable(a) {
			n++
		}
	}
	if w.mail {
		n++
	}
	return n
}

// without is how many there are besides an account, and besides the passkeys that
// stand for it.
func (w ways) without(a store.Account) int {
	if !w.usable(a) {
		return w.count()
	}
	n := w.count() - 1
	for _, b := range w.standFor {
		if b.needs(a) {
			n--
		}
	}
	return n
}

// carries reports whether passkeys stand for an account.
func (w ways) carries(a store.Account) bool {
	for _, b := range w.standFor {
		if b.needs(a) {
			return true
		}
	}
	return false
}

// withoutPasskey is how many there are besides a passkey.
func (w ways) withoutPasskey(k store.Authenticator) int {
	if w.standFor[k.CredentialID].good {
		return w.count() - 1
	}
	return w.count()
}
