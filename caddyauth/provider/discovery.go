package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
)

// metadata is what a provider offers, discovered or written down.
type metadata struct {
	issuer        string
	authorization string
	token         string
	userinfo      string
	jwks          string
	// algs are the algorithms that ID tokens may be signed with.
	algs []string
	// authMethods are those of the token endpoint, nil if it does not say.
	authMethods []string
	// assertionAlgs are those that client assertions may be signed with, nil if it
	// does not say.
	assertionAlgs []string
	// par is the endpoint for pushed authorization requests, empty if there is none.
	par string
	// requirePAR says that there are no others.
	requirePAR bool
	// issParam promises the iss parameter of RFC 9207 in every callback.
	issParam bool

	// endSession is where people are sent to sign out, empty if there is no such
	// place.
	endSession string
	// revocation is where tokens are revoked (RFC 7009), empty if there is no such
	// place.
	revocation string
	// leaving is what the provider says of telling us about logouts.
	leaving logoutSupport
}

// logoutSupport is what a provider promises about logouts (OpenID Connect
// Back-Channel Logout 1.0 and Front-Channel Logout 1.0, section 2.1 and 3): that it
// tells of them, and that it names the session when it does.
type logoutSupport struct {
	Backchannel         bool `json:"backchannel_logout_supported"`
	BackchannelSession  bool `json:"backchannel_logout_session_supported"`
	Frontchannel        bool `json:"frontchannel_logout_supported"`
	FrontchannelSession bool `json:"frontchannel_logout_session_supported"`
}

// logout lists what the provider can do when people leave, for people to read.
func (m *metadata) logout() []string {
	list := []string{}
	for _, can := range []struct {
		what string
		it   bool
	}{
		{"end_session", m.endSession != ""},
		{"backchannel", m.leaving.Backchannel}, {"backchannel_session", m.leaving.BackchannelSession},
		{"frontchannel", m.leaving.Frontchannel}, {"frontchannel_session", m.leaving.FrontchannelSession},
	} {
		if can.it {
			list = append(list, can.what)
		}
	}
	return list
}

// discoveryDocument is what is read of a discovery document.
type discoveryDocument struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	Userinfo      string   `json:"userinfo_endpoint"`
	JWKS          string   `json:"jwks_uri"`
	Algs          []string `json:"id_token_signing_alg_values_supported"`
	AuthMethods   []string `json:"token_endpoint_auth_methods_supported"`
	AuthAlgs      []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	PAR           string   `json:"pushed_authorization_request_endpoint"`
	RequirePAR    bool     `json:"require_pushed_authorization_requests"`
	IssParam      bool     `json:"authorization_response_iss_parameter_supported"`
	EndSession    string   `json:"end_session_endpoint"`
	Revocation    string   `json:"revocation_endpoint"`
}

func (d *discoveryDocument) metadata() *metadata {
	return &metadata{
		issuer: d.Issuer, authorization: d.Authorization, token: d.Token, userinfo: d.Userinfo, jwks: d.JWKS,
		algs: d.Algs, authMethods: d.AuthMethods, assertionAlgs: d.AuthAlgs, par: d.PAR, requirePAR: d.RequirePAR, issParam: d.IssParam,
		endSession: d.EndSession, revocation: d.Revocation,
	}
}

// discover fetches and checks the discovery document of an issuer (OpenID
// Connect Discovery 4). Its errors, which are logged and kept, quote what is
// wrong with the document at no great length.
//
// Where same is not nil it says whether what the document states may be the issuer.
func discover(ctx context.Context, client *http.Client, issuer string, same func(configured, stated string) bool) (*metadata, error) {
	var (
		m   *metadata
		err error
	)
	if same == nil {
		m, err = fetchMetadata(ctx, client, issuer)
	} else {
		m, err = fetchStated(ctx, client, issuer, same)
	}
	if err == nil {
		err = m.check()
	}
	if err != nil {
		return nil, clipError(err)
	}
	return m, nil
}

// fetchMetadata leaves it to go-oidc to check that the issuer is exactly the one
// asked for (4.3).
func fetchMetadata(ctx context.Context, client *http.Client, issuer string) (*metadata, error) {
	strict := *client
	strict.Transport = &statusTransport{next: client.Transport}
	// The context has the same limit, and unlike the client's its end can be told
	// from other errors once go-oidc has rendered them as text.
	strict.Timeout = 0
	op, err := oidc.NewProvider(oidc.ClientContext(ctx, &strict), issuer)
	if err != nil {
		if mismatch, ok := errors.AsType[*oidc.IssuerMismatchError](err); ok {
			return nil, otherIssuer(mismatch.Discovered, issuer)
		}
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("discovery at %s: %w", issuer, err)
	}
	var d discoveryDocument
	if err := op.Claims(&d); err != nil {
		return nil, fmt.Errorf("discovery at %s: %w", issuer, err)
	}
	m := d.metadata()
	_ = op.Claims(&m.leaving) // for people to read; nobody is kept from signing in for it
	return m, nil
}

