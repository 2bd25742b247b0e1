package callbacks

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// everything sets each variable that the callback jwt has.
var everything = JWTInput{
	Trigger:   "signUp",
	IsNewUser: true,
	User:      map[string]any{"id": "1", "name": nil, "role": "admin", "level": json.Number("7"), "tags": []any{"x", "y"}},
	Account:   map[string]any{"provider": "github", "expires_at": int64(1795425082), "scopes": []string{"a"}},
	Profile:   map[string]any{"login": "ada", "id": 583231.0, "plan": map[string]any{"name": "pro"}, "share": 0.5},
	Session:   `{"name":"Ada L.","n":[1,2.5,12345678901234567]}`,
	Request: Request{
		Method: "GET", Host: "app.example.com", Path: "/api/auth/session", RawQuery: "a=1&a=2&b=%C3%A4&%zz=1",
		Header: http.Header{
			"User-Agent": {"test/1"}, "X-Tag": {"a", "b"}, "Cookie": {"secret=1"},
			"Authorization": {"Bearer secret"}, "Proxy-Authorization": {"Basic secret"},
		},
		IP:   netip.MustParseAddr("192.0.2.7"),
		Time: time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.FixedZone("", 3600)),
	},
}

// evalIn returns what the expression makes of the claim out.
func evalIn(t *testing.T, in JWTInput, claims, expr string) (string, error) {
	t.Helper()
	got, keep, err := must(t, Config{JWT: []Step{{Name: "out", Expr: expr}}}).JWT(t.Context(), claims, in)
	if !keep {
		t.Errorf("%s: the session was dropped", expr)
	}
	o, perr := newObject(got)
	if perr != nil {
		t.Fatalf("%s: %q: %v", expr, got, perr)
	}
	if i := o.find("out"); i >= 0 {
		return o.members[i].json.Raw(), err
	}
	return "", err
}

