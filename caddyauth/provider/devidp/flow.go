package devidp

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// authorize takes an authorization request and sends the browser to the page
// of personas (OpenID Connect Core 1.0, section 3.1.2).
func (s *server) authorize(w http.ResponseWriter, r *http.Request, t *tenant) {
	req, err := s.parseAuthorize(r, t)
	if err != nil {
		// Without a client and a redirect URI that are right, the error stays
		// here (RFC 6749, section 4.1.2.1).
		http.Error(w, "The development provider refuses this request: "+err.Error()+".", http.StatusBadRequest)
		return
	}
	if err := s.checkAuthorize(r, t, req); err != nil {
		s.refuse(w, r, t, req, err)
		return
	}
	pending := &request{id: random(16), tenant: t.key(), asked: *req}
	s.storage.addRequest(pending)
	http.Redirect(w, r, client{t}.LoginURL(pending.id), http.StatusFound)
}

// parseAuthorize reads the request and checks what decides whether an error
// may be sent to the redirect URI. That one is compared byte by byte (RFC
// 9700, section 2.1): the library would decode it once more first.
func (s *server) parseAuthorize(r *http.Request, t *tenant) (*oidc.AuthRequest, error) {
	for _, values := range r.Form {
		// RFC 6749, section 3.1: parameters are not repeated.
		if len(values) > 1 {
			return nil, errors.New("a parameter is repeated")
		}
	}
	req, err := op.ParseAuthorizeRequest(r, s.op.Decoder())
	switch {
	case err != nil:
		return nil, errors.New("its parameters cannot be read")
	case req.ClientID != ClientID:
		return nil, errors.New("the client is unknown")
	case req.RedirectURI != t.redirectURI():
		return nil, errors.New("the redirect_uri is not the site's own callback")
	}
	return req, nil
}

// checkAuthorize checks the rest, whose errors go to the redirect URI.
func (s *server) checkAuthorize(r *http.Request, t *tenant, req *oidc.AuthRequest) error {
	if req.RequestParam != "" || r.Form.Has("request_uri") {
		return oidc.ErrRequestNotSupported()
	}
	if _, err := op.ValidateAuthRequestClient(r.Context(), req, client{t}, s.op.IDTokenHintVerifier(r.Context())); err != nil {
		return err
	}
	switch {
	case !slices.Contains(req.Scopes, oidc.ScopeOpenID):
		return oidc.ErrInvalidScope().WithDescription("scope openid is required")
	case req.ResponseMode != "" && req.ResponseMode != oidc.ResponseModeQuery:
		return oidc.ErrInvalidRequest().WithDescription("response_mode must be query")
	case req.CodeChallengeMethod != oidc.CodeChallengeMethodS256 || !challenge(req.CodeChallenge):
		return oidc.ErrInvalidRequest().WithDescription("PKCE with S256 is required")
	case slices.Contains(req.Prompt, oidc.PromptNone):
		return oidc.ErrLoginRequired().WithDescription("a person has to choose")
	}
	return nil
}

// challenge reports whether s can be a SHA-256 in raw base64url (RFC 7636,
// section 4.2).
func challenge(s string) bool {
	return len(s) == 43 && strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}) < 0
}

// grant sends the browser back with a code.
func (s *server) grant(w http.ResponseWriter, r *http.Request, t *tenant, req *request) {
	code, err := op.BuildAuthRequestCode(req, s.op.Crypto())
	if err != nil {
		s.refuse(w, r, t, &req.asked, err)
		return
	}
	s.storage.addGrant(code, req)
	s.respond(w, r, t, url.Values{"code": {code}}, req.asked.State)
}

// refuse sends the browser back with an error.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, t *tenant, req *oidc.AuthRequest, err error) {
	e := oidc.DefaultToServerError(err, "")
	params := url.Values{"error": {string(e.ErrorType)}}
	if e.Description != "" {
		params.Set("error_description", e.Description)
	}
	s.respond(w, r, t, params, req.State)
}

// respond redirects with the authorization response, the issuer in it (RFC
// 9207). 303, as the browser may come from a form.
func (s *server) respond(w http.ResponseWriter, r *http.Request, t *tenant, params url.Values, state string) {
	if state != "" {
		params.Set("state", state)
	}
	params.Set("iss", t.issuer)
	http.Redirect(w, r, t.redirectURI()+"?"+params.Encode(), http.StatusSeeOther)
}

// errCanceled is what a client hears of somebody who pressed Cancel.
func errCanceled() error {
	return oidc.ErrAccessDenied().WithDescription("canceled")
}

// token redeems a code (RFC 6749, section 4.1.3).
func (s *server) token(w http.ResponseWriter, r *http.Request, _ *tenant) {
	// Credentials and codes belong into the body, RFC 6749, section 2.3.1.
	r.Form = r.PostForm
	if r.PostForm.Get("grant_type") != string(oidc.GrantTypeCode) {
		writeError(w, oidc.ErrUnsupportedGrantType().WithDescription("only authorization_code"))
		return
	}
	response, err := s.exchange(r)
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, response)
}

func (s *server) exchange(r *http.Request) (*oidc.AccessTokenResponse, error) {
	req, err := op.ParseAccessTokenRequest(r, s.op.Decoder())
	if err != nil {
		return nil, err
	}
	// The library looks the code up before it knows who asks, and looking up
	// redeems: a stranger must not be able to spend somebody's code.
	if err := op.AuthorizeClientIDSecret(r.Context(), req.ClientID, req.ClientSecret, s.storage); err != nil {
		return nil, err
	}
	if req.Code == "" {
		return nil, oidc.ErrInvalidRequest().WithDescription("code missing")
	}
	granted, c, err := op.ValidateAccessTokenRequest(r.Context(), req, s.op)
	if err != nil {
		return nil, err
	}
	return op.CreateTokenResponse(r.Context(), granted, c, s.op, true, req.Code, "")
}