// fetchStated fetches the document of a service that may call itself otherwise
// than it is configured, which go-oidc cannot be told.
func fetchStated(ctx context.Context, client *http.Client, issuer string, same func(configured, stated string) bool) (*metadata, error) {
	body, _, err := get(ctx, client, strings.TrimRight(issuer, "/")+"/.well-known/openid-configuration", "")
	if err != nil {
		return nil, fmt.Errorf("discovery at %s: %w", issuer, err)
	}
	var d discoveryDocument
	if err := decodeStrict(body, &d); err != nil {
		return nil, fmt.Errorf("discovery at %s: %w", issuer, err)
	}
	if !same(issuer, d.Issuer) {
		return nil, otherIssuer(d.Issuer, issuer)
	}
	m := d.metadata()
	_ = json.Unmarshal(body, &m.leaving)
	return m, nil
}

func otherIssuer(stated, configured string) error {
	return &Error{Reason: ReasonIssuer, Err: fmt.Errorf(
		"the discovery document is that of %q, but the issuer is configured as %q; they must be the same to the letter", clip(stated), configured)}
}

// check refuses endpoints that a tampered or careless document may name. An
// https issuer cannot lead to plain http, not even on this machine.
func (m *metadata) check() error {
	for _, s := range []setting{
		{"authorization_endpoint", m.authorization}, {"token_endpoint", m.token},
		{"jwks_uri", m.jwks}, {"userinfo_endpoint", m.userinfo}, {"pushed_authorization_request_endpoint", m.par},
		{"end_session_endpoint", m.endSession}, {"revocation_endpoint", m.revocation},
	} {
		if s.value == "" {
			continue // it may be written down
		}
		u, err := endpointURL(s.value)
		if err != nil {
			return fmt.Errorf("discovery at %s: %s: %w", m.issuer, s.name, err)
		}
		if u.Scheme == "http" && strings.HasPrefix(m.issuer, "https:") {
			return fmt.Errorf("discovery at %s: %s is not https", m.issuer, s.name)
		}
	}
	return nil
}

// complete reports what is needed and neither discovered nor written down.
func (m *metadata) complete() error {
	for _, s := range []setting{{"authorization", m.authorization}, {"token", m.token}, {"jwks", m.jwks}} {
		if s.value == "" {
			return fmt.Errorf("discovery at %s: no %s endpoint", m.issuer, s.name)
		}
	}
	return nil
}

// signingAlgs chooses what an ID token may be signed with. A client registers
// one algorithm and RS256 is the default (Core 2, Registration 2), so what else
// an issuer can do is of no interest unless it cannot do RS256.
func (m *metadata) signingAlgs(configured []string) []string {
	if len(configured) > 0 {
		return configured
	}
	if len(m.algs) == 0 || slices.Contains(m.algs, "RS256") {
		return []string{"RS256"}
	}
	var algs []string
	for _, a := range m.algs {
		if slices.Contains(signingAlgs, a) {
			algs = append(algs, a)
		}
	}
	return algs
}

// statusTransport lets through what discovery goes on with: 200 and redirects to
// somewhere. Any other status becomes an error that can be told from others;
// go-oidc would render it as text together with the whole body.
type statusTransport struct{ next http.RoundTripper }

func (t *statusTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(req)
	if err != nil || resp.StatusCode == http.StatusOK || followable(resp) {
		return resp, err
	}
	resp.Body.Close()
	return nil, &statusError{host: req.URL.Host, status: resp.StatusCode}
}

// followable reports whether http.Client follows an answer instead of returning
// it.
func followable(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return resp.Header.Get("Location") != ""
	}
	return false
}

// clip bounds what strangers may write into the log.
func clip(s string) string { return clipTo(s, 200) }

func clipTo(s string, most int) string {
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strings.ToValidUTF8(s, "?")
}

// maxErrorText bounds the text of an error that quotes a document, in bytes.
const maxErrorText = 500

// clippedError is an error with a text that is too long.
type clippedError struct {
	err  error
	text string
}

func (e *clippedError) Error() string { return e.text }
func (e *clippedError) Unwrap() error { return e.err }

func clipError(err error) error {
	text := err.Error()
	if len(text) <= maxErrorText {
		return err
	}
	return &clippedError{err, clipTo(text, maxErrorText)}
}
