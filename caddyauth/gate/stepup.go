package gate

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyauth/gateway/caddyauth/session"
)

// StepUpScope is one step_up line: requests for which a session is not enough.
type StepUpScope struct {
	// Matcher is the line's matcher; nil means every request.
	Matcher Matcher
	Requirement
}

// Requirement is what is asked of a sign-in. The zero Requirement asks nothing.
type Requirement struct {
	// MaxAge is how long ago the person may have proved who they are, in whole
	// seconds. Zero means that it does not matter.
	MaxAge time.Duration
	// ACR are the authentication context classes that suffice, any one of them.
	// None means that all do.
	ACR []string
}

// clockTolerance is how far another node's clock may be ahead of ours.
const clockTolerance = time.Minute

// Met reports whether a sign-in satisfies the requirement at the given time. One
// that nobody vouches for does not, nor does a personal access token: nobody
// was there to prove anything.
func (q Requirement) Met(s *session.Session, now time.Time) bool {
	if !s.HasEvidence || s.PAT != nil {
		return false
	}
	if q.MaxAge > 0 {
		age := time.Duration(now.Unix()-s.Evidence.AuthTime) * time.Second
		if s.Evidence.AuthTime <= 0 || age > q.MaxAge || age < -clockTolerance {
			return false
		}
	}
	return len(q.ACR) == 0 || slices.Contains(q.ACR, s.Evidence.ACR)
}

// merge makes a requirement that meets both, if there is one.
func (q Requirement) merge(other Requirement) Requirement {
	if q.MaxAge == 0 || other.MaxAge > 0 && other.MaxAge < q.MaxAge {
		q.MaxAge = other.MaxAge
	}
	if len(q.ACR) == 0 || len(other.ACR) == 0 {
		q.ACR = append(slices.Clip(q.ACR), other.ACR...)
		return q
	}
	var both []string
	for _, v := range q.ACR {
		if contains(other.ACR, v) {
			both = append(both, v)
		}
	}
	if both == nil {
		// No class is in both lists, so one is as good as the other.
		both = q.ACR
	}
	q.ACR = both
	return q
}

// Challenge is the challenge of RFC 9470 section 3.
func (q Requirement) Challenge(realm string) string {
	var b strings.Builder
	b.WriteString(`Bearer realm="` + realm + `", error="insufficient_user_authentication"`)
	what := "a more recent sign-in is needed"
	if len(q.ACR) > 0 {
		what = "another way of signing in is needed"
	}
	b.WriteString(`, error_description="` + what + `"`)
	if q.MaxAge > 0 {
		b.WriteString(`, max_age="` + strconv.FormatInt(int64(q.MaxAge/time.Second), 10) + `"`)
	}
	if len(q.ACR) > 0 {
		b.WriteString(`, acr_values="` + strings.Join(q.ACR, " ") + `"`)
	}
	return b.String()
}

// check refuses what cannot be sent: acr_values is a list with spaces in a quoted
// string.
func (q Requirement) check() error {
	if q.MaxAge < 0 || q.MaxAge > 0 && q.MaxAge < time.Second {
		return errors.New("step_up: max_age is one second at least")
	}
	if q.MaxAge == 0 && len(q.ACR) == 0 {
		return errors.New("step_up: needs max_age or acr")
	}
	for _, v := range q.ACR {
		if v == "" || strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' }) {
			return errors.New("step_up: the acr value " + strconv.Quote(v) + " has characters that no such value has")
		}
	}
	return nil
}

type stepUp struct {
	term term
	Requirement
}

func newStepUps(lines []StepUpScope) ([]stepUp, error) {
	var compiled []stepUp
	for _, l := range lines {
		if err := l.check(); err != nil {
			return nil, err
		}
		l.MaxAge = l.MaxAge.Truncate(time.Second)
		compiled = append(compiled, stepUp{newTerm(l.Matcher), l.Requirement})
	}
	return compiled, nil
}

// lacks returns what the request asks for and the session does not have, nil if
// it has all of it.
func (p *Policy) lacks(e *evaluation, s *session.Session) *Requirement {
	now, all, met := p.now(), Requirement{}, true
	for i := range p.stepUps {
		if l := &p.stepUps[i]; e.closes(l.term) {
			all = all.merge(l.Requirement)
			met = met && l.Met(s, now)
		}
	}
	if met {
		return nil
	}
	lacking := all // which keeps the usual case off the heap
	return &lacking
}
