package testop

import (
	"html"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// maxSteps is more than any provider here needs from its first page to the
// callback.
const maxSteps = 12

// SignIn opens an authorization URL as a new browser would, signs in, and
// returns where the provider sends the browser in the end, without going there.
// The fields of a form that the browser would post there are in its query.
func (o *OP) SignIn(t testing.TB, authorizationURL, username string) *url.URL {
	t.Helper()
	jar, err := cookiejar.New(nil)
	fatal(t, err)
	v := o.Walk(t, jar, authorizationURL, Credentials(username))
	switch {
	case o.has(v.URL):
		t.Fatalf("still at %s", v.URL)
	case v.Form != nil:
		v.URL.RawQuery = v.Form.Encode()
	}
	return v.URL
}

// Credentials are what somebody fills into a sign-in page.
func Credentials(username string) url.Values {
	return url.Values{"login": {username}, "password": {Password}}
}

// Visit is how a walk through the provider's pages ended.
type Visit struct {
	// URL is where the provider sends the browser, with Form if it is to be posted.
	URL  *url.URL
	Form url.Values
	// Pages is how many forms of the provider's own were submitted.
	Pages int
}

// Walk opens an address of the provider with a browser's cookies and submits the
// forms that it meets, each with the given fields beside its own, until it is sent
// elsewhere or there is none.
func (o *OP) Walk(t testing.TB, jar http.CookieJar, start string, fill url.Values) (v Visit) {
	t.Helper()
	browser := browserOf(jar)
	v.URL = mustParse(t, start)
	for range maxSteps {
		if !o.has(v.URL) {
			return v
		}
		if v.Form != nil {
			v.Pages++
		}
		resp, err := step(browser, v.URL, v.Form)
		fatal(t, err)
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		fatal(t, err)
		if resp.StatusCode/100 == 3 {
			v.URL, err = resp.Location()
			fatal(t, err)
			v.Form = nil
			continue
		}
		action, fields, ok := parseForm(string(body))
		switch {
		case resp.StatusCode != http.StatusOK:
			t.Fatalf("%s %d:\n%s", v.URL.Path, resp.StatusCode, body)
		case !ok:
			v.Form = nil
			return v
		}
		v.URL, err = v.URL.Parse(action)
		fatal(t, err)
		v.Form = fields
		if o.has(v.URL) {
			maps.Copy(v.Form, fill)
		}
	}
	t.Fatalf("not sent away after %d steps", maxSteps)
	return v
}

// browserOf is a browser that follows no redirect by itself.
func browserOf(jar http.CookieJar) *http.Client {
	return &http.Client{
		Jar: jar, Timeout: 10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func mustParse(t testing.TB, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	fatal(t, err)
	return u
}

// has reports whether an address is one of the provider's own.
func (o *OP) has(u *url.URL) bool { return strings.HasPrefix(u.String(), o.URL+"/") }

func step(browser *http.Client, u *url.URL, form url.Values) (*http.Response, error) {
	if form == nil {
		return browser.Get(u.String())
	}
	return browser.PostForm(u.String(), form)
}

var (
	formTag  = regexp.MustCompile(`(?is)<form\b[^>]*>`)
	inputTag = regexp.MustCompile(`(?is)<input\b[^>]*>`)
	attrs    = regexp.MustCompile(`(?is)\b([a-z]+)="([^"]*)"`)
)

// parseForm finds the first form of a page and its fields. It knows as much of
// HTML as the providers' own sign-in pages need.
func parseForm(page string) (action string, fields url.Values, ok bool) {
	tag := formTag.FindString(page)
	if tag == "" {
		return "", nil, false
	}
	fields = make(url.Values)
	for _, input := range inputTag.FindAllString(page, -1) {
		if a := attributes(input); a["name"] != "" {
			fields.Set(a["name"], a["value"])
		}
	}
	return attributes(tag)["action"], fields, true
}

func attributes(tag string) map[string]string {
	m := make(map[string]string)
	for _, a := range attrs.FindAllStringSubmatch(tag, -1) {
		m[strings.ToLower(a[1])] = html.UnescapeString(a[2])
	}
	return m
}
