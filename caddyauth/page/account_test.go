package page

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/net/html"
)

var testNow = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

func ago(d time.Duration) time.Time { return testNow.Add(-d) }

// account is the page of somebody who has some of everything.
func account(change ...func(*Account)) Account {
	v := Account{
		Common: site, URL: site.BaseURL + "/account", CSRFToken: csrf, Account: "octocat@example.com",
		Now: testNow, Recent: true,
		Sessions: []AccountSession{
			{ID: "s1", Browser: "Firefox", System: "Linux", IP: "192.0.2.7", Provider: "GitHub", Created: ago(20 * time.Minute), Seen: ago(0), Expires: ago(-30 * day), Current: true},
			{ID: "s2", Browser: "Safari", System: "iPhone", IP: "2001:db8::7", Provider: "GitHub", Created: ago(3 * day), Seen: ago(5 * time.Hour), Expires: ago(-27 * day)},
			{ID: "s3", Browser: "curl", IP: "198.51.100.20", Provider: "Acme", Created: ago(400 * day), Seen: ago(day), Expires: ago(-time.Hour)},
			{ID: "s4", Created: ago(time.Minute), Expires: ago(-30 * time.Second)},
		},
		Hidden: 3,
		Accounts: []AccountLink{
			{Provider: "github", ID: "583231", Name: "GitHub", Login: "octocat"},
			{Provider: "acme", ID: "a1b2c3", Name: "Acme"},
		},
		Connect: []Provider{google, acme},
		Passkeys: &AccountPasskeys{List: []AccountPasskey{
			{ID: "cGFzc2tleQ==", Name: "Laptop", Created: ago(90 * day), Used: ago(2 * time.Minute)},
			{ID: "b3RoZXI=", Created: ago(time.Hour)},
		}},
		Tokens: &AccountTokens{List: []AccountToken{
			{ID: "t1", Name: "Build server", Created: ago(2 * day), Used: ago(time.Hour), Expires: ago(-28 * day), Paths: []string{"/repo/*", "/files/*"}, Methods: []string{"GET", "PUT"}},
			{ID: "t2", Name: "Old laptop", Created: ago(day), Expires: ago(time.Hour)},
			{ID: "t3", Name: " ", Created: ago(time.Minute), Used: ago(10 * time.Second)},
		}},
	}
	for _, c := range change {
		c(&v)
	}
	return v
}

// stale is the page of somebody who signed in long ago, and has one account.
func stale(v *Account) {
	v.Recent, v.Sessions, v.Hidden = false, v.Sessions[:1], 0
	v.Accounts, v.Passkeys, v.Connect = v.Accounts[:1], nil, nil
	v.Accounts[0].Last = true
	v.Tokens = &AccountTokens{}
}

// addsPasskeys is the page where another one can be added.
func addsPasskeys(v *Account) { v.Passkeys.Add = &passkey }

// bare is the page of somebody who asks too often.
func bare(v *Account) { v.Bare, v.Status, v.Notice = true, http.StatusTooManyRequests, AccountTooMany }

func noticed(n AccountNotice) func(*Account) { return func(v *Account) { v.Notice = n } }

