package caddyauth

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyauth/gateway/caddyauth/internal/nearest"
)

// users parses:
//
//	users <file>
func (p *parser) users() error {
	u := &Provider{}
	u.Preset = presetCredentials
	if err := p.argument(&u.File); err != nil {
		return err
	}
	return p.add(u)
}

// secret parses:
//
//	secret <value>...
func (p *parser) secret() error {
	name := p.Val()
	if !p.NextArg() {
		return p.Errf("'%s' needs a value; one that begins with # must be quoted", name)
	}
	p.Prev()
	return p.arguments(&p.config.Secret)
}

// basePath parses:
//
//	base_path <path>
func (p *parser) basePath() error {
	if err := p.argument(&p.config.BasePath); err != nil {
		return err
	}
	if !strings.HasPrefix(p.config.BasePath, "/") && !strings.HasPrefix(p.config.BasePath, "{") {
		return p.Errf("base_path '%s' must begin with a slash", p.config.BasePath)
	}
	return nil
}

// scope parses:
//
//	public|private [<matcher>]
func (p *parser) scope(to *[]*Match) error {
	name := p.Val()
	m, err := p.matcher()
	if err != nil {
		return err
	}
	if p.NextArg() {
		return p.Errf("'%s' takes one matcher: a path that begins with a slash, or @name; not '%s'", name, p.Val())
	}
	if m == nil {
		m = new(Match)
	}
	*to = append(*to, m)
	return p.noBlock(name)
}

// subjects of rules.
var subjects = []string{"any", "user", "email", "domain", "role", "group", subjectOrg, subjectClaim, subjectExpr}

// rule parses:
//
//	allow|deny [<matcher>] any|user|email|domain|role|group|org <value>...
//	allow|deny [<matcher>] claim <path> <value>...
//	allow|deny [<matcher>] expr <expression>
func (p *parser) rule(to *[]*Rule) error {
	name := p.Val()
	m, err := p.matcher()
	if err != nil {
		return err
	}
	r := new(Rule)
	if m != nil {
		r.Match = *m
	}
	if !p.NextArg() {
		return p.Errf("'%s' needs to know whom: any, user, email, domain, role, group, org, claim or expr", name)
	}
	r.Subject = p.Val()
	if !slices.Contains(subjects, r.Subject) {
		return p.guess(name, r.Subject)
	}
	r.Values = p.RemainingArgs()
	if r.Subject != subjectExpr && (r.Subject == "any") != (len(r.Values) == 0) {
		if r.Subject == "any" {
			return p.Errf("'%s any' takes no value", name)
		}
		return p.Errf("'%s %s' needs a value", name, r.Subject)
	}
	if r.Subject != subjectExpr && slices.Contains(r.Values, "") {
		return p.Errf("'%s %s' has an empty value", name, r.Subject)
	}
	if err := p.ruleValues(name, r); err != nil {
		return err
	}
	for _, v := range r.Values {
		if r.Subject == "domain" && strings.ContainsAny(v, "@*") {
			return p.Errf("'%s domain' takes a whole domain such as example.com, not '%s'", name, v)
		}
		if r.Subject == "email" && strings.Contains(v, "*") {
			return p.Errf("'%s email' takes whole addresses; for a domain write '%s domain %s'", name, name, v[strings.LastIndexByte(v, '@')+1:])
		}
	}
	*to = append(*to, r)
	return p.noBlock(name)
}

// guess explains a rule whose subject is none.
func (p *parser) guess(name, got string) error {
	switch at := strings.LastIndexByte(got, '@'); {
	case at >= 0 && strings.TrimLeft(got[:at], "*") == "":
		return p.Errf("'%s %s': to name a domain write '%s domain %s'", name, got, name, got[at+1:])
	case at > 0:
		return p.Errf("'%s %s': to name an address write '%s email %s'", name, got, name, got)
	case nearest.Word(got, subjects) != "":
		return p.Errf("'%s' does not know '%s', did you mean '%s'?", name, got, nearest.Word(got, subjects))
	default:
		return p.Errf("'%s %s': to name an account write '%s user %s'", name, got, name, got)
	}
}

// headers parses:
//
//	headers [remote|oauth2_proxy|none] {
//	    <header> <placeholder or claim path>
//	}
func (p *parser) headers() error {
	h := new(Headers)
	switch args := p.RemainingArgs(); {
	case len(args) > 1:
		return p.Errf("'headers' takes one preset: remote, oauth2_proxy or none")
	case len(args) == 1 && !slices.Contains(headerPresets, args[0]):
		return p.Errf("unrecognized headers preset '%s'%s", args[0], didYouMean(args[0], headerPresets))
	case len(args) == 1:
		h.Preset = args[0]
	}
	err := p.block("headers", func(name string) error {
		// Names of fields are the same in any case (RFC 9110 5.1).
		if slices.ContainsFunc(h.Set, func(o HeaderValue) bool { return strings.EqualFold(o.Name, name) }) {
			return p.Errf("'%s' is set twice in 'headers': keep one", name)
		}
		v := HeaderValue{Name: name}
		h.Set = append(h.Set, v)
		return p.argument(&h.Set[len(h.Set)-1].Value)
	})
	p.config.Headers = h
	return err
}

