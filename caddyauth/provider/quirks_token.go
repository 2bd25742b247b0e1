package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyauth/gateway/caddyauth/internal/claim"
)

// The values of service.TokenRequest.
const (
	tokenRequestJSON = "json"
	tokenRequestGet  = "get"
)

// tokenQuirks puts requests to the token endpoint into the form that the service
// wants, if that is not the one of RFC 6749.
func (p *oauthProvider) tokenQuirks(next http.RoundTripper) http.RoundTripper {
	known := p.preset
	if known.tokenForm == nil && len(known.Rename) == 0 && known.TokenRequest == "" {
		return next
	}
	return &tokenFormer{p: p, next: next}
}

// tokenFormer rewrites token requests. Errors of the caller name the address that
// it knows, without what is added here.
type tokenFormer struct {
	p    *oauthProvider
	next http.RoundTripper
}

func (t *tokenFormer) RoundTrip(req *http.Request) (*http.Response, error) {
	form, err := readForm(req)
	if err != nil {
		return nil, err
	}
	known := t.p.preset
	if known.tokenForm != nil {
		if err := known.tokenForm(t.p, form); err != nil {
			return nil, err
		}
	}
	for from, to := range known.Rename {
		if v, ok := form[from]; ok {
			delete(form, from)
			form[to] = v
		}
	}
	req = req.Clone(req.Context())
	body := []byte(form.Encode())
	switch known.TokenRequest {
	case tokenRequestJSON:
		if body, err = json.Marshal(first(form)); err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/json")
	case tokenRequestGet:
		req.Method, req.URL.RawQuery, body = http.MethodGet, string(body), nil
		req.Header.Del("Content-Type")
	}
	req.Body, req.ContentLength, req.GetBody = io.NopCloser(bytes.NewReader(body)), int64(len(body)), nil
	if len(body) == 0 {
		req.Body = http.NoBody
	}
	return t.next.RoundTrip(req)
}

func readForm(req *http.Request) (url.Values, error) {
	if req.Body == nil {
		return nil, errors.New("a token request without a form")
	}
	defer req.Body.Close()
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	return url.ParseQuery(string(body))
}

func first(form url.Values) map[string]string {
	m := make(map[string]string, len(form))
	for name := range form {
		m[name] = form.Get(name)
	}
	return m
}

// azureDevOpsAssertion asks for what Azure DevOps calls a code.
func azureDevOpsAssertion(endpoint *url.URL, q query) {
	q["response_type"] = "Assertion"
	endpoint.RawQuery = q.encode()
}

// azureDevOpsGrant redeems the code as the assertion of an RFC 7523 grant, with
// the secret, which is a JWT, for the client's.
func azureDevOpsGrant(_ *oauthProvider, form url.Values) error {
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", form.Get("client_secret"))
	form.Set("assertion", form.Get("refresh_token"))
	if form.Has("code") {
		form.Set("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
		form.Set("assertion", form.Get("code"))
	}
	for _, name := range []string{"client_id", "client_secret", "code", "refresh_token"} {
		form.Del(name)
	}
	return nil
}

// azureDevOpsTokenType calls a bearer token one.
func azureDevOpsTokenType(answer map[string]any) {
	if answer["token_type"] == "jwt-bearer" {
		answer["token_type"] = "bearer"
	}
}

// instagramEnvelope takes the response out of the list that it may come in.
func instagramEnvelope(answer map[string]any) {
	v, _ := at(answer, "data[0]")
	inner, ok := v.(map[string]any)
	if !ok {
		return
	}
	delete(answer, "data")
	for name, v := range inner {
		answer[name] = v
	}
}

// wechatOrder writes the parameters in the order that WeChat matches the address
// against, with the fragment at its end without which nothing is shown.
func wechatOrder(endpoint *url.URL, q query) {
	var parts []string
	for _, name := range []string{"appid", "redirect_uri", "response_type", "scope", "state"} {
		if v, ok := q[name]; ok {
			parts = append(parts, name+"="+escape(v))
		}
	}
	endpoint.RawQuery, endpoint.Fragment = strings.Join(parts, "&"), "wechat_redirect"
}

// wechatError names the error of a response whose status is 200 in the words of
// OAuth. 40163 is a code that was used, 40029 one that does not exist.
func wechatError(answer map[string]any) {
	code, _ := claim.Text(answer["errcode"])
	switch code {
	case "", "0":
		return
	case "40013", "40125", "40001":
		answer["error"] = "invalid_client"
	default:
		answer["error"] = "invalid_grant"
	}
	answer["error_description"] = "errcode " + clip(code)
}

// wechatRefused finds the error in a profile whose status is 200.
func wechatRefused(_ context.Context, s *signIn) error {
	if code, ok := claim.Text(s.profile["errcode"]); ok && code != "0" {
		return fmt.Errorf("userinfo: errcode %s", clip(code))
	}
	return nil
}
