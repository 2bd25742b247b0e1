package callbacks

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// slow is far more than anything here takes, even on a busy computer with the
// race detector, and far less than what has no bounds.
const slow = 30 * time.Second

// No expression takes long, whatever it does.
func TestBombs(t *testing.T) {
	ten := "[0,1,2,3,4,5,6,7,8,9]"
	nested := `true`
	for i := range 9 {
		nested = fmt.Sprintf(`%s.all(x%d, %s)`, ten, i, nested)
	}
	chain := func(start, each string, n int) string { return start + strings.Repeat(each, n) }
	for name, expr := range map[string]string{
		"nested loops":   nested,
		"loop over data": `token.list.all(a, token.list.all(b, token.list.all(c, a + b + c >= 0)))`,
		"ranges":         `lists.range(10000).map(a, lists.range(10000).map(b, lists.range(10000)))`,
		"long range":     `lists.range(2000000000)`,
		"doubled string": chain(`["0123456789"]`, `.map(x, x+x+x+x+x+x+x+x)`, 9),
		"doubled list":   chain(`[[1]]`, `.map(x, x+x+x+x+x+x+x+x+x+x)`, 9),
		"sum of it":      chain(`[[1]]`, `.map(x, x+x+x+x+x+x+x+x+x+x)`, 8) + `[0].all(x, x > 0)`,
		"nested lists":   chain(`[[1]]`, `.map(x, [x,x,x,x,x,x,x,x,x,x])`, 9),
		"nested maps":    chain(`[{}]`, `.map(x, {"a":x,"b":x,"c":x,"d":x,"e":x,"f":x,"g":x,"h":x})`, 9),
		"flattened":      chain(`[[1]]`, `.map(x, [x,x,x,x,x,x,x,x,x,x].flatten())`, 9),
		"replaced":       chain(`["aaaaaaaaaa"]`, `.map(x, x.replace("a", "aaaaaaaaaa"))`, 9),
		"joined":         chain(`["aaaaaaaaaa"]`, `.map(x, x.split("").join(x))`, 9),
		"long replaced":  `token.long.replace("a", token.long).replace("a", token.long)`,
		"long joined":    `token.long.split("").join(token.long)`,
		"distinct":       `token.list.map(a, token.list.map(b, a * 1000 + b)).flatten().distinct()`,
		"large claim":    `"%s".format([lists.range(9999)]) + "%s".format([lists.range(9999)])`,
	} {
		t.Run(name, func(t *testing.T) {
			s := must(t, Config{JWT: []Step{{Name: "out", Expr: expr}}})
			claims := `{"list":[0` + strings.Repeat(",1", 999) + `],"long":"` + strings.Repeat("a", 5000) + `"}`
			start := time.Now()
			out, keep, err := s.JWT(t.Context(), claims, JWTInput{})
			if took := time.Since(start); took > slow {
				t.Errorf("took %v", took)
			}
			if err == nil || out != claims || !keep || name == "nested loops" && !strings.Contains(err.Error(), "cost limit exceeded") {
				t.Errorf("got %.100s, %v, %v", out, keep, err)
			}
		})
	}
}

// What people write about long lists is no bomb.
func TestLongLists(t *testing.T) {
	claims := `{"groups":["other"` + strings.Repeat(`,"app-admins"`, 2000) + `]}`
	for expr, want := range map[string]string{
		`size(token.groups.filter(g, g.startsWith("app-")).map(g, g.substring(4)))`: `2000`,
		`token.groups.exists(g, g == "nobody")`:                                     `false`,
		`"nobody" in token.groups`:                                                  `false`,
		`sets.intersects(token.groups, ["app-admins", "b"])`:                        `true`,
		`size(token.groups + ["more"])`:                                             `2002`,
		`token.groups.join(",").size()`:                                             `22005`,
	} {
		if got, err := evalIn(t, JWTInput{}, claims, expr); got != want || err != nil {
			t.Errorf("%s: %s, %v; want %s", expr, got, err, want)
		}
	}
}

