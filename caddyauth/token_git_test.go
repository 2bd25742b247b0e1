package caddyauth_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/cgi"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/internal/testreq"
)

// newGit is git for somebody who commits, without what it does in the
// background.
func newGit(t testing.TB) *program {
	t.Helper()
	git := newProgram(t, "git")
	for _, name := range []string{"git-http-backend", "git-remote-http"} {
		testreq.File(t, filepath.Join(strings.TrimSpace(git.must("/", "--exec-path")), name), name)
	}
	git.write(".gitconfig", "[user]\n\tname = Test\n\temail = test@example.com\n[init]\n\tdefaultBranch = main\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n[advice]\n\tdetachedHead = false\n")
	return git
}

// serveGit serves the repositories of a folder as git itself does, which lets
// those push whom the server in front names.
func serveGit(t testing.TB, git *program, root string) *upstream {
	t.Helper()
	return newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		// CGI needs the length of a body (RFC 3875 section 4.1.2), which git does not
		// tell of a long one.
		var body bytes.Buffer
		if _, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, 64<<20)); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(&body), int64(body.Len()), nil
		backend := &cgi.Handler{Path: git.path, Args: []string{"http-backend"}, Root: "/", Dir: root, Stderr: t.Output(), Env: []string{
			"GIT_PROJECT_ROOT=" + root, "GIT_HTTP_EXPORT_ALL=1", "HOME=" + git.home, "GIT_CONFIG_NOSYSTEM=1",
			"REMOTE_USER=" + r.Header.Get("Remote-User"),
		}}
		backend.ServeHTTP(w, r)
	})
}

