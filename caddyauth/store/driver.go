package store

import (
	"context"
	"errors"
	"time"
)

// What a driver answers besides results. Any other error means that it could not
// do what was asked, and maybe did.
var (
	// ErrNotFound means that there is no such thing, or no longer.
	ErrNotFound = errors.New("store: not found")
	// ErrConflict means that something else has that id, address or account.
	ErrConflict = errors.New("store: conflict")
)

// Driver is one kind of store. All methods may be called from many goroutines
// and obey the context's end; with one that has ended already they do nothing.
// Methods that delete succeed if there is nothing to delete. What belongs to a
// user who is gone cannot be kept: ErrNotFound. What a method acknowledged is
// there after a crash, unless the driver keeps everything in memory. Lists are
// ordered byte by byte. What cannot be kept as it is, such as invalid UTF-8 where a
// database wants text, is refused or, in a lookup, not found. A store that cannot be
// asked never says ErrNotFound or ErrConflict.
type Driver interface {
	Users
	Accounts
	Sessions
	VerificationTokens
	Authenticators
	Tokens
	Revocations
	Locks

	// Ping reports whether the store answers.
	Ping(context.Context) error
	// Sweep removes what has expired by now. It is called now and then, and by
	// one node or several.
	Sweep(ctx context.Context, now time.Time) error
	Close() error
}

// Users keeps people.
type Users interface {
	// CreateUser keeps a new user and returns it with its ID, which the store
	// makes. ErrConflict if another has the address.
	CreateUser(context.Context, User) (User, error)
	User(ctx context.Context, id string) (User, error)
	// UserByEmail finds the user with that lower-case address. An empty one is
	// nobody's.
	UserByEmail(ctx context.Context, email string) (User, error)
	// UserByAccount finds whose the account is.
	UserByAccount(ctx context.Context, provider, providerAccountID string) (User, error)
	// UpdateUser replaces a user. ErrNotFound, ErrConflict.
	UpdateUser(context.Context, User) error
	// DeleteUser removes a user and all that is theirs: accounts, sessions,
	// authenticators and tokens.
	DeleteUser(ctx context.Context, id string) error
}

// Accounts keeps what users sign in with.
type Accounts interface {
	// LinkAccount keeps a new account. ErrConflict if it is linked already.
	LinkAccount(context.Context, Account) error
	// CreateUserAndAccount keeps a new user with a first account, both or
	// neither. The account's UserID is set by it. ErrConflict as of both.
	CreateUserAndAccount(context.Context, User, Account) (User, error)
	// Account finds one account.
	Account(ctx context.Context, provider, providerAccountID string) (Account, error)
	// Accounts lists those of a user, by provider and id.
	Accounts(ctx context.Context, userID string) ([]Account, error)
	// UpdateAccount replaces the tokens of an account and what is said about
	// them, but not whose it is. ErrNotFound.
	UpdateAccount(context.Context, Account) error
	UnlinkAccount(ctx context.Context, provider, providerAccountID string) error
}

// Sessions keeps sessions. Those that have expired are nobody's business to hide:
// the caller looks at the time.
type Sessions interface {
	// CreateSession keeps a new session. ErrConflict if its ID or Token is taken.
	CreateSession(context.Context, Session) error
	// SessionByToken finds a session with its user. An empty token is nobody's.
	SessionByToken(ctx context.Context, token string) (SessionAndUser, error)
	// SessionByID finds a session with its user.
	SessionByID(ctx context.Context, id string) (SessionAndUser, error)
	// ExtendSession moves the end of a session from one time to another and sets
	// Seen, if it still ends at the first: of many that try, one succeeds. The
	// others, and those that come when the session is gone, get false. It never
	// brings a session back.
	ExtendSession(ctx context.Context, id string, from, to, seen time.Time) (bool, error)
	DeleteSession(ctx context.Context, id string) error
	// DeleteUserSessions removes all sessions of a user but the one with the ID
	// except, which may be empty, and returns the IDs of those it removed.
	DeleteUserSessions(ctx context.Context, userID, except string) ([]string, error)
	// ListSessions returns a page of those that have not expired by now, in the
	// order of their IDs.
	ListSessions(ctx context.Context, f SessionFilter, now time.Time) ([]SessionAndUser, error)
}

// VerificationTokens keeps the secrets of sign-in links.
type VerificationTokens interface {
	CreateVerificationToken(context.Context, VerificationToken) error
	// UseVerificationToken removes a token and returns it, expired or not. Of two
	// that use it at once, one gets it, the other ErrNotFound. Another identifier
	// is ErrNotFound and removes nothing.
	UseVerificationToken(ctx context.Context, identifier, token string) (VerificationToken, error)
}

// Authenticators keeps passkeys.
type Authenticators interface {
	// CreateAuthenticator keeps a new one. ErrConflict if its id is known.
	CreateAuthenticator(context.Context, Authenticator) error
	Authenticator(ctx context.Context, credentialID string) (Authenticator, error)
	// Authenticators lists those of a user, by time of creation.
	Authenticators(ctx context.Context, userID string) ([]Authenticator, error)
	// UpdateAuthenticator replaces Counter, BackedUp, Flags, Used and Name.
	// ErrNotFound.
	UpdateAuthenticator(context.Context, Authenticator) error
	// DeleteAuthenticator removes one of a user's; of another's it removes
	// nothing.
	DeleteAuthenticator(ctx context.Context, userID, credentialID string) error
}

// Tokens keeps personal access tokens.
type Tokens interface {
	// CreateToken keeps a new one. ErrConflict if its ID or Hash is taken.
	CreateToken(context.Context, Token) error
	// TokenByHash finds a token with its user.
	TokenByHash(ctx context.Context, hash string) (Token, User, error)
	// Tokens lists those of a user, by time of creation, or everybody's for an
	// empty id.
	Tokens(ctx context.Context, userID string) ([]Token, error)
	// TouchToken sets Used.
	TouchToken(ctx context.Context, id string, used time.Time) error
	// DeleteToken removes one of a user's, or anybody's for an empty user id.
	DeleteToken(ctx context.Context, userID, id string) error
}

// Revocations tells all nodes what was ended.
type Revocations interface {
	// Revoke keeps a revocation and tells it to whoever watches. A later one for
	// the same thing replaces it.
	Revoke(context.Context, Revocation) error
	// WatchRevocations calls heard with every revocation whose Until is not over,
	// then as they come, within a second, until the context ends or the store
	// cannot be reached; the error says why. It calls synced as soon as all that
	// existed at the call have been heard, and again, at least twice a second,
	// whenever it is known that none was missed: who watches believes no session
	// for longer than a second without. One and the same may be heard
	// several times.
	WatchRevocations(ctx context.Context, now time.Time, heard func(Revocation), synced func()) error
}

// Locks lets nodes take turns.
type Locks interface {
	// Lock takes a named lock for a while. It is false if another owner has it
	// and its time is not over. The same owner may take it again, for longer.
	Lock(ctx context.Context, name, owner string, ttl time.Duration) (bool, error)
	// Unlock gives a lock back, if the owner still has it.
	Unlock(ctx context.Context, name, owner string) error
}
