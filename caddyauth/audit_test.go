package caddyauth_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const auditedSites = `{
	admin off
	caddyauth {
		secret ` + secret + `
		deny user eve
		allow domain example.com
	}
}

app.example.com {
	@assets path /assets/* /favicon.ico
	redir /old /docs/
	caddyauth {
		provider google {
			client_id id
			client_secret hidden-value
		}
		public @assets
		public /docs/*
		private /docs/internal/*
		allow /admin/* role admin
		headers {
			X-Mail {http.auth.user.email}
		}
		session {
			cookie_domain example.com
		}
		account /me
		logout {
			backchannel
			frontchannel
		}
		initiate_login
		store memory
		pages {
			sign_in /login
		}
	}
	reverse_proxy localhost:9
}

http://intern.example.com {
	caddyauth /private/* {
		users {USERS}
	}
	respond hello
}

open.example.com {
	respond hello
}
`

const auditedText = `app.example.com (Caddyfile:13)
  origin          https://app.example.com
  provider        google  https://app.example.com/api/auth/callback/google  (anybody can get an account)
  provider        google  https://app.example.com/api/auth/signed-out  (after sign-out)
  provider        google  https://app.example.com/api/auth/backchannel-logout/google  (back-channel logout)
  provider        google  https://app.example.com/api/auth/frontchannel-logout/google  (front-channel logout)
  provider        google  https://app.example.com/api/auth/login/google  (sign-ins begun elsewhere)
  gate            every request
  answers earlier redir
  signed out      /api/auth/*, /me
  public          @assets
  public          /docs/*
  public          /login
  private         /docs/internal/*
  rule            deny user eve
  rule            allow domain example.com
  rule            allow /admin/* role admin
  headers         X-Mail
  redirects       https://app.example.com
  cookie          __Secure-next-auth.session-token, SameSite=Lax, for example.com and all below

intern.example.com (Caddyfile:43)
  origin          http://intern.example.com
  provider        credentials
  gate            /private/*
  signed out      /api/auth/*
  rule            deny user eve
  rule            allow domain example.com
  redirects       http://intern.example.com
  cookie          next-auth.session-token, SameSite=Lax

`

// TestAudit checks that the text says what strangers can do, is the same each
// time, and leaves secrets out.
func TestAudit(t *testing.T) {
	c := caddyCommand{t, t.TempDir()}
	file := filepath.Join(c.home, "Caddyfile")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(auditedSites, "{USERS}", usersFile(t))), 0o600); err != nil {
		t.Fatal(err)
	}
	got := c.ok("auth", "audit", "--config", file)
	if again := c.ok("auth", "audit", "--config", file); again != got {
		t.Errorf("another text the second time:\n%s", again)
	}
	sites, rest, _ := strings.Cut(got, "owned headers: ")
	if sites != auditedText {
		t.Errorf("got\n%s\nwant\n%s", sites, auditedText)
	}
	if !strings.Contains(rest, ", x-mail, ") && !strings.HasPrefix(rest, "remote-email, ") || !strings.HasSuffix(rest, "without caddyauth: open.example.com\n") {
		t.Errorf("the rest is %s", rest)
	}
	all := c.ok("auth", "audit", "--config", file, "--json")
	var report struct {
		Sites []struct{ Public []string }
		Open  []string
		Owned []string `json:"owned_headers"`
	}
	if err := json.Unmarshal([]byte(all), &report); err != nil || len(report.Sites) != 2 || len(report.Sites[0].Public) != 3 || len(report.Open) != 1 || len(report.Owned) < 5 {
		t.Errorf("%v: %s", err, all)
	}
	if strings.Contains(got+all, "hidden-value") || strings.Contains(got+all, secret) {
		t.Error("LEAK-04: a secret is printed")
	}
}

// TestAuditRefuses checks the words for what cannot be examined.
func TestAuditRefuses(t *testing.T) {
	c := caddyCommand{t, t.TempDir()}
	for name, tc := range map[string]struct{ text, want string }{
		"nothing":      {"", "there is no Caddyfile here: name the configuration with --config"},
		"no caddyauth": {"http://localhost:1234 {\nrespond x\n}\n", "no site of the configuration uses caddyauth"},
		"mistake":      {"http://localhost:1234 {\ncaddyauth {\nalow any\n}\n}\n", "did you mean 'allow'?"},
		"no rule":      {"http://localhost:1234 {\ncaddyauth github\n}\n", "anyone with a GitHub account could sign in"},
		"unreachable":  {"http://localhost:1234 {\nhandle /x/* {\ncaddyauth dev\n}\n}\n", "cannot be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{"auth", "audit"}
			if tc.text != "" {
				file := filepath.Join(t.TempDir(), "Caddyfile")
				if err := os.WriteFile(file, []byte(tc.text), 0o600); err != nil {
					t.Fatal(err)
				}
				args = append(args, "--config", file)
			}
			if code, stdout, stderr := c.run(args...); code == 0 || stdout != "" || !strings.Contains(stderr, tc.want) {
				t.Errorf("status %d, %q, %s", code, stdout, stderr)
			}
		})
	}
}

// TestAuditGate checks the words of the gate's that let more in, or other things
// out.
func TestAuditGate(t *testing.T) {
	c := caddyCommand{t, t.TempDir()}
	file := filepath.Join(c.home, "Caddyfile")
	if err := os.WriteFile(file, []byte(`http://app.localhost:1234 {
	caddyauth {
		secret `+secret+`
		provider dev
		allow any
		public /x/*
		private /*
		step_up /admin/* max_age 5m
		api /v1/* {
			cors https://www.example.com
		}
		bearer session
		forward_auth
		callback_origin https://www.example.org
		assertion
	}
	respond hello
}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	got := c.ok("auth", "audit", "--config", file)
	for _, want := range []string{
		"rule            step_up /admin/* max_age 5m0s\n", "rule            api /v1/* cors https://www.example.com\n", "bearer          session tokens\n",
		"signed out      /api/auth/*, /api/auth/jwks, /api/auth/verify\n", "redirects       http://app.localhost:1234, https://www.example.org\n",
		"assertion       X-Auth-Assertion, audience http://app.localhost:1234\n",
		"warning         public /x/*: it opens nothing: 'private /*' is as wide or wider, and wins\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
