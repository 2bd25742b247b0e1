package caddyauth

import (
	"net/http"
	"strings"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/gate"
)

// referencePlaceholder is for pages that handle_errors writes.
const referencePlaceholder = "http.auth.reference"

// refusedRequest are the fields of a refusal's line that tell the request. The
// query stays out: it may hold codes and tokens.
func refusedRequest(r *http.Request, d gate.Decision, reference string) []zap.Field {
	fields := []zap.Field{
		zap.String("reason", string(d.Reason)), zap.String("reference", reference),
		zap.Stringer("client_ip", clientIP(r)), zap.String("method", r.Method), zap.String("host", r.Host), zap.String("path", originalURL(r).EscapedPath()),
	}
	if r.TLS != nil {
		fields = append(fields, zap.Bool("tls", true))
	}
	if d.Rule != "" {
		fields = append(fields, zap.String("rule", d.Rule))
	}
	return fields
}

// refusedPerson are the fields that tell the person as the rules see them, so that
// the decision can be made anew ('caddy auth explain --log'). An e-mail address, a
// name and an image are among them only where a rule asks for one. Claims are not: any
// of them may be a secret.
func (s *site) refusedPerson(d gate.Decision) []zap.Field {
	who := d.Candidate
	if who == nil {
		return nil
	}
	e := &who.Evidence
	fields := []zap.Field{
		zap.String("user_id", who.AccountID()), zap.String("provider", e.Provider), zap.Strings("roles", e.Roles), zap.Strings("groups", e.Groups),
	}
	text := func(name, value string) {
		if value != "" {
			fields = append(fields, zap.String(name, value))
		}
	}
	text("login", e.Login)
	domain := e.Domain
	if !who.HasEvidence {
		_, domain, _ = strings.Cut(who.User.Email, "@") // which counts then
	}
	text("domain", domain)
	if e.Verified {
		fields = append(fields, zap.Bool("verified", true))
	}
	if len(e.Orgs) > 0 {
		fields = append(fields, zap.Strings("orgs", e.Orgs))
	}
	if s.asksFor("email") || s.exprReads("user.email") {
		text("email", who.User.Email)
	}
	if s.exprReads("user.name") {
		text("name", who.User.Name)
	}
	if s.exprReads("user.image") {
		text("image", who.User.Image)
	}
	if d.Lacking != nil || s.exprReads("session.auth_time") {
		fields = append(fields, zap.Int64("auth_time", e.AuthTime))
	}
	if d.Lacking != nil || s.exprReads("session.acr") {
		text("acr", e.ACR)
	}
	if t := who.PAT; t != nil {
		text("token_id", t.ID)
		fields = append(fields, zap.Strings("token_paths", t.Paths), zap.Strings("token_methods", t.Methods))
	}
	return fields
}

// asksFor reports whether a rule has that subject.
func (s *site) asksFor(subject string) bool {
	for _, rules := range [][]*Rule{s.config.Allow, s.config.Deny} {
		for _, r := range rules {
			if r.Subject == subject {
				return true
			}
		}
	}
	return false
}

// exprReads reports whether an expr rule reads a member of CEL's variables.
func (s *site) exprReads(member string) bool { return s.ruled[ruledValue{subjectExpr, member}] }

// unlogged are the members of CEL's variables that a refusal's line leaves out, with
// the flag of 'caddy auth explain' that gives them.
var unlogged = []struct{ member, flag string }{
	{"session.claims", "claims"}, {"session.sid", "claims"}, {"session.expires", "claims"},
	{"request.headers", "header"}, {"request.query", "query"},
}
