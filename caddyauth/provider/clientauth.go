package provider

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"
)

// The values of Config.ClientAuth.
const (
	clientAuthBasic     = "basic"
	clientAuthPost      = "post"
	clientAuthNone      = "none"
	clientAuthKeyJWT    = "private_key_jwt"
	clientAuthSecretJWT = "client_secret_jwt"
)

var clientAuthMethods = []string{clientAuthBasic, clientAuthPost, clientAuthNone, clientAuthKeyJWT, clientAuthSecretJWT}

// ClientAuthMethods returns the words of Config.ClientAuth.
func ClientAuthMethods() []string { return slices.Clone(clientAuthMethods) }

const (
	// assertionType is what client_assertion is (RFC 7523, section 2.2).
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	// assertionAge is how long an assertion is good for: one request, and what
	// clocks differ by.
	assertionAge = time.Minute
	// minMACSecret is the least length of an HS256 key in bytes (RFC 7518, section
	// 3.2).
	minMACSecret = 32
)

// clientAuth is the configured way to authenticate, empty if discovery decides.
func (c *Config) clientAuth() string {
	byKey, preset := "", ""
	if c.ClientKey != "" {
		byKey = clientAuthKeyJWT
	}
	if p := presets[c.Preset]; p != nil {
		preset = p.ClientAuth
	}
	return cmp.Or(c.ClientAuth, preset, byKey)
}

// clientAuth chooses how to authenticate, once and for all: trying one way
// after the other would send the code twice.
func (m *metadata) clientAuth(configured string) string {
	if configured != "" {
		return configured
	}
	for _, known := range []setting{
		{clientAuthBasic, "client_secret_basic"}, {clientAuthPost, "client_secret_post"}, {clientAuthSecretJWT, "client_secret_jwt"},
	} {
		if slices.Contains(m.authMethods, known.value) {
			return known.name
		}
	}
	return clientAuthBasic
}

// authenticate adds to a form what proves to the token endpoint, or to one that
// wants the same proof, who the client is. It is the only place that does.
func (p *oauthProvider) authenticate(m *metadata, form url.Values, header http.Header) error {
	switch m.clientAuth(p.cfg.ClientAuth) {
	case clientAuthBasic:
		// Both parts are form-encoded first (RFC 6749, section 2.3.1).
		pair := url.QueryEscape(p.cfg.ClientID) + ":" + url.QueryEscape(p.cfg.ClientSecret)
		header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	case clientAuthPost:
		form.Set("client_id", p.cfg.ClientID)
		form.Set("client_secret", p.cfg.ClientSecret)
	case clientAuthNone:
		form.Set("client_id", p.cfg.ClientID)
	case clientAuthKeyJWT, clientAuthSecretJWT:
		assertion, err := p.assertion(m)
		if err != nil {
			return err
		}
		form.Set("client_id", p.cfg.ClientID)
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", assertion)
	default:
		return fmt.Errorf("no way to authenticate is called %q", p.cfg.ClientAuth)
	}
	return nil
}

// assertion makes a new client assertion (RFC 7523, section 3; OpenID Connect
// Core, section 9). Its audience is the issuer alone: the address of an endpoint
// comes from discovery, and an issuer that names another's would be given
// assertions that are good there (draft-ietf-oauth-rfc7523bis).
func (p *oauthProvider) assertion(m *metadata) (string, error) {
	now := p.now()
	claims := map[string]any{
		"iss": p.cfg.ClientID, "sub": p.cfg.ClientID,
		"aud": cmp.Or(p.cfg.ClientAssertionAudience, p.cfg.Issuer, m.token),
		"jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(assertionAge).Unix(),
	}
	if m.clientAuth(p.cfg.ClientAuth) == clientAuthSecretJWT {
		return signJWT(jose.HS256, []byte(p.cfg.ClientSecret), claims)
	}
	if p.key == nil {
		return "", errors.New("there is no client_key")
	}
	alg, err := p.key.signingAlg(m.assertionAlgs)
	if err != nil {
		return "", err
	}
	return p.key.sign(alg, claims)
}

