package page

import (
	"html/template"
	"strings"
	"unicode"
)

// signInModel is the sign-in page, ready to be printed.
type signInModel struct {
	document
	CSRFToken, CallbackURL string
	Session                string // see SignIn.SessionURL
	Error                  []part // nil: no error
	Info                   bool   // the error is no failure, see informs
	Reference              string
	Providers              []providerModel
}

// providerModel is one form.
type providerModel struct {
	ID, Kind, Name       string // Kind: oauth, email, credentials, webauthn
	Action               string
	Logo                 template.HTML
	Letter               string // instead of a logo
	Fields               []fieldModel
	Button               string // key, with the slot provider
	SubmitID             bool   // whether the button is #submitButton
	RuleAbove, RuleBelow bool
	Unavailable          bool
	Passkey              *passkeyModel // instead of all that, of kind webauthn
}

// fieldModel is one input.
type fieldModel struct {
	Field
	ID, Value string
	Autofocus bool
	Invalid   bool // the error above is about it
}

func (r *Renderer) signInModel(v SignIn) *signInModel {
	m := &signInModel{
		document:    r.document(v.Common, "signin.title"),
		CSRFToken:   v.CSRFToken,
		CallbackURL: bounded(v.CallbackURL),
		Reference:   v.Reference,
		Providers:   make([]providerModel, len(v.Providers)),
	}
	if m.CallbackURL != "" {
		m.Session = v.SessionURL
	}
	passkeys := false
	for i, p := range v.Providers {
		m.Providers[i] = r.providerModel(p, v)
		if p.kind() == "webauthn" {
			m.Providers[i].Passkey = r.signInPasskey(m.document, p, v)
			passkeys = true
		}
	}
	if passkeys {
		m.scripts = append(m.scripts, r.passkeyScript)
		m.withPasskeys()
	}
	if m.CallbackURL != "" {
		m.scripts = append(m.scripts, r.fragmentScript)
	}
	if m.Session != "" {
		m.scripts = append(m.scripts, r.returnScript)
	}
	m.separate()
	if key := r.messages.signInText(v.ErrorCode, v.Reason); key != "" {
		m.Error = m.T(key, "provider", m.providerName(v.nameOf(v.Provider)))
		m.Info = informs[key]
	} else {
		m.Reference = ""
	}
	m.focus(v)
	return m
}

// nameOf returns the name of a provider on the page, or "".
func (v SignIn) nameOf(id string) string {
	for _, p := range v.Providers {
		if p.ID == id {
			return p.name()
		}
	}
	return ""
}

func (p Provider) name() string {
	if p.Name == "" {
		return p.ID
	}
	return p.Name
}

// kind folds the types into the four kinds of form.
func (p Provider) kind() string {
	switch p.Type {
	case "email", "credentials", "webauthn":
		return p.Type
	}
	return "oauth"
}

// staysHere reports whether the form leads to no other site.
func (p Provider) staysHere() bool { return p.kind() != "oauth" }

func (r *Renderer) providerModel(p Provider, v SignIn) providerModel {
	m := providerModel{
		ID:          p.ID,
		Kind:        p.kind(),
		Name:        p.name(),
		Action:      p.SigninURL,
		Button:      "signin.with",
		Unavailable: p.Unavailable,
	}
	switch m.Kind {
	case "oauth":
		m.Logo, m.Letter = r.logo(p)
	case "email":
		m.Fields = []fieldModel{p.emailField(bounded(v.Email))}
		if plainName(p, "Email") {
			m.Button = "signin.email"
		}
	case "credentials":
		m.Action = p.CallbackURL
		for _, f := range p.Fields {
			m.Fields = append(m.Fields, fieldModelOf(p, f, bounded(v.Username)))
		}
		if plainName(p, "Credentials") {
			m.Button = "signin.submit"
		}
	}
	return m
}

