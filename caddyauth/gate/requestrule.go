package gate

import (
	"net/http"

	"github.com/caddyauth/gateway/caddyauth/session"
)

// RequestSubject is a Subject that may look at the request as well, or fail:
// an expression.
type RequestSubject interface {
	// Subject's Allows is asked at sign-in, where there is no request. It minds for
	// itself that what fails refuses.
	Subject

	// ReadsRequest reports whether the answer depends on the request. Where it
	// does, nobody is asked at sign-in.
	ReadsRequest() bool

	// AllowsRequest says whether the rule means s for r, whose URL has the path
	// as one reading has it. An allow line has to mean every reading, a deny line
	// any. With an error an allow line means nobody and a deny line everybody.
	AllowsRequest(s *session.Session, r *http.Request) (bool, error)
}

// compiledRule is a Rule with what the gate needs to know of its subject.
type compiledRule struct {
	Rule
	// request is the subject if it is a RequestSubject.
	request RequestSubject
	// vouched says that a token without evidence, of NextAuth's own making, is
	// nobody whom an allow line of this kind means. What it would find there, or
	// not find, nobody has vouched for.
	vouched bool
	// plain says that the subject is asked about the session alone, as most are.
	plain bool
}

func compileRule(r Rule) compiledRule {
	c := compiledRule{Rule: r}
	c.request, _ = r.Subject.(RequestSubject)
	_, claim := r.Subject.(claimSubject)
	c.vouched = claim || c.request != nil
	c.plain = !c.vouched
	return c
}

// means says whether the rule means s. At sign-in, e has no request.
func (c *compiledRule) means(e *evaluation, s *session.Session, denying bool) bool {
	if c.vouched && !denying && !s.HasEvidence {
		return false
	}
	if c.request == nil || e.r == nil {
		return c.Subject.Allows(s)
	}
	if !c.request.ReadsRequest() {
		ok, err := c.request.AllowsRequest(s, e.r)
		return e.outcome(ok, err, denying)
	}
	return e.meansReadings(c.request, s, denying)
}

// meansReadings asks about each reading: whatever a server makes of the path, an
// allow line must hold for it and a deny line must not.
func (e *evaluation) meansReadings(subject RequestSubject, s *session.Session, denying bool) bool {
	if e.readings.murky || e.readings.overflow {
		return denying
	}
	ask := asking{subject, s}
	for i := range e.readings.len() {
		rd := e.readings.at(i)
		if e.ask(ask, rd.path, rd.rawPath, denying) == denying {
			return denying
		}
	}
	return !denying
}

func (e *evaluation) outcome(ok bool, err error, denying bool) bool {
	if err == nil {
		return ok
	}
	if e.err == nil {
		e.err = err
	}
	return denying
}

// asking is a RequestSubject as a Matcher.
type asking struct {
	subject RequestSubject
	s       *session.Session
}

func (a asking) MatchWithError(r *http.Request) (bool, error) {
	return a.subject.AllowsRequest(a.s, r)
}

// skips reports whether sign-in has to leave the rule to the requests.
func (c *compiledRule) skips() bool { return c.request != nil && c.request.ReadsRequest() }
