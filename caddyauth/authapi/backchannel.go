package authapi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// maxForm bounds what providers and other sites post, in bytes.
const maxForm = 64 << 10

// backchannelLogout answers POST {base}/backchannel-logout/:provider: the provider
// says that one of its sessions, or all of a person's, have ended. 200 means that
// they have ended here as well, or that there was nothing to end; 400 that the
// request is no good or, which the specification does not tell apart, that they
// could not be ended for sure (OpenID Connect Back-Channel Logout 1.0, section 2.8).
//
// There is no limit on how often: a provider that signs out everybody comes from one
// address. What is no good costs little, as keys are fetched for it once a minute.
func (q *request) backchannelLogout() {
	p := q.leaver()
	if p == nil {
		q.refuseLogout("invalid_request", "no such provider", nil)
		return
	}
	form, ok := q.form()
	token := form["logout_token"]
	if !ok || token.text == "" {
		q.refuseLogout("invalid_request", "a form with one logout_token is expected", nil)
		return
	}
	t, err := p.LogoutToken(q.r.Context(), token.text)
	switch {
	case errors.Is(err, provider.ErrLogoutToken):
		q.refuseLogout("invalid_request", "the logout token is not valid", err)
	case err != nil:
		q.logoutFailed(err)
	default:
		q.endByToken(p, t)
	}
}

// leaver is the provider in the path, nil if it says nothing of logouts.
func (q *request) leaver() provider.Leaver {
	p, _ := q.api.providers[q.providerID].(provider.Leaver)
	if p == nil || p.Info().Type != provider.TypeOIDC {
		return nil
	}
	return p
}

// form are the fields of the request whatever the dialect: of a GET those of the
// query, of a POST those of a form in its body. One that comes twice has no text.
func (q *request) form() (fields, bool) {
	if q.r.Method != http.MethodPost {
		return parseForm(q.site.Query), true
	}
	media, _, err := mime.ParseMediaType(q.r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" || q.r.Body == nil {
		return nil, false
	}
	raw, err := io.ReadAll(http.MaxBytesReader(q.w, q.r.Body, maxForm))
	if err != nil {
		return nil, false
	}
	return parseForm(string(raw)), true
}

// endByToken ends what a logout token says has ended, unless it has come before.
func (q *request) endByToken(p provider.Leaver, t provider.LogoutToken) {
	info, sessions := p.Info(), q.api.opts.Sessions
	first, undo, err := sessions.Once(q.r.Context(), logoutNote(info.Realm, t.ID), t.Until)
	switch {
	case err != nil:
		q.logoutFailed(err)
		return
	case !first:
		q.refuseLogout("invalid_request", "the logout token is not valid", errReplayed)
		return
	}
	about := session.IdPLogout{Provider: info.ID, Realm: info.Realm, SID: t.SessionID, Subject: t.Subject}
	rows, err := sessions.EndAtProvider(q.r.Context(), about)
	if err != nil {
		undo() // the provider may try again
		q.logoutFailed(err)
		return
	}
	q.endedByProvider(about, "back", rows)
	q.w.WriteHeader(http.StatusOK)
}

// errReplayed is about a logout token whose id has come before.
var errReplayed = errors.New("the logout token has come before (jti)")

// logoutNote is what is noted of a logout token.
func logoutNote(realm, id string) string {
	sum := sha256.Sum256([]byte(realm + "\x00" + id))
	return "logout " + hex.EncodeToString(sum[:])
}

// endedByProvider says what a provider has ended. Sessions that no store lists are
// not counted: nobody knows how many there are.
func (q *request) endedByProvider(l session.IdPLogout, channel string, rows []store.Session) {
	by := session.LogoutSub
	if l.SID != "" {
		by = session.LogoutSID
	}
	if entry := q.api.opts.Log.Check(zap.InfoLevel, "signed out by the provider"); entry != nil {
		entry.Write(append(q.about(l.Provider, l.Subject),
			zap.String("channel", channel), zap.String("by", by), zap.Int("listed_sessions", len(rows)))...)
	}
	for _, row := range rows {
		_ = q.emit(eventSignOut, func() map[string]any { return rowData(row) })
	}
}

// refuseLogout answers a request that is no good. Anybody can send one, so the log
// has not more than some of each client's.
func (q *request) refuseLogout(code, description string, err error) {
	if q.api.opts.Limits.ClientLog.Allow("logout\x00" + q.client()) {
		fields := append(q.about(q.known(), ""), zap.String("reason", description))
		if err != nil {
			fields = append(fields, zap.String("error", q.describe(err)))
		}
		q.api.opts.Log.Info("logout request refused", fields...)
	}
	q.logoutError(code, description)
}

// logoutFailed answers a request that may be good. While nobody can tell whether it
// is, anybody can send it, so the log has not more than some of each client's.
func (q *request) logoutFailed(err error) {
	if q.api.opts.Limits.ClientLog.Allow("logout failed\x00" + q.client()) {
		q.api.opts.Log.Error("a logout at the provider could not be carried out",
			append(q.about(q.known(), ""), zap.String("error", q.describe(err)))...)
	}
	q.setRetryAfter(storeRetryAfter)
	q.logoutError("temporarily_unavailable", "the logout could not be carried out now")
}

// logoutError writes an error of OAuth (RFC 6749, section 5.2).
func (q *request) logoutError(code, description string) {
	body, err := json.Marshal(struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{code, description})
	if err != nil {
		body = jwt.AppendString(nil, code) // it cannot fail
	}
	q.w.Header().Set("Content-Type", "application/json")
	q.write(http.StatusBadRequest, body)
}
