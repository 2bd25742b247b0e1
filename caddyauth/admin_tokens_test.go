package caddyauth_test

import (
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// bearer asks with a personal access token, as a program would.
func (s *server) bearer(path, token string) int {
	s.t.Helper()
	b := s.browser()
	b.Jar = nil
	return b.get(path, "Authorization", "Bearer "+token, "Sec-Fetch-Mode", "", "Sec-Fetch-Site", "", "Accept", "*/*").StatusCode
}

func TestAdminTokens(t *testing.T) {
	for _, kind := range []string{"memory", "bolt " + filepath.Join(t.TempDir(), "store.db")} {
		t.Run(kind[:4], func(t *testing.T) { adminTokens(t, kind) })
	}
}

func adminTokens(t *testing.T, kind string) {
	s, admin := startAdmin(t, keeping(t, "{PORT}", "store "+kind+"\ntokens\nallow /staff/* role admin\ndeny user dev:mallory"))
	browser := s.signedIn("admin")
	user := admin.list("/caddyauth/sessions")[0]["user"].(map[string]any)["id"].(string)

	// With nothing but a user it is good everywhere, for good.
	free := admin.want(http.StatusCreated, http.MethodPost, "/caddyauth/tokens", map[string]any{"user": user})
	secret := free["token"].(string)
	if !strings.HasPrefix(secret, "caddyauth_pat_") || free["expires"] != nil || free["name"] == "" {
		t.Errorf("made %v", free)
	}
	for _, path := range []string{"/", "/x", "/staff/x"} {
		if got := s.bearer(path, secret); got != http.StatusOK {
			t.Errorf("with the token, %s: %d", path, got)
		}
	}
	if got := s.bearer("/", secret[:len(secret)-1]+"."); got != http.StatusUnauthorized {
		t.Errorf("with another token: %d", got)
	}

	// With a scope, there.
	expires := time.Now().Add(3 * time.Hour).UTC().Truncate(time.Second)
	scoped := admin.want(http.StatusCreated, http.MethodPost, "/caddyauth/tokens", map[string]any{
		"email": "Admin@Example.com", "name": " backup ✓ ", "paths": []string{"/dav/*"}, "methods": []string{"propfind", "GET"},
		"expires": expires,
	})
	narrow := scoped["token"].(string)
	if scoped["name"] != "backup ✓" || scoped["expires"] != expires.Format(time.RFC3339) || scoped["methods"].([]any)[0] != "PROPFIND" {
		t.Errorf("made %v", scoped)
	}
	if in, out := s.bearer("/dav/x", narrow), s.bearer("/x", narrow); in != http.StatusOK || out != http.StatusForbidden {
		t.Errorf("in its scope %d, outside %d", in, out)
	}

	// The list has no secret and nothing that could become one.
	list := admin.list("/caddyauth/tokens")
	_, text := admin.call(http.MethodGet, "/caddyauth/tokens?email=admin@example.com", nil)
	for _, hidden := range []string{secret, narrow, "hash", "evidence", `"token"`} {
		if strings.Contains(text, hidden) {
			t.Errorf("the list has %s: %s", hidden, text)
		}
	}
	if len(list) != 2 || list[0]["used"] == nil && list[1]["used"] == nil || list[0]["user"].(map[string]any)["email"] != "admin@example.com" {
		t.Errorf("the list %v", list)
	}
	if list[0]["id"].(string) > list[1]["id"].(string) {
		t.Errorf("not in the order of ids: %v", list)
	}
	first := admin.want(http.StatusOK, http.MethodGet, "/caddyauth/tokens?limit=1", nil)
	rest := admin.list("/caddyauth/tokens?limit=1&after=" + url.QueryEscape(first["next"].(string)))
	if len(rest) != 1 || rest[0]["id"] != list[1]["id"] {
		t.Errorf("the second page %v", rest)
	}
	for _, none := range []string{"user=x", "email=x@example.com", "user=x&email=admin@example.com"} {
		if got := admin.list("/caddyauth/tokens?" + none); len(got) != 0 {
			t.Errorf("%s: %v", none, got)
		}
	}

	// A sign-out is not the token's business, an end of its own is.
	browser.do(http.MethodPost, "/api/auth/signout", url.Values{"csrfToken": {browser.csrf()}})
	if got := s.bearer("/x", secret); got != http.StatusOK {
		t.Errorf("after the sign-out: %d", got)
	}
	admin.want(http.StatusNoContent, http.MethodDelete, "/caddyauth/tokens/"+free["id"].(string), nil)
	admin.want(http.StatusNotFound, http.MethodDelete, "/caddyauth/tokens/"+free["id"].(string), nil)
	if gone, there := s.bearer("/x", secret), s.bearer("/dav/", narrow); gone != http.StatusUnauthorized || there != http.StatusOK {
		t.Errorf("after one was ended: it %d, the other %d", gone, there)
	}
	if got := admin.want(http.StatusOK, http.MethodDelete, "/caddyauth/tokens?user="+user, nil); got["ended"] != 1.0 {
		t.Errorf("ended %v", got)
	}
	if got := s.bearer("/dav/", narrow); got != http.StatusUnauthorized {
		t.Errorf("after all were ended: %d", got)
	}

	// Without a session there is nothing that it could stand in for.
	if got := admin.want(http.StatusConflict, http.MethodPost, "/caddyauth/tokens", map[string]any{"user": user}); !strings.Contains(got["error"].(string), "let them sign in") {
		t.Errorf("without a session: %v", got)
	}
}

// TestAdminTokensNowhere has a store, but no site that takes tokens.
func TestAdminTokensNowhere(t *testing.T) {
	s, admin := startAdmin(t, keeping(t, "{PORT}", "store memory"))
	s.signedIn("alice")
	got := admin.want(http.StatusConflict, http.MethodPost, "/caddyauth/tokens", map[string]any{"email": "alice@example.com"})
	if !strings.Contains(got["error"].(string), "write 'tokens'") {
		t.Errorf("%v", got)
	}
}
