package provider

import (
	"context"
	"maps"
	"net/url"
	"slices"
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
	endpoint.RawQuery = p.authorizationQuery(endpoint.Query(), r).encode()
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
	if len(p.cfg.Scope) > 0 {
		q["scope"] = strings.Join(p.cfg.Scope, " ")
	}
	maps.Copy(q, p.cfg.authorizationParams())
	maps.Copy(q, p.cfg.Params)
	for name := range r.Extra {
		if _, configured := q[name]; !Reserved(name) && !(configured && slices.Contains(demands, name)) {
			q[name] = r.Extra.Get(name)
		}
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
	delete(q, "code_challenge_method")
	if r.CodeChallenge != "" {
		q["code_challenge_method"] = "S256"
	}
	return q
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
