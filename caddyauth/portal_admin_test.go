package caddyauth_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/testdb"
	"github.com/caddyauth/gateway/caddyauth/internal/testport"
)

// startEndpoint reloads a portal with an admin endpoint.
func (w *portalWorld) startEndpoint(global, sites string) adminAPI {
	w.t.Helper()
	a := adminAPI{w.t, "127.0.0.1:" + testport.Free(w.t)}
	w.t.Cleanup(a.end)
	if err := w.load(a.global()+"\n"+global, sites); err != nil {
		w.t.Fatal(err)
	}
	w.awaitCertificates()
	return a
}

// TestPortalRevoke: an operator who ends one session of a family ends all of it, for
// whoever holds copies as well, and the portal signs nobody in again without a question.
func TestPortalRevoke(t *testing.T) {
	for _, strategy := range []string{"jwt", "database"} {
		t.Run(strategy, func(t *testing.T) {
			w := newPortal(t, "", "")
			a := w.startEndpoint(w.global(t, "session {\nstrategy "+strategy+"\n}"), portalSites(t, ""))
			w.revokes(a, w.browser)
		})
	}
}

// TestPortalRevokeElsewhere: also those of members in another process.
func TestPortalRevokeElsewhere(t *testing.T) {
	w := newFarPortal(t, "redis "+testdb.Redis(t).URL, "jwt", "")
	a := w.startEndpoint(w.portalGlobal, w.portalSite)
	w.revokes(a, w.farBrowser)
}

func (w *portalWorld) revokes(a adminAPI, newBrowser func() *browser) {
	w.t.Helper()
	command := caddyCommand{w.t, w.t.TempDir()}
	b, other := newBrowser(), newBrowser()
	for _, person := range []*browser{b, other} {
		w.signInAt(person, w.wiki, "alice", "/")
		w.signInAt(person, w.shop, "", "/")
	}
	rows := a.list("/caddyauth/sessions")
	if len(rows) != 6 {
		w.t.Fatalf("%d sessions are listed", len(rows))
	}
	// Whichever of them it is: of the two browsers, one is left.
	if got := command.ok("auth", "sessions", "revoke", rows[0]["id"].(string), "--address", a.Address); got != "ended "+rows[0]["id"].(string)+"\n" {
		w.t.Errorf("revoke: %s", got)
	}
	time.Sleep(time.Second) // what news may take to another process
	gone, left := b, other
	if b.session(w.auth) != "" {
		gone, left = other, b
	}
	w.wantNobody(gone)
	for _, origin := range []string{w.auth, w.wiki, w.shop} {
		w.wantSession(left, origin, aliceMail)
	}
	asked := w.op.Requests("/authorize")
	w.signInAt(gone, w.wiki, "alice", "/")
	if w.op.Requests("/authorize") == asked {
		w.t.Error("the portal has signed the person in without a question")
	}
	w.wantSession(gone, w.wiki, aliceMail)

	// All of a user's are those of every browser at every host.
	user := rows[0]["user"].(map[string]any)["id"].(string)
	done := a.want(http.StatusOK, http.MethodDelete, "/caddyauth/sessions?user="+url.QueryEscape(user), nil)
	if n, _ := done["ended"].(float64); n < 5 {
		w.t.Errorf("ended %v", done)
	}
	time.Sleep(time.Second)
	w.wantNobody(gone)
	w.wantNobody(left)
}
