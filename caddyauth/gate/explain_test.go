package gate

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/session"
)

// verdictOf decides anew by what the lines of an Explanation say, and nothing
// else: as somebody does who reads them.
func verdictOf(p *Policy, x Explanation, s *session.Session) (a Action, reason Reason) {
	lines := func(word string, holds func(ExplainedLine) bool) bool {
		return slices.ContainsFunc(x.Lines, func(l ExplainedLine) bool { return l.Word == word && holds(l) })
	}
	matches := func(l ExplainedLine) bool { return l.Matches }
	if p.Scope != nil && !lines(WordScope, matches) {
		return Pass, ReasonOutside
	}
	if lines(WordDeny, func(l ExplainedLine) bool { return l.Matches && p.Deny[l.Index].Subject == Any }) {
		return Forbid, ReasonDenied
	}
	public := lines(WordPublic, matches)
	if !public && !x.Closed && len(x.Readings) > 1 {
		public = !slices.ContainsFunc(x.Readings, func(path string) bool {
			return !lines(WordPublic, func(l ExplainedLine) bool { return slices.Contains(l.Readings, path) })
		})
	}
	public = public && !lines(WordPrivate, matches)
	refused := Forbid
	if public {
		refused = Pass
	}
	switch {
	case s == nil && public:
		return Pass, ReasonPublic
	case s == nil:
		return SignIn, ReasonNone
	case lines(WordDeny, func(l ExplainedLine) bool { return l.Matches && *l.Means }):
		return refused, ReasonDenied
	}
	for _, l := range x.Lines {
		if l.Word == WordAllow && l.Matches && !lines(WordAllow, func(o ExplainedLine) bool {
			return p.Allow[o.Index].Scope == p.Allow[l.Index].Scope && *o.Means
		}) {
			return refused, ReasonNotAllowed
		}
	}
	if lines(WordStepUp, func(l ExplainedLine) bool { return l.Matches && !*l.Means }) {
		if public {
			return Pass, ReasonStepUp
		}
		return StepUp, ReasonStepUp
	}
	return Pass, ReasonSession
}

// randomPolicy takes a few lines of many.
func randomPolicy(t *testing.T, random *rand.Rand) *Policy {
	t.Helper()
	var lines []string
	for _, pool := range [][]string{
		{"scope /app/* /admin/*"}, {"public /app/*", "public /Admin", "public *.css", "public"}, {"private /app/x/*", "private *.css"},
		{"deny user eve", "deny /app/x/* group dev", "deny /admin/* any", "deny any"},
		{"allow domain example.com", "allow role staff", "allow /admin/* role admin", "allow /admin/* user alice", "allow /app/x/* user bob"},
	} {
		for _, line := range pool {
			if random.IntN(4) == 0 && (line != "deny any" || random.IntN(5) == 0) {
				lines = append(lines, line)
			}
		}
	}
	random.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	p := policy(t, lines...)
	p.Now = func() time.Time { return time.Unix(1000, 0) }
	if random.IntN(3) == 0 {
		p.StepUp = []StepUpScope{{paths(t, "/app/*"), Requirement{MaxAge: time.Minute}}, {nil, Requirement{ACR: []string{"gold"}}}}[:1+random.IntN(2)]
	}
	if random.IntN(3) == 0 {
		p.Public = append(p.Public, Both(paths(t, "/app/*", "/x/*"), matcherFunc(func(r *http.Request) (bool, error) { return r.Method == "GET", nil })))
	}
	if random.IntN(6) == 0 {
		p.Private = append(p.Private, matcherFunc(func(*http.Request) (bool, error) { return false, errors.New("broken") }))
	}
	if err := p.Compile(); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestExplainDecides holds what the lines say against the decision, for generated
// policies, requests and people.
func TestExplainDecides(t *testing.T) {
	random := rand.New(rand.NewPCG(20261123, 5))
	bob := plainToken()
	eve := alice()
	eve.Evidence.Login, eve.Evidence.Account, eve.Evidence.Groups, eve.Evidence.AuthTime, eve.Evidence.ACR = "eve", "66", nil, 990, "gold"
	admin := alice()
	admin.Evidence.Roles, admin.Evidence.AuthTime = []string{"admin", "staff"}, 990
	people := []*session.Session{nil, nil, alice(), bob, eve, admin}
	segments := []string{"app", "admin", "Admin", "x", "y", "a.css", "..", ".", "", "%2e%2e", "a%2Fb", "..;", "%252e%252e", "%ff", "x%23", "c%C3%A9"}
	seen := make(map[Reason]int)
	for range 20_000 {
		p := randomPolicy(t, random)
		target := ""
		for range 1 + random.IntN(4) {
			target += "/" + segments[random.IntN(len(segments))]
		}
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Fatal(err)
		}
		s := people[random.IntN(len(people))]
		read := func() (*session.Session, error) { return s, nil }
		r := &http.Request{Method: []string{"GET", "POST"}[random.IntN(2)], URL: u, Header: http.Header{}}
		d, x := p.Decide(r, nil, read), p.Explain(r, nil, read)
		if x.Decision.Action != d.Action || x.Decision.Reason != d.Reason || x.Decision.Rule != d.Rule || x.Decision.Public != d.Public {
			t.Fatalf("%s: explained as %+v, decided as %+v", target, x.Decision, d)
		}
		seen[d.Reason]++
		if r.URL.EscapedPath() != target && r.URL.RawPath != "" {
			t.Fatalf("%s is left as %s", target, r.URL.EscapedPath())
		}
		if d.Action == BadRequest {
			if len(x.Lines) > 0 {
				t.Fatalf("%s: lines were asked", target)
			}
			continue
		}
		if action, reason := verdictOf(p, x, s); action != d.Action || reason != d.Reason {
			t.Fatalf("%s %s: the lines say %s, %s; the decision is %s, %s, %q\n%+v", r.Method, target, action, reason, d.Action, d.Reason, d.Rule, x)
		}
		checkDecided(t, p, x)
	}
	for _, reason := range []Reason{ReasonOutside, ReasonPublic, ReasonSession, ReasonNone, ReasonDenied, ReasonNotAllowed, ReasonPath, ReasonStepUp} {
		if seen[reason] < 50 {
			t.Errorf("%s came about %d times only", reason, seen[reason])
		}
	}
}

