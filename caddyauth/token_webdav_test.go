package caddyauth_test

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/webdav"
)

// davClient is curl at a site.
type davClient struct {
	*program
	s *server
}

// ask sends a request to the site and returns status and answer, head and body.
func (c davClient) ask(method, path string, args ...string) (status, answer string) {
	c.t.Helper()
	out := c.must(c.home, slices.Concat([]string{"--disable", "--silent", "--show-error", "--noproxy", "*", "--max-time", "30",
		"--include", "--write-out", "\n%{http_code}", "--request", method}, args, []string{c.s.Base + path})...)
	end := strings.LastIndexByte(out, '\n')
	return out[end+1:], out[:end]
}

// newDAV is a WebDAV server with three folders and a gate in front, and curl.
func newDAV(t *testing.T) (c davClient, up *upstream) {
	t.Helper()
	fs := webdav.NewMemFS()
	for _, folder := range []string{"/dav", "/dav/mine", "/staff"} {
		if err := fs.Mkdir(t.Context(), folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	curl := newProgram(t, "curl")
	up = newUpstream(t, (&webdav.Handler{FileSystem: fs, LockSystem: webdav.NewMemLS()}).ServeHTTP)
	return davClient{curl, personalBefore(t, up)}, up
}

func TestWebDAVWithToken(t *testing.T) {
	c, up := newDAV(t)
	alice := c.s.browser()
	alice.password("alice", "alice", "/")
	token := alice.token("/dav/*", "")
	small, big := c.write("small", "hello"), c.write("big", string(noise(2<<20)))
	up.take()

	for _, way := range []struct {
		name, folder string
		args         []string
	}{
		{"Basic", "/dav/My%20Files", []string{"--user", "alice:" + token}},
		// Sends nothing before it is asked.
		{"Basic when asked", "/dav/asked", []string{"--anyauth", "--user", "alice:" + token}},
		{"Bearer", "/dav/caf%C3%A9", []string{"--oauth2-bearer", token}},
	} {
		t.Run(way.name, func(t *testing.T) {
			folder := way.folder
			for _, step := range []struct {
				method, path string
				args         []string
				status       string
				answer       string
			}{
				{"OPTIONS", "/dav/", nil, "200", "PROPFIND"},
				{"MKCOL", folder + "/", nil, "201", ""},
				{"PUT", folder + "/a", []string{"--upload-file", small}, "201", ""},
				{"PUT", folder + "/100%25%20sure", []string{"--upload-file", big}, "201", ""}, // waits for 100 Continue
				{"PROPFIND", folder + "/", []string{"--header", "Depth: 1"}, "207", "<D:getcontentlength>2097152</D:getcontentlength>"},
				{"PROPFIND", folder + "/", []string{"--header", "Depth: 1"}, "207", "<D:href>" + folder + "/a</D:href>"},
				{"GET", folder + "/a", nil, "200", "hello"},
				{"COPY", folder + "/a", []string{"--header", "Destination: " + c.s.Base + folder + "/b"}, "201", ""},
				{"MOVE", folder + "/a", []string{"--header", "Destination: " + folder + "/c"}, "201", ""},
				{"GET", folder + "/a", nil, "404", ""},
				{"GET", folder + "/b", nil, "200", "hello"},
				{"GET", folder + "/c", nil, "200", "hello"},
				{"LOCK", folder + "/b", []string{"--header", "Timeout: Second-1", "--data", `<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>`}, "200", "Lock-Token: <"},
				{"DELETE", folder + "/b", nil, "423", ""},
				{"DELETE", folder + "/c", nil, "204", ""},
			} {
				status, answer := c.ask(step.method, step.path, slices.Concat(way.args, step.args)...)
				if status != step.status || !strings.Contains(answer, step.answer) {
					t.Errorf("%s %s: %s, want %s with %q: %.600s", step.method, step.path, status, step.status, step.answer, answer)
				}
			}
			up.anonymized(t, "alice")
		})
	}
}

// A token is good in its scope, and COPY and MOVE do not lead out of it.
func TestWebDAVOutOfScope(t *testing.T) {
	c, up := newDAV(t)
	alice, bob := c.s.browser(), c.s.browser()
	alice.password("alice", "alice", "/")
	bob.password("bob", "bob", "/")
	tokens := map[string]string{
		"alice": alice.token("", ""), "bob": bob.token("", ""),
		"mine": alice.token("/dav/mine/*", ""), "reading": alice.token("/dav/*", "GET PROPFIND"),
	}
	file := c.write("file", "hello")
	up.take()
	ask := func(who, method, path string, args ...string) string {
		t.Helper()
		status, _ := c.ask(method, path, append(args, "--user", who+":"+tokens[who])...)
		return status
	}
	to := func(path string) []string { return []string{"--header", "Destination: " + c.s.Base + path} }
	put := []string{"--upload-file", file}
	for _, step := range []struct {
		who, method, path string
		args              []string
		status            string
	}{
		{"alice", "PUT", "/staff/paper", put, "201"},
		{"alice", "PUT", "/dav/other", put, "201"},

		{"reading", "GET", "/dav/other", nil, "200"},
		{"reading", "PROPFIND", "/dav/", []string{"--header", "Depth: 0"}, "207"},
		{"reading", "PUT", "/dav/other", put, "403"},
		{"reading", "MOVE", "/dav/other", to("/dav/moved"), "403"},
		{"reading", "GET", "/staff/paper", nil, "403"},

		{"mine", "PUT", "/dav/mine/x", put, "201"},
		{"mine", "COPY", "/dav/mine/x", to("/dav/mine/y"), "201"},
		{"mine", "GET", "/dav/other", nil, "403"},
		{"mine", "COPY", "/dav/other", to("/dav/mine/z"), "403"},
		{"mine", "COPY", "/dav/mine/x", to("/dav/copied"), "403"},
		{"mine", "MOVE", "/dav/mine/x", to("/staff/moved"), "403"},
		{"mine", "MOVE", "/dav/mine/x", to("/dav/mine/../moved"), "403"},
		{"mine", "MOVE", "/dav/mine/x", to("/dav/mine/%2e%2e/moved"), "403"},
		{"mine", "MOVE", "/dav/mine/x", append(to("/dav/mine/z"), to("/dav/moved")...), "400"},
		{"mine", "GET", "/dav/mine/x", nil, "200"},

		// The rules hold at both ends: only staff may write there, or read.
		{"bob", "COPY", "/dav/other", to("/staff/paper"), "403"},
		{"bob", "COPY", "/staff/paper", to("/dav/paper"), "403"},
		{"bob", "COPY", "/dav/other", to("/dav/paper"), "201"},
		{"alice", "COPY", "/dav/other", to("/staff/copied"), "201"},
		{"alice", "GET", "/dav/moved", nil, "404"},
		{"alice", "GET", "/staff/moved", nil, "404"},
	} {
		if got := ask(step.who, step.method, step.path, step.args...); got != step.status {
			t.Errorf("%s: %s %s %q: %s, want %s", step.who, step.method, step.path, step.args, got, step.status)
		}
	}
	up.take()

	status, answer := c.ask("PROPFIND", "/dav/", "--header", "Depth: 0")
	if status != "401" || !strings.Contains(answer, `Basic realm="`+c.s.Base+`"`) {
		t.Errorf("without a token: %s %s", status, answer)
	}
	alice.endTokens()
	for _, who := range []string{"alice", "mine", "reading"} {
		if got := ask(who, "PROPFIND", "/dav/mine/", "--header", "Depth: 0"); got != "401" {
			t.Errorf("with an ended token: %s", got)
		}
	}
	if got := up.take(); len(got) != 0 {
		t.Errorf("%d requests have passed", len(got))
	}
	if got := ask("bob", "GET", "/dav/other"); got != "200" {
		t.Errorf("with somebody else's: %s", got)
	}
	for who, token := range tokens {
		c.s.unlogged(who, token)
	}
}
