package gate

import (
	"net/http"
	"net/url"

	"github.com/caddyauth/gateway/caddyauth/session"
)

// The words of the lines in an Explanation.
const (
	WordScope   = "scope" // the directive's own matcher
	WordDeny    = "deny"
	WordPublic  = "public"
	WordPrivate = "private"
	WordAllow   = "allow"
	WordStepUp  = "step_up"
	WordAPI     = "api"
)

// Explanation says how a Decision came to be.
type Explanation struct {
	Decision Decision
	// Readings are the paths that servers may understand the request to have,
	// the one that it came with first. None if the request was refused before
	// any line was asked.
	Readings []string
	// Closed says that no path opens the request, since one reading is not UTF-8
	// or, which TooMany says, there are more of them than anyone can mean. Every
	// line that closes matches then.
	Closed, TooMany bool
	// Lines are in the order in which they count: the directive's matcher, deny,
	// public, private, allow, step_up and api.
	Lines []ExplainedLine
}

// ExplainedLine is one line of a Policy, asked about one request. All lines are
// asked, also those that the decision did not need.
type ExplainedLine struct {
	Word string
	// Index is the line's place among those of its word: in the field of the
	// Policy that has them.
	Index int
	// Matches says whether the line's matcher means the request. Of a public line
	// that is whether it opens every reading; several may do so together.
	Matches bool
	// Readings are those that the matcher means, if there are several.
	Readings []string
	// Means says whether the person is one of those that a deny or allow line
	// names, and for step_up whether the sign-in suffices. Nil where that is not
	// asked: the line names nobody, or nobody has signed in.
	Means *bool
	// Decided says that the decision would be another one, or have another
	// reason, if it were not for the line and others of which this holds.
	Decided bool
	// Err is what the matcher or the expression complained about.
	Err error
}

// Explain decides as Decide does, which it calls, and asks each line by itself.
// It is for people who wonder, and takes its time. The arguments are those of
// Decide; read is called at least once.
func (p *Policy) Explain(r *http.Request, original *url.URL, read func() (*session.Session, error)) Explanation {
	who, failure := read()
	again := func() (*session.Session, error) { return who, failure }
	x := explaining{p: p, out: Explanation{Decision: p.Decide(r, original, again)}}
	if original == nil {
		original = r.URL
	}
	switch x.out.Decision.Action {
	case BadRequest, MethodNotAllowed:
		return x.out
	}
	if !p.compiled {
		return x.out
	}
	x.e = evaluation{r: r}
	if x.e.readings.read(original, r.URL) != nil || copies(r) && x.e.readings.readDestination(r, original) != nil {
		return x.out // which Decide has refused
	}
	x.s, _, _ = readSession(again)
	x.readings()
	x.lines()
	x.decided()
	return x.out
}

// explaining makes one Explanation.
type explaining struct {
	p   *Policy
	e   evaluation
	s   *session.Session // nil: nobody
	out Explanation
}

func (x *explaining) readings() {
	rs := &x.e.readings
	x.out.Closed, x.out.TooMany = rs.murky || rs.overflow, rs.overflow
	for i := range rs.len() {
		// A path is there twice if patterns could tell the two apart by escapes.
		if path := rs.at(i).path; !contains(x.out.Readings, path) {
			x.out.Readings = append(x.out.Readings, path)
		}
	}
}

// lines asks every line.
func (x *explaining) lines() {
	p := x.p
	if p.Scope != nil {
		x.line(WordScope, 0, p.Scope, (*evaluation).closes, nil)
	}
	for i := range p.Deny {
		x.rule(WordDeny, i, &p.Deny[i])
	}
	for i, m := range p.Public {
		x.line(WordPublic, i, m, (*evaluation).opens, nil)
	}
	for i, m := range p.Private {
		x.line(WordPrivate, i, m, (*evaluation).closes, nil)
	}
	for i := range p.Allow {
		x.rule(WordAllow, i, &p.Allow[i])
	}
	for i := range p.StepUp {
		x.stepUp(i)
	}
	for i := range p.API {
		x.line(WordAPI, i, p.API[i].Matcher, (*evaluation).closes, nil)
	}
}

func (x *explaining) rule(word string, i int, r *Rule) {
	c := compileRule(*r)
	denying := word == WordDeny
	switch {
	case x.s != nil:
		x.line(word, i, r.Matcher, (*evaluation).closes, func() bool {
			return c.plain && r.Subject.Allows(x.s) || !c.plain && c.means(&x.e, x.s, denying)
		})
	case denying && r.Subject == Any:
		x.line(word, i, r.Matcher, (*evaluation).closes, func() bool { return true })
	default:
		x.line(word, i, r.Matcher, (*evaluation).closes, nil)
	}
}

