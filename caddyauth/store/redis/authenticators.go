package redis

import (
	"cmp"
	"context"
	"slices"

	"github.com/caddyauth/gateway/caddyauth/store"
)

func authenticatorFields(a store.Authenticator) fields {
	f := fields{"user", a.UserID, "account", a.ProviderAccountID, "public_key", string(a.PublicKey), "device_type", a.DeviceType}
	f = f.add("transports", texts(a.Transports)).add("aaguid", string(a.AAGUID)).add("created", millis(a.Created)).
		add("evidence", string(a.Evidence))
	return append(f, usageFields(a)...)
}

// usageFields are the fields that change.
func usageFields(a store.Authenticator) fields {
	backedUp := ""
	if a.BackedUp {
		backedUp = "1"
	}
	return fields{"counter", a.Counter, "backed_up", backedUp, "flags", a.Flags, "used", millis(a.Used), "name", a.Name}
}

func (r *row) authenticator(id string) (store.Authenticator, error) {
	a := store.Authenticator{
		CredentialID: id, UserID: r.text("user"), ProviderAccountID: r.text("account"), PublicKey: r.bytes("public_key"),
		Counter: uint32(r.number("counter", 32)), DeviceType: r.text("device_type"), BackedUp: r.text("backed_up") != "",
		Transports: r.list("transports"), Name: r.text("name"), Flags: byte(r.number("flags", 8)), AAGUID: r.bytes("aaguid"),
		Created: r.time("created"), Used: r.time("used"), Evidence: r.bytes("evidence"),
	}
	return a, r.err
}

// CreateAuthenticator implements [store.Driver].
func (s *Store) CreateAuthenticator(ctx context.Context, a store.Authenticator) error {
	return s.do(ctx, luaCreate, append([]any{"authenticator", a.CredentialID, a.UserID, "", ""}, authenticatorFields(a)...)...)
}

// Authenticator implements [store.Driver].
func (s *Store) Authenticator(ctx context.Context, credentialID string) (store.Authenticator, error) {
	v, err := s.find(ctx, luaRow, "authenticator", credentialID)
	if err != nil {
		return store.Authenticator{}, err
	}
	return newRow(v).authenticator(credentialID)
}

// Authenticators implements [store.Driver].
func (s *Store) Authenticators(ctx context.Context, userID string) ([]store.Authenticator, error) {
	list, err := collect(ctx, s, "authenticator", "user-authenticators:"+userID,
		func(id string, r *row) (store.Authenticator, error) { return r.authenticator(id) })
	slices.SortFunc(list, func(a, b store.Authenticator) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.CredentialID, b.CredentialID))
	})
	return list, err
}

// UpdateAuthenticator implements [store.Driver].
func (s *Store) UpdateAuthenticator(ctx context.Context, a store.Authenticator) error {
	return s.do(ctx, luaUpdate, append([]any{"authenticator", a.CredentialID}, usageFields(a)...)...)
}

// DeleteAuthenticator implements [store.Driver].
func (s *Store) DeleteAuthenticator(ctx context.Context, userID, credentialID string) error {
	if userID == "" {
		return nil // nobody's, where the script would take it for anybody's
	}
	return s.do(ctx, luaDelete, "authenticator", credentialID, userID)
}
