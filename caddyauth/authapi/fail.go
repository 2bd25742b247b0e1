package authapi

import (
	"cmp"
	"encoding/base32"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/provider"
)

// failure is a request that ends at one of the error pages, a sign-in without a
// session most of all.
type failure struct {
	kind kind

	reason   reason
	provider string
	account  string // see notice
	userID   string
	err      error
	fields   []zap.Field
}

// fail logs a failure, leaves a notice for the page, and redirects. A session
// that the browser already has is not touched.
func (q *request) fail(f failure) {
	c := q.api.contract
	e := c.endings[f.kind]
	if f.reason == ReasonStore {
		q.setRetryAfter(storeRetryAfter)
	}
	q.cookies = slices.DeleteFunc(q.cookies, func(set cookie.Cookie) bool { return !c.keeps(q, set.Name) })
	if !e.quiet {
		reference := q.reference()
		q.logFailure(f, e.code, reference)
		q.leave(notice{
			code: e.code, reason: f.reason, reference: reference,
			provider: f.provider, account: f.account,
		})
	}
	status := http.StatusOK
	if q.action == "callback" {
		status = cmp.Or(e.status, status) // what begins a sign-in has no other one
	}
	q.send(c.locate(q, e, f), status, false)
}

// failCSRF answers a form that does not prove where it comes from.
func (q *request) failCSRF(k kind) {
	q.fail(failure{kind: k, reason: ReasonCSRF, provider: q.known(), fields: []zap.Field{q.hint(q.jar.names.CSRF)}})
}

// known is the provider's id from the path if there is such a provider: a
// client's words do not go into pages.
func (q *request) known() string {
	if _, ok := q.api.providers[q.providerID]; ok {
		return q.providerID
	}
	return ""
}

// reference makes a short name for a line of the log, to be read out over the
// phone.
func (q *request) reference() string {
	return base32.StdEncoding.EncodeToString(q.api.randomBytes(5))
}

func (q *request) logFailure(f failure, code, reference string) {
	message, level := "sign-in failed", zapcore.InfoLevel
	switch {
	case f.reason == ReasonAccessDenied, f.reason == ReasonVetoed:
		message = "sign-in refused"
	case f.reason == ReasonProviderError:
		// Anybody can open a callback with an error of their own making.
		level = zapcore.WarnLevel
	case operators(f.reason):
		level = zapcore.ErrorLevel
	}
	entry := q.api.opts.Log.Check(level, message)
	if entry == nil {
		return
	}
	fields := append(q.about(f.provider, f.userID),
		zap.String("reason", string(f.reason)),
		zap.String("error_code", code),
		zap.String("reference", reference))
	fields = append(fields, f.fields...)
	if f.err != nil {
		fields = append(fields, zap.String("error", q.describe(f.err)))
	}
	entry.Write(fields...)
}

// about are the fields that every line on a sign-in has.
func (q *request) about(providerID, userID string) []zap.Field {
	fields := make([]zap.Field, 0, 8)
	fields = append(fields, zap.String("provider", providerID))
	if userID != "" {
		fields = append(fields, zap.String("user_id", userID))
	}
	return append(fields, zap.String("client_ip", q.site.ClientIP.String()))
}

// operators reports whether a failure is for the operator to look at, rather
// than something that people and browsers do every day.
func operators(r reason) bool {
	switch r {
	case provider.ReasonUnavailable, provider.ReasonDiscovery, provider.ReasonIssuer,
		provider.ReasonIss, provider.ReasonPushed, provider.ReasonToken, provider.ReasonTokenResponse,
		provider.ReasonClientRejected,
		provider.ReasonIDToken, provider.ReasonClock, provider.ReasonKeys,
		provider.ReasonUserinfo, provider.ReasonProfile,
		ReasonSessionTooLarge, ReasonSessionFailed, ReasonCallbackFailed, ReasonInsecure:
		return true
	}
	return false
}

// maxLogged bounds what somebody else's words may take in the log, in bytes.
const maxLogged = 512

// describe is the text of an error without the secrets of this request. The
// providers promise to leave them out; this is the second look.
func (q *request) describe(err error) string {
	return cut(q.scrub(err.Error()), maxLogged)
}

// tokenLike matches what looks like a JSON Web Token.
var tokenLike = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]*)*`)

// scrub removes from a text what the client sent as parameters or cookies.
func (q *request) scrub(text string) string {
	text = tokenLike.ReplaceAllString(text, "[redacted]")
	for _, f := range []fields{q.query, q.body} {
		for name, v := range f {
			// Short values are in every text by accident, the issuer is public.
			if len(v.text) < 6 || name == "iss" || name == "error" || name == "callbackUrl" {
				continue
			}
			text = strings.ReplaceAll(text, v.text, "[redacted]")
			text = strings.ReplaceAll(text, url.QueryEscape(v.text), "[redacted]")
		}
	}
	return text
}

// cut shortens a text to at most n bytes of valid UTF-8.
func cut(s string, n int) string {
	if len(s) > n {
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