func (x *explaining) stepUp(i int) {
	var met func() bool
	if x.s != nil {
		met = func() bool { return x.p.stepUps[i].Met(x.s, x.p.now()) }
	}
	x.line(WordStepUp, i, x.p.StepUp[i].Matcher, (*evaluation).closes, met)
}

// line asks one line, first about all readings and then about each.
func (x *explaining) line(word string, index int, m Matcher, ask func(*evaluation, term) bool, means func() bool) {
	t := newTerm(m)
	x.e.err = nil
	l := ExplainedLine{Word: word, Index: index}
	l.Matches = t.always() && word == WordPublic || ask(&x.e, t)
	if n := x.e.readings.len(); n > 1 {
		for i := range n {
			rd := x.e.readings.at(i)
			one := evaluation{r: x.e.r, readings: readings{list: []reading{*rd}}}
			if (t.always() || ask(&one, t)) && !contains(l.Readings, rd.path) {
				l.Readings = append(l.Readings, rd.path)
			}
		}
	}
	if means != nil {
		yes := means()
		l.Means = &yes
	}
	l.Err = x.e.err
	x.out.Lines = append(x.out.Lines, l)
}

// decided marks the lines that the decision comes from.
func (x *explaining) decided() {
	d := &x.out.Decision
	if d.Public && d.Candidate != nil {
		x.markPublic() // which lets pass whom the rules do not
	}
	switch d.Reason {
	case ReasonOutside:
		x.mark(WordScope, func(l *ExplainedLine) bool { return !l.Matches })
	case ReasonPreflight:
		x.mark(WordAPI, func(l *ExplainedLine) bool {
			return l.Matches && contains(x.p.apis[l.Index].origins, d.CORS)
		})
	case ReasonPublic:
		x.markPublic()
	case ReasonSession:
		x.markAdmitting()
	case ReasonDenied:
		x.markDenying()
	case ReasonNotAllowed:
		x.markLacking()
	case ReasonStepUp:
		x.mark(WordStepUp, func(l *ExplainedLine) bool { return l.Matches && l.Means != nil && !*l.Means })
	default:
		// What wants a session: a private line, if one closes what is open.
		if d.Action == SignIn && x.p.open && (x.p.public.always() || x.e.opens(x.p.public)) {
			x.mark(WordPrivate, func(l *ExplainedLine) bool { return l.Matches })
		}
	}
}

func (x *explaining) mark(word string, decides func(*ExplainedLine) bool) {
	for i := range x.out.Lines {
		if l := &x.out.Lines[i]; l.Word == word {
			l.Decided = decides(l)
		}
	}
}

// markPublic marks the lines that open the request. If none does so alone, it is
// those that open one of its readings.
func (x *explaining) markPublic() {
	alone := false
	for _, l := range x.out.Lines {
		alone = alone || l.Word == WordPublic && l.Matches
	}
	x.mark(WordPublic, func(l *ExplainedLine) bool { return l.Matches || !alone && len(l.Readings) > 0 })
}

// markDenying marks the line that Decide names. A deny line for any comes first,
// as it is asked without a session.
func (x *explaining) markDenying() {
	var decisive *ExplainedLine
	for i := range x.out.Lines {
		l := &x.out.Lines[i]
		if l.Word != WordDeny || !l.Matches || l.Means == nil || !*l.Means {
			continue
		}
		if x.p.Deny[l.Index].Line == x.out.Decision.Rule {
			decisive = l
			break
		}
	}
	if decisive != nil {
		decisive.Decided = true
	}
}

// markLacking marks the lines of the first scope that matches and admits the
// person by none of them.
func (x *explaining) markLacking() {
	scope, found := "", false
	for _, l := range x.out.Lines {
		if l.Word == WordAllow && l.Matches && x.p.Allow[l.Index].Line == x.out.Decision.Rule {
			scope, found = x.p.Allow[l.Index].Scope, true
			break
		}
	}
	x.mark(WordAllow, func(l *ExplainedLine) bool { return found && x.p.Allow[l.Index].Scope == scope })
}

// markAdmitting marks what admits the person: of each scope that matches, the
// lines that mean them.
func (x *explaining) markAdmitting() {
	x.mark(WordAllow, func(l *ExplainedLine) bool { return l.Matches && l.Means != nil && *l.Means })
}