var headerPresets = []string{"remote", "oauth2_proxy", "none"}

// limit parses:
//
//	limit [off] {
//	    sign_in      <n>/<duration>
//	    account      <n>/<duration>
//	    client       <n>/<duration>
//	    mail         <n>/<duration>
//	    mail_account <n>/<duration>
//	    mail_client  <n>/<duration>
//	}
func (p *parser) limit() error {
	l := new(Limit)
	switch args := p.RemainingArgs(); {
	case len(args) == 1 && args[0] == "off":
		l.Off = true
	case len(args) > 0:
		return p.Errf("'limit' takes 'off' or a block")
	}
	p.config.Limit = l
	return p.block("limit", func(name string) error {
		to, ok := map[string]*string{
			"sign_in": &l.SignIn, "account": &l.Account, "client": &l.Client,
			"mail": &l.Mail, "mail_account": &l.MailAccount, "mail_client": &l.MailClient,
		}[name]
		if !ok {
			return p.unknown("limit", []string{"sign_in", "account", "client", "mail", "mail_account", "mail_client"}, nil)
		}
		if err := p.argument(to); err != nil {
			return err
		}
		if _, err := parseRate(*to); err != nil {
			return p.WrapErr(err)
		}
		return nil
	})
}

// pages parses:
//
//	pages {
//	    sign_in|sign_out|error|verify_request|new_user <path or url>
//	    refuse caddy
//	}
func (p *parser) pages() error {
	g := new(Pages)
	p.config.Pages = g
	return p.block("pages", func(name string) error {
		to, ok := map[string]*string{
			"sign_in": &g.SignIn, "sign_out": &g.SignOut, "error": &g.Error,
			"verify_request": &g.VerifyRequest, "new_user": &g.NewUser, "refuse": &g.Refuse,
		}[name]
		if !ok {
			return p.unknown("page", []string{"sign_in", "sign_out", "error", "verify_request", "new_user", "refuse"}, nil)
		}
		if err := p.argument(to); err != nil {
			return err
		}
		if name == "refuse" && *to != "caddy" {
			return p.Errf("'refuse' takes only 'caddy'")
		}
		return nil
	})
}

// session parses:
//
//	session {
//	    strategy      jwt|database
//	    max_age       <duration>
//	    update_age    <duration>
//	    idle          <duration>
//	    cookie_domain <domain>
//	    cookie_prefix <prefix>
//	    secure        on|off|auto
//	    same_site     lax|strict|none
//	    pass_cookie   [on|off]
//	}
func (p *parser) session() error {
	if p.NextArg() {
		return p.Errf("'session' takes a block, not '%s'", p.Val())
	}
	s := new(Session)
	p.config.Session = s
	return p.block("session", func(name string) error {
		switch name {
		case "strategy":
			return p.oneOf(&s.Strategy, []string{strategyJWT, strategyDatabase}, nil)
		case "max_age":
			return p.duration(&s.MaxAge)
		case "update_age":
			return p.duration(&s.UpdateAge)
		case "idle":
			return p.duration(&s.Idle)
		case "cookie_domain":
			return p.argument(&s.CookieDomain)
		case "cookie_prefix":
			return p.argument(&s.CookiePrefix)
		case "secure":
			return p.oneOf(&s.Secure, []string{"on", "off", "auto"}, nil)
		case "same_site":
			return p.oneOf(&s.SameSite, []string{"lax", "strict", "none"}, nil)
		case "pass_cookie":
			var on *bool
			err := p.toggle(&on)
			s.PassCookie = on != nil && *on
			return err
		}
		return p.unknown("session setting", []string{
			"strategy", "max_age", "update_age", "idle", "cookie_domain", "cookie_prefix", "secure", "same_site", "pass_cookie",
		}, nil)
	})
}

// oneOf reads a value from a closed set.
func (p *parser) oneOf(to *string, known, missing []string) error {
	name := p.Val()
	// Before the arguments are counted: what is missing may take more of them.
	if p.NextArg() {
		if slices.Contains(missing, p.Val()) {
			return p.Errf("'%s %s' is not available in this version of caddyauth", name, p.Val())
		}
		p.Prev()
	}
	if err := p.argument(to); err != nil {
		return err
	}
	if !slices.Contains(known, *to) {
		return p.Errf("'%s' is one of %s, not '%s'", name, strings.Join(known, ", "), *to)
	}
	return nil
}

// duration reads a positive time span, in Go's notation with d for days.
func (p *parser) duration(to *caddy.Duration) error {
	name := p.Val()
	var text string
	if err := p.argument(&text); err != nil {
		return err
	}
	d, err := caddy.ParseDuration(text)
	if err != nil || d <= 0 {
		return p.Errf("'%s' takes a time span such as 30d or 12h, not '%s'", name, text)
	}
	*to = caddy.Duration(d)
	return nil
}
