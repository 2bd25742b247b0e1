package caddyauth

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyauth/gateway/caddyauth/internal/nearest"
)

func init() {
	// Before method, and with it before everything that changes the request:
	// after try_files the endpoints would be gone, and inside handle_path the
	// rules would see another path than the client asked for.
	// Not RegisterHandlerDirective, which makes the directive's matcher one of
	// the route: the endpoints would be out of reach, and identity headers of
	// clients would pass, wherever it does not match.
	httpcaddyfile.RegisterDirective("caddyauth", func(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
		handler, err := parseDirective(h)
		if err != nil {
			return nil, err
		}
		return h.NewRoute(nil, handler), nil
	})
	httpcaddyfile.RegisterDirectiveOrder("caddyauth", httpcaddyfile.Before, "method")
	httpcaddyfile.RegisterGlobalOption("caddyauth", parseGlobal)
}

// parseDirective sets up the handler from Caddyfile tokens. Syntax:
//
//	caddyauth [<matcher>] [<provider>...] {
//	    provider <preset>|oidc|oauth2|dev [<issuer>] [as <id>] { ... }
//	    users    <file>
//	    email    <from> <smtp url> { ... }
//	    passkeys { ... }
//
//	    secret    <value>...
//	    url       <url>
//	    base_path <path>
//
//	    session {
//	        strategy      jwt|database
//	        max_age       <duration>
//	        update_age    <duration>
//	        idle          <duration>
//	        cookie_domain <domain>
//	        cookie_prefix <prefix>
//	        secure        on|off|auto
//	        same_site     lax|strict|none
//	        pass_cookie   [on|off]
//	    }
//
//	    store memory|bolt [<path>]|sqlite <path>|postgres <dsn> { schema caddyauth|pg-adapter|prisma }|redis <url>
//
//	    public  [<matcher>]
//	    private [<matcher>]
//	    allow   [<matcher>] any|user|email|domain|role|group|org <value>...
//	    allow   [<matcher>] claim <path> <value>...
//	    allow   [<matcher>] expr <expression>
//	    deny    [<matcher>] <the same>
//	    api     [<matcher>] { cors <origin>... }
//	    bearer  audience <audience>... | session | { issuer <url>; audience <audience>...; jwks <url>; alg <alg>...; type <typ>... }
//	    step_up [<matcher>] max_age <duration> | acr <value>...
//	    roles   <claim path>...
//	    groups  <claim path>...
//	    headers [remote|oauth2_proxy|none] { <header> <placeholder or claim path> }
//	    assertion {
//	        header   <field>
//	        audience <audience>
//	        ttl      <duration>
//	    }
//	    access_token [<field>|off]
//	    limit   [off] { sign_in|account|client|mail|mail_account|mail_client <n>/<duration> }
//
//	    pages {
//	        sign_in        <path>
//	        sign_out       <path>
//	        error          <path>
//	        verify_request <path>
//	        new_user       <path>
//	        refuse         caddy
//	    }
//	    portal          <host>|<url>|off
//	    callback_origin <origin>...
//	    forward_auth    [on|off]
//	    auto_redirect [on|off]
//	    account       [<path>|on|off]
//	    tokens        [on|off]
//
//	    logout [on|off] {
//	        provider     [on|off]
//	        backchannel  [on|off]
//	        frontchannel [on|off]
//	    }
//	    initiate_login [on|off]
//
//	    compat v4|v5
//	    client [on|off]
//	    callbacks {
//	        sign_in  <expression>
//	        redirect <expression>
//	        jwt      <claim>|drop <expression>
//	        session  <path> <expression>
//	    }
//	}
//
// The matcher scopes the gate only: the endpoints answer, and identity headers
// of clients are removed, on every request of the site.
func parseDirective(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next() // consume directive name
	handler := &Handler{Source: source(h.Dispenser)}

	p := &parser{Dispenser: h.Dispenser, config: &handler.Config, named: func() (*Match, error) {
		set, _, err := h.MatcherToken()
		if err != nil {
			return nil, h.WrapErr(err)
		}
		return &Match{Scope: h.Val(), MatcherSetsRaw: caddyhttp.RawMatcherSets{set}}, nil
	}, stray: "a matcher comes first, and there is one at most"}
	matcher, err := p.matcher()
	if err != nil {
		return nil, err
	}
	handler.Match = matcher
	if err := p.parse(); err != nil {
		return nil, err
	}
	return handler, nil
}

