package gate

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/caddyauth/gateway/caddyauth/session"
)

// Policy is what the gate of one site lets pass. Everything is private unless
// Public opens it; Private wins over Public, Deny over all. The zero Policy
// wants a session for everything and is content with anyone's.
//
// The fields must not change after Compile, which must have been called
// before the first request.
type Policy struct {
	// Scope is the directive's own matcher: requests that it does not mean are
	// none of the gate's business. Nil means all. It closes: a request is left
	// out only if no reading of it matches.
	Scope Matcher
	// Public opens, Private closes. A nil element means every request.
	Public, Private []Matcher
	// Allow and Deny are in the order of the configuration.
	Allow, Deny []Rule
	// API closes: requests of programs. StepUp closes, too: what is asked of the
	// session once the rules have admitted it.
	API    []APIScope
	StepUp []StepUpScope
	// Programs says that nobody can sign in, so that every request is a program's.
	Programs bool
	// Now is the clock. Nil means time.Now.
	Now func() time.Time

	compiled bool
	scope    term
	// public and private are the lines' matchers, as alternatives. The nil
	// term is a line without one.
	public, private term
	// open and closed say that there is any such line.
	open, closed bool
	allow, deny  []scope
	apis         []apiScope
	stepUps      []stepUp
}

// Rule is one allow or deny line.
type Rule struct {
	// Scope is the text of the line's matcher, empty for none. Lines of one
	// text are one scope: alternatives of each other.
	Scope string
	// Matcher is the line's matcher; nil if and only if Scope is empty.
	Matcher Matcher
	// Subject is whom the line means.
	Subject Subject
	// Line is the line as written, for logs and for people.
	Line string
}

// scope is every rule of one matcher.
type scope struct {
	term  term
	rules []compiledRule
	// everyone says that one of the rules means any: as a deny, that closes
	// the scope for those without a session as well.
	everyone bool
	// cheap says that the term consists of paths.
	cheap bool
	// heads are those of what the term closes: most rules are about other paths.
	heads heads
}

// Compile prepares the policy for Decide.
func (p *Policy) Compile() error {
	p.scope = newTerm(p.Scope)
	p.public, p.open = newTerm(anyMatcher(p.Public)), len(p.Public) > 0
	p.private, p.closed = newTerm(anyMatcher(p.Private)), len(p.Private) > 0
	var err error
	if p.allow, err = newScopes("allow", p.Allow); err != nil {
		return err
	}
	if p.deny, err = newScopes("deny", p.Deny); err != nil {
		return err
	}
	if p.apis, err = newAPIScopes(p.API); err != nil {
		return err
	}
	if p.stepUps, err = newStepUps(p.StepUp); err != nil {
		return err
	}
	p.compiled = true
	return nil
}

func newScopes(word string, rules []Rule) ([]scope, error) {
	var scopes []scope
	index := make(map[string]int)
	for _, rule := range rules {
		if rule.Subject == nil {
			return nil, fmt.Errorf("%s: rule %q has no subject", word, rule.Line)
		}
		if (rule.Matcher == nil) != (rule.Scope == "") {
			return nil, fmt.Errorf("%s: rule %q has a scope without a matcher or a matcher without a scope", word, rule.Line)
		}
		i, ok := index[rule.Scope]
		if !ok {
			i = len(scopes)
			index[rule.Scope] = i
			t := newTerm(rule.Matcher)
			scopes = append(scopes, scope{term: t, cheap: t.isPaths(), heads: t.heads()})
		}
		scopes[i].rules = append(scopes[i].rules, compileRule(rule))
		if rule.Subject == Any {
			scopes[i].everyone = true
		}
	}
	return scopes, nil
}

// errNotCompiled means that the caller forgot Compile.
var errNotCompiled = errors.New("gate: policy is not compiled")

