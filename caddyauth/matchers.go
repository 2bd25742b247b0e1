package caddyauth

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"regexp"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types/ref"
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyauth/gateway/caddyauth/gate"
	"github.com/caddyauth/gateway/caddyauth/session"
)

func init() {
	caddy.RegisterModule(new(MatchUser))
	caddy.RegisterModule(new(MatchRole))
	caddy.RegisterModule(new(MatchClaim))
}

// MatchUser matches requests of people who have signed in: of those with one of
// the logins or account ids or, without any, of everybody.
//
// It goes by what the handler caddyauth has found out about the request. Before
// that handler, and on requests that it does not see, it matches nobody; nor does
// it match a session that a rule refuses on a public path. Values are written as
// in `allow user`: with the provider's id, `github:octocat`, where the site has
// several providers.
type MatchUser []string

// MatchRole matches requests of people who have one of the roles.
//
// See `auth_user` for whom it goes by. Roles are those that `allow role` goes by.
type MatchRole []string

// MatchClaim matches requests of people whose session token has one of the values
// at a path.
//
// See `auth_user` for whom it goes by. Paths and values are those of `allow
// claim`.
type MatchClaim struct {
	// The dotted path of the claim.
	Path string `json:"path"`

	// Any one of them suffices: strings, numbers and booleans as JSON spells them;
	// of an array any member.
	Values []string `json:"values"`

	subject gate.Subject
}

// The variables of a request that say who sent it, and at which site.
const (
	sessionVar = "caddyauth.session"
	siteVar    = "caddyauth.site"
)

// What the variables hold says nothing as text: {http.vars.*} and templates would
// print the whole session.
type (
	presentSession session.Session
	presentSite    site
)

func (*presentSession) String() string { return "" }
func (*presentSite) String() string    { return "" }

// MarshalJSON keeps encoders from looking inside.
func (*presentSession) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// MarshalJSON keeps encoders from looking inside.
func (*presentSite) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// present tells matchers who sent a request. Where nobody did, there may still be
// somebody that an earlier handler has told them of.
func (s *site) present(r *http.Request, who *session.Session) {
	vars, ok := r.Context().Value(caddyhttp.VarsCtxKey).(map[string]any)
	switch {
	case !ok:
	case who != nil:
		vars[sessionVar], vars[siteVar] = (*presentSession)(who), (*presentSite)(s)
	default:
		delete(vars, sessionVar)
	}
}

// whoSent returns what present has told.
func whoSent(r *http.Request) (*session.Session, *site) {
	who, _ := caddyhttp.GetVar(r.Context(), sessionVar).(*presentSession)
	where, _ := caddyhttp.GetVar(r.Context(), siteVar).(*presentSite)
	if who == nil || where == nil {
		return nil, nil
	}
	return (*session.Session)(who), (*site)(where)
}

// CaddyModule returns the Caddy module information.
func (*MatchUser) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.matchers.auth_user", New: func() caddy.Module { return new(MatchUser) }}
}

// CaddyModule returns the Caddy module information.
func (*MatchRole) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.matchers.auth_role", New: func() caddy.Module { return new(MatchRole) }}
}

// CaddyModule returns the Caddy module information.
func (*MatchClaim) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.matchers.auth_claim", New: func() caddy.Module { return new(MatchClaim) }}
}

// UnmarshalCaddyfile sets up the matcher from Caddyfile tokens. Syntax:
//
//	auth_user [<login or id>...]
func (m *MatchUser) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	if *m == nil {
		*m = MatchUser{} // [] and not null, which would be no configuration
	}
	for first := true; d.Next(); first = false {
		args := d.RemainingArgs()
		if !first && (len(args) == 0) != (len(*m) == 0) {
			// The two lines are alternatives, as with Caddy's own matchers, and one of
			// them means everybody.
			return d.Err("'auth_user' without names means everybody: keep one of the lines")
		}
		*m = append(*m, args...)
		if d.NextBlock(0) {
			return d.Err("'auth_user' takes no block")
		}
	}
	return nil
}

// UnmarshalCaddyfile sets up the matcher from Caddyfile tokens. Syntax:
//
//	auth_role <role>...
func (m *MatchRole) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	for d.Next() {
		args := d.RemainingArgs()
		if len(args) == 0 {
			return d.Err("'auth_role' needs a role")
		}
		*m = append(*m, args...)
		if d.NextBlock(0) {
			return d.Err("'auth_role' takes no block")
		}
	}
	return nil
}

// UnmarshalCaddyfile sets up the matcher from Caddyfile tokens. Syntax:
//
//	auth_claim <path> <value>...
func (m *MatchClaim) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	for d.Next() {
		args := d.RemainingArgs()
		switch {
		case len(args) < 2:
			return d.Err("'auth_claim' takes a path such as resource_access.app.roles and one or more values")
		case m.Path != "" && m.Path != args[0]:
			return d.Errf("'auth_claim' looks at one claim, and '%s' is another: give it a named matcher of its own", args[0])
		}
		m.Path = args[0]
		m.Values = append(m.Values, args[1:]...)
		if d.NextBlock(0) {
			return d.Err("'auth_claim' takes no block")
		}
	}
	return nil
}

// Provision checks the values.
func (m *MatchUser) Provision(caddy.Context) error { return notEmpty("auth_user", *m) }

// Provision checks the values.
func (m *MatchRole) Provision(caddy.Context) error {
	if len(*m) == 0 {
		return errors.New("auth_role: no role")
	}
	return notEmpty("auth_role", *m)
}

