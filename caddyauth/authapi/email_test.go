package authapi

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/internal/limit"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// asked has a link mailed to an address and returns its query.
func (l *library) asked(b *browser, address string) string {
	b.t.Helper()
	before := l.mails()
	r := b.post("/signin/email", "email", address)
	equal(b.t, "Location", r.location(), baseURL+"/verify-request?provider=email&type=email")
	if l.mails() != before+1 {
		b.t.Fatal("no mail was sent")
	}
	return l.postman.link(b.t)
}

// mails is how many were sent.
func (l *library) mails() int {
	l.postman.mu.Lock()
	defer l.postman.mu.Unlock()
	return len(l.postman.sent)
}

// opened opens a link as anybody may.
func (b *browser) opened(query string, header ...string) reply {
	return b.get("/callback/email?"+query, header...)
}

// wantUsed makes sure that a link is none that works.
func (l *library) wantUsed(t *testing.T, b *browser, r reply, why reason) {
	t.Helper()
	equal(t, "error", r.param("error"), "Verification")
	l.wantReason(t, "link", why, true)
	if b.session() != nil {
		t.Error("signed in")
	}
}

func TestMAIL08SingleUse(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary()
		b := l.browser(t)
		link := l.asked(b, "ada@example.com")
		b.in(b.opened(link))
		b.post("/signout")
		l.logs.TakeAll()
		l.wantUsed(t, b, b.opened(link), ReasonLink)
	})
}

func TestMAIL08Race(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary()
		b := l.browser(t)
		link := l.asked(b, "ada@example.com")
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for range 16 {
			tab := l.browser(t)
			tab.jar = slices.Clone(b.jar)
			wg.Go(func() {
				if r := tab.opened(link); r.location() == testOrigin {
					mu.Lock()
					won++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		equal(t, "tabs that were signed in", won, 1)
		equal(t, "sessions", len(l.sessions(t)), 1)
	})
}

func TestMAIL08Expiry(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary()
		b := l.browser(t)
		link := l.asked(b, "ada@example.com")
		l.clock.add(24 * time.Hour)
		l.logs.TakeAll()
		l.wantUsed(t, b, b.opened(link), ReasonLinkExpired)
		// It is gone as well.
		l.logs.TakeAll()
		l.wantUsed(t, b, b.opened(link), ReasonLink)

		link = l.asked(b, "ada@example.com")
		l.clock.add(24*time.Hour - time.Second)
		b.in(b.opened(link))
	})
}

// Scanners open what they find in mails, with GET and HEAD and without our
// cookies: nothing happens until a person presses the button.
func TestMAIL02AnotherBrowser(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary()
		link := l.asked(l.browser(t), "ada@example.com")
		for range 3 {
			scanner := l.browser(t)
			equal(t, "MAIL-01 HEAD", scanner.do("HEAD", "/callback/email?"+link, "").status, 400)
			if r := scanner.opened(link); r.status != 200 || !strings.Contains(r.body, "ada@example.com") || scanner.session() != nil {
				t.Fatalf("%d %s", r.status, r.body)
			}
		}
		equal(t, "links used up", l.shelf.count("UseVerificationToken"), 0)

		b := l.browser(t)
		b.opened(link)
		// The button's form has the token of this browser, or it does nothing.
		b.do("POST", "/callback/email?"+link, "csrfToken=wrong")
		equal(t, "links used up by a forged form", l.shelf.count("UseVerificationToken"), 0)
		b.in(b.do("POST", "/callback/email?"+link, "csrfToken="+b.csrf()))
	})
}

// A browser that opens the link in advance has not been asked to.
func TestPrefetchedLink(t *testing.T) {
	l := newLibrary(t, false)
	b := l.browser(t)
	link := l.asked(b, "ada@example.com")
	if r := b.opened(link, "Sec-Purpose", "prefetch;prerender"); r.status != 200 || b.session() != nil {
		t.Errorf("%d", r.status)
	}
	b.in(b.opened(link))
}

// Who has a link of their own mailed cannot make somebody else's browser sign in
// with it by a mere GET.
func TestCSRFForwardedLink(t *testing.T) {
	l := newLibrary(t, false)
	mallory, victim := l.browser(t), l.browser(t)
	link := l.asked(mallory, "mallory@example.com")
	victim.get("/signin")
	if r := victim.opened(link); r.status != 200 || victim.session() != nil {
		t.Errorf("%d %s", r.status, r.location())
	}
}

