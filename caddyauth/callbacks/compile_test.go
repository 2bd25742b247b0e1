package callbacks

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// What people get wrong, where it is, and what they are told.
func TestCompileErrors(t *testing.T) {
	for _, test := range []struct {
		expr string
		at   string
		say  string
	}{
		// Names.
		{`usr.role`, "1:1", `unrecognized name 'usr', did you mean 'user'?`},
		{`user.?x.orValue(usre)`, "1:17", `unrecognized name 'usre', did you mean 'user'?`},
		{`base_url`, "1:1", `unrecognized name 'base_url', did you mean 'baseUrl'?`},
		{`isnewuser`, "1:1", `unrecognized name 'isnewuser', did you mean 'isNewUser'?`},
		{`something.else`, "1:1", `unrecognized name 'something'`},
		{`req.method`, "1:1", `unrecognized name 'req', did you mean 'request'?`},
		{`user.name == undefined`, "1:14", `unrecognized name 'undefined', what may be absent is written .?name`},
		{`"äöü😀" + usr`, "1:10", `unrecognized name 'usr', did you mean 'user'?`},
		{"user.id +\n\t usr.id", "2:3", `unrecognized name 'usr', did you mean 'user'?`},
		{`user.email.lowerAsci()`, "1:12", `unrecognized name 'lowerAsci', did you mean 'lowerAscii'?`},
		{`user.email.includes("x")`, "1:12", `unrecognized name 'includes', strings have contains(...), and for lists there is 'x in list'`},
		{`user.email.toLowerCase()`, "1:12", `unrecognized name 'toLowerCase', did you mean 'lowerAscii'?`},
		{`lists.rang(3)`, "1:1", `unrecognized name 'lists.rang', did you mean 'lists.range'?`},
		{`lists`, "1:1", `unrecognized name 'lists'`},
		{`[1].map(x)`, "1:5", `'map' takes a variable and an expression: list.map(x, ...)`},
		{`request.header`, "1:8", `request has no 'header', did you mean 'headers'?`},
		{`request.?header.?origin`, "1:8", `request has no 'header', did you mean 'headers'?`},
		{`request.cookies.a`, "1:8", `request has no 'cookies'`},

		// REDIR-07: https://example.com.evil.net begins with https://example.com.
		{`url.startsWith(baseUrl)`, "1:15", `other sites can begin like this: write url == baseUrl || url.startsWith(baseUrl + "/")`},

		// JavaScript.
		{`user.email === "x"`, "1:12", `CEL compares with ==`},
		{`"===" == user.email !== "x"`, "1:21", `CEL compares with !=`},
		{`user.email = "x"`, "1:12", `CEL compares with == and cannot assign`},
		{`user.groups.some(g => g == "x")`, "1:20", `CEL has no arrow functions: write list.exists(x, x == "a")`},
		{`user.name ?? "x"`, "1:11", `CEL has no ??: write user.?name.orValue("")`},
		{`user?.name`, "1:5", `what may be absent is written .?name in CEL`},
		{`true & false`, "1:6", `'and' is && in CEL`},
		{`true and false`, "1:6", `'and' is && in CEL`},
		{`not isNewUser`, "1:1", `'not' is ! in CEL`},
		{`return true`, "1:1", `CEL has one expression and no statements: write condition ? a : b`},
		{`true;`, "1:5", `CEL has one expression and no ;`},
		{"`${user.name}`", "1:1", `a string is written "..." or '...' in CEL`},
		{`{env.ROLE}`, "1:1", `placeholders are not replaced here`},
		{`trigger.length > 1`, "1:8", `string has no members: the length is size(...)`},
		{`user.name || "x"`, "1:14", `string instead of bool: a string is no condition, compare it with ""`},
		{"// a = b\n'a = b' = 1", "2:9", `CEL compares with == and cannot assign`},

		// Optional values.
		{`user.role.orValue("x")`, "1:18", `'.role' is not an optional value: write '.?role'`},
		{`user["role"].orValue("x")`, "1:21", `'[...]' is not an optional value: write '[?...]'`},
		{`user.a.b.optMap(x, x)`, "1:16", `'.b' is not an optional value: write '.?b'`},
		{`user.?role == "x"`, "1:12", `'==' cannot be applied to (optional(any), string): an optional value needs .orValue(...)`},
		{`user.?verified && true`, "1:5", `optional(any) instead of bool: an optional value needs .orValue(...)`},
		{`[user.?role]`, "1:1", `an optional value cannot stand in a list or map: write [?value], {?key: value} or add .orValue(...)`},
		{`{"a": {"b": user.?role}}`, "1:1", `an optional value cannot stand in a list or map: write [?value], {?key: value} or add .orValue(...)`},

		// Types.
		{`isNewUser ? 1 : "x"`, "1:11", `both sides of ':' must be of one type: wrap each in dyn(...)`},
		{`trigger == 1`, "1:9", `'==' cannot be applied to (string, int)`},
		{`user[0]`, "1:5", `'[]' cannot be applied to (map(string, any), int)`},
		{`size(now)`, "1:5", `'size' cannot be applied to (timestamp)`},
		{`{1: 2}`, "1:1", `the keys of a map must be strings, not int`},
		{`[{now: 2}]`, "1:1", `the keys of a map must be strings, not timestamp`},
		{`type(user)`, "1:1", `the value cannot be type(map(string, any))`},
		{`trigger.foo`, "1:8", `string has no members`},

		// Syntax.
		{`user.email ==`, "1:14", `unexpected end`},
		{`(user`, "1:6", `missing ')' at the end`},
		{`user)`, "1:5", `unexpected ')'`},
		{`"abc`, "1:1", `a string does not end`},
		{`user #`, "1:6", `unexpected '#'`},
		{`user.package == package`, "1:17", `reserved word package`},
		{`has(user)`, "1:5", `invalid argument to has() macro`},

		// Constants.
		{`"x".matches("[")`, "1:1", "error parsing regexp: missing closing ]: `[`"},
		{`timestamp("x")`, "1:1", `invalid RFC 3339 timestamp "x"`},
	} {
		err := Check(JWT, Step{Name: "role", Expr: test.expr})
		var ce *CompileError
		if !errors.As(err, &ce) {
			t.Errorf("%s: %v", test.expr, err)
			continue
		}
		if at := fmt.Sprintf("%d:%d", ce.Line, ce.Column); at != test.at || ce.Message != test.say {
			t.Errorf("%s\n got %s %s\nwant %s %s", test.expr, at, ce.Message, test.at, test.say)
		}
		if ce.Callback != "jwt role" || ce.Expr != test.expr {
			t.Errorf("%s: about %q of %q", test.expr, ce.Expr, ce.Callback)
		}
	}
}

