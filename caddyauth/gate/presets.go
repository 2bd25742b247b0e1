package gate

import "github.com/caddyauth/gateway/caddyauth/session"

// The presets. remote is what Authelia and others send, oauth2_proxy what
// oauth2-proxy does.
var presets = map[string][]Field{
	"remote": {
		{Name: "Remote-User", Value: userName},
		{Name: "Remote-Name", Value: func(s *session.Session) string { return s.User.Name }},
		{Name: "Remote-Email", Value: email},
		{Name: "Remote-Groups", list: groups},
	},
	"oauth2_proxy": {
		{Name: "X-Forwarded-User", Value: (*session.Session).AccountID},
		{Name: "X-Forwarded-Email", Value: email},
		{Name: "X-Forwarded-Preferred-Username", Value: userName},
		{Name: "X-Forwarded-Groups", list: groups},
		{Name: "X-Auth-Request-User", Value: (*session.Session).AccountID},
		{Name: "X-Auth-Request-Email", Value: email},
		{Name: "X-Auth-Request-Preferred-Username", Value: userName},
		{Name: "X-Auth-Request-Groups", list: groups},
	},
	"none": nil,
}

// userName is the login at the provider; else the e-mail address if the
// provider vouches for it, or if the token is one of NextAuth's own, which
// has nothing better; else the id. An address that anybody could have claimed
// must not become the name that an upstream looks accounts up by.
func userName(s *session.Session) string {
	switch {
	case s.HasEvidence && s.Evidence.Login != "":
		return s.Evidence.Login
	case s.User.Email != "" && (s.Evidence.Verified || !s.HasEvidence):
		return s.User.Email
	}
	return s.AccountID()
}

func email(s *session.Session) string { return s.User.Email }

func groups(s *session.Session) []string { return s.Evidence.Groups }

// exceptOf leaves the accounts of a provider as they are, and writes those of any
// other with theirs.
func exceptOf(provider string, of func(*session.Session) string) func(*session.Session) string {
	other := withProvider(of)
	return func(s *session.Session) string {
		if s.Evidence.Provider == provider {
			return of(s)
		}
		return other(s)
	}
}

// withProvider puts the provider's id in front of what of returns, unless
// that is an e-mail address that is one everywhere.
func withProvider(of func(*session.Session) string) func(*session.Session) string {
	return func(s *session.Session) string {
		v := of(s)
		if v == "" || s.Evidence.Provider == "" || v == s.User.Email && v != s.Evidence.Login {
			return v
		}
		return s.Evidence.Provider + ":" + v
	}
}