// accountPages has the page with everything and with nothing, with each notice
// and at every distance in time.
func accountPages() map[string]pageFunc {
	page := func(change ...func(*Account)) pageFunc { return pageOf((*Renderer).Account, account(change...)) }
	pages := map[string]pageFunc{
		"account":         page(),
		"account, stale":  page(stale),
		"account, bare":   page(bare),
		"account, made":   page(noticed(AccountTokenCreated), func(v *Account) { v.Tokens.Secret = "caddyauth_pat_secret" }),
		"account, none":   page(func(v *Account) { v.Sessions, v.Accounts, v.Passkeys.List, v.Tokens = nil, nil, nil, nil }),
		"account, last":   page(func(v *Account) { v.Passkeys.List[0].Last = true }),
		"account, adding": page(addsPasskeys, func(v *Account) { v.Passkeys.List[0].Dead = true }),
		"account, needed": page(func(v *Account) {
			v.Accounts[0].Passkeys, v.Accounts[0].Last, v.Accounts[1].Passkeys = true, true, true
		}),
		"account, filled": page(func(v *Account) { v.Tokens.Form = TokenForm{"CI", "90", "/a\n/b", "GET"} }),
	}
	for n := range accountNotices {
		pages["account "+string(n)] = page(noticed(n))
	}
	for _, d := range []time.Duration{time.Second, time.Minute, 2 * time.Minute, time.Hour, 2 * time.Hour, day, 2 * day} {
		for _, d := range []time.Duration{d, -d} {
			pages["account "+d.String()] = page(func(v *Account) { v.Sessions[0].Seen = ago(d) })
		}
	}
	return pages
}

// hostileAccount has one value everywhere a value can be.
func hostileAccount(c Common, s string) Account {
	p := Provider{ID: s, Name: s, Type: s, SigninURL: s, CallbackURL: s, Logo: s, FormAction: []string{s}}
	return Account{
		Common: c, URL: s, CSRFToken: s, Account: s, Notice: AccountNotice(s), Recent: true,
		Sessions: []AccountSession{{ID: s, Browser: s, System: s, IP: s, Provider: s}, {ID: s, Browser: s}},
		Accounts: []AccountLink{{Provider: s, ID: s, Name: s, Login: s, Logo: s}, {Provider: s, ID: s}},
		Connect:  []Provider{p},
		Passkeys: &AccountPasskeys{List: []AccountPasskey{{ID: s, Name: s}}, Add: &p},
		Tokens: &AccountTokens{
			List: []AccountToken{{ID: s, Name: s, Paths: []string{s, s}, Methods: []string{s}}},
			Form: TokenForm{s, s, s, s}, Secret: s,
		},
	}
}

// forms returns what the forms of an element do: their actions with the hidden
// fields, less the token.
func forms(t *testing.T, root *html.Node) []string {
	t.Helper()
	var all []string
	for _, f := range find(root, "form") {
		if attr(f, "method") != "POST" {
			t.Errorf("method is %q", attr(f, "method"))
		}
		fields := []string{strings.TrimPrefix(attr(f, "action"), site.BaseURL)}
		token := false
		for _, in := range find(f, "input") {
			switch {
			case attr(in, "name") == "csrfToken":
				token = attr(in, "value") == csrf
			case attr(in, "type") == "hidden":
				fields = append(fields, attr(in, "name")+"="+attr(in, "value"))
			}
		}
		if !token {
			t.Errorf("form %q has no token", fields)
		}
		all = append(all, strings.Join(fields, " "))
	}
	return all
}