func TestErrorText(t *testing.T) {
	for expr, want := range map[string]string{
		`usr.role`:         "jwt role: `usr.role`, column 1: unrecognized name 'usr', did you mean 'user'?",
		"true ||\n  usr.x": "jwt role: `usr.x`, line 2, column 3: unrecognized name 'usr', did you mean 'user'?",
		``:                 "jwt role: the expression is missing",
	} {
		if err := Check(JWT, Step{Name: "role", Expr: expr}); err == nil || err.Error() != want {
			t.Errorf("%q: %v\nwant %s", expr, err, want)
		}
	}
}

// The type of a result is checked as soon as it is known.
func TestResultTypes(t *testing.T) {
	const (
		signIn   = `must be a bool, or a string that says where to go instead, not `
		redirect = `must be a string, not `
		drop     = `must be a bool, not `
	)
	for _, test := range []struct {
		kind Kind
		step Step
		say  string
	}{
		{SignIn, Step{Expr: `true`}, ""},
		{SignIn, Step{Expr: `"/x"`}, ""},
		{SignIn, Step{Expr: `user.ok`}, ""},
		{SignIn, Step{Expr: `1`}, signIn + "int"},
		{SignIn, Step{Expr: `user`}, signIn + "map(string, any)"},
		{SignIn, Step{Expr: `null`}, signIn + "null"},
		{SignIn, Step{Expr: `now`}, signIn + "timestamp"},
		{SignIn, Step{Expr: `user.?ok`}, signIn + "optional(any): add .orValue(...)"},
		{Redirect, Step{Expr: `url`}, ""},
		{Redirect, Step{Expr: `user.x`}, ""},
		{Redirect, Step{Expr: `true`}, redirect + "bool"},
		{Redirect, Step{Expr: `["x"]`}, redirect + "list(string)"},
		{Redirect, Step{Expr: `request.query.?next`}, redirect + "optional(any): add .orValue(...)"},
		{JWT, Step{Drop: true, Expr: `true`}, ""},
		{JWT, Step{Drop: true, Expr: `token.banned`}, ""},
		{JWT, Step{Drop: true, Expr: `"x"`}, drop + "string"},
		{JWT, Step{Drop: true, Expr: `token.?banned`}, drop + "optional(any): add .orValue(...)"},
		{JWT, Step{Name: "x", Expr: `user.?x`}, ""},
		{JWT, Step{Name: "x", Expr: `optional.of([1u, 2u])`}, ""},
		{JWT, Step{Name: "x", Expr: `optional.of(optional.of(1))`}, "an optional value cannot stand in a list or map: write [?value], {?key: value} or add .orValue(...)"},
		{JWT, Step{Name: "x", Expr: `[]`}, ""},
		{JWT, Step{Name: "x", Expr: `{}`}, ""},
		{JWT, Step{Name: "x", Expr: `now - now`}, ""},
		{Session, Step{Name: "x", Expr: `b"x"`}, ""},
		{Session, Step{Name: "x", Expr: `int`}, "the value cannot be type(int)"},
	} {
		got := ""
		if err := Check(test.kind, test.step); err != nil {
			got = err.(*CompileError).Message
		}
		if got != test.say {
			t.Errorf("%s %+v: %q, want %q", test.kind, test.step, got, test.say)
		}
	}
}