// Provision checks path and values.
func (m *MatchClaim) Provision(caddy.Context) (err error) {
	if m.Path == "" {
		return errors.New("auth_claim: no path")
	}
	if m.subject, err = gate.NewSubject(subjectClaim, append([]string{m.Path}, m.Values...), gate.SubjectOptions{}); err != nil {
		return errors.New("auth_" + err.Error())
	}
	return nil
}

func notEmpty(name string, values []string) error {
	for _, v := range values {
		if strings.TrimSpace(v) != v || v == "" {
			return errors.New(name + ": a value is empty or has spaces around it")
		}
	}
	return nil
}

// MatchWithError implements caddyhttp.RequestMatcherWithError.
func (m *MatchUser) MatchWithError(r *http.Request) (bool, error) {
	who, where := whoSent(r)
	if who == nil || len(*m) == 0 {
		return who != nil, nil
	}
	subject, err := gate.NewSubject("user", *m, gate.SubjectOptions{Providers: where.accountProviders(), FoldLogin: where.foldsLogin})
	if err != nil {
		// A name without its provider is somebody's at each of them.
		return false, err
	}
	return subject.Allows(who), nil
}

// MatchWithError implements caddyhttp.RequestMatcherWithError.
func (m *MatchRole) MatchWithError(r *http.Request) (bool, error) {
	who, _ := whoSent(r)
	if who == nil || !who.HasEvidence {
		return false, nil
	}
	for _, have := range who.Evidence.Roles {
		for _, want := range *m {
			if have == want {
				return true, nil
			}
		}
	}
	return false, nil
}

// MatchWithError implements caddyhttp.RequestMatcherWithError. As in a rule, the
// claims of a token that NextAuth has made count for nothing.
func (m *MatchClaim) MatchWithError(r *http.Request) (bool, error) {
	who, _ := whoSent(r)
	return who != nil && who.HasEvidence && m.subject.Allows(who), nil
}

// CELLibrary makes the matcher a function of expressions:
//
//	expression auth_user('octocat', 'hubot')
func (*MatchUser) CELLibrary(ctx caddy.Context) (cel.Library, error) {
	return celMatcher(ctx, "auth_user", func(values []string) (celModule, error) {
		m := MatchUser(values)
		return &m, nil
	})
}

// CELLibrary makes the matcher a function of expressions:
//
//	expression auth_role('admin', 'staff')
func (*MatchRole) CELLibrary(ctx caddy.Context) (cel.Library, error) {
	return celMatcher(ctx, "auth_role", func(values []string) (celModule, error) {
		m := MatchRole(values)
		return &m, nil
	})
}

// CELLibrary makes the matcher a function of expressions:
//
//	expression auth_claim('plan', 'pro', 'team')
func (*MatchClaim) CELLibrary(ctx caddy.Context) (cel.Library, error) {
	return celMatcher(ctx, "auth_claim", func(values []string) (celModule, error) {
		if len(values) < 2 {
			return nil, errors.New("auth_claim takes a path and one or more values")
		}
		return &MatchClaim{Path: values[0], Values: values[1:]}, nil
	})
}

// celModule is a matcher that an expression makes.
type celModule interface {
	caddyhttp.RequestMatcherWithError
	caddy.Provisioner
}

func celMatcher(ctx caddy.Context, name string, make func(values []string) (celModule, error)) (cel.Library, error) {
	return caddyhttp.CELMatcherImpl(name, name+"_request_list", []*cel.Type{cel.ListType(cel.StringType)},
		func(data ref.Val) (caddyhttp.RequestMatcherWithError, error) {
			values, err := data.ConvertToNative(reflect.TypeFor[[]string]())
			if err != nil {
				return nil, err
			}
			m, err := make(values.([]string))
			if err != nil {
				return nil, err
			}
			return m, m.Provision(ctx)
		})
}

// asksSession reports whether a set of matchers asks for the session, directly, in a
// `not` or in an expression.
func asksSession(raw caddy.ModuleMap) string {
	for name, config := range raw {
		if ownMatchers[name] {
			return name
		}
		switch name {
		case "not":
			var sets []caddy.ModuleMap
			_ = json.Unmarshal(config, &sets) // what is none is refused elsewhere
			for _, set := range sets {
				if found := asksSession(set); found != "" {
					return found
				}
			}
		case "expression":
			if found := asksInCEL.FindSubmatch(config); found != nil {
				return string(found[1])
			}
		}
	}
	return ""
}

// asksInCEL finds the functions in an expression. In JSON, white space other than
// blanks is an escape.
var asksInCEL = regexp.MustCompile(`\b(auth_(?:user|role|claim))(?:\s|\\[nrt])*\(`)

var ownMatchers = map[string]bool{"auth_user": true, "auth_role": true, "auth_claim": true}

// Interface guards
var (
	_ caddy.Provisioner                 = (*MatchUser)(nil)
	_ caddy.Provisioner                 = (*MatchRole)(nil)
	_ caddy.Provisioner                 = (*MatchClaim)(nil)
	_ caddyfile.Unmarshaler             = (*MatchUser)(nil)
	_ caddyfile.Unmarshaler             = (*MatchRole)(nil)
	_ caddyfile.Unmarshaler             = (*MatchClaim)(nil)
	_ caddyhttp.RequestMatcherWithError = (*MatchUser)(nil)
	_ caddyhttp.RequestMatcherWithError = (*MatchRole)(nil)
	_ caddyhttp.RequestMatcherWithError = (*MatchClaim)(nil)
	_ caddyhttp.CELLibraryProducer      = (*MatchUser)(nil)
	_ caddyhttp.CELLibraryProducer      = (*MatchRole)(nil)
	_ caddyhttp.CELLibraryProducer      = (*MatchClaim)(nil)
)
