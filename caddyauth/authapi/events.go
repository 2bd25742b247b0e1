package authapi

import (
	"encoding/json"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// The names of events are NextAuth's.
const (
	eventSignIn  = "signIn"
	eventSignOut = "signOut"
	eventSession = "session"

	eventCreateUser  = "createUser"
	eventUpdateUser  = "updateUser"
	eventLinkAccount = "linkAccount"
)

// emit tells whoever listens what has been decided. The error counts for signIn
// alone.
func (q *request) emit(name string, data func() map[string]any) error {
	if q.api.opts.Events == nil {
		return nil
	}
	err := q.api.opts.Events(q.r.Context(), name, data)
	if err != nil && name != eventSignIn {
		q.api.opts.Log.Warn("event handler failed", zap.String("event", name), zap.String("error", q.describe(err)))
	}
	return err
}

// signInData are NextAuth's arguments, without what opens doors: the tokens of
// the account, and what the profile has of the kind.
func (q *request) signInData(s *signIn) map[string]any {
	data := map[string]any{
		"user":      userObject(s.user),
		"account":   q.publicAccount(s),
		"isNewUser": s.person.isNew,
	}
	if profile := published(s.identity.Profile); len(profile) > 0 {
		data["profile"] = profile
	}
	return data
}

// publicAccount is an account without its tokens.
func (q *request) publicAccount(s *signIn) map[string]any {
	account := q.accountObject(s)
	return map[string]any{
		"provider":          account["provider"],
		"type":              account["type"],
		"providerAccountId": account["providerAccountId"],
	}
}

// linkData are NextAuth's arguments of linkAccount.
func (q *request) linkData(s *signIn) map[string]any {
	data := map[string]any{"user": userObject(s.user), "account": q.publicAccount(s)}
	if profile := published(s.identity.Profile); len(profile) > 0 {
		data["profile"] = profile
	}
	return data
}

// signOutData are NextAuth's arguments of signOut: the token or, of a database
// session, what is known of its row.
func (q *request) signOutData(s *session.Session) map[string]any {
	if !q.api.opts.Sessions.Database() {
		return map[string]any{"token": tokenData(s)}
	}
	return map[string]any{"session": map[string]any{
		"userId": s.User.ID, "expires": s.Expires.UTC().Format(time.RFC3339Nano), "sid": s.Key(),
	}}
}

// rowData is what is known of somebody else's browser, whatever the strategy.
func rowData(row store.Session) map[string]any {
	return map[string]any{"session": map[string]any{
		"userId": row.UserID, "expires": row.Expires.UTC().Format(time.RFC3339Nano), "sid": row.ID,
	}}
}

// published is a profile, or an object in one, without what is confidential.
func published(profile map[string]any) map[string]any {
	open := make(map[string]any, len(profile))
	for name, v := range profile {
		if !confidential(name) {
			open[name] = publishedValue(v)
		}
	}
	return open
}

func publishedValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return published(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = publishedValue(v[i])
		}
		return list
	}
	return v
}

// confidential reports whether a claim is one of those that tie an ID token to
// its flow (OpenID Connect Core, sections 2 and 3.3.2.11), or looks like a token
// or secret.
func confidential(name string) bool {
	switch name = strings.ToLower(name); name {
	case "nonce", "at_hash", "c_hash", "s_hash", "code":
		return true
	}
	return strings.Contains(name, "token") || strings.Contains(name, "secret") || strings.Contains(name, "password")
}

// tokenData is the claims of a session as far as the API itself puts them there:
// callbacks may keep the tokens of an account in others.
func tokenData(s *session.Session) map[string]any {
	token := make(map[string]any, 5)
	_ = jwt.Members(s.Claims, func(name string, v jwt.Value) bool {
		switch name {
		case "sub", "name", "email", "picture":
			var value any
			_ = json.Unmarshal([]byte(v.Raw()), &value)
			token[name] = value
		}
		return true
	})
	if s.HasEvidence {
		token[session.EvidenceClaim] = map[string]any{
			"sid": s.Evidence.SID, "provider": s.Evidence.Provider,
			"account": s.Evidence.Account, "login": s.Evidence.Login,
		}
	}
	return token
}