func TestVariables(t *testing.T) {
	for expr, want := range map[string]string{
		`user.id`:                           `"1"`,
		`user.role + "!"`:                   `"admin!"`,
		`user.level + 1`:                    `8`,
		`user.level / 2.0 == 3.5`:           ``, // no such overload
		`double(user.level) / 2.0`:          `3.5`,
		`user.name`:                         ``, // null removes
		`user.name == null`:                 `true`,
		`user.tags`:                         `["x","y"]`,
		`"y" in user.tags`:                  `true`,
		`account.provider`:                  `"github"`,
		`account.expires_at`:                `1795425082`,
		`account.scopes[0]`:                 `"a"`,
		`timestamp(account.expires_at)`:     `"2026-11-23T09:11:22.000Z"`,
		`profile.login.upperAscii()`:        `"ADA"`,
		`profile.id`:                        `583231`,
		`string(profile.id)`:                `"583231"`,
		`profile.id == 583231.0`:            `true`,
		`profile.share`:                     `0.5`,
		`profile.plan.name`:                 `"pro"`,
		`profile.plan`:                      `{"name":"pro"}`,
		`profile.?plan.?name`:               `"pro"`,
		`profile.?plan.name`:                `"pro"`,
		`session.name`:                      `"Ada L."`,
		`session.n`:                         `[1,2.5,12345678901234567]`,
		`session.n[2] - 12345678901234566`:  `1`,
		`session`:                           `{"name":"Ada L.","n":[1,2.5,12345678901234567]}`,
		`trigger`:                           `"signUp"`,
		`isNewUser`:                         `true`,
		`token.sub`:                         `"9"`,
		`token.big`:                         `9007199254740993`,
		`has(token.roles.admin)`:            ``, // a list has no members
		`token.roles.filter(r, r != "a")`:   `["b"]`,
		`size(token)`:                       `3`,
		`token.map(name, name)`:             `["sub","big","roles"]`,
		`token.exists(name, name == "big")`: `true`,
		`token == {"roles": ["a", "b"], "sub": "9", "big": 9007199254740993}`: `true`,
		`{"roles": ["a", "b"], "sub": "9", "big": 9007199254740993} == token`: `true`,
		`token == {"sub": "9"}`:                   `false`,
		`token != dyn(1)`:                         `true`,
		`token[?"sub"].orValue("")`:               `"9"`,
		`token["sub"]`:                            `"9"`,
		`dyn(1) in token`:                         `false`,
		`type(token) == map`:                      `true`,
		`"%s".format([token.sub])`:                `"9"`,
		`"%s".format([session])`:                  `"{n: [1, 2.5, 12345678901234567], name: Ada L.}"`,
		`optional.ofNonZeroValue(token)`:          `{"sub":"9","big":9007199254740993,"roles":["a","b"]}`,
		`request.method`:                          `"GET"`,
		`request.host`:                            `"app.example.com"`,
		`request.path`:                            `"/api/auth/session"`,
		`request.query.a`:                         `"1"`,
		`request.query.b`:                         `"ä"`,
		`size(request.query)`:                     `2`,
		`request.ip`:                              `"192.0.2.7"`,
		`request.headers["user-agent"]`:           `"test/1"`,
		`request.headers["x-tag"]`:                `"a, b"`,
		`request.headers.map(h, h).sort()`:        `["user-agent","x-tag"]`,
		`now`:                                     `"2026-01-02T02:04:05.678Z"`,
		`now.getHours()`:                          `2`,
		`now - timestamp("2026-01-02T02:04:00Z")`: `5.6789`,
		`url + baseUrl`:                           `""`,
		`email == {} && credentials == {} && newSession == {}`: `true`,
		`"banana".replace("a", "")`:                            `"bnn"`,
		`"banana".replace("a", "oo", 2)`:                       `"boonoona"`,
		`"banana".replace("a", "o", -1)`:                       `"bonono"`,
		`"banana".replace("a", "o", 0)`:                        `"banana"`,
		`"äb".replace("", "-")`:                                `"-ä-b-"`,
		`["x", "y"].join()`:                                    `"xy"`,
		`[].join("-")`:                                         `""`,
		`user.tags.join("-")`:                                  `"x-y"`,
		`session.n.join("-")`:                                  ``,
		`["x", "y"].join("-")`:                                 `"x-y"`,
		`sets.contains(token.roles, ["a"])`:                    `true`,
		`[1, "a", null, {"b": true}]`:                          `[1,"a",null,{"b":true}]`,
		`{"b": 1, "a": 2}`:                                     `{"a":2,"b":1}`, // CEL's maps have no order
		`{?"a": user.?absent, ?"b": user.?role}`:               `{"b":"admin"}`,
		`[?user.?absent, ?user.?role]`:                         `["admin"]`,
		`optional.of("x")`:                                     `"x"`,
		`b"\x00\xff"`:                                          `"AP8="`,
		`18446744073709551615u`:                                `18446744073709551615`,
		`-0.5 * (0.5 - 0.5)`:                                   `0`,
		`0.0 / 0.0`:                                            ``,
		`1.0 / 0.0`:                                            ``,
		`[?user.?absent].join()`:                               `""`,
		`["a", 1].join()`:                                      ``,
		`duration("90s")`:                                      `90`,
		`user.level > 6.5 && 7.0 == user.level`:                `true`,
	} {
		got, err := evalIn(t, everything, `{"sub":"9","big":9007199254740993,"roles":["a","b"]}`, expr)
		if got != want {
			t.Errorf("%s = %s, %v; want %s", expr, got, err, want)
		}
		if wantErr := want == "" && expr != `user.name`; (err != nil) != wantErr {
			t.Errorf("%s: error %v", expr, err)
		}
	}
}