// plainName reports whether a provider goes by the name of its type, which
// says something to developers but nothing to those who sign in.
func plainName(p Provider, name string) bool {
	return p.Name == "" || p.Name == name
}

// logo returns the picture of a provider, or else its first letter or digit.
// A name without any gets the drawing for OpenID Connect in general.
func (r *Renderer) logo(p Provider) (template.HTML, string) {
	name := p.Logo
	if name == "" {
		name = p.ID
	}
	if svg, ok := r.logos[name]; ok {
		return svg, ""
	}
	for _, c := range p.name() {
		if unicode.IsLetter(c) || unicode.IsDigit(c) {
			return "", string(unicode.ToUpper(c))
		}
	}
	return r.logos["openid"], ""
}

func (p Provider) inputID(field string) string {
	return "input-" + field + "-for-" + p.ID + "-provider"
}

func (p Provider) emailField(value string) fieldModel {
	return fieldModel{
		Field: Field{Name: "email", Type: "email", Placeholder: "email@example.com", Autocomplete: "email", Required: true},
		ID:    p.inputID("email"),
		Value: value,
	}
}

// fieldModelOf fills in what browsers and password managers need to know about a
// field (HTML standard, autofill detail tokens).
func fieldModelOf(p Provider, f Field, username string) fieldModel {
	switch f.Type {
	case "text", "password", "email", "tel", "number", "url", "hidden":
	default:
		f.Type = "text"
	}
	m := fieldModel{Field: f, ID: p.inputID(f.Name)}
	switch {
	case f.Autocomplete != "":
	case f.Type == "password":
		m.Autocomplete = "current-password"
	case f.isUsername():
		m.Autocomplete = "username"
	}
	if m.Autocomplete == "username" && f.Type != "password" {
		m.Value = username
	}
	return m
}

// isUsername recognizes the field that says who signs in.
func (f Field) isUsername() bool {
	switch strings.ToLower(f.Name) {
	case "username", "user", "login", "email":
		return true
	}
	return false
}

// typed reports whether the form has inputs.
func (p *providerModel) typed() bool { return p.Kind == "email" || p.Kind == "credentials" }

// separate draws a rule around each run of forms with inputs, and gives the
// first of them the id that NextAuth.js has on its e-mail button. An id may
// not be given twice.
func (m *signInModel) separate() {
	submit := false
	for i := range m.Providers {
		p := &m.Providers[i]
		if !p.typed() {
			continue
		}
		p.RuleAbove = i > 0 && !m.Providers[i-1].typed()
		p.RuleBelow = i+1 < len(m.Providers)
		p.SubmitID, submit = !submit, true
	}
}

// focus moves the focus into a form only where that helps: after wrong details,
// and where the form is the only method. Elsewhere it would jump over the
// buttons and scroll the error out of sight.
func (m *signInModel) focus(v SignIn) {
	failed := reasons[v.Reason] == "reason.credentials" ||
		!KnownReason(v.Reason) && strings.EqualFold(v.ErrorCode, "CredentialsSignin")
	for i := range m.Providers {
		p := &m.Providers[i]
		wrong := failed && p.Kind == "credentials" && (v.Provider == "" || v.Provider == p.ID)
		if !wrong && (len(m.Providers) > 1 || !p.typed()) {
			continue
		}
		if f := p.firstEmpty(); f != nil {
			f.Autofocus = true
			f.Invalid = wrong
		}
		return
	}
}

// firstEmpty returns the first field left to fill in.
func (p *providerModel) firstEmpty() *fieldModel {
	for i := range p.Fields {
		if f := &p.Fields[i]; f.Value == "" && f.Type != "hidden" {
			return f
		}
	}
	return nil
}

// LabelKey returns the key of the label of a field that has none of its own,
// or "".
func (f fieldModel) LabelKey() string {
	if f.Label != "" {
		return ""
	}
	switch f.Name {
	case "email", "username", "password":
		return "field." + f.Name
	}
	return ""
}