func TestSteps(t *testing.T) {
	long := strings.Repeat("a.", maxNames)
	for _, test := range []struct {
		kind     Kind
		step     Step
		callback string
		say      string
	}{
		{JWT, Step{Name: "iat", Expr: "1"}, "jwt iat", "the claim is set whenever the token is sealed and cannot be set"},
		{JWT, Step{Name: "exp", Expr: "1"}, "jwt exp", "the claim is set whenever the token is sealed and cannot be set"},
		{JWT, Step{Name: "jti", Expr: "null"}, "jwt jti", "the claim is set whenever the token is sealed and cannot be set"},
		{JWT, Step{Name: "caddyauth", Expr: "1"}, "jwt caddyauth", "the claim holds what the rules of the gate decide on and cannot be set"},
		{JWT, Step{Name: "__proto__", Expr: "1"}, "jwt __proto__", "nothing can be named __proto__"},
		{JWT, Step{Name: "\xff", Expr: "1"}, "jwt \xff", "the name is not valid UTF-8"},
		{JWT, Step{Expr: "1"}, "jwt", "a name is missing"},
		{JWT, Step{Name: "x", Drop: true, Expr: "true"}, "jwt drop", "drop ends the session and sets no claim"},
		{JWT, Step{Name: "x"}, "jwt x", "the expression is missing"},
		{JWT, Step{Name: "IAT", Expr: "1"}, "", ""},
		{JWT, Step{Name: "a..b.", Expr: "1"}, "", ""}, // a claim is no path
		{Session, Step{Name: "iat", Expr: "1"}, "", ""},
		{Session, Step{Expr: "1"}, "session", "a name is missing"},
		{Session, Step{Name: "user.", Expr: "1"}, "session user.", "a name is missing"},
		{Session, Step{Name: "user..x", Expr: "1"}, "session user..x", "a name is missing"},
		{Session, Step{Name: "user.__proto__.x", Expr: "1"}, "session user.__proto__.x", "nothing can be named __proto__"},
		{Session, Step{Name: "a.\xff", Expr: "1"}, "session a.\xff", "the name is not valid UTF-8"},
		{Session, Step{Name: long + "a", Expr: "1"}, "session " + long + "a", "the path has too many names"},
		{Session, Step{Name: long[2:] + "a", Expr: "1"}, "", ""},
		{Session, Step{Drop: true, Expr: "true"}, "session drop", "only jwt can end a session"},
		{SignIn, Step{Name: "x", Expr: "true"}, "sign_in x", "takes nothing but an expression"},
		{Redirect, Step{Drop: true, Expr: "url"}, "redirect drop", "takes nothing but an expression"},
		{SignIn, Step{}, "sign_in", "the expression is missing"},
		{"signin", Step{Expr: "true"}, "signin", "there is no such callback"},
	} {
		var got CompileError
		if err := Check(test.kind, test.step); err != nil {
			got = *err.(*CompileError)
		}
		if got.Callback != test.callback || got.Message != test.say || got.Line != 0 || got.Column != 0 {
			t.Errorf("%s %+v: %+v", test.kind, test.step, got)
		}
	}
}

func TestCompileTellsAll(t *testing.T) {
	s, err := Compile(Config{
		SignIn:   `usr`,
		Redirect: `1`,
		JWT:      []Step{{Name: "ok", Expr: `1`}, {Name: "exp", Expr: `1`}, {Drop: true, Expr: `===`}},
		Session:  []Step{{Name: "user.role", Expr: ``}},
	})
	if s != nil || err == nil {
		t.Fatalf("%v, %v", s, err)
	}
	var callbacks []string
	for _, err := range err.(interface{ Unwrap() []error }).Unwrap() {
		callbacks = append(callbacks, err.(*CompileError).Callback)
	}
	if want := []string{"sign_in", "redirect", "jwt exp", "jwt drop", "session user.role"}; !reflect.DeepEqual(callbacks, want) {
		t.Errorf("errors about %q, want %q", callbacks, want)
	}
}

func TestConfigJSON(t *testing.T) {
	const text = `{"sign_in":"true","redirect":"url","jwt":[{"name":"role","expr":"user.?role"},{"drop":true,"expr":"false"}],"session":[{"name":"user.id","expr":"token.sub"}]}`
	var c Config
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	must(t, c)
	if got, err := json.Marshal(c); string(got) != text || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	if got, err := json.Marshal(Config{}); string(got) != `{}` || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
}
