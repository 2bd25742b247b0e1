package gate

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/session"
)

// dav makes a WebDAV request.
func dav(t testing.TB, method, target string, destination ...string) *http.Request {
	t.Helper()
	r := get(t, target)
	r.Method = method
	if destination != nil {
		r.Header["Destination"] = destination
	}
	return r
}

// Where a request writes to is subject to the scope of its token.
func TestScopeOfDestination(t *testing.T) {
	p, read := policy(t), withToken("", "/repo/*")
	for _, c := range []struct {
		destination string
		action      Action
	}{
		{"/repo/y", Pass},
		{"http://example.com/repo/y", Pass},
		{"https://elsewhere.example:8443/repo/y", Pass},
		{"http://example.com/repo/My%20Files/100%25%20sure.txt", Pass},
		{"/repo/caf%C3%A9", Pass},
		{"/admin/y", Forbid},
		{"http://example.com/admin/y", Forbid},
		{"https://elsewhere.example/admin", Forbid},
		{"http://repo/admin", Forbid},
		{"http://example.com", Forbid},
		{"http:/admin", Forbid},
		{"/", Forbid},
		{"/repo", Forbid},
		{"/Repo/y", Forbid},
		{"/repo/../admin", Forbid},
		{"/repo/..%2fadmin", Forbid},
		{"http://example.com/repo/%2e%2e/admin", Forbid},
		{"http://example.com/repo/%252e%252e/admin", Forbid},
		{"/repo/..;x/admin", Forbid},
		{`/repo/..\admin`, Forbid},
		{"//repo/admin", Forbid},
		{"//example.com/repo/y", Forbid},
		{"/admin#/../repo/y", Forbid},
		{"/admin%3f/../repo/y", Forbid},
		// A relative one may begin anywhere.
		{"", Forbid},
		{"y", Forbid},
		{"repo/y", Pass},
		{"../admin", Forbid},

		{"http://example.com\\@repo/repo/y", BadRequest},
		{"http://example.com#/repo/y", BadRequest},
		{"mailto:repo/y", BadRequest},
		{"a b:/repo/y", BadRequest},
		{"/repo/%zz", BadRequest},
		{"/repo/%00", BadRequest},
		{"/repo/%ff", BadRequest},
		{"%zz", BadRequest},
	} {
		for _, method := range []string{"MOVE", "COPY", "move"} {
			d := p.Decide(dav(t, method, "/repo/x", c.destination), nil, read)
			if d.Action != c.action || d.Action == Forbid && d.Reason != ReasonScope || d.Action == BadRequest && (d.Reason != ReasonPath || d.Err == nil) {
				t.Errorf("%s to %q: %s %s, want %s", method, c.destination, d.Action, d.Reason, c.action)
			}
			// It takes away, and never adds.
			if d := p.Decide(dav(t, method, "/admin", c.destination), nil, read); d.Action == Pass {
				t.Errorf("%s from elsewhere to %q passes", method, c.destination)
			}
		}
		for _, method := range []string{"GET", "POST", "PROPFIND", "MOVES", ""} {
			if d := p.Decide(dav(t, method, "/repo/x", c.destination), nil, read); d.Action != Pass {
				t.Errorf("%s with %q: %s", method, c.destination, d.Action)
			}
		}
	}
}

// Nobody can say which of two a server obeys. Without any, it is an error that
// the server itself tells.
func TestDestinationsInNumbers(t *testing.T) {
	p, read := policy(t), withToken("", "/repo/*")
	if d := p.Decide(dav(t, "COPY", "/repo/x", "/repo/y", "/admin"), nil, read); d.Action != BadRequest {
		t.Errorf("two: %s", d.Action)
	}
	if d := p.Decide(dav(t, "COPY", "/repo/x"), nil, read); d.Action != Pass {
		t.Errorf("none: %s", d.Action)
	}
}

// What a framework takes for another method may be one of those that copy.
func TestDestinationInDisguise(t *testing.T) {
	p, read := policy(t), withToken("", "/repo/*")
	for destination, want := range map[string]Action{"/repo/y": Pass, "/admin": Forbid, "mailto:x": BadRequest} {
		r := dav(t, "POST", "/repo/x", destination)
		r.Header.Set("X-HTTP-Method-Override", "MOVE")
		if d := p.Decide(r, nil, read); d.Action != want {
			t.Errorf("header, to %s: %s, want %s", destination, d.Action, want)
		}
		if d := p.Decide(dav(t, "POST", "/repo/x?_method=COPY", destination), nil, read); d.Action != want {
			t.Errorf("parameter, to %s: %s, want %s", destination, d.Action, want)
		}
	}
}

// CouchDB names a document of the same database.
func TestDestinationBesideTheRequest(t *testing.T) {
	p := policy(t, "deny /db/secret any")
	for target, want := range map[string]Action{"/db/doc": Forbid, "/db/": Forbid, "/other/doc": Pass, "/db/x/y": Pass} {
		if d := p.Decide(dav(t, "COPY", target, "secret?rev=1-abc"), nil, signedIn(alice())); d.Action != want {
			t.Errorf("from %s: %s, want %s", target, d.Action, want)
		}
	}
}