// source names the place of the current token as Caddy's own messages do, with
// the chain of imports that tells apart the sites which share a snippet.
func source(d *caddyfile.Dispenser) string {
	place := strings.TrimPrefix(d.Err("").Error(), ", at ")
	return filepath.Base(d.File()) + strings.TrimPrefix(place, d.File())
}

// parseGlobal sets up the app from Caddyfile tokens. Syntax: that of the
// directive, without a matcher and without named ones.
func parseGlobal(d *caddyfile.Dispenser, existing any) (any, error) {
	d.Next() // consume option name
	if existing != nil {
		return nil, d.Err("the global option caddyauth is already set: keep one")
	}
	app := new(App)
	p := &parser{Dispenser: d, config: &app.Config, named: func() (*Match, error) {
		word := d.Val()
		d.NextArg()
		return nil, d.Errf("named matchers belong to a site: write '%s %s' in the site's caddyauth block, or a path here", word, d.Val())
	}, stray: "the global option takes no matcher: write it behind a site's caddyauth"}
	if err := p.parse(); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "caddyauth", Value: caddyconfig.JSON(app, nil)}, nil
}

// parser reads the directive's words into a Config.
type parser struct {
	*caddyfile.Dispenser
	config *Config
	// named resolves the named matcher that is the next argument, and consumes
	// it.
	named func() (*Match, error)
	// stray says why there must be no matcher among the providers of the line.
	stray string
	seen  map[string]bool
}

// word is one subdirective.
type word struct {
	parse func(*parser) error
	// once says that a second one would silently replace the first.
	once bool
}

// words returns the subdirectives that exist. It is a function because some of
// their parsers look at the list.
func words() map[string]word {
	return map[string]word{
		"provider":        {parse: (*parser).provider},
		"users":           {parse: (*parser).users, once: true},
		"secret":          {parse: (*parser).secret, once: true},
		"url":             {parse: func(p *parser) error { return p.argument(&p.config.URL) }, once: true},
		"base_path":       {parse: (*parser).basePath, once: true},
		"session":         {parse: (*parser).session, once: true},
		"public":          {parse: func(p *parser) error { return p.scope(&p.config.Public) }},
		"private":         {parse: func(p *parser) error { return p.scope(&p.config.Private) }},
		"allow":           {parse: func(p *parser) error { return p.rule(&p.config.Allow) }},
		"deny":            {parse: func(p *parser) error { return p.rule(&p.config.Deny) }},
		"api":             {parse: (*parser).api},
		"bearer":          {parse: (*parser).bearer},
		"step_up":         {parse: (*parser).stepUp},
		"assertion":       {parse: (*parser).assertion, once: true},
		"access_token":    {parse: (*parser).accessToken, once: true},
		"forward_auth":    {parse: func(p *parser) error { return p.toggle(&p.config.ForwardAuth) }, once: true},
		"portal":          {parse: func(p *parser) error { return p.argument(&p.config.Portal) }, once: true},
		"callback_origin": {parse: (*parser).callbackOrigin},
		"roles":           {parse: func(p *parser) error { return p.arguments(&p.config.Roles) }, once: true},
		"groups":          {parse: func(p *parser) error { return p.arguments(&p.config.Groups) }, once: true},
		"headers":         {parse: (*parser).headers, once: true},
		"limit":           {parse: (*parser).limit, once: true},
		"pages":           {parse: (*parser).pages, once: true},
		"auto_redirect":   {parse: func(p *parser) error { return p.toggle(&p.config.AutoRedirect) }, once: true},
		"compat":          {parse: func(p *parser) error { return p.oneOf(&p.config.Compat, dialects, nil) }, once: true},
		"callbacks":       {parse: (*parser).callbacks, once: true},
		"store":           {parse: (*parser).store, once: true},
		"email":           {parse: (*parser).email, once: true},
		"passkeys":        {parse: (*parser).passkeys, once: true},
		"tokens":          {parse: func(p *parser) error { return p.toggle(&p.config.Tokens) }, once: true},
		"account":         {parse: (*parser).account, once: true},
		"logout":          {parse: (*parser).logout, once: true},
		"initiate_login":  {parse: func(p *parser) error { return p.toggle(&p.config.InitiateLogin) }, once: true},
		"client":          {parse: func(p *parser) error { return p.toggle(&p.config.Client) }, once: true},
	}
}

