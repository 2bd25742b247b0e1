package gate

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/session"
)

// fakeExpr is an expression. Of the request it reads the path.
type fakeExpr struct {
	allows   func(path string) (bool, error)
	reads    bool
	atSignIn bool
	asked    *[]string
}

func (f fakeExpr) Allows(*session.Session) bool { return f.atSignIn }
func (f fakeExpr) ReadsRequest() bool           { return f.reads }

func (f fakeExpr) AllowsRequest(_ *session.Session, r *http.Request) (bool, error) {
	if f.asked != nil {
		*f.asked = append(*f.asked, r.URL.Path)
	}
	return f.allows(r.URL.Path)
}

func exprPolicy(t *testing.T, word string, subjects ...Subject) *Policy {
	t.Helper()
	p := new(Policy)
	for _, s := range subjects {
		r := Rule{Subject: s, Line: word + " expr"}
		if word == "allow" {
			p.Allow = append(p.Allow, r)
		} else {
			p.Deny = append(p.Deny, r)
		}
	}
	if err := p.Compile(); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestRequestSubjectReadings: an allow line must hold for every reading of a
// path, a deny line refuses for any.
func TestRequestSubjectReadings(t *testing.T) {
	below := func(prefix string) fakeExpr {
		return fakeExpr{reads: true, allows: func(p string) (bool, error) { return strings.HasPrefix(p, prefix), nil }}
	}
	for _, test := range []struct {
		word, prefix, target string
		want                 Action
	}{
		{"allow", "/app", "/app/x", Pass},
		{"allow", "/app", "/admin", Forbid},
		{"allow", "/app", "/app/..%2fadmin", Forbid},
		{"allow", "/app", "/app/%252e%252e/admin", Forbid},
		{"deny", "/admin", "/app/x", Pass},
		{"deny", "/admin", "/admin", Forbid},
		{"deny", "/admin", "/app/..%2fadmin", Forbid},
		{"deny", "/admin", "/app;/../admin", Forbid},
		{"deny", "/admin", "/%2561dmin", Forbid},
	} {
		p := exprPolicy(t, test.word, below(test.prefix))
		r := get(t, test.target)
		before := *r.URL
		if d := p.Decide(r, nil, signedIn(alice())); d.Action != test.want {
			t.Errorf("%s %s: GET %s: %v", test.word, test.prefix, test.target, d.Action)
		}
		if *r.URL != before {
			t.Errorf("%s: the URL became %v", test.target, r.URL)
		}
	}
}

// TestRequestSubjectErrors: what fails refuses, and the log learns why.
func TestRequestSubjectErrors(t *testing.T) {
	broken := errors.New("no such key: plan")
	for _, reads := range []bool{false, true} {
		fails := fakeExpr{reads: reads, allows: func(string) (bool, error) { return true, broken }}
		for _, word := range []string{"allow", "deny"} {
			d := exprPolicy(t, word, fails).Decide(get(t, "/"), nil, signedIn(alice()))
			if d.Action != Forbid || !errors.Is(d.Err, broken) {
				t.Errorf("%s, reads %v: %v, %v", word, reads, d.Action, d.Err)
			}
		}
		// Another line of the scope may still admit.
		d := exprPolicy(t, "allow", fails, Any).Decide(get(t, "/"), nil, signedIn(alice()))
		if d.Action != Pass || !errors.Is(d.Err, broken) {
			t.Errorf("beside any: %v, %v", d.Action, d.Err)
		}
	}
}

// TestRequestSubjectAskedOnce: without the request there is one answer.
func TestRequestSubjectAskedOnce(t *testing.T) {
	var asked []string
	e := fakeExpr{allows: func(string) (bool, error) { return true, nil }, asked: &asked}
	p := exprPolicy(t, "allow", e)
	if d := p.Decide(get(t, "/a%2Fb;c"), nil, signedIn(alice())); d.Action != Pass || len(asked) != 1 {
		t.Errorf("%v, asked %q", d.Action, asked)
	}
	if d := p.Decide(get(t, "/"), nil, signedIn(plainToken())); d.Action != Forbid || len(asked) != 1 {
		t.Errorf("a token without evidence: %v, asked %q", d.Action, asked)
	}
}

// TestRequestSubjectSignIn: expressions that read the request wait for one.
func TestRequestSubjectSignIn(t *testing.T) {
	for _, test := range []struct {
		name, word string
		subjects   []Subject
		want       bool
	}{
		{"allow, holds", "allow", []Subject{fakeExpr{atSignIn: true}}, true},
		{"allow, does not hold", "allow", []Subject{fakeExpr{}}, false},
		{"allow, needs the request", "allow", []Subject{fakeExpr{reads: true}}, true},
		{"allow, an alternative needs it", "allow", []Subject{fakeExpr{}, fakeExpr{reads: true}}, true},
		{"deny, holds", "deny", []Subject{fakeExpr{atSignIn: true}}, false},
		{"deny, needs the request", "deny", []Subject{fakeExpr{reads: true, atSignIn: true}}, true},
		{"deny, another one holds", "deny", []Subject{fakeExpr{reads: true}, fakeExpr{atSignIn: true}}, false},
	} {
		if got := exprPolicy(t, test.word, test.subjects...).SignIn(alice()); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}
