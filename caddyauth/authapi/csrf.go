package authapi

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"strings"

	"github.com/caddyauth/gateway/caddyauth/cookie"
	"github.com/caddyauth/gateway/caddyauth/jwt"
)

// csrfToken answers GET {base}/csrf.
func (q *request) csrfToken() {
	q.init()
	q.json(http.StatusOK, append(jwt.AppendString([]byte(`{"csrfToken":`), q.csrf.token), '}'))
}

// csrfState is the token of the browser, and whether the request proves that
// it comes from one of our pages.
type csrfState struct {
	token    string
	verified bool
}

// initCSRF reads the double-submit cookie. One that is not ours is replaced,
// whatever else happens to the request; a good one is never issued again, so
// that forms in other tabs stay good.
func (q *request) initCSRF() {
	name := q.jar.names.CSRF
	value, _ := cookie.Get(q.r.Header, name)
	token, ok := q.api.csrf.open(value)
	sent := q.body.text("csrfToken")
	same := ok && sent != "" && subtle.ConstantTimeCompare([]byte(sent), []byte(token)) == 1
	if !ok {
		token = hex.EncodeToString(q.api.randomBytes(32))
		q.set(q.newCookie(name, q.api.csrf.sign(token)))
	}
	q.csrf = csrfState{
		token: token,
		verified: q.r.Method == http.MethodPost && q.sameOrigin() &&
			(same || q.api.contract.excused(q)),
	}
}

// sameOrigin looks at what browsers say about where a request comes from, as a
// second wall behind the token; NextAuth has only the first. A request from
// elsewhere is answered as one without a token.
//
// Sec-Fetch-Site decides where it is sent, since no page can set it. Origin is
// "null" even on our own forms if the site's policy is to send no referrer
// (Fetch standard, section 3.2), so it is asked only where Sec-Fetch-Site is
// missing: old browsers, plain http, and programs, which send neither.
func (q *request) sameOrigin() bool {
	switch q.r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
	default:
		return false
	}
	origin, sent := q.r.Header["Origin"]
	return !sent || len(origin) == 1 && strings.EqualFold(origin[0], q.site.Origin)
}

// csrfSigner makes and checks the cookie's value, token|sha256hex(token+key).
type csrfSigner struct {
	keys []string
}

func newCSRFSigner(keys []string) csrfSigner { return csrfSigner{keys} }

func (s csrfSigner) sign(token string) string {
	return token + "|" + csrfHash(token, s.keys[0])
}

// open returns the token of a cookie that any of the keys has signed. Anything
// after a second bar is ignored, as NextAuth does.
func (s csrfSigner) open(value string) (string, bool) {
	token, rest, ok := strings.Cut(value, "|")
	if !ok || token == "" {
		return "", false
	}
	hash, _, _ := strings.Cut(rest, "|")
	for _, key := range s.keys {
		if subtle.ConstantTimeCompare([]byte(hash), []byte(csrfHash(token, key))) == 1 {
			return token, true
		}
	}
	return "", false
}

func csrfHash(token, key string) string {
	sum := sha256.Sum256([]byte(token + key))
	return hex.EncodeToString(sum[:])
}

// randomBytes returns n bytes that nobody can guess.
func (a *API) randomBytes(n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(a.opts.Rand, b); err != nil {
		_, _ = rand.Read(b) // never fails
	}
	return b
}

// randomToken is 32 random bytes as 43 characters, the form of state, nonce and
// PKCE verifier (RFC 7636, section 4.1).
func (a *API) randomToken() string {
	return base64.RawURLEncoding.EncodeToString(a.randomBytes(32))
}