// unavailable lists the words of the grammar that this version does not have.
// They are refused by name: a rule that is ignored opens a door.
var unavailable = []string{
	"theme", "locale", "translations", "health",
}

// parse reads the rest of the directive's line and its block.
func (p *parser) parse() error {
	known := words()
	for p.NextArg() {
		token := p.Val()
		if token == "*" || strings.HasPrefix(token, "/") || strings.HasPrefix(token, "@") {
			return p.Errf("'%s': %s", token, p.stray)
		}
		if _, ok := known[token]; ok {
			return p.Errf("'%s' belongs in the block behind caddyauth, on a line of its own", token)
		}
		if err := p.preset(token); err != nil {
			return err
		}
	}
	p.seen = make(map[string]bool)
	for nesting := p.Nesting(); p.NextBlock(nesting); {
		name := p.Val()
		w, ok := known[name]
		if !ok {
			return p.unknown("caddyauth subdirective", slices.Collect(maps.Keys(known)), unavailable)
		}
		if w.once && p.seen[name] {
			return p.Errf("'%s' is set twice in this block: keep one", name)
		}
		p.seen[name] = true
		if err := w.parse(p); err != nil {
			return err
		}
	}
	return nil
}

// unknown is the error for a word that does not exist, or not yet.
func (p *parser) unknown(what string, known, missing []string) error {
	if slices.Contains(missing, p.Val()) {
		return p.Errf("%s '%s' is not available in this version of caddyauth", what, p.Val())
	}
	return p.Errf("unrecognized %s '%s'%s", what, p.Val(), didYouMean(p.Val(), append(known, missing...)))
}

func didYouMean(got string, known []string) string {
	if near := nearest.Word(got, known); near != "" {
		return ", did you mean '" + near + "'?"
	}
	return ""
}

// matcher consumes a matcher token if one comes next. Without one it returns
// nil. `*` selects everything, as elsewhere in a Caddyfile.
func (p *parser) matcher() (*Match, error) {
	if !p.NextArg() {
		return nil, nil
	}
	switch token := p.Val(); {
	case token == "*":
		return &Match{}, nil
	case strings.HasPrefix(token, "/"):
		return &Match{Scope: token, Path: []string{token}}, nil
	case strings.HasPrefix(token, "@"):
		p.Prev()
		m, err := p.named()
		if err == nil || !strings.Contains(token, ".") {
			return m, err
		}
		// Somebody may have meant a mail domain, which the caller knows.
	}
	p.Prev()
	return nil, nil
}

// argument reads the one value of a word.
func (p *parser) argument(to *string) error {
	name := p.Val()
	args := p.RemainingArgs()
	if len(args) != 1 {
		return p.Errf("'%s' takes one value, got %d", name, len(args))
	}
	if args[0] == "" {
		return p.Errf("'%s' is empty", name)
	}
	*to = args[0]
	return p.noBlock(name)
}

// arguments reads the values of a word that takes one or more.
func (p *parser) arguments(to *[]string) error {
	name := p.Val()
	args := p.RemainingArgs()
	if len(args) == 0 {
		return p.Errf("'%s' needs a value", name)
	}
	if slices.Contains(args, "") {
		return p.Errf("'%s' has an empty value", name)
	}
	*to = args
	return p.noBlock(name)
}

// toggle reads a word that needs no value: on unless it says off.
func (p *parser) toggle(to **bool) error {
	name := p.Val()
	on := true
	switch args := p.RemainingArgs(); {
	case len(args) == 0, len(args) == 1 && args[0] == "on":
	case len(args) == 1 && args[0] == "off":
		on = false
	default:
		return p.Errf("'%s' takes 'on', 'off' or nothing", name)
	}
	*to = &on
	return p.noBlock(name)
}

// noBlock refuses a block behind a word that has none.
func (p *parser) noBlock(name string) error {
	for nesting := p.Nesting(); p.NextBlock(nesting); {
		p.Prev() // to the brace, which is in the word's line
		return p.Errf("'%s' takes no block", name)
	}
	return nil
}

// block calls set for each line of a word's block, the line's first word being
// the current token. A word that repeats is refused.
func (p *parser) block(name string, set func(word string) error) error {
	seen := make(map[string]bool)
	for nesting := p.Nesting(); p.NextBlock(nesting); {
		key := p.Val()
		if seen[key] {
			return p.Errf("'%s' is set twice in '%s': keep one", key, name)
		}
		seen[key] = true
		if err := set(key); err != nil {
			return err
		}
	}
	return nil
}