// Every word of the configuration means both places.
func TestRulesOfDestination(t *testing.T) {
	for _, c := range []struct {
		lines             []string
		from, destination string
		read              func() (*session.Session, error)
		action            Action
		reason            Reason
	}{
		{[]string{"public /open/*"}, "/open/x", "/open/y", anonymous, Pass, ReasonPublic},
		{[]string{"public /open/*"}, "/open/x", "/closed/y", anonymous, SignIn, ReasonNone},
		{[]string{"public /open/*"}, "/closed/x", "/open/y", anonymous, SignIn, ReasonNone},
		{[]string{"public", "private /closed/*"}, "/x", "/CLOSED/y", anonymous, SignIn, ReasonNone},
		{[]string{"public", "private /closed/*"}, "/x", "/y", anonymous, Pass, ReasonPublic},
		{[]string{"public", "deny /closed/* any"}, "/x", "/closed/y", anonymous, Forbid, ReasonDenied},
		{[]string{"deny /closed/* user alice"}, "/x", "/closed/y", signedIn(alice()), Forbid, ReasonDenied},
		{[]string{"allow /bosses/* role boss"}, "/x", "/bosses/y", signedIn(alice()), Forbid, ReasonNotAllowed},
		{[]string{"allow /bosses/* role boss"}, "/x", "http://h/x/../bosses", signedIn(alice()), Forbid, ReasonNotAllowed},
		{[]string{"allow /bosses/* role boss"}, "/bosses/x", "/y", signedIn(alice()), Forbid, ReasonNotAllowed},
		{[]string{"allow /staff/* role staff", "allow /devs/* group dev"}, "/staff/x", "/devs/y", signedIn(alice()), Pass, ReasonSession},
		{[]string{"scope /app/*"}, "/x", "/app/y", anonymous, SignIn, ReasonNone},
		{[]string{"scope /app/*"}, "/x", "/y", anonymous, Pass, ReasonOutside},
	} {
		d := policy(t, c.lines...).Decide(dav(t, "MOVE", c.from, c.destination), nil, c.read)
		if d.Action != c.action || d.Reason != c.reason {
			t.Errorf("%q, %s to %s: %s %s, want %s %s", c.lines, c.from, c.destination, d.Action, d.Reason, c.action, c.reason)
		}
	}
}

// Rules may be written for paths as they came, or for what a rewrite left.
func TestRulesOfRewrittenDestination(t *testing.T) {
	for _, c := range []struct {
		line, original, current, destination string
		action                               Action
	}{
		{"deny /staff/* any", "/dav/x", "/x", "http://h/dav/staff/y", Forbid},
		{"deny /dav/staff/* any", "/dav/x", "/x", "http://h/dav/staff/y", Forbid},
		{"deny /staff/* any", "/dav/x", "/x", "/dav/%73taff/y", Forbid},
		{"deny /staff/* any", "/dav/x", "/x", "/dav/staff", Forbid},
		{"deny / any", "/dav/x", "/x", "/dav", Forbid},
		{"deny /staff/* any", "/dav/x", "/x", "/staff/y", Forbid},
		{"deny /staff/* any", "/dav/x", "/x", "/other/staff/y", Pass},
		{"deny /staff/* any", "/dav/x", "/x", "/dav/y", Pass},
		{"deny /dav/staff/* any", "/x", "/dav/x", "/staff/y", Forbid},
		{"deny /dav/staff/* any", "/x", "/dav/x", "/y", Pass},
		{"deny /staff/* any", "/a", "/b", "/y", Pass},
		{"deny /staff/* any", "/a", "/b", "/staff/y", Forbid},
	} {
		original, err := url.ParseRequestURI(c.original)
		if err != nil {
			t.Fatal(err)
		}
		d := policy(t, c.line).Decide(dav(t, "MOVE", c.current, c.destination), original, signedIn(alice()))
		if d.Action != c.action {
			t.Errorf("%s, %s as %s to %s: %s, want %s", c.line, c.original, c.current, c.destination, d.Action, c.action)
		}
	}
}

// A named matcher sees both places, and the request is left as it was.
func TestMatchersSeeDestination(t *testing.T) {
	var seen []string
	p := &Policy{Public: []Matcher{matcherFunc(func(r *http.Request) (bool, error) {
		seen = append(seen, r.URL.Path)
		return true, nil
	})}}
	if err := p.Compile(); err != nil {
		t.Fatal(err)
	}
	r := dav(t, "COPY", "/here?q", "/there?q")
	if d := p.Decide(r, nil, anonymous); d.Action != Pass {
		t.Error(d.Action)
	}
	if got := strings.Join(seen, " "); got != "/here /there" || r.URL.String() != "/here?q" {
		t.Errorf("saw %s, left %s", got, r.URL)
	}
}

// Whatever the field says, a token is good for nothing outside of its scope.
func FuzzDestination(f *testing.F) {
	for _, seed := range []string{"/repo/y", "http://h/repo/../admin", "//repo/admin", "y", "../admin", "/repo/%2e%2e%2fadmin", "http:admin", "#", "?", "http://[::1]/repo/"} {
		f.Add(seed)
	}
	p, read := policy(f), withToken("", "/repo/*")
	f.Fuzz(func(t *testing.T, text string) {
		r := dav(t, "MOVE", "/repo/x", text)
		if p.Decide(r, nil, read).Action != Pass {
			return
		}
		base, _ := url.Parse("http://example.com/repo/x")
		if u, err := base.Parse(text); err == nil && !strings.HasPrefix(u.Path, "/repo/") {
			t.Errorf("%q, which is %s, passes", text, u)
		}
	})
}