// Decide says what is to be done with r. original is the URL as the client
// sent it, before any rewrite; nil means r.URL. read fetches the session; it
// is called at most once, and only if the answer can depend on it. Its errors
// session.ErrNone, ErrInvalid, ErrExpired and ErrEnded mean that there is no
// session; any other means that nobody can tell: private requests are then
// answered with Unavailable, public ones pass without a person.
//
// While matchers run, r.URL holds the reading in question (and r.Method GET
// for a WebSocket over HTTP/2 or HTTP/3); it is as before when Decide returns
// or panics.
//
// The query and most header fields have no say, unless a matcher or an expression
// reads them. Destination has one, which is where COPY and MOVE write to: what
// opens must mean both places, and what closes one of them. With API lines, Origin
// and Access-Control-Request-Method have one, too: the one tells whose page may read
// the answer, both what is a preflight, which is answered here. A personal access
// token with methods is good for no request whose fields or query may bring another
// one.
func (p *Policy) Decide(r *http.Request, original *url.URL, read func() (*session.Session, error)) Decision {
	if !p.compiled {
		return Decision{Reason: ReasonUnavailable, Err: errNotCompiled}
	}
	if original == nil {
		original = r.URL
	}
	if refusesMethod(r, original) {
		return Decision{Action: MethodNotAllowed, Reason: ReasonMethod}
	}
	e := evaluation{r: r}
	err := e.readings.read(original, r.URL)
	if err == nil && copies(r) {
		err = e.readings.readDestination(r, original)
	}
	if err != nil {
		return Decision{Action: BadRequest, Reason: ReasonPath, Err: err}
	}
	var a api
	if len(p.apis) > 0 {
		a = p.apiOf(&e)
	}
	var d Decision
	if a.origin != "" && isPreflight(r) && e.closes(p.scope) {
		d = Decision{Action: Preflight, Reason: ReasonPreflight}
	} else {
		d = p.decide(&e, read)
	}
	if (a.matched || p.Programs) && !d.Outside {
		d.API, d.CORS, d.VaryOrigin = true, a.origin, a.varies
	}
	if d.Err == nil {
		d.Err = e.err
	}
	return d
}

func (p *Policy) decide(e *evaluation, read func() (*session.Session, error)) Decision {
	if !e.closes(p.scope) {
		return Decision{Action: Pass, Public: true, Outside: true, Reason: ReasonOutside}
	}
	// What is denied to any is closed to those without a session too: signing
	// in would not help, so nobody is asked to.
	for i := range p.deny {
		if s := &p.deny[i]; s.everyone && e.closes(s.term) {
			return p.refuseAll(s, read)
		}
	}
	public := p.opens(e)
	s, reason, err := readSession(read)
	switch {
	case s == nil && public:
		return Decision{Action: Pass, Public: true, Reason: ReasonPublic, Err: err}
	case s == nil && err != nil:
		return Decision{Action: Unavailable, Reason: reason, Err: err}
	case s == nil:
		return Decision{Action: SignIn, Reason: reason}
	}
	rule, reason, ok := p.admits(e, s)
	if ok && !e.within(s.PAT) {
		rule, reason, ok = ruleScope, ReasonScope, false
	}
	var lacking *Requirement
	if ok && len(p.stepUps) > 0 {
		if lacking = p.lacks(e, s); lacking != nil {
			reason, ok = ReasonStepUp, false
		}
	}
	switch {
	case ok:
		return Decision{Action: Pass, Public: public, Session: s, Reason: ReasonSession}
	case public:
		return Decision{Action: Pass, Public: true, Candidate: s, Rule: rule, Reason: reason, Lacking: lacking}
	case lacking != nil && s.PAT == nil:
		return Decision{Action: StepUp, Candidate: s, Reason: reason, Lacking: lacking}
	}
	return Decision{Action: Forbid, Candidate: s, Rule: rule, Reason: reason, Lacking: lacking}
}

func (p *Policy) now() time.Time {
	if p.Now == nil {
		return time.Now()
	}
	return p.Now()
}

