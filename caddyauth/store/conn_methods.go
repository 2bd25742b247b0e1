package store

import (
	"context"
	"time"
)

// The methods of a Driver, each asked of the driver behind.

// Ping implements Driver.
func (c *Conn) Ping(ctx context.Context) error {
	return c.call(ctx, func(ctx context.Context, d Driver) error { return d.Ping(ctx) })
}

// Sweep implements Driver.
func (c *Conn) Sweep(ctx context.Context, now time.Time) error {
	return c.call(ctx, func(ctx context.Context, d Driver) error { return d.Sweep(ctx, now) })
}

// CreateUser implements Driver.
func (c *Conn) CreateUser(ctx context.Context, v User) (User, error) {
	return result(c, ctx, func(ctx context.Context, d Driver) (User, error) { return d.CreateUser(ctx, v) })
}

// User implements Driver.
func (c *Conn) User(ctx context.Context, id string) (User, error) {
	return result(c, ctx, func(ctx context.Context, d Driver) (User, error) { return d.User(ctx, id) })
}

// UserByEmail implements Driver.
func (c *Conn) UserByEmail(ctx context.Context, email string) (User, error) {
	return result(c, ctx, func(ctx context.Context, d Driver) (User, error) { return d.UserByEmail(ctx, email) })
}

// UserByAccount implements Driver.
func (c *Conn) UserByAccount(ctx context.Context, provider, providerAccountID string) (User, error) {
	return result(c, ctx, func(ctx context.Context, d Driver) (User, error) {
		return d.UserByAccount(ctx, provider, providerAccountID)
	})
}

// UpdateUser implements Driver.
func (c *Conn) UpdateUser(ctx context.Context, v User) error {
	return c.call(ctx, func(ctx context.Context, d Driver) error { return d.UpdateUser(ctx, v) })
}

// DeleteUser implements Driver.
func (c *Conn) DeleteUser(ctx context.Context, id string) error {
	return c.call(ctx, func(ctx context.Context, d Driver) error { return d.DeleteUser(ctx, id) })
}

// LinkAccount implements Driver.
func (c *Conn) LinkAccount(ctx context.Context, v Account) error {
	return c.call(ctx, func(ctx context.Context, d Driver) error { return d.LinkAccount(ctx, v) })
}

// CreateUserAndAccount implements Driver.
func (c *Conn) CreateUserAndAccount(ctx context.Context, u User, a Account) (User, error) {
	return result(c, ctx, func(ctx context.Context, d Driver) (User, error) { return d.CreateUserAndAccount(ctx, u, a) })
}

// Account implements Driver.
func (c *Conn) Account(ctx context.Context, provider, providerAccountID string) (Account, error) {
	return result(c, ctx, func(ctx context.Context, d Driver) (Account, error) {
		return d.Account(ctx, provider, providerAccountID)
	})
}

// Accounts implements Driver.
func (c *Conn) Accounts(ctx context.Context, userID string) ([]Account, error) {
	return result(c, ctx, func(ctx context.Context, d Driver) ([]Account, error) { return d.Accounts(ctx, userID) })
}

// UpdateAccount implements Driver.
func (c *Conn) UpdateAccount(ctx context.Context, v Account) error {
	return c.call(ctx, func(ctx context.Context, d Driver) error { return d.UpdateAccount(ctx, v) })
}

// UnlinkAccount implements Driver.
func (c *Conn) UnlinkAccount(ctx context.Context, provider, providerAccountID string) error {
	return c.call(ctx, func(ctx context.Context, d Driver) error { return d.UnlinkAccount(ctx, provider, providerAccountID) })
}

// CreateSession implements Driver.
func (c *Conn) CreateSession(ctx context.Context, v Session) error {
	return c.call(ctx, func(ctx context.Context, d Driver) error { return d.CreateSession(ctx, v) })
}

// SessionByToken implements Driver.
func (c *Conn) SessionByToken(ctx context.Context, token string) (SessionAndUser, error) {
	return result(c, ctx, func(ctx context.Context, d Driver) (SessionAndUser, error) { return d.SessionByToken(ctx, token) })
}

// SessionByID implements Driver.
func (c *Conn) SessionByID(ctx context.Context, id string) (SessionAndUser, error) {
	return result(c, ctx, func(ctx context.Context, d Driver) (SessionAndUser, error) { return d.SessionByID(ctx, id) })
}

// ExtendSession implements Driver.
func (c *Conn) ExtendSession(ctx context.Context, id string, from, to, seen time.Time) (bool, error) {
	return result(c, ctx, func(ctx context.Context, d Driver) (bool, error) { return d.ExtendSession(ctx, id, from, to, seen) })
}

// DeleteSession implements Driver.
func (c *Conn) DeleteSession(ctx context.Context, id string) error {
	return c.call(ctx, func(ctx context.Context, d Driver) error { return d.DeleteSession(ctx, id) })
}