// Anybody can send a request, and a list in a header costs the square of its
// length.
func TestLongRequest(t *testing.T) {
	long := strings.Repeat("a,b,", 2<<10)
	req := Request{
		RawQuery: "short=1&edge=" + long + "&long=" + long + "c",
		Header:   http.Header{"X-Short": {"1"}, "X-Edge": {long}, "X-Long": {long + "c"}, "X-Lines": {long, long}},
	}
	for expr, want := range map[string]string{
		`request.query.map(k, k).sort()`:              `["edge","short"]`,
		`request.headers.map(k, k).sort()`:            `["x-edge","x-short"]`,
		`request.headers["x-edge"].split(",").size()`: `4097`,
	} {
		if got, err := evalIn(t, JWTInput{Request: req}, `{}`, expr); got != want || err != nil {
			t.Errorf("%s: %s, %v; want %s", expr, got, err, want)
		}
	}
}

// What is long or deep enough to be a bomb before it runs does not compile.
func TestHugeExpressions(t *testing.T) {
	for name, expr := range map[string]string{
		"long":   strings.Repeat(" ", maxExpr) + "1",
		"deep":   strings.Repeat("(", 10*maxRecursion) + "1" + strings.Repeat(")", 10*maxRecursion),
		"lists":  strings.Repeat("[", 10*maxRecursion) + strings.Repeat("]", 10*maxRecursion),
		"loops":  `[1]` + strings.Repeat(`.map(x, [x, x])`, maxLoops+1) + ` == []`,
		"inside": strings.Repeat(`[1].all(x, `, maxLoops+1) + `true` + strings.Repeat(`)`, maxLoops+1),
	} {
		start := time.Now()
		if err := Check(JWT, Step{Name: "x", Expr: expr}); err == nil {
			t.Errorf("%s: compiles", name)
		}
		if took := time.Since(start); took > slow {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

// A claim is not stored deeper than a token can be read again.
func TestDepth(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + `1` + strings.Repeat(`}`, n) }
	s := must(t, Config{JWT: []Step{{Name: "x", Expr: `{"a": session}`}}})
	if out, _, err := s.JWT(t.Context(), `{}`, JWTInput{Session: deep(62)}); out != `{"x":`+deep(63)+`}` || err != nil {
		t.Errorf("63 levels: %s, %v", out, err)
	} else if _, err := newObject(out); err != nil {
		t.Errorf("cannot be read again: %v", err)
	}
	if out, _, err := s.JWT(t.Context(), `{}`, JWTInput{Session: deep(63)}); out != `{}` || err == nil {
		t.Errorf("64 levels: %s, %v", out, err)
	}
}

func TestGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := must(t, Config{SignIn: `token.exists(k, false) || lists.range(1000).all(n, n >= 0)`})
	if v, err := s.SignIn(ctx, SignInInput{}); v.Allow || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", v, err)
	}
	if v, err := s.SignIn(t.Context(), SignInInput{}); !v.Allow || err != nil {
		t.Errorf("%v, %v", v, err)
	}
}

func TestConcurrent(t *testing.T) {
	s := must(t, Config{
		SignIn:   `user.id in ["0", "1", "2", "3"] && credentials == {}`,
		Redirect: `baseUrl + request.path`,
		JWT: []Step{
			{Name: "role", Expr: `user.?role`},
			{Name: "n", Expr: `token.?n.orValue(0) + 1`},
			{Name: "odd", Expr: `[1, 2, 3].filter(x, x % 2 == token.n % 2)`},
		},
		Session: []Step{{Name: "user.role", Expr: `token.role`}, {Name: "user.a.b", Expr: `request.headers.?a`}},
	})
	user := map[string]any{"id": "1", "role": "admin"} // shared, as nobody writes to it
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if v, err := s.SignIn(t.Context(), SignInInput{User: user}); !v.Allow || err != nil {
					t.Error(v, err)
				}
				if to, err := s.Redirect(t.Context(), "/", "https://a.example", Request{Path: "/x"}); to != "https://a.example/x" || err != nil {
					t.Error(to, err)
				}
				out, _, err := s.JWT(t.Context(), `{"sub":"1"}`, JWTInput{User: user})
				if out != `{"sub":"1","role":"admin","n":1,"odd":[1,3]}` || err != nil {
					t.Error(out, err)
				}
				body, err := s.Session(t.Context(), []byte(`{"user":{}}`), SessionInput{Token: out})
				if string(body) != `{"user":{"role":"admin"}}` || err != nil {
					t.Error(string(body), err)
				}
			}
		})
	}
	wg.Wait()
}
