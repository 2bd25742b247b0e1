package testop

import (
	"html"
	"io"
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
// That is below the redirect URI of the request. The fields of a form that the
// browser would post there are in its query.
func (o *OP) SignIn(t testing.TB, authorizationURL, username string) *url.URL {
	t.Helper()
	start, err := url.Parse(authorizationURL)
	fatal(t, err)
	callback := start.Query().Get("redirect_uri")
	if callback == "" && start.Query().Has("request_uri") && len(o.redirects) > 0 {
		callback = o.redirects[0] // it was pushed
	}
	if callback == "" {
		t.Fatalf("no redirect_uri in %s", authorizationURL)
	}
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{
		Jar: jar, Timeout: 10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	next, form := start, url.Values(nil)
	for range maxSteps {
		resp, err := step(browser, next, form)
		fatal(t, err)
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		fatal(t, err)
		if resp.StatusCode/100 == 3 {
			next, err = resp.Location()
			fatal(t, err)
			form = nil
			if strings.HasPrefix(next.String(), callback) {
				return next
			}
			continue
		}
		action, fields, ok := parseForm(string(body))
		if resp.StatusCode != http.StatusOK || !ok {
			t.Fatalf("%s %d, and no form:\n%s", next.Path, resp.StatusCode, body)
		}
		if strings.HasPrefix(action, callback) { // response_mode=form_post
			back, err := url.Parse(action)
			fatal(t, err)
			back.RawQuery = fields.Encode()
			return back
		}
		fields.Set("login", username)
		fields.Set("password", Password)
		next, err = next.Parse(action)
		fatal(t, err)
		form = fields
	}
	t.Fatalf("no callback after %d steps", maxSteps)
	return nil
}

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
