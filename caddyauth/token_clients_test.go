package caddyauth_test

import (
	"context"
	"encoding/base64"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/testreq"
)

var tokenForm = regexp.MustCompile(`(?s)name="action" value="end_token".*?name="id" value="([^"]+)"`)

// endTokens ends the person's tokens on their page.
func (b *browser) endTokens() {
	b.t.Helper()
	forms := tokenForm.FindAllStringSubmatch(b.get("/me").body, -1)
	if len(forms) == 0 {
		b.t.Fatal("the account page lists no token")
	}
	for _, form := range forms {
		a := b.do(http.MethodPost, "/me", url.Values{"csrfToken": {b.csrf()}, "action": {"end_token"}, "id": {form[1]}})
		if a.StatusCode >= http.StatusBadRequest {
			b.t.Fatalf("ending a token: %s %s", a.Status, a.body)
		}
	}
}

// withUser is the site's address of a path with a name and a password in it.
func (s *server) withUser(name, password, path string) string {
	return "http://" + url.UserPassword(name, password).String() + "@localhost:" + s.Port + path
}

// unlogged checks that no token is in the log, as it is or as Basic sends it.
func (s *server) unlogged(name string, tokens ...string) {
	s.t.Helper()
	text := s.logText()
	for i, token := range tokens {
		if strings.Contains(text, token) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(name+":"+token))) {
			s.t.Errorf("token %d is in the log", i)
		}
	}
}

// anonymized checks that the upstream has been told who it is, and not how they
// have proved it.
func (u *upstream) anonymized(t *testing.T, name string) {
	t.Helper()
	got := u.take()
	if len(got) == 0 {
		t.Error("nothing has reached the upstream")
	}
	for _, r := range got {
		if r.Header.Get("Remote-User") != name || r.Header["Authorization"] != nil {
			t.Errorf("%s %s came with Remote-User %q and %d fields Authorization",
				r.Method, r.URL.Path, r.Header.Get("Remote-User"), len(r.Header["Authorization"]))
		}
	}
}

// program is a real client with a home of its own.
type program struct {
	t          testing.TB
	path, home string
}

func newProgram(t testing.TB, name string) *program {
	t.Helper()
	return &program{t: t, path: testreq.Program(t, name), home: t.TempDir()}
}

// run runs the program with nothing of this machine's settings, and returns
// what it wrote and whether it succeeded.
func (p *program) run(dir string, args ...string) (out string, ok bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 60*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.path, args...)
	cmd.Dir = dir
	cmd.WaitDelay = 5 * time.Second
	cmd.Env = []string{
		"HOME=" + p.home, "PATH=" + os.Getenv("PATH"), "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "GIT_TRACE_CURL=" + filepath.Join(p.home, "trace"),
	}
	b, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		p.t.Fatalf("%s %s: %v\n%s", filepath.Base(p.path), args[0], err, b)
	}
	return string(b), err == nil
}

// must is run for what has to succeed.
func (p *program) must(dir string, args ...string) string {
	p.t.Helper()
	out, ok := p.run(dir, args...)
	if !ok {
		p.t.Fatalf("%s %s failed: %s", filepath.Base(p.path), args[0], out)
	}
	return out
}

// fails is run for what has to fail, with a word that says why.
func (p *program) fails(dir, why string, args ...string) {
	p.t.Helper()
	if out, ok := p.run(dir, args...); ok || !strings.Contains(out, why) {
		p.t.Errorf("%s %s: succeeded %t, and not for %q: %s", filepath.Base(p.path), args[0], ok, why, out)
	}
}

// write puts a file into the program's home.
func (p *program) write(name, text string) string {
	p.t.Helper()
	name = filepath.Join(p.home, name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return name
}

// read reads one.
func (p *program) read(name string) string {
	p.t.Helper()
	b, err := os.ReadFile(filepath.Join(p.home, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		p.t.Fatal(err)
	}
	return string(b)
}

// noise is content that does not compress.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}
