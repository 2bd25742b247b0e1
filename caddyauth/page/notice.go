package page

import "strings"

// noticeModel is a page that says something and offers one way on.
type noticeModel struct {
	document
	Class     string // of the element around the card, as NextAuth.js names it
	Lines     [][]part
	Form      *formModel
	Action    *actionModel
	Resend    *resendModel
	Back      *actionModel // a plain link
	Home      bool         // whether to link to the site's front page
	Site      string       // the origin of that page, empty for the one at hand
	Reference string
}

// formModel is a form with a single button.
type formModel struct {
	URL, CSRFToken, CallbackURL string
	Submit                      string // key
}

// actionModel is a link that looks like a button.
type actionModel struct {
	URL    string
	Text   string // key
	NewTab bool
}

// resendModel is a button that a script shows when somebody has signed in.
type resendModel struct {
	Session string // see Unauthorized.SessionURL
}

func (r *Renderer) noticeModel(c Common, class, page string) *noticeModel {
	return &noticeModel{document: r.document(c, page+".title"), Class: class}
}

// say adds a line of text.
func (m *noticeModel) say(key string, slots ...string) {
	m.Lines = append(m.Lines, m.T(key, slots...))
}

// sayAbout adds the line that names the account, or the one that does not.
func (m *noticeModel) sayAbout(account, named, unnamed string) {
	if account != "" {
		m.say(named, "account", account)
	} else if unnamed != "" {
		m.say(unnamed)
	}
}

func (r *Renderer) signOutModel(v SignOut) *noticeModel {
	m := r.noticeModel(v.Common, "signout", "signout")
	m.sayAbout(v.Account, "signout.account", "")
	m.say("signout.text")
	m.Form = &formModel{URL: m.link("signout", ""), CSRFToken: v.CSRFToken, CallbackURL: bounded(v.CallbackURL), Submit: "signout.submit"}
	return m
}

// portalModel offers to sign in, or to sign out of every site of the portal.
func (r *Renderer) portalModel(v Portal) *noticeModel {
	m := r.noticeModel(v.Common, "portal", "portal")
	if v.Account == "" {
		m.say("portal.nobody")
		m.Action = &actionModel{URL: m.link("signin", v.CallbackURL), Text: "signin.submit"}
		return m
	}
	m.say("portal.account", "account", v.Account)
	m.say("portal.hint")
	m.Form = &formModel{URL: m.link("signout", ""), CSRFToken: v.CSRFToken, CallbackURL: bounded(v.CallbackURL), Submit: "signout.submit"}
	return m
}

// errorModel offers to sign in again with every code, even where NextAuth.js
// leaves people stranded.
func (r *Renderer) errorModel(v Error) *noticeModel {
	page, text, action := "error", "error.text", "retry"
	switch strings.ToLower(v.Code) {
	case "configuration":
		page, text = "configuration", "configuration.text"
	case "accessdenied":
		page, text, action = "accessdenied", "accessdenied.text", "accessdenied.action"
	case "verification":
		page, text, action = "verification", "verification.text", "signin.submit"
	}
	m := r.noticeModel(v.Common, "error", page)
	switch {
	case page == "accessdenied":
		m.sayAbout(v.Account, "accessdenied.account", text)
		m.say("accessdenied.hint")
	case KnownReason(v.Reason):
		m.say(reasons[v.Reason], "provider", m.providerName(v.ProviderName))
	default:
		m.say(text)
		if hint := page + ".hint"; m.messages.has(hint) {
			m.say(hint)
		}
	}
	m.Action = &actionModel{URL: m.link("signin", v.CallbackURL), Text: action}
	m.Home, m.Site = page == "error" || v.Site != "", v.Site
	m.Reference = v.Reference
	return m
}

// deniedModel leads to the sign-out page, not to sign-in: whoever still has a
// session would only be sent back here.
func (r *Renderer) deniedModel(v Denied) *noticeModel {
	m := r.noticeModel(v.Common, "error", "denied")
	m.sayAbout(v.Account, "denied.account", "denied.text")
	m.say("denied.hint")
	m.Action = &actionModel{URL: m.link("signout", v.CallbackURL), Text: "denied.action"}
	m.Home = true
	m.Reference = v.Reference
	return m
}

// unauthorizedModel says to reload only where the form is the site's own, and
// else to go back. Browsers send a reloaded form with SameSite cookies even if it
// came from another site (RFC 6265bis section 8.8.5), so that advice would help
// forgers.
func (r *Renderer) unauthorizedModel(v Unauthorized) *noticeModel {
	m := r.noticeModel(v.Common, "error", "unauthorized")
	m.say("unauthorized.text")
	m.Reference = v.Reference
	if !v.Resend {
		m.say("unauthorized.hint")
		m.Action = &actionModel{URL: m.link("signin", v.CallbackURL), Text: "signin.submit"}
		return m
	}
	m.say("unauthorized.resend_hint")
	m.Action = &actionModel{URL: m.link("signin", v.DoneURL), Text: "signin.submit", NewTab: true}
	m.Resend = &resendModel{Session: v.SessionURL}
	m.scripts = []script{r.returnScript}
	return m
}

// stepUpModel leads to the sign-out page, as a sign-in would end here again.
func (r *Renderer) stepUpModel(v StepUp) *noticeModel {
	m := r.noticeModel(v.Common, "error", "stepup")
	m.sayAbout(v.Account, "stepup.account", "")
	switch {
	case !v.Strength:
		m.say("stepup.old", "provider", m.providerName(v.Provider))
	case v.Form:
		m.say("stepup.weak_form")
	default:
		m.say("stepup.weak", "provider", m.providerName(v.Provider))
	}
	m.say("stepup.hint")
	m.Action = &actionModel{URL: m.link("signout", v.CallbackURL), Text: "denied.action"}
	m.Home = true
	m.Reference = v.Reference
	return m
}

// stepUpFormModel leads to the sign-in page with a code, for whoever is signed in
// would be sent back at once from one that is skipped.
func (r *Renderer) stepUpFormModel(v StepUpForm) *noticeModel {
	m := r.noticeModel(v.Common, "error", "stepup")
	m.say("stepup.form")
	m.say("stepup.form_hint")
	m.Action = &actionModel{URL: m.link("signin", v.CallbackURL), Text: "signin.submit"}
	separator := "?"
	if strings.Contains(m.Action.URL, "?") {
		separator = "&"
	}
	m.Action.URL += separator + "error=SessionRequired"
	if v.Demands != "" {
		m.Action.URL += "&" + v.Demands
	}
	m.Reference = v.Reference
	return m
}

func (r *Renderer) unavailableModel(v Unavailable) *noticeModel {
	m := r.noticeModel(v.Common, "error", "unavailable")
	m.say("unavailable.text")
	m.say("unavailable.hint")
	m.Action = &actionModel{Text: "retry"} // the same address
	m.Reference = v.Reference
	return m
}

func (r *Renderer) badRequestModel(v BadRequest) *noticeModel {
	m := r.noticeModel(v.Common, "error", "badrequest")
	m.say("badrequest.text")
	m.say("badrequest.hint")
	m.Home = true
	m.Reference = v.Reference
	return m
}