// DeleteUserSessions implements Driver.
func (c *Conn) DeleteUserSessions(ctx context.Context, userID, except string) ([]string, error) {
	return result(c, ctx, func(ctx context.Context, d Driver) ([]string, error) {
		return d.DeleteUserSessions(ctx, userID, except)
	})
}

// ListSessions implements Driver.
func (c *Conn) ListSessions(ctx context.Context, f SessionFilter, now time.Time) ([]SessionAndUser, error) {
	return result(c, ctx, func(ctx context.Context, d Driver) ([]SessionAndUser, error) { return d.ListSessions(ctx, f, now) })
}

// CreateVerificationToken implements Driver.
func (c *Conn) CreateVerificationToken(ctx context.Context, v VerificationToken) error {
	return c.call(ctx, func(ctx context.Context, d Driver) error { return d.CreateVerificationToken(ctx, v) })
}

// UseVerificationToken implements Driver.
func (c *Conn) UseVerificationToken(ctx context.Context, identifier, token string) (VerificationToken, error) {
	return result(c, ctx, func(ctx context.Context, d Driver) (VerificationToken, error) {
		return d.UseVerificationToken(ctx, identifier, token)
	})
}

// CreateAuthenticator implements Driver.
func (c *Conn) CreateAuthenticator(ctx context.Context, v Authenticator) error {
	return c.call(ctx, func(ctx context.Context, d Driver) error { return d.CreateAuthenticator(ctx, v) })
}

// Authenticator implements Driver.
func (c *Conn) Authenticator(ctx context.Context, credentialID string) (Authenticator, error) {
	return result(c, ctx, func(ctx context.Context, d Driver) (Authenticator, error) { return d.Authenticator(ctx, credentialID) })
}

// Authenticators implements Driver.
func (c *Conn) Authenticators(ctx context.Context, userID string) ([]Authenticator, error) {
	return result(c, ctx, func(ctx context.Context, d Driver) ([]Authenticator, error) { return d.Authenticators(ctx, userID) })
}

// UpdateAuthenticator implements Driver.
func (c *Conn) UpdateAuthenticator(ctx context.Context, v Authenticator) error {
	return c.call(ctx, func(ctx context.Context, d Driver) error { return d.UpdateAuthenticator(ctx, v) })
}

// DeleteAuthenticator implements Driver.
func (c *Conn) DeleteAuthenticator(ctx context.Context, userID, credentialID string) error {
	return c.call(ctx, func(ctx context.Context, d Driver) error { return d.DeleteAuthenticator(ctx, userID, credentialID) })
}

// CreateToken implements Driver.
func (c *Conn) CreateToken(ctx context.Context, v Token) error {
	return c.call(ctx, func(ctx context.Context, d Driver) error { return d.CreateToken(ctx, v) })
}

// TokenByHash implements Driver.
func (c *Conn) TokenByHash(ctx context.Context, hash string) (Token, User, error) {
	var u User
	t, err := result(c, ctx, func(ctx context.Context, d Driver) (t Token, err error) {
		t, u, err = d.TokenByHash(ctx, hash)
		return t, err
	})
	return t, u, err
}

// Tokens implements Driver.
func (c *Conn) Tokens(ctx context.Context, userID string) ([]Token, error) {
	return result(c, ctx, func(ctx context.Context, d Driver) ([]Token, error) { return d.Tokens(ctx, userID) })
}

// TouchToken implements Driver.
func (c *Conn) TouchToken(ctx context.Context, id string, used time.Time) error {
	return c.call(ctx, func(ctx context.Context, d Driver) error { return d.TouchToken(ctx, id, used) })
}

// DeleteToken implements Driver.
func (c *Conn) DeleteToken(ctx context.Context, userID, id string) error {
	return c.call(ctx, func(ctx context.Context, d Driver) error { return d.DeleteToken(ctx, userID, id) })
}

// Revoke implements Driver.
func (c *Conn) Revoke(ctx context.Context, v Revocation) error {
	return c.call(ctx, func(ctx context.Context, d Driver) error { return d.Revoke(ctx, v) })
}

// Lock implements Driver.
func (c *Conn) Lock(ctx context.Context, name, owner string, ttl time.Duration) (bool, error) {
	return result(c, ctx, func(ctx context.Context, d Driver) (bool, error) { return d.Lock(ctx, name, owner, ttl) })
}

// Unlock implements Driver.
func (c *Conn) Unlock(ctx context.Context, name, owner string) error {
	return c.call(ctx, func(ctx context.Context, d Driver) error { return d.Unlock(ctx, name, owner) })
}

// WatchRevocations implements Driver. It takes as long as it takes.
func (c *Conn) WatchRevocations(ctx context.Context, now time.Time, heard func(Revocation), synced func()) error {
	d, err := c.get(ctx)
	if err != nil {
		return err
	}
	return d.WatchRevocations(ctx, now, heard, synced)
}

// Interface guards
var _ Driver = (*Conn)(nil)
