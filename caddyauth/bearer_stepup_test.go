package caddyauth_test

import (
	"strings"
	"testing"
	"time"
)

// Access tokens say themselves when and how their owner signed in (RFC 9470 section
// 6.1).
func TestBearerStepUp(t *testing.T) {
	s, up, op, _ := apiSite(t, "step_up /vault/* max_age 5m\n\t\tstep_up /gold/* acr gold")
	token := func(age time.Duration, acr string) string {
		return op.Token(t, op.Claims("orders", map[string]any{"auth_time": time.Now().Add(-age).Unix(), "acr": acr}))
	}
	for _, c := range []struct {
		name, path, token string
		status            int
		want              string
	}{
		{"fresh", "/vault/x", token(time.Minute, ""), 200, ""},
		{"stale", "/vault/x", token(time.Hour, ""), 401, `max_age="300"`},
		{"of tomorrow", "/vault/x", token(-24*time.Hour, ""), 401, `max_age="300"`},
		{"without a time", "/vault/x", op.Token(t, op.Claims("orders")), 401, `max_age="300"`},
		{"the class", "/gold/x", token(time.Hour, "gold"), 200, ""},
		{"another class", "/gold/x", token(time.Hour, "silver"), 401, `acr_values="gold"`},
		{"elsewhere", "/x", token(time.Hour, ""), 200, ""},
	} {
		a := s.program(c.path, bearerField(c.token))
		challenge := a.Header.Get("Www-Authenticate")
		if got := len(up.take()); a.StatusCode != c.status || (got == 1) != (c.status == 200) {
			t.Errorf("%s: %s, %d requests passed", c.name, a.Status, got)
		}
		if c.want != "" && (!strings.Contains(challenge, `error="insufficient_user_authentication"`) || !strings.Contains(challenge, c.want)) {
			t.Errorf("%s: challenge %q", c.name, challenge)
		}
	}
}
