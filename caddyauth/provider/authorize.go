package provider

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// AuthorizationURL returns where to send the browser.
func (p *oauthProvider) AuthorizationURL(ctx context.Context, r AuthorizationRequest) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(p.cfg.Timeout))
	defer cancel()
	m, err := p.metadata(ctx)
	if err != nil {
		return "", err
	}
	endpoint, err := url.Parse(m.authorization)
	if err != nil {
		return "", &Error{Reason: ReasonDiscovery, Err: err}
	}
	push, err := p.pushes(m)
	if err != nil {
		return "", err
	}
	own := endpoint.Query()
	q := p.authorizationQuery(own, r)
	if push {
		q, err = p.push(ctx, m, q)
		p.observe(err)
		if err != nil {
			return "", err
		}
		for name := range own { // it stays, and takes the place of nothing
			if _, ok := q[name]; !ok {
				q[name] = own.Get(name)
			}
		}
	}
	for from, to := range p.preset.Rename {
		if v, ok := q[from]; ok {
			delete(q, from)
			q[to] = v
		}
	}
	endpoint.RawQuery = q.encode()
	if p.preset.authorize != nil {
		p.preset.authorize(endpoint, q)
	}
	return endpoint.String(), nil
}

// authorizationQuery merges, weakest first: the endpoint's own query (RFC 6749
// 3.1 says to keep it), the scope, configured parameters, those of this
// request, and what the flow rests on. Demands are the exception: they stay as
// they are configured.
func (p *oauthProvider) authorizationQuery(own url.Values, r AuthorizationRequest) query {
	q := make(query)
	for name := range own {
		q[name] = own.Get(name)
	}
	if scopes := p.scopes(); len(scopes) > 0 {
		q["scope"] = strings.Join(scopes, " ")
	}
	maps.Copy(q, p.cfg.authorizationParams())
	maps.Copy(q, p.cfg.Params)
	for name := range r.Extra {
		if _, configured := q[name]; !Reserved(name) && !(configured && slices.Contains(demands, name)) {
			q[name] = r.Extra.Get(name)
		}
	}
	if r.StepUp != nil {
		p.stepUp(q, r.StepUp)
	}
	q["client_id"] = p.cfg.ClientID
	q["response_type"] = "code"
	q["redirect_uri"] = r.RedirectURI
	for _, s := range []setting{{"state", r.State}, {"nonce", r.Nonce}, {"code_challenge", r.CodeChallenge}} {
		delete(q, s.name)
		if s.value != "" {
			q[s.name] = s.value
		}
	}
	delete(q, "response_mode")
	if p.cfg.ResponseMode != responseModeQuery {
		q["response_mode"] = p.cfg.ResponseMode
	}
	delete(q, "code_challenge_method")
	if r.CodeChallenge != "" {
		q["code_challenge_method"] = "S256"
	}
	return q
}

// stepUp demands a fresh sign-in (OpenID Connect Core, section 3.1.2.1). A
// configured max_age stays if it is the stricter one. Plain OAuth 2.0 has no such
// parameters, but many services know prompt.
func (p *oauthProvider) stepUp(q query, s *StepUp) {
	q["prompt"] = "login"
	if !p.preset.oidc {
		return
	}
	if s.MaxAge > 0 {
		age := int64(s.MaxAge / time.Second)
		if configured, err := strconv.ParseInt(q["max_age"], 10, 64); err != nil || configured < 0 || configured > age {
			q["max_age"] = strconv.FormatInt(age, 10)
		}
	}
	if len(s.ACR) > 0 {
		q["acr_values"] = strings.Join(s.ACR, " ")
	}
}

// demands are the parameters by which a configuration narrows who may come back
// and how: by strength of authentication (acr_values, claims), age of it
// (max_age) or organization (hd). Anybody can send a sign-in request, so it may
// add one but not relax it.
var demands = []string{"acr_values", "claims", "hd", "max_age"}

// query encodes in the order and the manner of NextAuth v4: the parameters that
// every request has, then those of the configuration and the client, then what
// ties the answer to the flow, and %20 for a space.
type query map[string]string

var (
	firstParams = []string{"client_id", "scope", "response_type", "redirect_uri"}
	lastParams  = []string{"state", "code_challenge", "code_challenge_method", "nonce"}
)

func (q query) encode() string {
	var b strings.Builder
	add := func(name string) {
		value, ok := q[name]
		if !ok {
			return
		}
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(escape(name))
		b.WriteByte('=')
		b.WriteString(escape(value))
	}
	for _, name := range firstParams {
		add(name)
	}
	for _, name := range slices.Sorted(maps.Keys(q)) {
		if !slices.Contains(firstParams, name) && !slices.Contains(lastParams, name) {
			add(name)
		}
	}
	for _, name := range lastParams {
		add(name)
	}
	return b.String()
}

func escape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}
