package caddyauth_test

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/assertion"
	"github.com/caddyauth/gateway/caddyauth/internal/testport"
	"github.com/caddyauth/gateway/caddyauth/internal/testreq"
)

// examples are the programs of the document, by the word behind the fence.
var examples = []struct {
	language, file string
	// command returns how to run the file.
	command func(t *testing.T, file, port string) []string
}{
	{"go", "main.go", func(t *testing.T, file, _ string) []string {
		program := filepath.Join(filepath.Dir(file), "verifier")
		// The binary itself, as go run would leave it running.
		out, err := exec.Command(testreq.Program(t, "go"), "build", "-o", program, file).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return []string{program}
	}},
	{"js", "verify.mjs", func(t *testing.T, file, _ string) []string { return []string{testreq.Program(t, "node"), file} }},
	{"python", "verify.py", func(t *testing.T, file, _ string) []string { return []string{python(t), file} }},
	{"php", "verify.php", func(t *testing.T, file, port string) []string {
		php := testreq.Program(t, "php")
		modules, _ := exec.Command(php, "-m").Output()
		testreq.Need(t, bytes.Contains(modules, []byte("openssl")), "PHP's extension openssl")
		return []string{php, "-S", "127.0.0.1:" + port, file}
	}},
}

// python finds one that has the package cryptography: Debian's, or another that
// stands before it.
func python(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if path, err := exec.LookPath(name); err == nil && exec.Command(path, "-c", "import cryptography; int.from_bytes(b'')").Run() == nil {
			return path
		}
	}
	testreq.Need(t, false, "Python 3.11 with the package cryptography")
	return ""
}

// example cuts a program out of the document.
func example(t *testing.T, language string) string {
	t.Helper()
	text, err := os.ReadFile("../docs/assertion.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("(?s)\n```"+language+"\n(.*?)\n```\n").FindAllSubmatch(text, -1)
	if len(found) != 1 {
		t.Fatalf("the document has %d programs in %s", len(found), language)
	}
	return string(found[0][1]) + "\n"
}

// TestVerifiers runs each program of docs/assertion.md as the upstream of a site.
func TestVerifiers(t *testing.T) {
	for _, e := range examples {
		t.Run(e.language, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), e.file)
			if err := os.WriteFile(file, []byte(example(t, e.language)), 0o600); err != nil {
				t.Fatal(err)
			}
			port := testport.Free(t)
			s := assertionSite(t, "", "127.0.0.1:"+port)
			run(t, e.command(t, file, port), port, s.Base)
			testVerifier(t, s, "http://127.0.0.1:"+port)
		})
	}
}

// run starts an example and waits until it listens.
func run(t *testing.T, command []string, port, origin string) {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "PORT="+port, "ORIGIN="+origin, "JWKS_URL="+origin+"/api/auth/jwks")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s", out.String())
		}
	})
	for range 100 {
		if conn, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			conn.Close()
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the program does not listen")
}

func testVerifier(t *testing.T, s *server, upstream string) {
	eve := "Cookie: " + signedIn(t, person("eve"))
	for _, line := range []string{"GET /x?y=1", "POST /a%20b/"} {
		if a := s.ask(line, eve, "Content-Length: 0"); a.StatusCode != http.StatusOK || !strings.Contains(a.body, "eve@example.com") {
			t.Fatalf("%s: %s %s", line, a.Status, a.body)
		}
	}
	here := assertion.Request{Origin: s.Base, Method: "GET", Path: "/x"}
	good := counterfeit(t, assertion.Options{}, here, 0)
	for name, c := range map[string]struct {
		token  string
		status int
	}{
		"good":               {good, 200},
		"nearly expired":     {counterfeit(t, assertion.Options{}, here, 50*time.Second), 200},
		"none":               {"", 401},
		"no token":           {"abc", 401},
		"another audience":   {counterfeit(t, assertion.Options{Audience: "https://other.example"}, here, 0), 401},
		"another host":       {counterfeit(t, assertion.Options{Audience: s.Base}, assertion.Request{Origin: "https://other.example", Method: "GET", Path: "/x"}, 0), 401},
		"a host of the name": {counterfeit(t, assertion.Options{Audience: s.Base}, assertion.Request{Origin: s.Base + ".evil.example", Method: "GET", Path: "/x"}, 0), 401},
		"another method":     {counterfeit(t, assertion.Options{}, assertion.Request{Origin: s.Base, Method: "DELETE", Path: "/x"}, 0), 401},
		"expired":            {counterfeit(t, assertion.Options{}, here, 70*time.Second), 401},
		"from the future":    {counterfeit(t, assertion.Options{}, here, -time.Minute), 401},
		"tampered":           {tampered(good), 401},
		"another key":        {counterfeit(t, assertion.Options{Secrets: []string{"another secret that nobody shares"}}, here, 0), 401},
		"no signature":       {good[:strings.LastIndexByte(good, '.')+1], 401},
		"alg none":           {"eyJhbGciOiJub25lIn0." + strings.Split(good, ".")[1] + ".", 401},
	} {
		r, err := http.NewRequest(http.MethodGet, upstream+"/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.token != "" {
			r.Header.Set("X-Auth-Assertion", c.token)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.status {
			t.Errorf("%s: %s", name, resp.Status)
		}
	}
	// What the client sends is not what the upstream sees.
	if a := s.program("/open/x", "X-Auth-Assertion: "+good); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a copy through the gate: %s", a.Status)
	}
}