// refuseAll is the answer where any is denied. The session is read only to
// name the account on the page.
func (p *Policy) refuseAll(s *scope, read func() (*session.Session, error)) Decision {
	d := Decision{Action: Forbid, Reason: ReasonDenied}
	for i := range s.rules {
		if s.rules[i].Subject == Any {
			d.Rule = s.rules[i].Line
			break
		}
	}
	d.Candidate, _, d.Err = readSession(read)
	return d
}

// opens says whether the request needs no session.
func (p *Policy) opens(e *evaluation) bool {
	if !p.open || !p.public.always() && !e.opens(p.public) {
		return false
	}
	return !p.closed || !e.closes(p.private)
}

// readSession sorts the outcomes of read. The error is nil for the ordinary
// ways of not having a session.
func readSession(read func() (*session.Session, error)) (*session.Session, Reason, error) {
	s, err := read()
	switch {
	case err == nil && s == nil:
		return nil, ReasonNone, nil
	case err == nil:
		// A token that decrypts is not yet a person: the keys seal other
		// things as well (CVE-2023-48309).
		if s.User.ID == "" && s.User.Email == "" {
			return nil, ReasonSubject, nil
		}
		return s, ReasonSession, nil
	case errors.Is(err, session.ErrNone):
		return nil, ReasonNone, nil
	case errors.Is(err, session.ErrExpired):
		return nil, ReasonExpired, nil
	case errors.Is(err, session.ErrEnded):
		return nil, ReasonEnded, nil
	case errors.Is(err, session.ErrInvalid):
		return nil, ReasonInvalid, nil
	}
	return nil, ReasonUnavailable, err
}

// admits says whether every rule lets s pass, and which one does not.
func (p *Policy) admits(e *evaluation, s *session.Session) (line string, reason Reason, ok bool) {
	heads := e.readings.heads()
	for i := range p.deny {
		sc := &p.deny[i]
		if sc.heads&heads == 0 {
			continue
		}
		if line, hit := sc.asks(e, s, true); hit {
			return line, ReasonDenied, false
		}
	}
	for i := range p.allow {
		sc := &p.allow[i]
		if sc.heads&heads == 0 {
			continue
		}
		if line, hit := sc.asks(e, s, false); hit {
			return line, ReasonNotAllowed, false
		}
	}
	return "", "", true
}

// asks says whether the scope matches the request and means s, or does not
// mean s, as wanted. The cheaper question comes first: paths are compared in
// no time, other matchers may do anything.
func (sc *scope) asks(e *evaluation, s *session.Session, wanted bool) (line string, hit bool) {
	if sc.cheap && !e.closes(sc.term) {
		return "", false
	}
	line, meant := sc.means(e, s, wanted)
	if meant != wanted || !sc.cheap && !e.closes(sc.term) {
		return "", false
	}
	if !meant {
		line = sc.rules[0].Line
	}
	return line, true
}

// means says whether one of the scope's rules means s.
func (sc *scope) means(e *evaluation, s *session.Session, denying bool) (line string, ok bool) {
	for i := range sc.rules {
		r := &sc.rules[i]
		if r.plain && r.Subject.Allows(s) || !r.plain && r.means(e, s, denying) {
			return r.Line, true
		}
	}
	return "", false
}

// SignIn says whether the rules without a scope let s sign in. Those with a
// scope, and expressions that read the request, are asked at the requests they
// mean.
func (p *Policy) SignIn(s *session.Session) bool {
	if !p.compiled || s == nil {
		return false
	}
	for i := range p.deny {
		if p.deny[i].term.always() && p.deny[i].meansAtSignIn(s, true) {
			return false
		}
	}
	for i := range p.allow {
		if p.allow[i].term.always() && !p.allow[i].meansAtSignIn(s, false) {
			return false
		}
	}
	return true
}

// meansAtSignIn is means where there is no request yet. What only a request can
// tell refuses nobody.
func (sc *scope) meansAtSignIn(s *session.Session, denying bool) bool {
	e := evaluation{}
	for i := range sc.rules {
		if sc.rules[i].skips() {
			if !denying {
				return true
			}
			continue
		}
		if sc.rules[i].means(&e, s, denying) {
			return true
		}
	}
	return false
}