func TestForgedLinks(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(func(o *Options) { o.Limits.Client = limit.New(limit.Rate{}, 0, nil) })
		b := l.browser(t)
		link, err := url.ParseQuery(l.asked(b, "ada@example.com"))
		if err != nil {
			t.Fatal(err)
		}
		token := link.Get("token")
		equal(t, "length of the token", len(token), 64)
		for _, c := range []struct{ name, token, email string }{
			{"another address", token, "bob@example.com"},
			{"another spelling", token, "Ada@example.com"},
			{"another token", strings.Repeat("0", 64), "ada@example.com"},
			{"upper case", strings.ToUpper(token), "ada@example.com"},
			{"cut", token[:63], "ada@example.com"},
			{"endless", strings.Repeat("a", 100_000), "ada@example.com"},
			{"no address", token, "ada"},
			{"' OR 1=1", "' OR 1=1 --", "ada@example.com"},
		} {
			query := url.Values{"token": {c.token}, "email": {c.email}, "callbackUrl": {"/"}}.Encode()
			b.opened(query)
			b.do("POST", "/callback/email?"+query, "csrfToken="+b.csrf())
			if b.session() != nil {
				t.Errorf("%s: signed in", c.name)
			}
		}
		b.in(b.opened(link.Encode()))
	})
}

// A link is good with every secret that opens, and nobody who can read the store
// can make one of what is there.
func TestLinkSecrets(t *testing.T) {
	l := newLibrary(t, false)
	b := l.browser(t)
	link, _ := url.ParseQuery(l.asked(b, "ada@example.com"))
	if _, err := l.shelf.UseVerificationToken(bg, "ada@example.com", link.Get("token")); err == nil {
		t.Error("the store has the token itself")
	}
	kept := hashLink(link.Get("token"), testSecret)
	if _, err := l.shelf.UseVerificationToken(bg, "ada@example.com", kept); err != nil {
		t.Errorf("not kept as NextAuth keeps it: %v", err)
	}
}

// One address gets twenty mails, whoever asks, and what is too much looks the same.
func TestMAIL09Flood(t *testing.T) {
	l := newLibrary(t, false)
	l.api.pace.took(0)
	for i := range 100 {
		l.site.ClientIP = netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})
		r := l.browser(t).post("/signin/email", "email", []string{"ada@example.com", "ADA@example.com", " ada@Example.com"}[i%3])
		equal(t, "Location", r.location(), baseURL+"/verify-request?provider=email&type=email")
	}
	equal(t, "mails", l.mails(), 20)

	t.Run("one client cannot keep somebody from links", func(t *testing.T) {
		l := newLibrary(t, false)
		l.api.pace.took(0)
		b := l.browser(t)
		for range 15 {
			equal(t, "Location", b.post("/signin/email", "email", "ada@example.com").location(), baseURL+"/verify-request?provider=email&type=email")
		}
		equal(t, "mails", l.mails(), 5)
		l.site.ClientIP = netip.MustParseAddr("198.51.100.1")
		l.browser(t).post("/signin/email", "email", "ada@example.com")
		equal(t, "mails", l.mails(), 6)
		l.site.ClientIP = netip.MustParseAddr("192.0.2.7")
		l.clock.add(15 * time.Minute)
		b.post("/signin/email", "email", "ada@example.com")
		equal(t, "mails", l.mails(), 7)
	})
	t.Run("one client", func(t *testing.T) {
		l := newLibrary(t, false)
		b := l.browser(t)
		var r reply
		for i := range 30 {
			r = b.post("/signin/email", "email", fmt.Sprintf("user%d@example.com", i))
		}
		equal(t, "mails", l.mails(), 20)
		equal(t, "error", r.param("error"), "EmailSignin")
		equal(t, "Retry-After", r.header.Get("Retry-After"), "60")
	})
}

// Nothing tells who has an account, or may have one.
func TestBRUTE02Enumeration(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		l := newLibrary(func(o *Options) {
			o.Authorize = func(s *session.Session) bool { return s.Evidence.Domain == "example.com" }
		})
		known := l.browser(t)
		known.in(known.opened(l.asked(known, "ada@example.com")))

		answers := map[string]reply{}
		for _, address := range []string{"ada@example.com", "new@example.com", "ada@evil.example"} {
			const slow = 60 * time.Millisecond
			for range 16 {
				l.api.pace.took(slow)
			}
			begun, before := time.Now(), l.mails()
			answers[address] = l.browser(t).post("/signin/email", "email", address)
			mailed := l.mails() > before
			if mailed != strings.HasSuffix(address, "@example.com") {
				t.Errorf("%s: mailed %v", address, mailed)
			}
			if !mailed && time.Since(begun) < slow {
				t.Errorf("%s: faster than a mail is sent", address)
			}
		}
		want := answers["ada@example.com"]
		for address, r := range answers {
			if r.status != want.status || r.location() != want.location() || !slices.Equal(r.names(), want.names()) {
				t.Errorf("%s: %d %q %q", address, r.status, r.location(), r.names())
			}
		}
	})
}

