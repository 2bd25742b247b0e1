package callbacks

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/caddyauth/gateway/caddyauth/session"
)

// ruleKind is that of the gate's rules. Its name is the subject in a Caddyfile.
const ruleKind Kind = "expr"

// ofRules is the language of the gate's rules.
var ofRules = newLanguage(language{
	variables: []variable{
		{"user", cel.MapType(cel.StringType, cel.DynType)},
		{"session", cel.MapType(cel.StringType, cel.DynType)},
		{"request", cel.MapType(cel.StringType, cel.DynType)},
	},
	members: map[string][]string{
		"user":    ruleUser.names,
		"session": ruleSession.names,
		"request": ruleRequest.names,
	},
	synonyms: map[string]string{
		"claims":  "did you mean 'session.claims'?",
		"token":   "did you mean 'session.claims'?",
		"jwt":     "did you mean 'session.claims'?",
		"profile": "what the provider said is in 'user' and, as far as the token has it, in 'session.claims'",
		"now":     "the time is not known here: 'step_up max_age' asks for a recent sign-in",
		"roles":   "did you mean 'user.roles'?",
		"groups":  "did you mean 'user.groups'?",

		"user.role": "did you mean 'user.roles'?", "user.group": "did you mean 'user.groups'?", "user.org": "did you mean 'user.orgs'?",
		"user.username": "did you mean 'user.login'?", "user.sub": "did you mean 'user.id'?", "user.picture": "did you mean 'user.image'?",
		"user.claims": "did you mean 'session.claims'?", "user.email_verified": "did you mean 'user.verified'?",
		"request.ip": "did you mean 'request.remote_ip'?", "request.uri": "did you mean 'request.path'?", "request.url": "did you mean 'request.path'?",
		"request.header": "did you mean 'request.headers'?", "session.exp": "did you mean 'session.expires'?",
	},
})

// Rule is a compiled expression of the gate: whom, and perhaps which request, an
// allow or deny line means. It is safe for concurrent use.
//
// Its variables are user (id, login, name, email, image, provider, roles, groups,
// orgs, domain, verified), session (claims, sid, expires, auth_time, acr) and
// request (method, host, path, query, headers, remote_ip). What has no value is
// an empty string or list, or false; a time is a timestamp. Only in
// session.claims members may be absent: session.claims.?plan.orValue("").
type Rule struct{ program *program }

// CompileRule compiles an expression that must result in a bool. An error is a
// *[CompileError].
func CompileRule(expr string) (*Rule, error) {
	p, err := compile(ruleKind, Step{Expr: expr})
	if err != nil {
		return nil, err
	}
	return &Rule{p}, nil
}

// ReadsRequest reports whether the expression names the variable request.
func (r *Rule) ReadsRequest() bool { return r.program.request }

// Reads are the members of the variables that the expression names, such as
// "user.email" and "request.headers", sorted. Nothing else can count for its result.
func (r *Rule) Reads() []string { return r.program.reads }

// ReadsLists reports whether the result may depend on what roles, groups or
// organizations the person has.
func (r *Rule) ReadsLists() bool { return r.program.lists }

// RuleInput is what an expression of the gate sees.
type RuleInput struct {
	Session *session.Session

	// Request is the request, with the path in question in its URL. It may be nil
	// for rules that do not read it, and is looked at only if they ask.
	Request *http.Request

	// RemoteIP is the client's address; the zero one reads as "".
	RemoteIP netip.Addr
}

// Eval evaluates the expression. A result that comes with an error is false.
func (r *Rule) Eval(ctx context.Context, in RuleInput) (bool, error) {
	v := ruleVars{in: in}
	out, err := r.program.evaluate(ctx, &v)
	if err != nil {
		return false, r.program.explain(err)
	}
	if b, ok := out.(types.Bool); ok {
		return bool(b), nil
	}
	return false, r.program.wrongType(out, "a bool")
}

// ruleVars gives the variables their values, which are looked up when an
// expression asks for them.
type ruleVars struct {
	in RuleInput

	user, session, request record
}

// ResolveName implements cel.Activation.
func (v *ruleVars) ResolveName(name string) (any, bool) {
	switch name {
	case "user":
		return v.user.of(ruleUser, &v.in), true
	case "session":
		return v.session.of(ruleSession, &v.in), true
	case "request":
		return v.request.of(ruleRequest, &v.in), true
	}
	return nil, false
}

// Parent implements cel.Activation.
func (*ruleVars) Parent() cel.Activation { return nil }

// shape is what a variable of rules consists of.
type shape struct {
	names []string
	get   func(in *RuleInput, name string) ref.Val
}

var ruleUser = &shape{
	names: []string{"id", "login", "name", "email", "image", "provider", "roles", "groups", "orgs", "domain", "verified"},
	get: func(in *RuleInput, name string) ref.Val {
		s := in.Session
		e := &s.Evidence
		switch name {
		case "id":
			return types.String(s.AccountID())
		case "login":
			return types.String(e.Login)
		case "name":
			return types.String(s.User.Name)
		case "email":
			return types.String(s.User.Email)
		case "image":
			return types.String(s.User.Image)
		case "provider":
			return types.String(e.Provider)
		case "roles":
			return types.NewStringList(adapter{}, e.Roles)
		case "groups":
			return types.NewStringList(adapter{}, e.Groups)
		case "orgs":
			return types.NewStringList(adapter{}, e.Orgs)
		case "domain":
			return types.String(e.Domain)
		case "verified":
			return types.Bool(e.Verified)
		}
		return nil
	},
}

var ruleSession = &shape{
	names: []string{"claims", "sid", "expires", "auth_time", "acr"},
	get: func(in *RuleInput, name string) ref.Val {
		s := in.Session
		switch name {
		case "claims":
			if o, err := newObject(s.Claims); err == nil {
				return o
			}
			return emptyObject
		case "sid":
			return types.String(s.Evidence.SID)
		case "expires":
			return types.Timestamp{Time: s.Expires.UTC()}
		case "auth_time":
			return types.Timestamp{Time: time.Unix(s.Evidence.AuthTime, 0).UTC()}
		case "acr":
			return types.String(s.Evidence.ACR)
		}
		return nil
	},
}

var ruleRequest = &shape{
	names: []string{"method", "host", "path", "query", "headers", "remote_ip"},
	get: func(in *RuleInput, name string) ref.Val {
		r := in.Request
		if r == nil {
			return types.NewErr("there is no request")
		}
		switch name {
		case "method":
			return types.String(r.Method)
		case "host":
			return types.String(bareHost(r.Host))
		case "path":
			return types.String(strings.ToValidUTF8(r.URL.Path, "\uFFFD"))
		case "query":
			q := Request{RawQuery: r.URL.RawQuery}
			return types.NewStringStringMap(adapter{}, q.query())
		case "headers":
			q := Request{Header: r.Header}
			return types.NewStringStringMap(adapter{}, q.headers())
		case "remote_ip":
			if !in.RemoteIP.IsValid() {
				return types.String("")
			}
			return types.String(in.RemoteIP.Unmap().String())
		}
		return nil
	},
}

// bareHost is a host as rules compare it: in lower case, without the port and the
// dot that may end it. Clients spell it as they like.
func bareHost(host string) string {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host = host[:i]
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
