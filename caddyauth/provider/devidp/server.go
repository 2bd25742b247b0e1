package devidp

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// Paths below the issuer.
const (
	authorizePath  = "/authorize"
	loginPath      = "/login"
	tokenPath      = "/token"
	userinfoPath   = "/userinfo"
	keysPath       = "/keys"
	endSessionPath = "/end_session"
)

// maxBody bounds what a client may send.
const maxBody = 64 << 10

// server is the provider itself, one for the process. It speaks through the
// OP library's functions rather than through its router: that one answers on
// more endpoints than are wanted here, with a CORS policy that lets every
// origin in, and logs the state parameter.
type server struct {
	op      *op.Provider
	storage *storage
	routes  map[string]route
}

// route is an endpoint and the methods it answers.
type route struct {
	methods string // as in the Allow header
	serve   func(w http.ResponseWriter, r *http.Request, t *tenant)
}

// shared is the provider of this process. A reload must neither change the
// keys nor forget who is about to sign in.
var shared = sync.OnceValues(func() (*server, error) { return newServer(time.Now) })

func newServer(now func() time.Time) (*server, error) {
	store := &storage{state: newState(now), keys: new(keyring), secret: random(32)}
	config := &op.Config{
		CodeMethodS256:           true,
		DefaultLogoutRedirectURI: "/",
		SupportedScopes:          []string{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopeEmail},
		SupportedClaims: []string{
			"sub", "aud", "exp", "iat", "iss", "auth_time", "nonce", "at_hash",
			"name", "preferred_username", "email", "email_verified", "groups", "roles",
		},
	}
	copy(config.CryptoKey[:], random(32))
	// The library wants an issuer that it can look at beforehand; requests
	// carry the true one in their context.
	provider, err := op.NewProvider(config, store, op.StaticIssuer("http://localhost"),
		op.WithAllowInsecure(), op.WithCORSOptions(nil),
		op.WithCustomEndpoints(op.NewEndpoint(authorizePath), op.NewEndpoint(tokenPath), op.NewEndpoint(userinfoPath),
			op.NewEndpoint("/revoke"), op.NewEndpoint(endSessionPath), op.NewEndpoint(keysPath)))
	if err != nil {
		return nil, fmt.Errorf("development provider: %w", err)
	}
	s := &server{op: provider, storage: store}
	s.routes = map[string]route{
		oidc.DiscoveryEndpoint: {"GET, HEAD", s.discovery},
		keysPath:               {"GET, HEAD", s.keys},
		authorizePath:          {"GET, POST", s.authorize},
		loginPath:              {"GET, HEAD, POST", s.login},
		tokenPath:              {"POST", s.token},
		userinfoPath:           {"GET, POST", s.userinfo},
		endSessionPath:         {"GET, POST", s.endSession},
	}
	return s, nil
}

// serve answers one request whose path, below the issuer, is given. Whether
// the caller may ask at all was decided before.
func (s *server) serve(w http.ResponseWriter, r *http.Request, t *tenant, path, rawQuery string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store") // RFC 6749, section 5.1, and right for the rest
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")

	route, ok := s.routes[path]
	if !ok {
		http.Error(w, "The development provider has no such page.", http.StatusNotFound)
		return
	}
	if !allows(route.methods, r.Method) {
		h.Set("Allow", route.methods)
		http.Error(w, "The development provider does not answer this method here.", http.StatusMethodNotAllowed)
		return
	}
	// A fresh form from the given query: an earlier handler may have parsed
	// another one.
	r = r.WithContext(withTenant(r.Context(), t))
	r.URL = &url.URL{Path: path, RawQuery: rawQuery}
	r.Form, r.PostForm, r.MultipartForm = nil, nil, nil
	if r.Body != nil {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	}
	if err := r.ParseForm(); err != nil {
		http.Error(w, "The development provider cannot read the parameters.", http.StatusBadRequest)
		return
	}
	route.serve(w, r, t)
}

func allows(methods, method string) bool {
	for m := range strings.SplitSeq(methods, ", ") {
		if m == method {
			return true
		}
	}
	return false
}

// metadata is the discovery document with RFC 9207's member.
type metadata struct {
	*oidc.DiscoveryConfiguration
	IssParameter bool `json:"authorization_response_iss_parameter_supported"`
}

// discovery names what is served and nothing else (OpenID Connect Discovery
// 1.0, section 3): the library announces all that it could do.
func (s *server) discovery(w http.ResponseWriter, r *http.Request, _ *tenant) {
	doc := op.CreateDiscoveryConfig(r.Context(), s.op, s.storage)
	doc.IntrospectionEndpoint = ""
	doc.IntrospectionEndpointAuthMethodsSupported = nil
	doc.IntrospectionEndpointAuthSigningAlgValuesSupported = nil
	doc.RevocationEndpoint = ""
	doc.RevocationEndpointAuthMethodsSupported = nil
	doc.RevocationEndpointAuthSigningAlgValuesSupported = nil
	doc.DeviceAuthorizationEndpoint = ""
	doc.ResponseTypesSupported = []string{string(oidc.ResponseTypeCode)}
	doc.ResponseModesSupported = []string{string(oidc.ResponseModeQuery)}
	doc.GrantTypesSupported = []oidc.GrantType{oidc.GrantTypeCode}
	doc.TokenEndpointAuthMethodsSupported = []oidc.AuthMethod{oidc.AuthMethodBasic}
	writeJSON(w, http.StatusOK, metadata{doc, true})
}

func (s *server) keys(w http.ResponseWriter, r *http.Request, _ *tenant) {
	op.Keys(w, r, s.storage)
}

func (s *server) userinfo(w http.ResponseWriter, r *http.Request, _ *tenant) {
	// RFC 9700, section 4.3.2: tokens in no query.
	r.Form = r.PostForm
	op.Userinfo(w, r, s.op)
}

// endSession sends the browser back to the site (OpenID Connect RP-Initiated
// Logout 1.0).
func (s *server) endSession(w http.ResponseWriter, r *http.Request, _ *tenant) {
	req, err := op.ParseEndSessionRequest(r, s.op.Decoder())
	if err != nil {
		http.Error(w, "The development provider cannot read the sign-out request.", http.StatusBadRequest)
		return
	}
	session, err := op.ValidateEndSessionRequest(r.Context(), req, s.op)
	if err != nil {
		writeError(w, err)
		return
	}
	if err := s.storage.TerminateSession(r.Context(), session.UserID, session.ClientID); err != nil {
		writeError(w, err)
		return
	}
	http.Redirect(w, r, session.RedirectURI, http.StatusFound)
}

// writeJSON writes a value that always marshals.
func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

// writeError answers as RFC 6749, section 5.2 has it.
func writeError(w http.ResponseWriter, err error) {
	e := oidc.DefaultToServerError(err, "")
	status := http.StatusBadRequest
	switch e.ErrorType {
	case oidc.InvalidClient:
		status = http.StatusUnauthorized
		w.Header().Set("WWW-Authenticate", `Basic realm="development provider"`)
	case oidc.ServerError:
		status = http.StatusInternalServerError
	}
	writeJSON(w, status, struct {
		Error       string `json:"error"`
		Description string `json:"error_description,omitempty"`
	}{string(e.ErrorType), e.Description})
}
