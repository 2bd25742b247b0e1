package caddyauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// strict is a browser that handles the attributes Secure and SameSite as browsers do.
func (s *server) strict() *browser {
	b := s.browser()
	b.Jar = &strictJar{CookieJar: b.Jar, goes: make(map[string]bool)}
	return b
}

// strictJar takes http on loopback for as safe as https, and keeps no cookie that is
// SameSite=None and not Secure.
type strictJar struct {
	http.CookieJar

	mu    sync.Mutex
	goes  map[string]bool // along with what another site posts, by name
	cross bool            // that is what happens now
}

func (j *strictJar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var kept []*http.Cookie
	for _, c := range cookies {
		anywhere := c.SameSite == http.SameSiteNoneMode
		if anywhere && !c.Secure {
			continue
		}
		j.goes[c.Name] = anywhere
		c.Secure = false
		c.Domain = strings.TrimPrefix(c.Domain, ".") // RFC 6265, section 5.2.3; CookieJar minds it with an IP address
		kept = append(kept, c)
	}
	j.CookieJar.SetCookies(u, kept)
}

func (j *strictJar) Cookies(u *url.URL) []*http.Cookie {
	j.mu.Lock()
	defer j.mu.Unlock()
	all := j.CookieJar.Cookies(u)
	if !j.cross {
		return all
	}
	var some []*http.Cookie
	for _, c := range all {
		if j.goes[c.Name] {
			some = append(some, c)
		}
	}
	return some
}

// crossPost submits a form of another site's page.
func (b *browser) crossPost(target string, form url.Values) answer {
	b.t.Helper()
	jar, ok := b.Jar.(*strictJar)
	if !ok {
		b.t.Fatal("the browser does not know of SameSite")
	}
	jar.posting(true)
	defer jar.posting(false)
	return b.do(http.MethodPost, target, form, "Sec-Fetch-Site", "cross-site", "Origin", "null")
}

func (j *strictJar) posting(cross bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.cross = cross
}