// What does not apply never makes the documented idioms fail.
func TestAbsentVariables(t *testing.T) {
	idioms := map[string]string{
		`VAR.?role`:                     ``,
		`VAR.?a.?b.?c`:                  ``,
		`VAR.?a.b`:                      ``,
		`VAR.?role.orValue("guest")`:    `"guest"`,
		`has(VAR.role)`:                 `false`,
		`has(VAR.role) ? VAR.role : ""`: `""`,
		`VAR[?"role"].hasValue()`:       `false`,
		`"role" in VAR`:                 `false`,
		`VAR == {}`:                     `true`,
		`size(VAR)`:                     `0`,
		`VAR.exists(k, k == "role")`:    `false`,
		`VAR`:                           `{}`,
	}
	for _, name := range []string{"user", "account", "profile", "email", "credentials", "session", "newSession", "token", "request.query", "request.headers"} {
		for idiom, want := range idioms {
			expr := strings.ReplaceAll(idiom, "VAR", name)
			if got, err := evalIn(t, JWTInput{}, `{}`, expr); got != want || err != nil {
				t.Errorf("%s = %q, %v; want %q", expr, got, err, want)
			}
		}
	}
	for expr, want := range map[string]string{
		`trigger == ""`: `true`, `url == ""`: `true`, `baseUrl == ""`: `true`, `isNewUser`: `false`,
		`request.method + request.host + request.path + request.ip`: `""`,
		`now > timestamp("2020-01-01T00:00:00Z")`:                   `true`,
		`now == now`: `true`,
	} {
		if got, err := evalIn(t, JWTInput{}, `{}`, expr); got != want || err != nil {
			t.Errorf("%s = %q, %v; want %q", expr, got, err, want)
		}
	}
}

// In each callback all variables are there.
func TestVariablesEverywhere(t *testing.T) {
	const all = `user == {} && account == {} && profile == {} && email == {} && credentials == {} && newSession == {} && ` +
		`trigger == "" && !isNewUser && baseUrl == "" && request.method == "" && now > timestamp(0)`
	s := must(t, Config{
		SignIn:   all + ` && token == {} && session == {} && url == ""`,
		Redirect: `token == {} && session == {} && ` + strings.ReplaceAll(all, `baseUrl == ""`, `baseUrl == "https://a.example"`) + ` ? url : "no"`,
		JWT:      []Step{{Name: "out", Expr: all + ` && token == {} && session == {} && url == ""`}},
		Session:  []Step{{Name: "out", Expr: all + ` && token == {} && session == {} && url == ""`}},
	})
	if v, err := s.SignIn(t.Context(), SignInInput{}); !v.Allow || err != nil {
		t.Errorf("sign_in: %v, %v", v, err)
	}
	if to, err := s.Redirect(t.Context(), "/x", "https://a.example", Request{}); to != "/x" || err != nil {
		t.Errorf("redirect: %q, %v", to, err)
	}
	if out, _, err := s.JWT(t.Context(), `{}`, JWTInput{}); out != `{"out":true}` || err != nil {
		t.Errorf("jwt: %s, %v", out, err)
	}
	if out, err := s.Session(t.Context(), []byte(`{}`), SessionInput{}); string(out) != `{"out":true}` || err != nil {
		t.Errorf("session: %s, %v", out, err)
	}
}

func TestSignIn(t *testing.T) {
	in := SignInInput{
		User:        map[string]any{"email": "ada@example.com"},
		Account:     map[string]any{"provider": "github"},
		Profile:     map[string]any{"verified": true, "url": "/welcome", "n": 1.0},
		Email:       map[string]any{"verificationRequest": true},
		Credentials: map[string]any{"username": "ada"},
		Request:     Request{Method: "POST"},
	}
	for expr, want := range map[string]Verdict{
		`true`:             {Allow: true},
		`false`:            {},
		`""`:               {}, // falsy in JavaScript
		`"/blocked"`:       {Redirect: "/blocked"},
		`profile.verified`: {Allow: true},
		`profile.url`:      {Redirect: "/welcome"},
		`profile.verified ? dyn(true) : dyn("/verify")`:                                    {Allow: true},
		`has(profile.nothing) ? dyn(true) : "/verify"`:                                     {Redirect: "/verify"},
		`user.?email.orValue("").endsWith("@example.com") && account.provider == "github"`: {Allow: true},
		`email.?verificationRequest.orValue(false)`:                                        {Allow: true},
		`credentials.username == "ada" && request.method == "POST"`:                        {Allow: true},
		`!("banned" in user)`: {Allow: true},
	} {
		if got, err := must(t, Config{SignIn: expr}).SignIn(t.Context(), in); got != want || err != nil {
			t.Errorf("%s: %+v, %v; want %+v", expr, got, err, want)
		}
	}
	for _, expr := range []string{
		`profile.nothing`, `profile.n`, `dyn(null)`, `user.email.size() / 0 == 1`, `dyn(user.?email)`, `profile.n && true`, `dyn([])`,
	} {
		if got, err := must(t, Config{SignIn: expr}).SignIn(t.Context(), in); err == nil || got != (Verdict{}) || !strings.HasPrefix(err.Error(), "sign_in: ") {
			t.Errorf("%s: %+v, %v; want an error", expr, got, err)
		}
	}
}

