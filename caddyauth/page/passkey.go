package page

import "html/template"

// passkeyModel is a form that a script completes with what an authenticator says.
// Without JavaScript, and in a browser without Web Authentication, a text stands in
// its place.
type passkeyModel struct {
	document
	ID     string
	Action string
	// Options is where the script asks for what the browser needs to know, Do what
	// it asks for.
	Options, Do            string
	CSRFToken, CallbackURL string
	Logo                   template.HTML
	Button                 []part
	// Notices are what the form may have to say, by the names that the script has
	// for them.
	Notices []noticeText
}

// noticeText is a text that is hidden until it applies.
type noticeText struct {
	Name, Role string
	Text       []part
}

// newPasskey is the form that does something, "register" or "authenticate", at a
// provider.
func (r *Renderer) newPasskey(d document, p Provider, do string) *passkeyModel {
	m := &passkeyModel{document: d, ID: p.ID, Action: p.CallbackURL, Options: p.OptionsURL, Do: do}
	m.Logo, _ = r.logo(p)
	return m
}

func (m *passkeyModel) notice(name, role, key string) {
	m.Notices = append(m.Notices, noticeText{name, role, m.T(key)})
}

// signInPasskey is the form of the sign-in page.
func (r *Renderer) signInPasskey(d document, p Provider, v SignIn) *passkeyModel {
	m := r.newPasskey(d, p, "authenticate")
	m.CSRFToken, m.CallbackURL = v.CSRFToken, bounded(v.CallbackURL)
	m.Button = m.T("signin.with", "provider", p.name())
	if plainName(p, "Passkey") {
		m.Button = m.T("signin.passkey")
	}
	m.notice("canceled", "status", "signin.passkey_canceled")
	m.notice("failed", "alert", "signin.passkey_failed")
	return m
}

// addPasskey is the form of the person's own page.
func (r *Renderer) addPasskey(m *accountModel, p Provider) *passkeyModel {
	f := r.newPasskey(m.document, p, "register")
	f.CSRFToken, f.CallbackURL = m.CSRFToken, m.URL
	f.Button = m.T("passkey.add")
	f.notice("canceled", "status", "passkey.canceled")
	f.notice("known", "status", "passkey.known")
	f.notice("failed", "alert", "passkey.failed")
	return f
}

// withPasskeys tells the fields that say who signs in that browsers may offer
// passkeys there (Web Authentication, section 5.1.4, conditional mediation).
func (m *signInModel) withPasskeys() {
	for i := range m.Providers {
		fields := m.Providers[i].Fields
		for j := range fields {
			switch f := &fields[j]; f.Autocomplete {
			case "username", "email":
				f.Autocomplete += " webauthn"
			}
		}
	}
}
