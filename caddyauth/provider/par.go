package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"
)

// The values of Config.PushedAuthorization.
const (
	pushAuto     = "auto"
	pushRequired = "required"
	pushOff      = "off"
)

var pushWords = []string{pushAuto, pushRequired, pushOff}

// PushWords returns the words of Config.PushedAuthorization.
func PushWords() []string { return slices.Clone(pushWords) }

// maxRequestURI bounds a request_uri, in bytes: it goes into the address of the
// browser.
const maxRequestURI = 2048

// pushes reports whether the parameters of a request go to the provider itself
// and not through the browser (RFC 9126). Who is offered that gets it: nobody
// can then read or change them on the way. There is no falling back to the
// browser when it fails, as what keeps it from working may be whoever wants to
// read them.
func (p *oauthProvider) pushes(m *metadata) (bool, error) {
	switch mode := p.pushMode(); {
	case mode == pushOff:
		return false, nil
	case m.par != "":
		return true, nil
	case mode == pushRequired:
		return false, &Error{Reason: ReasonDiscovery, Err: fmt.Errorf("discovery at %s: no pushed_authorization_request_endpoint, and pushed_authorization is required", p.cfg.Issuer)}
	case m.requirePAR:
		return false, &Error{Reason: ReasonDiscovery, Err: fmt.Errorf("discovery at %s: pushed authorization requests are required, and there is no endpoint for them", p.cfg.Issuer)}
	}
	return false, nil
}

func (p *oauthProvider) pushMode() string { return cmp.Or(p.cfg.PushedAuthorization, pushAuto) }

// push sends the parameters to the provider and returns what stands for them in
// the browser's address.
func (p *oauthProvider) push(ctx context.Context, m *metadata, q query) (query, error) {
	form := make(url.Values, len(q))
	for name, value := range q {
		form.Set(name, value)
	}
	_, client, _ := p.tokenClient(m)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.par, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, &Error{Reason: ReasonDiscovery, Err: err}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(req)
	if err != nil {
		return nil, failure(ctx, ReasonPushed, fmt.Errorf("pushed authorization request: %w", err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, failure(ctx, ReasonPushed, fmt.Errorf("pushed authorization request: %w", err))
	}
	// 201 is what RFC 9126, section 2.2, has; some answer 200.
	if resp.StatusCode != http.StatusCreated && resp.StatusCode != http.StatusOK {
		return nil, p.pushRefused(ctx, m, resp, body, q)
	}
	uri, err := requestURI(body)
	if err != nil {
		return nil, &Error{Reason: ReasonPushed, Err: fmt.Errorf("pushed authorization request: the answer of %s: %w", hostOf(m.par), err)}
	}
	return query{"client_id": p.cfg.ClientID, "request_uri": uri}, nil
}

// pushRefused reads an error response (RFC 9126, section 2.3), which is like that
// of the token endpoint.
func (p *oauthProvider) pushRefused(ctx context.Context, m *metadata, resp *http.Response, body []byte, q query) error {
	refused := &oauth2.RetrieveError{Response: resp}
	refused.ErrorCode, refused.ErrorDescription = errorCode(body)
	err := p.endpointError(ctx, m.par, ReasonPushed, refused, q["state"], q["nonce"], q["code_challenge"])
	if about := err.Reason == ReasonPushed || err.Code == "unauthorized_client"; about && p.pushMode() == pushAuto && !m.requirePAR {
		err.Err = fmt.Errorf("%w; if this client may not push requests, write: pushed_authorization off", err.Err)
	}
	return err
}

// errorCode reads an error of OAuth (RFC 6749, section 5.2), if a body is one.
func errorCode(body []byte) (code, description string) {
	answer, err := decodeObject(body)
	if err != nil {
		return "", ""
	}
	code, _ = answer["error"].(string)
	description, _ = answer["error_description"].(string)
	return code, description
}

// requestURI reads a response (RFC 9126, section 2.2).
func requestURI(body []byte) (string, error) {
	answer, err := decodeObject(body)
	if err != nil {
		return "", err
	}
	raw, _ := answer["request_uri"].(string)
	lifetime, _ := answer["expires_in"].(json.Number)
	seconds, notNumber := lifetime.Int64()
	switch {
	case raw == "":
		return "", errors.New("no request_uri")
	case len(raw) > maxRequestURI:
		return "", fmt.Errorf("request_uri is longer than %d bytes", maxRequestURI)
	case notNumber != nil || seconds <= 0:
		return "", errors.New("expires_in is no positive number")
	}
	u, err := url.Parse(raw)
	if err != nil || !u.IsAbs() || u.Fragment != "" || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", errors.New("request_uri is no absolute URI")
	}
	return raw, nil
}