func TestRedirect(t *testing.T) {
	const base = "https://app.example.com"
	for expr, want := range map[string]string{
		`url`:                   "/x?y#z",
		`baseUrl + "/home"`:     base + "/home",
		`baseUrl + url`:         base + "/x?y#z",
		`"https://other.org"`:   "https://other.org",
		`""`:                    "",
		`request.headers["to"]`: "/there",
		`url.startsWith("/x") ? request.?query.?next.orValue(baseUrl) : url`: "/n",
	} {
		s := must(t, Config{Redirect: expr})
		got, err := s.Redirect(t.Context(), "/x?y#z", base, Request{RawQuery: "next=/n", Header: http.Header{"To": {"/there"}}})
		if got != want || err != nil || !s.HasRedirect() {
			t.Errorf("%s: %q, %v; want %q", expr, got, err, want)
		}
	}
	for _, expr := range []string{`request.headers["absent"]`, `dyn(1)`, `dyn(null)`, `request.?query`} {
		if s, err := Compile(Config{Redirect: expr}); err == nil {
			if got, err := s.Redirect(t.Context(), "/", base, Request{}); err == nil || got != "" {
				t.Errorf("%s: %q, %v; want an error", expr, got, err)
			}
		}
	}
}

func TestJWT(t *testing.T) {
	const claims = `{ "name":"Ada", "n": 1.50, "big":123456789012345678901234567890, "\u0065":"\u00e4", "caddyauth":{"sid":"1"}, "iat":1 }`
	compact := func(members string) string {
		return `{"name":"Ada","n":1.50,"big":123456789012345678901234567890,"e":"\u00e4","caddyauth":{"sid":"1"},"iat":1` + members + `}`
	}
	in := JWTInput{User: map[string]any{"role": "admin", "nothing": nil, "level": 3}}
	for name, test := range map[string]struct {
		steps []Step
		want  string
		errs  int
	}{
		"nothing changes nothing":   {[]Step{{Name: "x", Expr: `user.?x`}, {Name: "name", Expr: `user.?x`}}, claims, 0},
		"set":                       {[]Step{{Name: "role", Expr: `user.role`}}, compact(`,"role":"admin"`), 0},
		"optional with a value":     {[]Step{{Name: "role", Expr: `user.?role`}}, compact(`,"role":"admin"`), 0},
		"in order":                  {[]Step{{Name: "b", Expr: `1`}, {Name: "a", Expr: `token.b + 1`}, {Name: "b", Expr: `token.a + 1`}}, compact(`,"b":3,"a":2`), 0},
		"replace in place":          {[]Step{{Name: "name", Expr: `"Bob"`}}, strings.Replace(compact(``), `Ada`, `Bob`, 1), 0},
		"null removes":              {[]Step{{Name: "name", Expr: `null`}}, strings.Replace(compact(``), `"name":"Ada",`, ``, 1), 0},
		"null of the user removes":  {[]Step{{Name: "name", Expr: `user.?nothing`}}, strings.Replace(compact(``), `"name":"Ada",`, ``, 1), 0},
		"null of what is not there": {[]Step{{Name: "x", Expr: `null`}}, claims, 0},
		"removed is absent":         {[]Step{{Name: "name", Expr: `null`}, {Name: "x", Expr: `has(token.name)`}}, strings.Replace(compact(`,"x":false`), `"name":"Ada",`, ``, 1), 0},
		"set again after removal":   {[]Step{{Name: "name", Expr: `null`}, {Name: "name", Expr: `"C"`}}, strings.Replace(compact(`,"name":"C"`), `"name":"Ada",`, ``, 1), 0},
		"dots are part of a name":   {[]Step{{Name: "https://a.example/role", Expr: `1`}}, compact(`,"https://a.example/role":1`), 0},
		"name by its meaning":       {[]Step{{Name: "e", Expr: `token.e + "!"`}}, strings.Replace(compact(``), `"\u00e4"`, `"ä!"`, 1), 0},
		"sub and nbf are yours":     {[]Step{{Name: "sub", Expr: `"7"`}, {Name: "nbf", Expr: `0`}}, compact(`,"sub":"7","nbf":0`), 0},
		"error leaves it":           {[]Step{{Name: "name", Expr: `user.absent`}, {Name: "x", Expr: `1`}}, compact(`,"x":1`), 1},
		"errors are joined":         {[]Step{{Name: "name", Expr: `user.absent`}, {Name: "x", Expr: `1 / (user.level - 3)`}}, claims, 2},
		"copy of another claim":     {[]Step{{Name: "copy", Expr: `token.caddyauth`}}, compact(`,"copy":{"sid":"1"}`), 0},
		"drop false":                {[]Step{{Drop: true, Expr: `user.role == "banned"`}}, claims, 0},
		"drop fails":                {[]Step{{Drop: true, Expr: `user.banned`}, {Drop: true, Expr: `user.level`}}, claims, 2},
		"drop is a name, too":       {[]Step{{Name: "drop", Expr: `true`}}, compact(`,"drop":true`), 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, keep, err := must(t, Config{JWT: test.steps}).JWT(t.Context(), claims, in)
			if got != test.want || !keep {
				t.Errorf("got  %s, %v\nwant %s", got, keep, test.want)
			}
			checkErrors(t, err, "jwt ", test.errs)
		})
	}
}

