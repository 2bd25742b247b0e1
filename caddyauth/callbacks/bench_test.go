package callbacks

import (
	"net/http"
	"testing"
)

const (
	benchClaims = `{"name":"Ada","email":"ada@example.com","picture":"https://example.com/a.png","sub":"1","roles":["a","b"],` +
		`"caddyauth":{"sid":"0123456789abcdef","provider":"github","login":"ada"},"iat":1795425082,"exp":3372225082,"jti":"799f50e8-0939-4b4d-b4c2-071a7caed0f6"}`
	benchBody = `{"user":{"name":"Ada","email":"ada@example.com","image":"https://example.com/a.png"},"expires":"2026-01-02T03:04:05.678Z"}`
)

func BenchmarkJWT(b *testing.B) {
	s := must(b, Config{JWT: []Step{
		{Name: "role", Expr: `user.?role`},
		{Name: "login", Expr: `profile.?login`},
	}})
	b.Run("read", func(b *testing.B) { benchJWT(b, s, JWTInput{}) })
	b.Run("sign-in", func(b *testing.B) {
		benchJWT(b, s, JWTInput{
			Trigger: "signIn",
			User:    map[string]any{"id": "1", "role": "admin"},
			Profile: map[string]any{"login": "ada"},
		})
	})
	b.Run("nil", func(b *testing.B) { benchJWT(b, nil, JWTInput{}) })
}

func benchJWT(b *testing.B, s *Set, in JWTInput) {
	b.ReportAllocs()
	for b.Loop() {
		if _, keep, err := s.JWT(b.Context(), benchClaims, in); err != nil || !keep {
			b.Fatal(err)
		}
	}
}

func BenchmarkSession(b *testing.B) {
	s := must(b, Config{Session: []Step{
		{Name: "user.id", Expr: `token.sub`},
		{Name: "user.roles", Expr: `token.?roles`},
	}})
	for name, s := range map[string]*Set{"steps": s, "nil": nil} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			body := []byte(benchBody)
			for b.Loop() {
				if _, err := s.Session(b.Context(), body, SessionInput{Token: benchClaims}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSignIn(b *testing.B) {
	s := must(b, Config{SignIn: `user.?email.orValue("").endsWith("@example.com") && request.method == "POST"`})
	in := SignInInput{
		User:    map[string]any{"email": "ada@example.com"},
		Request: Request{Method: "POST", Header: http.Header{"User-Agent": {"x"}}},
	}
	b.ReportAllocs()
	for b.Loop() {
		if v, err := s.SignIn(b.Context(), in); err != nil || !v.Allow {
			b.Fatal(err)
		}
	}
}

// BenchmarkLoop has a comprehension, which watches the context.
func BenchmarkLoop(b *testing.B) {
	s := must(b, Config{JWT: []Step{{Name: "admin", Expr: `token.roles.exists(r, r == "b")`}}})
	benchJWT(b, s, JWTInput{})
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if err := Check(JWT, Step{Name: "role", Expr: `has(profile.groups) ? "staff" in profile.groups : false`}); err != nil {
			b.Fatal(err)
		}
	}
}

func must(t testing.TB, c Config) *Set {
	t.Helper()
	s, err := Compile(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