// Nor does it while the mail server is down, or takes no mail for somebody.
func TestBRUTE02MailServer(t *testing.T) {
	everywhere(t, func(t *testing.T, newLibrary func(...func(*Options)) *library) {
		limits := func(o *Options) { o.Limits.Mail = limit.New(limit.Rate{N: 1, Per: time.Hour}, 16, o.Now) }
		down := &provider.Error{Reason: provider.ReasonMail, Err: errors.New("connection refused")}
		refused := &provider.Error{Reason: provider.ReasonMail, Err: fmt.Errorf("%w: 550 no such user", provider.ErrRecipient)}
		for name, c := range map[string]struct {
			fails error
			code  string
		}{"down": {down, "EmailSignin"}, "no such recipient": {refused, ""}} {
			l := newLibrary(limits, func(o *Options) {
				o.Authorize = func(s *session.Session) bool { return s.Evidence.Domain == "example.com" }
			})
			l.browser(t).post("/signin/email", "email", "often@example.com")
			l.postman.fails = c.fails
			var first reply
			// Whoever is asked about first: nothing has to be known of the server.
			for i, address := range []string{"ada@evil.example", "ada@example.com", "often@example.com", "eve@evil.example"} {
				const slow = 30 * time.Millisecond
				for range 16 {
					l.api.pace.took(slow)
				}
				begun := time.Now()
				b := l.browser(t)
				r := b.post("/signin/email", "email", address)
				equal(t, name+" "+address+" failed", r.param("error") != "", c.code != "")
				if c.code == "" && time.Since(begun) < slow {
					t.Errorf("%s, %s: too fast", name, address)
				}
				if i == 0 {
					first = r
				}
				if r.status != first.status || r.location() != first.location() || !slices.Equal(r.names(), first.names()) {
					t.Errorf("%s, %s: %d %q %q, want %d %q %q", name, address, r.status, r.location(), r.names(), first.status, first.location(), first.names())
				}
				if page := b.get("/error?error=EmailSignin"); c.code != "" && strings.Contains(page.body, "evil") {
					t.Errorf("%s", page.body)
				}
			}
			equal(t, name+": mails", l.mails(), 1)
			if c.code == "" {
				lines := l.logs.FilterMessage("no sign-in link was mailed").FilterField(zap.String("reason", "mail_failed")).All()
				if len(lines) != 1 || !strings.Contains(lines[0].ContextMap()["error"].(string), "no such user") {
					t.Errorf("log: %v", lines)
				}
			}
		}
	})
}

// MAIL-03, MAIL-05, IDENT-05: what is no plain address gets no mail, and one that
// is gets it in the one spelling that links are kept for.
func TestAddresses(t *testing.T) {
	for typed, want := range map[string]string{
		"Ada@Example.COM":                     "ada@example.com",
		" ada@example.com\t":                  "ada@example.com",
		"ada@example.com,bob@evil.example":    "", // MAIL-03: two @
		"ada@example.com,evil.example":        "ada@example.com",
		"ada@evil.example@example.com":        "",
		"ada＠evil.example@example.com":        "", // IDENT-05: full width
		"\"ada\"@example.com":                 "",
		"ada@example.com\r\nBcc: b@evil.test": "", // MAIL-05
		"Ada <ada@example.com>":               "",
		"ada@":                                "",
		"@example.com":                        "",
		"":                                    "",
		"ada":                                 "",
	} {
		l := newLibrary(t, false)
		r := l.browser(t).post("/signin/email", "email", typed)
		if want == "" {
			if l.mails() != 0 || r.param("error") != "EmailSignin" {
				t.Errorf("%q: %d mails, %q", typed, l.mails(), r.location())
			}
			continue
		}
		if l.mails() != 1 || l.postman.sent[0].To != want {
			t.Errorf("%q: %+v", typed, l.postman.sent)
		}
	}
}
