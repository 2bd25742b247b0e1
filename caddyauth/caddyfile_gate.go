package caddyauth

import (
	"slices"
	"strings"

	"github.com/caddyauth/gateway/caddyauth/callbacks"
	"github.com/caddyauth/gateway/caddyauth/gate"
)

// api parses:
//
//	api [<matcher>] {
//	    cors <origin>...
//	}
func (p *parser) api() error {
	name := p.Val()
	m, err := p.matcher()
	if err != nil {
		return err
	}
	if p.NextArg() {
		return p.Errf("'%s' takes one matcher: a path that begins with a slash, or @name; not '%s'", name, p.Val())
	}
	a := new(API)
	if m != nil {
		a.Match = *m
	}
	p.config.API = append(p.config.API, a)
	return p.block(name, func(word string) error {
		if word != "cors" {
			return p.unknown("api setting", []string{"cors"}, nil)
		}
		if err := p.arguments(&a.CORS); err != nil {
			return err
		}
		return p.origins(word, a.CORS)
	})
}

// origins refuses what is no whole origin, as far as it can be told before
// placeholders are expanded.
func (p *parser) origins(word string, origins []string) error {
	for _, o := range origins {
		if strings.Contains(o, "{") {
			continue
		}
		if _, err := gate.CleanOrigins([]string{o}); err != nil {
			return p.Errf("%s: %w", word, err)
		}
	}
	return nil
}

// ruleValues looks at the values of the subjects that have no plain list of them.
// Expressions are compiled, so that a mistake names its line.
func (p *parser) ruleValues(name string, r *Rule) error {
	switch {
	case r.Subject == subjectClaim && len(r.Values) < 2:
		return p.Errf("'%s claim' takes a path such as resource_access.app.roles and one or more values", name)
	case r.Subject == subjectClaim && (r.Values[1] == "=" || r.Values[1] == "=="):
		return p.Errf("'%s claim' compares by itself: write '%s claim %s <value>'", name, name, r.Values[0])
	case r.Subject != subjectExpr:
		return nil
	case len(r.Values) > 1:
		return p.Errf("'%s expr' takes one expression, got %d words: put the whole expression in backticks", name, len(r.Values))
	case len(r.Values) == 0 || strings.TrimSpace(r.Values[0]) == "":
		return p.Errf("'%s expr' needs an expression in backticks", name)
	}
	if _, err := callbacks.CompileRule(r.Values[0]); err != nil {
		return p.Errf("%s %w", name, err)
	}
	return nil
}

// bearer parses:
//
//	bearer session
//	bearer audience <audience>...
//	bearer {
//	    issuer   <url>
//	    audience <audience>...
//	    jwks     <url>
//	    alg      <alg>...
//	    type     <typ>...
//	}
//
// It may be repeated, for several issuers.
func (p *parser) bearer() error {
	name := p.Val()
	if p.config.Bearer == nil {
		p.config.Bearer = new(Bearer)
	}
	b := p.config.Bearer
	if !p.NextArg() {
		return p.bearerIssuer(name)
	}
	switch word := p.Val(); word {
	case "session":
		if b.Session {
			return p.Errf("'bearer session' is set twice: keep one")
		}
		b.Session = true
		if p.NextArg() {
			return p.Errf("'bearer session' takes no value")
		}
		return p.noBlock("bearer session")
	case "audience":
		i := new(BearerIssuer)
		b.Issuers = append(b.Issuers, i)
		return p.arguments(&i.Audience)
	default:
		return p.Errf("'bearer' takes 'session', 'audience <audience>...' or a block, not '%s'%s", word, didYouMean(word, []string{"session", "audience"}))
	}
}

func (p *parser) bearerIssuer(name string) error {
	i := new(BearerIssuer)
	err := p.block(name, func(word string) error {
		switch word {
		case "issuer":
			return p.argument(&i.Issuer)
		case "audience":
			return p.arguments(&i.Audience)
		case "jwks":
			return p.argument(&i.JWKS)
		case "alg":
			return p.arguments(&i.Algorithms)
		case "type":
			return p.arguments(&i.Types)
		}
		return p.unknown("bearer setting", []string{"issuer", "audience", "jwks", "alg", "type"}, nil)
	})
	if err != nil {
		return err
	}
	if len(i.Audience) == 0 {
		return p.Errf("'bearer' needs an audience: without one, tokens that are meant for others would be accepted")
	}
	p.config.Bearer.Issuers = append(p.config.Bearer.Issuers, i)
	return nil
}

// stepUp parses:
//
//	step_up [<matcher>] max_age <duration>
//	step_up [<matcher>] acr <value>...
func (p *parser) stepUp() error {
	name := p.Val()
	m, err := p.matcher()
	if err != nil {
		return err
	}
	s := new(StepUp)
	if m != nil {
		s.Match = *m
	}
	p.config.StepUp = append(p.config.StepUp, s)
	if !p.NextArg() {
		return p.Errf("'%s' needs to know what: max_age or acr", name)
	}
	switch word := p.Val(); word {
	case "max_age":
		return p.duration(&s.MaxAge)
	case "acr":
		return p.arguments(&s.ACR)
	default:
		return p.Errf("'%s' takes 'max_age <time span>' or 'acr <value>...', not '%s'%s", name, word, didYouMean(word, []string{"max_age", "acr"}))
	}
}

// assertion parses:
//
//	assertion {
//	    header   <field>
//	    audience <audience>
//	    ttl      <duration>
//	}
func (p *parser) assertion() error {
	name := p.Val()
	if p.NextArg() {
		return p.Errf("'%s' takes a block, not '%s'", name, p.Val())
	}
	a := new(Assertion)
	p.config.Assertion = a
	return p.block(name, func(word string) error {
		switch word {
		case "header":
			return p.argument(&a.Header)
		case "audience":
			return p.argument(&a.Audience)
		case "ttl":
			return p.duration(&a.TTL)
		}
		return p.unknown("assertion setting", []string{"header", "audience", "ttl"}, nil)
	})
}

// defaultAccessTokenHeader is the one that oauth2-proxy made known.
const defaultAccessTokenHeader = "X-Forwarded-Access-Token"

// accessToken parses:
//
//	access_token [<field>|on|off]
func (p *parser) accessToken() error {
	name := p.Val()
	args := p.RemainingArgs()
	switch {
	case len(args) > 1:
		return p.Errf("'%s' takes one header field at most", name)
	case len(args) == 0 || args[0] == "on":
		p.config.AccessToken = defaultAccessTokenHeader
	default:
		p.config.AccessToken = args[0]
	}
	return p.noBlock(name)
}

// callbackOrigin parses:
//
//	callback_origin <origin>...
func (p *parser) callbackOrigin() error {
	var origins []string
	if err := p.arguments(&origins); err != nil {
		return err
	}
	for _, o := range origins {
		if strings.Contains(o, "*") {
			return p.Errf("'callback_origin' takes whole origins such as https://www.example.com, not '%s'", o)
		}
		if !slices.Contains(p.config.CallbackOrigins, o) {
			p.config.CallbackOrigins = append(p.config.CallbackOrigins, o)
		}
	}
	return nil
}