// checkDecided finds the line that the log names among those that are marked, and
// no mark where no line decides.
func checkDecided(t *testing.T, p *Policy, x Explanation) {
	t.Helper()
	var marked []string
	for _, l := range x.Lines {
		if !l.Decided {
			continue
		}
		switch l.Word {
		case WordDeny:
			marked = append(marked, p.Deny[l.Index].Line)
		case WordAllow:
			marked = append(marked, p.Allow[l.Index].Line)
		default:
			marked = append(marked, l.Word)
		}
	}
	want := ""
	switch d := x.Decision; d.Reason {
	case ReasonOutside:
		want = WordScope
	case ReasonPublic:
		want = WordPublic
	case ReasonStepUp:
		want = WordStepUp
	case ReasonDenied, ReasonNotAllowed:
		want = d.Rule
	}
	if want != "" && !slices.Contains(marked, want) {
		t.Fatalf("%s %q: marked are %q", x.Decision.Reason, x.Decision.Rule, marked)
	}
}

func TestExplainLines(t *testing.T) {
	p := policy(t, "public /docs/*", "public /d/*", "private /docs/internal/*", "deny user eve", "allow role staff", "allow role admin", "allow /admin/* role admin")
	text := func(x Explanation) string {
		var out []string
		for _, l := range x.Lines {
			word := l.Word
			if l.Matches {
				word += " matches"
			}
			if l.Means != nil && *l.Means {
				word += " means"
			}
			if l.Decided {
				word += "!"
			}
			out = append(out, strings.TrimSpace(word+" "+strings.Join(l.Readings, " ")))
		}
		return strings.Join(out, ", ")
	}
	for _, c := range []struct {
		target string
		s      *session.Session
		want   string
	}{
		{"/docs/a", nil, "deny matches, public matches!, public, private, allow matches, allow matches, allow"},
		{"/docs/internal/a", nil, "deny matches, public matches, public, private matches!, allow matches, allow matches, allow"},
		{"/other", nil, "deny matches, public, public, private, allow matches, allow matches, allow"},
		{"/other", alice(), "deny matches, public, public, private, allow matches means!, allow matches, allow"},
		{"/admin/x", alice(), "deny matches, public, public, private, allow matches means, allow matches, allow matches!"},
		// Each line opens one of the two readings.
		{"/docs/../d/x", nil, "deny matches /docs/../d/x /d/x, public! /docs/../d/x, public! /d/x, private, allow matches /docs/../d/x /d/x, allow matches /docs/../d/x /d/x, allow"},
	} {
		x := p.Explain(get(t, c.target), nil, signedIn(c.s))
		if got := text(x); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.target, got, c.want)
		}
	}
	if x := p.Explain(get(t, "/x%00"), nil, anonymous); x.Decision.Action != BadRequest || x.Lines != nil || x.Readings != nil {
		t.Errorf("a bad path: %+v", x)
	}
	if x := new(Policy).Explain(get(t, "/x"), nil, anonymous); x.Decision.Action != Unavailable || x.Lines != nil {
		t.Errorf("not compiled: %+v", x)
	}
	failed := errors.New("down")
	if x := p.Explain(get(t, "/x"), nil, failing(failed)); x.Decision.Action != Unavailable || !errors.Is(x.Decision.Err, failed) {
		t.Errorf("no store: %+v", x.Decision)
	}
}