func TestAccountForms(t *testing.T) {
	const connected = " callbackUrl=https://app.example.com/api/auth/account"
	for name, tt := range map[string]struct {
		v    Account
		want []string
	}{
		"everything": {account(), []string{
			"/account action=end_session id=s2", "/account action=end_session id=s3", "/account action=end_session id=s4",
			"/account action=end_others", "/account action=end_all",
			"/account action=unlink provider=github account=583231", "/account action=unlink provider=acme account=a1b2c3",
			"/signin/google" + connected, "/signin/acme" + connected,
			"/account action=rename_passkey id=cGFzc2tleQ==", "/account action=delete_passkey id=cGFzc2tleQ==",
			"/account action=rename_passkey id=b3RoZXI=", "/account action=delete_passkey id=b3RoZXI=",
			"/account action=end_token id=t1", "/account action=end_token id=t2", "/account action=end_token id=t3",
			"/account action=create_token",
		}},
		"stale": {account(stale), nil},
		"stale, with more": {account(func(v *Account) { v.Recent = false }), []string{
			"/account action=end_session id=s2", "/account action=end_session id=s3", "/account action=end_session id=s4",
			"/account action=end_others", "/signin/google" + connected, "/signin/acme" + connected,
			"/account action=rename_passkey id=cGFzc2tleQ==", "/account action=rename_passkey id=b3RoZXI=",
			"/account action=end_token id=t1", "/account action=end_token id=t2", "/account action=end_token id=t3",
		}},
		"last":   {account(stale, func(v *Account) { v.Recent = true }), []string{"/account action=end_all", "/account action=create_token"}},
		"hidden": {account(stale, func(v *Account) { v.Hidden = 1 }), []string{"/account action=end_others"}},
		"bare":   {account(bare), nil},
	} {
		t.Run(name, func(t *testing.T) {
			res := get(t, newRenderer(t), pageOf((*Renderer).Account, tt.v))
			if got := forms(t, res.root); !slices.Equal(got, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}

// items are the headings and facts of a section's list.
func items(t *testing.T, res response, section string) []string {
	t.Helper()
	var all []string
	for _, li := range find(one(t, res.root, "#"+section).Parent, "li") {
		item := text(one(t, li, "h3"))
		for _, f := range find(li, "dt") {
			item += " | " + text(f) + ": " + text(f.NextSibling)
		}
		all = append(all, item)
	}
	return all
}

func TestAccountLists(t *testing.T) {
	res := get(t, newRenderer(t), pageOf((*Renderer).Account, account()))
	for section, want := range map[string][]string{
		"sessions": {
			"Firefox on Linux This browser | With: GitHub | Address: 192.0.2.7 | Signed in: 20 minutes ago | Last seen: just now | Expires: in 30 days",
			"Safari on iPhone | With: GitHub | Address: 2001:db8::7 | Signed in: 3 days ago | Last seen: 5 hours ago | Expires: in 27 days",
			"curl | With: Acme | Address: 198.51.100.20 | Signed in: 2025-10-19 | Last seen: 1 day ago | Expires: in 1 hour",
			"Unknown browser | Signed in: 1 minute ago | Expires: in a moment",
		},
		"accounts": {"GitHub | Account: octocat", "Acme | Account: a1b2c3"},
		"passkeys": {
			"Laptop | Created: 90 days ago | Last used: 2 minutes ago",
			"Passkey | Created: 1 hour ago | Last used: never",
		},
		"tokens": {
			"Build server | Created: 2 days ago | Last used: 1 hour ago | Expires: in 28 days | Paths: /repo/* /files/* | Methods: GET PUT",
			"Old laptop | Created: 1 day ago | Last used: never | Expired: 1 hour ago",
			"Token | Created: 1 minute ago | Last used: just now | Expires: never",
		},
	} {
		if got := items(t, res, section); !slices.Equal(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", section, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	if got := text(one(t, res.root, ".card")); !strings.Contains(got, "There are more: 3 are not shown.") {
		t.Errorf("the page does not say that sessions are hidden: %s", got)
	}
	for _, button := range find(one(t, res.root, "#sessions").Parent, "button[aria-label]") {
		if got := attr(button, "aria-label"); got != "End Safari on iPhone" && got != "End curl" && got != "End Unknown browser" {
			t.Errorf("a button is called %q", got)
		}
	}
}

func TestAccountSections(t *testing.T) {
	r := newRenderer(t)
	none := get(t, r, pageOf((*Renderer).Account, account(func(v *Account) { v.Passkeys, v.Tokens = nil, nil })))
	if len(find(none.root, "#passkeys"))+len(find(none.root, "#tokens")) != 0 {
		t.Error("there are sections that the site has not")
	}
	empty := get(t, r, pageOf((*Renderer).Account, account(func(v *Account) { v.Accounts, v.Passkeys.List, v.Tokens.List = nil, nil, nil })))
	for section, want := range map[string]string{
		"accounts": "No account is connected.", "passkeys": "You have no passkeys.", "tokens": "You have no tokens.",
	} {
		if got := text(one(t, empty.root, "#"+section).Parent); !strings.Contains(got, want) {
			t.Errorf("%s: %q", section, got)
		}
	}
}

// A heading names each section, and no level is left out.
func TestAccountOutline(t *testing.T) {
	res := get(t, newRenderer(t), pageOf((*Renderer).Account, account()))
	for _, s := range find(res.root, "section") {
		h2 := one(t, s, "h2")
		if attr(s, "aria-labelledby") != attr(h2, "id") || text(h2) == "" {
			t.Errorf("section %q is named by %q", attr(s, "aria-labelledby"), text(h2))
		}
	}
	level := 0
	for n := range res.root.Descendants() {
		if n.Type != html.ElementNode || len(n.Data) != 2 || n.Data[0] != 'h' || n.Data[1] < '1' || n.Data[1] > '6' {
			continue
		}
		if l := int(n.Data[1] - '0'); l > level+1 {
			t.Errorf("h%d after h%d", l, level)
		} else {
			level = l
		}
	}
	labeled := make(map[string]bool)
	for _, n := range find(res.root, "label") {
		labeled[attr(n, "for")] = text(n) != ""
	}
	for _, n := range slices.Concat(find(res.root, "select"), find(res.root, "textarea")) {
		if !labeled[attr(n, "id")] {
			t.Errorf("%s %q has no label", n.Data, attr(n, "name"))
		}
	}
}

func TestAccountAgain(t *testing.T) {
	const want = "https://app.example.com/api/auth/signin?callbackUrl=https%3A%2F%2Fapp.example.com%2Fapi%2Fauth%2Faccount&error=SessionRequired"
	r := newRenderer(t)
	res := get(t, r, pageOf((*Renderer).Account, account(stale)))
	again := one(t, res.root, ".again")
	if got := attr(one(t, again, "a"), "href"); got != want {
		t.Errorf("link is %q, want %q", got, want)
	}
	if !strings.Contains(text(again), "fresh sign-in") {
		t.Errorf("it says %q", text(again))
	}
	refused := get(t, r, pageOf((*Renderer).Account, account(stale, noticed(AccountSignInAgain))))
	if got := text(one(t, refused.root, "#notice")); !strings.HasPrefix(got, "Nothing was changed") {
		t.Errorf("notice is %q", got)
	}
	if got := text(one(t, refused.root, ".again")); got != "Sign in again" {
		t.Errorf("it is said twice: %q", got)
	}
	if len(find(get(t, r, pageOf((*Renderer).Account, account())).root, ".again")) != 0 {
		t.Error("a recent sign-in is asked for again")
	}
	long := account(stale, func(v *Account) { v.URL = "https://app.example.com/" + strings.Repeat("x", maxValue) })
	if got := attr(one(t, one(t, get(t, r, pageOf((*Renderer).Account, long)).root, ".again"), "a"), "href"); got != site.BaseURL+"/signin?error=SessionRequired" {
		t.Errorf("long: %q", got)
	}
}

func TestAccountNotice(t *testing.T) {
	r := newRenderer(t)
	for n, about := range accountNotices {
		res := get(t, r, pageOf((*Renderer).Account, account(noticed(n))))
		box := one(t, res.root, "#notice")
		role := map[bool]string{false: "status", true: "alert"}[about.failed]
		if attr(box, "role") != role || text(box) != r.messages.plain(about.key) {
			t.Errorf("%s: %s says %q", n, attr(box, "role"), text(box))
		}
		var focused []string
		for _, in := range find(res.root, "[autofocus]") {
			focused = append(focused, attr(in, "id"))
			if attr(in, "aria-invalid") != "true" || attr(in, "aria-describedby") != "notice" {
				t.Errorf("%s: %s is not marked", n, attr(in, "id"))
			}
			if !slices.Contains(ancestors(box), in.Parent.Parent.Parent) && !slices.Contains(ancestors(in), box.Parent) {
				t.Errorf("%s: the text is far from the input", n)
			}
		}
		if about.field == "" && focused != nil || about.field != "" && !slices.Equal(focused, []string{about.field}) {
			t.Errorf("%s: focus is on %q, want %q", n, focused, about.field)
		}
	}
	for _, n := range []AccountNotice{"", "whatever", "csrf "} {
		if res := get(t, r, pageOf((*Renderer).Account, account(noticed(n)))); len(find(res.root, "#notice")) != 0 {
			t.Errorf("%q has a text", n)
		}
	}
}

func ancestors(n *html.Node) []*html.Node { return slices.Collect(n.Ancestors()) }

func TestAccountStatus(t *testing.T) {
	for status, want := range map[int]int{0: 200, 200: 200, 403: 403, 404: 404, 429: 429} {
		res := get(t, newRenderer(t), pageOf((*Renderer).Account, account(func(v *Account) { v.Status = status })))
		if res.Code != want {
			t.Errorf("%d: status is %d, want %d", status, res.Code, want)
		}
	}
}

func TestAccountBare(t *testing.T) {
	res := get(t, newRenderer(t), pageOf((*Renderer).Account, account(bare)))
	if len(find(res.root, "section"))+len(find(res.root, "form")) != 0 {
		t.Error("there is more than the notice")
	}
	if got := attr(one(t, res.root, ".button"), "href"); got != site.BaseURL+"/account" {
		t.Errorf("link is %q", got)
	}
}

func TestAccountSecret(t *testing.T) {
	r := newRenderer(t)
	made := func(v *Account) { v.Tokens.Secret = "caddyauth_pat_secret" }
	res := get(t, r, pageOf((*Renderer).Account, account(noticed(AccountTokenCreated), made)))
	if got := text(one(t, res.root, "#secret")); got != "caddyauth_pat_secret" {
		t.Errorf("secret is %q", got)
	}
	if n := strings.Count(res.Body.String(), "caddyauth_pat_secret"); n != 1 {
		t.Errorf("it is there %d times", n)
	}
	if got := res.Header().Get("Cache-Control"); !strings.Contains(got, "no-store") {
		t.Errorf("Cache-Control is %q", got)
	}
}

func TestTokenForm(t *testing.T) {
	r := newRenderer(t)
	for days, want := range map[string]string{"": "30", "7": "7", "0": "0", "365": "365", "31": "30", "x": "30", "-7": "30", " 7": "30"} {
		res := get(t, r, pageOf((*Renderer).Account, account(func(v *Account) { v.Tokens.Form.Days = days })))
		chosen := one(t, one(t, res.root, "#token-days"), "option[selected]")
		if got := attr(chosen, "value"); got != want {
			t.Errorf("%q: %s is chosen, want %s", days, got, want)
		}
	}
	for _, f := range []TokenForm{{}, {Name: "CI", Days: "7"}, {Paths: "/a/*\n</textarea>"}, {Methods: `GET "`}} {
		res := get(t, r, pageOf((*Renderer).Account, account(func(v *Account) { v.Tokens.Form = f })))
		details := one(t, one(t, res.root, "#token-paths").Parent.Parent, "details")
		if got := hasAttr(details, "open"); got != (f.Paths+f.Methods != "") {
			t.Errorf("%+v: the limits are shown: %t", f, got)
		}
		paths := one(t, res.root, "#token-paths")
		got := TokenForm{Name: attr(one(t, res.root, "#token-name"), "value"), Days: f.Days, Methods: attr(one(t, res.root, "#token-methods"), "value")}
		if paths.FirstChild != nil {
			got.Paths = paths.FirstChild.Data
		}
		if got != f {
			t.Errorf("got %+v, want %+v", got, f)
		}
	}
}

// Values that somebody else chose are shown as they are, and not at any length.
func TestUI05AccountNames(t *testing.T) {
	r := newRenderer(t)
	for kind, s := range hostile {
		if strings.TrimSpace(s) == "" || len(s) > 100 || !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\r") {
			continue
		}
		t.Run("UI-05 "+kind, func(t *testing.T) {
			res := get(t, r, pageOf((*Renderer).Account, hostileAccount(site, s)))
			want := strings.Join(strings.Fields(s), " ")
			for _, section := range []string{"accounts", "passkeys", "tokens"} {
				if got := text(find(one(t, res.root, "#"+section).Parent, "h3")[0]); got != want {
					t.Errorf("%s: got %q, want %q", section, got, want)
				}
			}
			for _, in := range find(res.root, "input[name]") {
				if n := attr(in, "name"); (n == "id" || n == "provider" || n == "account") && attr(in, "value") != s {
					t.Errorf("%s is %q", n, attr(in, "value"))
				}
			}
		})
	}
	t.Run("UI-05 long", func(t *testing.T) {
		v := account(func(v *Account) {
			v.Account, v.Accounts[0].Name, v.Accounts[0].Login = hostile["long"], hostile["long"], hostile["long"]
			v.Sessions[1].Browser, v.Tokens.List[0].Name, v.Passkeys.List[0].Name = hostile["long"], hostile["long"], hostile["long"]
		})
		if n := get(t, r, pageOf((*Renderer).Account, v)).Body.Len(); n > 40<<10 {
			t.Errorf("the page has %d bytes", n)
		}
	})
}

func TestAccountFormAction(t *testing.T) {
	hub := google
	hub.FormAction = []string{"https://accounts.google.com"}
	v := account(func(v *Account) { v.Connect = []Provider{hub} })
	if got := directives(get(t, newRenderer(t), pageOf((*Renderer).Account, v)))["form-action"]; got != "'self' https://accounts.google.com" {
		t.Errorf("form-action is %s", got)
	}
}

func TestAccountSize(t *testing.T) {
	page := get(t, newRenderer(t), pageOf((*Renderer).Account, account())).Body.Bytes()
	t.Logf("%d bytes, %d compressed", len(page), zipped(t, page))
	if len(page) > 24<<10 {
		t.Errorf("%d bytes, want at most 24 KiB", len(page))
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		d    time.Duration // ago
		want string
	}{
		{0, "moment_ago"}, {59 * time.Second, "moment_ago"}, {time.Minute, "minute_ago"}, {2*time.Minute - 1, "minute_ago"},
		{2 * time.Minute, "2 minutes_ago"}, {time.Hour - 1, "59 minutes_ago"}, {time.Hour, "hour_ago"}, {day - 1, "23 hours_ago"},
		{day, "day_ago"}, {2*day - 1, "day_ago"}, {100 * day, "100 days_ago"}, {100*day + 1, ""},
		{-time.Millisecond, "in_moment"}, {-time.Minute, "in_minute"}, {-30*day + time.Millisecond, "30 in_days"},
		{-time.Hour, "in_hour"}, {-day, "in_day"}, {-101 * day, ""},
	} {
		unit, n := distance(testNow, ago(tt.d))
		got := unit
		if strings.HasSuffix(unit, "s_ago") || strings.HasSuffix(unit, "s") {
			got = fmt.Sprint(n, " ", unit)
		}
		if got != tt.want {
			t.Errorf("%s ago: got %q, want %q", tt.d, got, tt.want)
		}
	}
}

func TestMoment(t *testing.T) {
	d := newRenderer(t).document(site, "account.title")
	if d.moment(testNow, time.Time{}) != nil {
		t.Error("no time is a moment")
	}
	m := d.moment(testNow, time.Date(2025, 1, 2, 4, 5, 6, 7, time.FixedZone("", 3600)))
	if m.Machine != "2025-01-02T03:05:06Z" || m.Exact != "2025-01-02 03:05 UTC" || m.Text[0].Text != "2025-01-02" {
		t.Errorf("got %+v", m)
	}
}