// tokenClient is what talks to the token endpoint and its like: it authenticates
// the client. x/oauth2 is told of no client, so that it leaves that alone.
func (p *oauthProvider) tokenClient(m *metadata) (*oauth2.Config, *http.Client, *tokenTransport) {
	transport := &tokenTransport{
		next:         p.tokenQuirks(p.client.Transport),
		tidy:         p.preset.tokenAnswer,
		authenticate: func(form url.Values, header http.Header) error { return p.authenticate(m, form, header) },
	}
	client := *p.client
	client.Transport = transport
	return &oauth2.Config{Endpoint: oauth2.Endpoint{TokenURL: m.token, AuthStyle: oauth2.AuthStyleInParams}}, &client, transport
}

// authenticated is a copy of a form request with the client's authentication in
// it.
func authenticated(req *http.Request, authenticate func(url.Values, http.Header) error) (*http.Request, error) {
	body, err := io.ReadAll(req.Body)
	req.Body.Close()
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, errors.New("the request is no form")
	}
	req = req.Clone(req.Context())
	if err := authenticate(form, req.Header); err != nil {
		return nil, fmt.Errorf("authenticating the client: %w", err)
	}
	body = []byte(form.Encode())
	req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	return req, nil
}

// validateClientAuth checks the settings that client_auth takes, and makes the
// keys of them.
func (c *Config) validateClientAuth(p *problems) {
	if c.ClientAuth != "" && !slices.Contains(clientAuthMethods, c.ClientAuth) {
		p.add("client_auth: '%s' is not one of %s", c.ClientAuth, strings.Join(clientAuthMethods, ", "))
		return
	}
	auth := c.clientAuth()
	switch {
	case c.ClientAuth == clientAuthKeyJWT && c.ClientKey == "":
		p.add("client_auth private_key_jwt needs a key: write client_auth private_key_jwt {file./path/to/key.pem}")
	case c.ClientKey == "" && c.ClientKeyID != "":
		p.add("client_key_id is that of a client_key, and there is none")
	case c.ClientAuth == clientAuthSecretJWT && c.ClientSecret != "" && len(c.ClientSecret) < minMACSecret:
		p.add("client_auth client_secret_jwt needs a client_secret of at least %d bytes, this one has %d", minMACSecret, len(c.ClientSecret))
	}
	if c.IDTokenKey == "" && c.IDTokenKeyID != "" {
		p.add("id_token_key_id is that of an id_token_key, and there is none")
	}
	if c.ClientKey != "" {
		key, err := parseClientKey(c.ClientKey, c.ClientKeyID)
		if err == nil && auth == clientAuthKeyJWT {
			_, err = key.signingAlg(nil)
		}
		if err != nil {
			p.add("client_key: %w", err)
		}
	}
	if c.IDTokenKey != "" {
		key, err := parseClientKey(c.IDTokenKey, c.IDTokenKeyID)
		if err == nil && len(key.decryptionAlgs()) == 0 {
			err = errors.New("with this key nothing can be decrypted: it takes RSA or EC, and no JWK with use sig")
		}
		if err != nil {
			p.add("id_token_key: %w", err)
		}
	}
	if c.IDTokenKey != "" && !presets[c.Preset].oidc {
		p.add("id_token_key: without OpenID Connect there are no ID tokens")
	}
	if aud := c.ClientAssertionAudience; strings.ContainsFunc(aud, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		p.add("client_assertion_audience: %q is not one URL", aud)
	}
}

// readKeys reads the keys of a configuration that is valid.
func (p *oauthProvider) readKeys() {
	if p.cfg.ClientKey != "" {
		p.key, _ = parseClientKey(p.cfg.ClientKey, p.cfg.ClientKeyID)
	}
	if p.cfg.IDTokenKey != "" {
		p.decryption, _ = parseClientKey(p.cfg.IDTokenKey, p.cfg.IDTokenKeyID)
	} else if p.key != nil && len(p.key.decryptionAlgs()) > 0 {
		p.decryption = p.key
	}
}
