package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/caddyauth/gateway/caddyauth/internal/claim"
)

// tokens is a checked token response (RFC 6749 5.1).
type tokens struct {
	access, refresh, id, kind, scope string
	expiresAt                        int64
	// raw is the response without the tokens themselves.
	raw map[string]any
	// date is the provider's Date header.
	date time.Time
}

// redeem sends the code to the token endpoint, once.
func (p *oauthProvider) redeem(ctx context.Context, m *metadata, r CallbackRequest) (*tokens, error) {
	code := r.Params.Get("code")
	cfg, client, transport := p.tokenClient(m)
	cfg.RedirectURL = r.RedirectURI
	var opts []oauth2.AuthCodeOption
	if r.CodeVerifier != "" {
		opts = append(opts, oauth2.VerifierOption(r.CodeVerifier))
	}
	t, err := cfg.Exchange(context.WithValue(ctx, oauth2.HTTPClient, client), code, opts...)
	if err != nil {
		return nil, p.tokenError(ctx, m, err, code, r.CodeVerifier)
	}
	return p.readTokens(t, transport)
}

// tokenError keeps of a failed exchange what helps and may be logged.
func (p *oauthProvider) tokenError(ctx context.Context, m *metadata, err error, secrets ...string) error {
	retrieve, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		return failure(ctx, ReasonTokenResponse, err)
	}
	return p.endpointError(ctx, m.token, ReasonToken, retrieve, secrets...)
}

// endpointError reads an error response in the form of the token endpoint's (RFC
// 6749, section 5.2). The text of oauth2.RetrieveError would include the whole
// body.
func (p *oauthProvider) endpointError(ctx context.Context, endpoint string, reason Reason, retrieve *oauth2.RetrieveError, secrets ...string) *Error {
	host := hostOf(endpoint)
	if retrieve.ErrorCode == "" {
		return failure(ctx, reason, &statusError{host: host, status: retrieve.Response.StatusCode})
	}
	text := retrieve.ErrorDescription
	for _, s := range append(secrets, p.cfg.ClientSecret) {
		if s != "" {
			text = strings.ReplaceAll(text, s, "...")
		}
	}
	e := &Error{Reason: reason, Code: clip(retrieve.ErrorCode)}
	if text == "" {
		e.Err = fmt.Errorf("%s says %q", host, e.Code)
	} else {
		e.Err = fmt.Errorf("%s says %q: %q", host, e.Code, clip(text))
	}
	switch code := retrieve.ErrorCode; {
	case code == "temporarily_unavailable", retrieve.Response.StatusCode >= 500, retrieve.Response.StatusCode == http.StatusTooManyRequests:
		e.Reason = ReasonUnavailable
	case slices.Contains(clientErrors, code):
		e.Reason = ReasonClientRejected
	}
	return e
}

// clientErrors are the error codes that are about us (RFC 6749 5.2), the last
// one in GitHub's words.
var clientErrors = []string{"invalid_client", "unauthorized_client", "incorrect_client_credentials"}

// readTokens checks the response. A token of another type than bearer, such as
// DPoP, could not be used as one (RFC 6749 7.1).
func (p *oauthProvider) readTokens(t *oauth2.Token, from *tokenTransport) (*tokens, error) {
	text := func(name string) string {
		s, _ := t.Extra(name).(string)
		return s
	}
	out := &tokens{
		access: t.AccessToken, refresh: t.RefreshToken, id: text("id_token"),
		kind: t.TokenType, scope: text("scope"), date: from.date, raw: from.answer,
	}
	if out.kind == "" && p.lenient() {
		out.kind = "bearer"
	}
	if !strings.EqualFold(out.kind, "bearer") {
		return nil, &Error{Reason: ReasonTokenResponse, Err: fmt.Errorf("token_type is %q instead of bearer", clip(t.TokenType))}
	}
	if t.ExpiresIn > 0 {
		out.expiresAt = p.now().Unix() + t.ExpiresIn
	}
	return out, nil
}

// tokenTransport authenticates the client, and tidies token responses before
// x/oauth2 reads them: a form is turned into JSON, and an expires_in that is no
// number of seconds is dropped, as it would otherwise fail a sign-in that does not
// need it.
type tokenTransport struct {
	next         http.RoundTripper
	authenticate func(url.Values, http.Header) error
	// tidy is what a preset does to the response beforehand, nil for nothing.
	tidy   func(answer map[string]any)
	date   time.Time
	answer map[string]any // without the tokens themselves
}

func (t *tokenTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	req, err := authenticated(req, t.authenticate)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json") // GitHub answers with a form otherwise
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	t.date, _ = http.ParseTime(resp.Header.Get("Date"))
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	if m, ok := tokenObject(body, resp.Header.Get("Content-Type")); ok {
		if t.tidy != nil {
			t.tidy(m)
		}
		tidyExpiry(m)
		tidyScope(m)
		t.answer = withoutTokens(m)
		if body, err = json.Marshal(m); err != nil {
			return nil, err
		}
		resp.Header.Set("Content-Type", "application/json")
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))
	return resp, nil
}

// tokenObject reads a body as JSON, or as a form if it is declared as one.
func tokenObject(body []byte, contentType string) (map[string]any, bool) {
	if m, err := decodeObject(body); err == nil {
		return m, true
	}
	media, _, _ := mime.ParseMediaType(contentType)
	if media != "application/x-www-form-urlencoded" && media != "text/plain" {
		return nil, false
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, false
	}
	m := make(map[string]any, len(form))
	for name := range form {
		m[name] = form.Get(name)
	}
	return m, true
}

func tidyExpiry(m map[string]any) {
	v, has := m["expires_in"]
	if !has {
		return
	}
	var n json.Number
	switch v := v.(type) {
	case json.Number:
		n = v
	case string:
		n = json.Number(v)
	}
	seconds, err := n.Float64()
	if err != nil || !(seconds > 0 && seconds <= math.MaxInt32) {
		delete(m, "expires_in")
		return
	}
	m["expires_in"] = int64(seconds)
}

// tidyScope joins a list of scopes, as Twitch sends it, with spaces (RFC 6749 3.3).
func tidyScope(m map[string]any) {
	if list, ok := m["scope"].([]any); ok {
		m["scope"] = strings.Join(claim.Strings(list), " ")
	}
}

// withoutTokens is what a profile may be read from: nothing that is a secret.
func withoutTokens(m map[string]any) map[string]any {
	rest := maps.Clone(m)
	for _, name := range []string{"access_token", "refresh_token", "id_token"} {
		delete(rest, name)
	}
	return rest
}

// lenient reports whether a response may come without token_type, though RFC
// 6749 5.1 demands it: among the services of the catalogue that do not speak
// OpenID Connect, many forget it, and none has tokens of another type.
func (p *oauthProvider) lenient() bool { return !p.preset.oidc && p.preset.ID != presetOAuth2 }

func hostOf(raw string) string {
	if u, err := url.Parse(raw); err == nil {
		return u.Host
	}
	return ""
}