// checkErrors counts what an error joins.
func checkErrors(t *testing.T, err error, prefix string, want int) {
	t.Helper()
	n := 0
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			n++
			if !strings.HasPrefix(line, prefix) {
				t.Errorf("the error does not say where: %s", line)
			}
		}
	}
	if n != want {
		t.Errorf("%d errors, want %d: %v", n, want, err)
	}
}

func TestDrop(t *testing.T) {
	s := must(t, Config{JWT: []Step{
		{Name: "seen", Expr: `now`},
		{Name: "bad", Expr: `token.absent`},
		{Drop: true, Expr: `token.?banned.orValue(false) || now > timestamp("2030-01-01T00:00:00Z")`},
		{Name: "late", Expr: `token.absent`},
	}})
	out, keep, err := s.JWT(t.Context(), `{"banned":true}`, JWTInput{})
	if keep || out != `{"banned":true}` {
		t.Errorf("got %s, %v", out, keep)
	}
	checkErrors(t, err, "jwt bad: ", 1) // what comes after the drop has not run
	if _, keep, _ := s.JWT(t.Context(), `{"banned":false}`, JWTInput{}); !keep {
		t.Error("dropped without reason")
	}
}

func TestSession(t *testing.T) {
	const body = `{"user":{"name":"Ada","email":null},"expires":"2026-01-02T03:04:05.678Z"}`
	in := SessionInput{
		Token:      `{"sub":"1","roles":["a"],"role":"x"}`,
		User:       map[string]any{"id": "db"},
		Trigger:    "update",
		NewSession: `"text"`,
	}
	for name, test := range map[string]struct {
		steps []Step
		want  string
		errs  int
	}{
		"nested":              {[]Step{{Name: "user.id", Expr: `token.sub`}}, `{"user":{"name":"Ada","email":null,"id":"1"},"expires":"2026-01-02T03:04:05.678Z"}`, 0},
		"top":                 {[]Step{{Name: "roles", Expr: `token.roles`}}, `{"user":{"name":"Ada","email":null},"expires":"2026-01-02T03:04:05.678Z","roles":["a"]}`, 0},
		"absent":              {[]Step{{Name: "user.id", Expr: `token.?nothing`}}, body, 0},
		"absent makes none":   {[]Step{{Name: "a.b.c", Expr: `token.?nothing`}, {Name: "a.b", Expr: `null`}}, body, 0},
		"null removes":        {[]Step{{Name: "user.email", Expr: `null`}}, `{"user":{"name":"Ada"},"expires":"2026-01-02T03:04:05.678Z"}`, 0},
		"remove all":          {[]Step{{Name: "user", Expr: `null`}, {Name: "expires", Expr: `null`}}, `{}`, 0},
		"null of nothing":     {[]Step{{Name: "user.x.y", Expr: `null`}}, body, 0},
		"in place":            {[]Step{{Name: "user.name", Expr: `session.user.name + " L."`}}, strings.Replace(body, "Ada", "Ada L.", 1), 0},
		"sees what was set":   {[]Step{{Name: "user.a", Expr: `1`}, {Name: "user.b", Expr: `session.user.a + 1`}}, `{"user":{"name":"Ada","email":null,"a":1,"b":2},"expires":"2026-01-02T03:04:05.678Z"}`, 0},
		"makes objects":       {[]Step{{Name: "a.b.c", Expr: `1`}, {Name: "a.b.d", Expr: `session.a.b.c`}}, strings.TrimSuffix(body, "}") + `,"a":{"b":{"c":1,"d":1}}}`, 0},
		"into a set map":      {[]Step{{Name: "a", Expr: `{"z": 1}`}, {Name: "a.b", Expr: `2`}}, strings.TrimSuffix(body, "}") + `,"a":{"z":1,"b":2}}`, 0},
		"a copy is a copy":    {[]Step{{Name: "copy", Expr: `session.user`}, {Name: "user.name", Expr: `"B"`}}, `{"user":{"name":"B","email":null},"expires":"2026-01-02T03:04:05.678Z","copy":{"name":"Ada","email":null}}`, 0},
		"through a string":    {[]Step{{Name: "user.name.first", Expr: `1`}, {Name: "user.name.first", Expr: `null`}}, body, 2},
		"through null":        {[]Step{{Name: "user.email.a", Expr: `1`}}, body, 1},
		"through a list":      {[]Step{{Name: "l", Expr: `[{}]`}, {Name: "l.0", Expr: `1`}}, strings.TrimSuffix(body, "}") + `,"l":[{}]}`, 1},
		"expires is yours":    {[]Step{{Name: "expires", Expr: `"never"`}}, `{"user":{"name":"Ada","email":null},"expires":"never"}`, 0},
		"update":              {[]Step{{Name: "n", Expr: `trigger == "update" ? newSession : ""`}}, strings.TrimSuffix(body, "}") + `,"n":"text"}`, 0},
		"optional of a text":  {[]Step{{Name: "n", Expr: `newSession.?x`}}, body, 0},
		"database user":       {[]Step{{Name: "user.id", Expr: `user.id`}}, `{"user":{"name":"Ada","email":null,"id":"db"},"expires":"2026-01-02T03:04:05.678Z"}`, 0},
		"error leaves it":     {[]Step{{Name: "user.name", Expr: `token.absent`}, {Name: "ok", Expr: `true`}}, strings.TrimSuffix(body, "}") + `,"ok":true}`, 1},
		"whole user":          {[]Step{{Name: "user", Expr: `{"id": token.sub}`}}, `{"user":{"id":"1"},"expires":"2026-01-02T03:04:05.678Z"}`, 0},
		"unicode":             {[]Step{{Name: "user.größe", Expr: `"\U0001F600\u2028</script>\n"`}}, `{"user":{"name":"Ada","email":null,"größe":"😀` + "\u2028" + `</script>\n"},"expires":"2026-01-02T03:04:05.678Z"}`, 0},
		"constructor is fine": {[]Step{{Name: "user.constructor", Expr: `1`}}, `{"user":{"name":"Ada","email":null,"constructor":1},"expires":"2026-01-02T03:04:05.678Z"}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			given := []byte(body)
			got, err := must(t, Config{Session: test.steps}).Session(t.Context(), given, in)
			if string(got) != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if string(given) != body {
				t.Errorf("the body given became %s", given)
			}
			checkErrors(t, err, "session ", test.errs)
		})
	}
}

// A set without expressions is the same as none.
func TestNothing(t *testing.T) {
	empty, err := Compile(Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*Set{nil, empty} {
		if v, err := s.SignIn(t.Context(), SignInInput{}); v != (Verdict{Allow: true}) || err != nil {
			t.Errorf("sign_in: %v, %v", v, err)
		}
		if to, err := s.Redirect(t.Context(), "/x", "https://a.example", Request{}); to != "/x" || err != nil || s.HasRedirect() {
			t.Errorf("redirect: %q, %v", to, err)
		}
		if out, keep, err := s.JWT(t.Context(), `not looked at`, JWTInput{}); out != `not looked at` || !keep || err != nil {
			t.Errorf("jwt: %q, %v, %v", out, keep, err)
		}
		if out, err := s.Session(t.Context(), []byte(`not looked at`), SessionInput{}); string(out) != `not looked at` || err != nil {
			t.Errorf("session: %q, %v", out, err)
		}
		if n := testing.AllocsPerRun(100, func() {
			_, _ = s.SignIn(t.Context(), SignInInput{})
			_, _, _ = s.JWT(t.Context(), `{}`, JWTInput{})
			_, _ = s.Session(t.Context(), nil, SessionInput{})
		}); n != 0 {
			t.Errorf("%v allocations for nothing", n)
		}
	}
}

func TestBadInput(t *testing.T) {
	s := must(t, Config{JWT: []Step{{Name: "x", Expr: `1`}}, Session: []Step{{Name: "x", Expr: `1`}}})
	for _, text := range []string{``, `null`, `[]`, `{`, `{"a":}`, `{} {}`, "{\"a\":\"\xff\"}", `{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`} {
		if out, keep, err := s.JWT(t.Context(), text, JWTInput{}); out != text || !keep || err == nil {
			t.Errorf("jwt of %q: %q, %v, %v", text, out, keep, err)
		}
		if out, err := s.Session(t.Context(), []byte(text), SessionInput{}); string(out) != text || err == nil {
			t.Errorf("session of %q: %q, %v", text, out, err)
		}
	}
	// A variable that is broken fails the expressions that read it.
	s = must(t, Config{Session: []Step{{Name: "a", Expr: `1`}, {Name: "b", Expr: `token.?x`}, {Name: "c", Expr: `newSession == {}`}, {Name: "d", Expr: `2`}}})
	out, err := s.Session(t.Context(), []byte(`{}`), SessionInput{Token: `[`, NewSession: `1,"x":2`})
	if string(out) != `{"a":1,"d":2}` {
		t.Errorf("got %s", out)
	}
	checkErrors(t, err, "session ", 2)
}

// Repeated members count as in JavaScript: the place of the first, the value of
// the last.
func TestRepeatedMembers(t *testing.T) {
	s := must(t, Config{JWT: []Step{{Name: "x", Expr: `token.a`}}})
	out, _, err := s.JWT(t.Context(), `{"a":1,"b":2,"a":3}`, JWTInput{})
	if out != `{"a":3,"b":2,"x":3}` || err != nil {
		t.Errorf("got %s, %v", out, err)
	}
}

// Many members are found by an index, which must follow what happens to them.
func TestManyMembers(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"first":0`)
	for i := range 100 {
		b.WriteString(`,"n` + string(rune('a'+i/26)) + string(rune('a'+i%26)) + `":` + "1")
	}
	b.WriteString(`}`)
	s := must(t, Config{JWT: []Step{
		{Name: "first", Expr: `null`},
		{Name: "nbb", Expr: `2`},
		{Name: "first", Expr: `token.nbb + token.ncc`},
		{Name: "nbb", Expr: `null`},
		{Name: "last", Expr: `size(token)`},
	}})
	want := strings.Replace(strings.Replace(b.String(), `"first":0,`, ``, 1), `"nbb":1,`, ``, 1)
	want = strings.TrimSuffix(want, "}") + `,"first":3,"last":100}`
	if out, _, err := s.JWT(t.Context(), b.String(), JWTInput{}); out != want || err != nil {
		t.Errorf("got  %s, %v\nwant %s", out, err, want)
	}
}