func TestGitWithToken(t *testing.T) {
	git := newGit(t)
	root, work := t.TempDir(), t.TempDir()
	bare := filepath.Join(root, "repo.git")
	git.must("/", "init", "--bare", "--quiet", bare)
	git.must(bare, "config", "core.logAllRefUpdates", "true")
	git.must(bare, "config", "receive.autogc", "false")
	up := serveGit(t, git, root)
	s := personalBefore(t, up)
	repo := s.Base + "/repo.git"
	alice := s.browser()
	alice.password("alice", "alice", "/")
	everywhere := alice.token("/repo.git/*", "")
	up.take()

	head := func() string {
		out, _ := git.run(bare, "rev-parse", "--verify", "--quiet", "refs/heads/main")
		return strings.TrimSpace(out)
	}
	commit := func(clone, name string, content []byte) string {
		t.Helper()
		if err := os.WriteFile(filepath.Join(clone, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
		git.must(clone, "add", name)
		git.must(clone, "commit", "--quiet", "--message", name)
		return strings.TrimSpace(git.must(clone, "rev-parse", "HEAD"))
	}

	t.Run("without a token", func(t *testing.T) {
		git.fails(work, "could not read Username", "clone", "--quiet", repo, "nobody")
		trace := git.read("trace")
		if !strings.Contains(trace, "401 Unauthorized") || !regexp.MustCompile(`(?i)www-authenticate: Basic realm="`+regexp.QuoteMeta(s.Base)+`"`).MatchString(trace) {
			t.Errorf("git was not asked for a password:\n%s", trace)
		}
		git.fails(work, "Authentication failed", "clone", "--quiet", s.withUser("alice", "alice", "/repo.git"), "nobody")
		git.fails(work, "Authentication failed", "clone", "--quiet", s.withUser("alice", "caddyauth_pat_"+strings.Repeat("a", 43), "/repo.git"), "nobody")
		if got := up.take(); len(got) != 0 {
			t.Errorf("%d requests have passed", len(got))
		}
	})

	one, two := filepath.Join(work, "one"), filepath.Join(work, "two")
	t.Run("with one in the address", func(t *testing.T) {
		git.must(work, "clone", "--quiet", s.withUser("alice", everywhere, "/repo.git"), one)
		first := commit(one, "small", []byte("hello\n"))
		git.must(one, "push", "--quiet", "origin", "HEAD:main")
		if head() != first {
			t.Errorf("the server has %s", head())
		}
		// More than git sends at once (http.postBuffer): it asks first, with next to
		// nothing, and then sends a body of unknown length.
		big := commit(one, "big", noise(3<<20))
		git.must(one, "push", "--quiet", "origin", "HEAD:main")
		if head() != big {
			t.Errorf("the server has %s", head())
		}
		up.anonymized(t, "alice")
		if who := strings.Fields(git.must(bare, "reflog", "show", "--format=%gn", "main")); !slices.Equal(who, []string{"alice", "alice"}) {
			t.Errorf("pushed by %q", who)
		}
	})

	store := git.write("credentials", "http://"+url.UserPassword("whoever", everywhere).String()+"@localhost:"+s.Port+"\n")
	helper := []string{"-c", "credential.helper=store --file=" + store}
	t.Run("with one that a helper keeps", func(t *testing.T) {
		git.must(work, append(helper, "clone", "--quiet", repo, two)...)
		git.must(two, "fsck", "--no-progress")
		second := commit(two, "third", []byte("from the other clone\n"))
		git.must(two, append(helper, "push", "--quiet", "origin", "HEAD:main")...)
		git.must(one, "fetch", "--quiet", "origin")
		git.must(one, "merge", "--quiet", "--ff-only", "origin/main")
		if got := strings.TrimSpace(git.must(one, "rev-parse", "HEAD")); got != second || head() != second {
			t.Errorf("fetched %s, the server has %s, pushed %s", got, head(), second)
		}
		up.anonymized(t, "alice")
	})
	t.Run("as Bearer", func(t *testing.T) {
		out := git.must(work, "-c", "http.extraHeader=Authorization: Bearer "+everywhere, "ls-remote", repo, "main")
		if !strings.HasPrefix(out, head()) {
			t.Error(out)
		}
		up.anonymized(t, "alice")
	})

	elsewhere := alice.token("/other.git/*", "")
	getting := alice.token("/repo.git/*", "GET")
	fetching := alice.token("/repo.git/info/refs\n/repo.git/git-upload-pack", "")
	t.Run("out of scope", func(t *testing.T) {
		before := head()
		commit(one, "refused", []byte("refused\n"))
		for name, token := range map[string]string{"another path": elsewhere, "GET alone": getting, "fetching alone": fetching} {
			git.fails(one, "403", "push", "--quiet", s.withUser("alice", token, "/repo.git"), "HEAD:main")
			if head() != before {
				t.Fatalf("%s: the push has arrived", name)
			}
		}
		git.fails(work, "403", "clone", "--quiet", s.withUser("alice", elsewhere, "/repo.git"), "nobody")
		git.must(work, "clone", "--quiet", s.withUser("alice", fetching, "/repo.git"), "reader")
		for _, r := range up.take() {
			if strings.HasSuffix(r.URL.Path, "/git-receive-pack") {
				t.Errorf("%s %s has passed", r.Method, r.URL.Path)
			}
		}
	})

	t.Run("ended", func(t *testing.T) {
		before := head()
		if git.read("credentials") == "" {
			t.Error("git has forgotten a good token")
		}
		alice.endTokens()
		git.fails(one, "Authentication failed", "fetch", "--quiet", "origin")
		git.fails(one, "Authentication failed", "push", "--quiet", "origin", "HEAD:main")
		// On 401 git forgets what its helper has kept.
		git.fails(two, "Authentication failed", append(helper, "fetch", "--quiet", "origin")...)
		if strings.Contains(git.read("credentials"), "caddyauth_pat_") {
			t.Error("git still keeps the ended token")
		}
		if got := up.take(); len(got) != 0 || head() != before {
			t.Errorf("%d requests have passed", len(got))
		}
	})
	s.unlogged("alice", everywhere, elsewhere, getting, fetching)
	s.unlogged("whoever", everywhere)
}
