package authapi

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"
)

func TestClientLog(t *testing.T) {
	w := newWorld(t)
	b := w.browser(t)
	post := func(body, contentType string) []string {
		t.Helper()
		w.logs.TakeAll()
		w.clock.add(time.Minute)
		r := b.do("POST", "/_log", body, "Content-Type", contentType)
		if r.status != 200 || r.body != "" || len(r.cookies) != 0 {
			t.Errorf("%.40q: %d %q", body, r.status, r.body)
		}
		var codes []string
		for _, line := range w.logs.All() {
			if line.Level != zapcore.DebugLevel || line.Message != "client log" {
				t.Errorf("line %+v", line)
			}
			codes = append(codes, line.ContextMap()["code"].(string))
		}
		return codes
	}
	const form = "application/x-www-form-urlencoded"
	for _, c := range []struct{ name, body, contentType, want string }{
		{"form", "level=error&code=CLIENT_FETCH_ERROR&client=true", form, "CLIENT_FETCH_ERROR"},
		{"JSON", `{"level":"error","code":"X"}`, "application/json", "X"},
		{"unknown level", "level=constructor&code=X", form, "X"},
		{"nothing", "", "", ""},
		{"bounded", "code=" + strings.Repeat("x", 5000), form, strings.Repeat("x", maxLogged)},
	} {
		if got := post(c.body, c.contentType); len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: got %.80q", c.name, got)
		}
	}
	for name, body := range map[string]string{"too long": "code=" + strings.Repeat("x", maxLog), "bad JSON": `{"code":`} {
		if got := post(body, map[bool]string{true: "application/json", false: form}[name == "bad JSON"]); len(got) != 0 {
			t.Errorf("%s: got %.80q", name, got)
		}
	}
	w.logs.TakeAll()
	w.clock.add(time.Minute)
	for range 30 {
		b.do("POST", "/_log", "code=X")
	}
	equal(t, "lines in a minute", w.logs.Len(), 10)
}
