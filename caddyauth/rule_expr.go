package caddyauth

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/callbacks"
	"github.com/caddyauth/gateway/caddyauth/gate"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// The subjects of rules that are treated apart.
const (
	subjectClaim = "claim"
	subjectExpr  = "expr"
	subjectOrg   = "org"
)

// subject compiles whom a rule means, and notes the values that it reads.
func (s *site) subject(word, line string, r *Rule, options gate.SubjectOptions) (gate.Subject, error) {
	if r.Subject == subjectExpr {
		// Placeholders are not expanded: braces make maps in CEL.
		return s.exprSubject(word, line, r.Values)
	}
	values, err := resolveAll(r.Values)
	if err != nil {
		return nil, err
	}
	if err := s.checkOrgRule(r); err != nil {
		return nil, err
	}
	subject, err := gate.NewSubject(r.Subject, values, options)
	if err != nil {
		return nil, err
	}
	if r.Subject == subjectClaim && (values[0] == session.EvidenceClaim || strings.HasPrefix(values[0], session.EvidenceClaim+".")) {
		s.ruled[everyValue] = true
	}
	for _, v := range values {
		s.ruled[ruledValue{r.Subject, v}] = true
	}
	s.ruleOrgs(r, values)
	return subject, nil
}

// everyValue stands for all of them, where nobody can tell what a rule reads.
var everyValue = ruledValue{subject: subjectExpr}

func (s *site) exprSubject(word, line string, values []string) (gate.Subject, error) {
	if len(values) != 1 {
		return nil, fmt.Errorf("expr takes one expression, got %d", len(values))
	}
	rule, err := callbacks.CompileRule(values[0])
	if err != nil {
		return nil, err
	}
	if rule.ReadsLists() {
		s.ruled[everyValue] = true
	}
	for _, member := range rule.Reads() {
		s.ruled[ruledValue{subjectExpr, member}] = true
	}
	return &exprSubject{rule: rule, denying: word == "deny", line: line, log: s.log}, nil
}

// exprSubject is whom an expression means.
type exprSubject struct {
	rule    *callbacks.Rule
	denying bool
	line    string
	log     *zap.Logger
}

// Allows implements gate.Subject, for sign-in. An error refuses.
func (e *exprSubject) Allows(s *session.Session) bool {
	ok, err := e.rule.Eval(context.Background(), callbacks.RuleInput{Session: s})
	if err != nil {
		e.log.Warn("a rule failed at sign-in, which refuses the person", zap.String("rule", e.line), zap.Error(err))
		return e.denying
	}
	return ok
}

// ReadsRequest implements gate.RequestSubject.
func (e *exprSubject) ReadsRequest() bool { return e.rule.ReadsRequest() }

// AllowsRequest implements gate.RequestSubject.
func (e *exprSubject) AllowsRequest(s *session.Session, r *http.Request) (bool, error) {
	in := callbacks.RuleInput{Session: s}
	if e.rule.ReadsRequest() {
		in.Request, in.RemoteIP = r, clientIP(r)
	}
	ok, err := e.rule.Eval(r.Context(), in)
	if err != nil {
		return false, fmt.Errorf("'%s': %w", e.line, err)
	}
	return ok, nil
}

// Interface guards
var _ gate.RequestSubject = (*exprSubject)(nil)
