package authapi

import (
	"net/http"
	"strings"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/internal/safeurl"
	"github.com/caddyauth/gateway/caddyauth/session"
)

// frontchannelLogout answers GET {base}/frontchannel-logout/:provider, which a page
// of the provider's loads in a frame to say that one of its sessions has ended
// (OpenID Connect Front-Channel Logout 1.0, section 3).
//
// Browsers send no cookies of SameSite=Lax there, and often none at all, so the
// provider's name of the session has to do: it is known to the provider and us, and
// the issuer alone, which anybody knows, ends nothing.
func (q *request) frontchannelLogout() {
	h := q.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	p := q.leaver()
	if p == nil {
		q.refuseFrame("no such provider")
		return
	}
	issuer := p.Info().Issuer
	form, _ := q.form()
	sid := form.text("sid")
	switch {
	case form.text("iss") != issuer:
		q.refuseFrame("iss is missing or another issuer")
		return
	case sid == "" || len(sid) > maxIdPSession:
		q.refuseFrame("sid is missing, repeated or too long")
		return
	case !q.mayEndInFrame():
		h.Set("Content-Security-Policy", framedBy("'none'"))
		q.setRetryAfter(retryAfter)
		q.w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	origin, ok := safeurl.CanonicalOrigin(originOf(issuer))
	if !ok {
		origin = "'none'"
	}
	h.Set("Content-Security-Policy", framedBy(origin))
	about := session.IdPLogout{Provider: p.Info().ID, Realm: p.Info().Realm, SID: sid}
	current, err := q.api.opts.Sessions.Read(q.r.Context(), q.r.Header, &q.jar.names)
	rows, failed := q.api.opts.Sessions.EndAtProvider(q.r.Context(), about)
	if failed != nil {
		q.api.opts.Log.Error("a logout at the provider could not be carried out",
			append(q.about(about.Provider, ""), zap.String("error", q.describe(failed)))...)
		q.setRetryAfter(storeRetryAfter)
		q.w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if err == nil && about.About(current) {
		if err := q.api.opts.Sessions.End(q.r.Context(), current); err != nil { // off the list
			q.api.opts.Log.Warn("a session has ended, but is still listed", zap.String("error", q.describe(err)))
		}
		q.set(q.api.opts.Sessions.Clear(q.r.Header, &q.jar.names)...)
		_ = q.emit(eventSignOut, func() map[string]any { return q.signOutData(current) })
	}
	q.endedByProvider(about, "front", rows)
	q.write(http.StatusOK, []byte(framePage))
}

// maxIdPSession bounds a provider's name of a session.
const maxIdPSession = 255

// framePage is what the frame shows, which nobody looks at.
const framePage = "<!DOCTYPE html><title>Signed out</title>"

// framedBy is the policy of a page that is nothing but the frame of another one.
func framedBy(source string) string { return "default-src 'none'; frame-ancestors " + source }

// mayEndInFrame takes one logout in a frame off the limit. Each takes some memory,
// whether or not there is such a session.
func (q *request) mayEndInFrame() bool {
	return q.api.opts.Limits.Client.Allow("frame\x00" + q.client())
}

// refuseFrame answers a request that ends nothing.
func (q *request) refuseFrame(why string) {
	if q.api.opts.Limits.ClientLog.Allow("logout\x00" + q.client()) {
		q.api.opts.Log.Info("logout request refused", append(q.about(q.known(), ""), zap.String("reason", why))...)
	}
	q.w.Header().Set("Content-Security-Policy", framedBy("'none'"))
	q.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	q.write(http.StatusBadRequest, []byte(strings.TrimSpace(why)+"\n"))
}
