package page

import "net/http"

// ConfirmEmail is the content of the page for a sign-in link that was opened in
// another browser than the one that asked for it.
type ConfirmEmail struct {
	Common
	// CSRFToken goes into the form.
	CSRFToken string
	// Email is the address that the link is for. It is only ever shown.
	Email string
	// Action is where the form goes, the link's own address with its query. One
	// longer than 4 KiB is left out: the form then goes to where the page was.
	Action string
}

// ConfirmEmail writes the page that asks before signing in with a link, with
// status 200. Programs that open every link in a mail get no further than this.
func (r *Renderer) ConfirmEmail(w http.ResponseWriter, req *http.Request, v ConfirmEmail) {
	r.writeNotice(w, req, http.StatusOK, v.Common, r.confirmEmailModel(v))
}

// confirmEmailModel names the address before anything else: the link may have
// come from somebody who wants another to sign in as them.
func (r *Renderer) confirmEmailModel(v ConfirmEmail) *noticeModel {
	m := r.noticeModel(v.Common, "verify-request", "confirm")
	m.secretAddress = true
	if v.Host != "" {
		m.say("confirm.site", "account", v.Email, "host", v.Host)
	} else {
		m.say("confirm.text", "account", v.Email)
	}
	m.say("confirm.why")
	m.say("confirm.hint")
	m.Form = &formModel{URL: bounded(v.Action), CSRFToken: v.CSRFToken, Submit: "signin.submit"}
	return m
}

// verifyRequestModel says what to do with the mail, and what if there is none.
// It knows no address: whoever opens the page may not be who asked.
func (r *Renderer) verifyRequestModel(v VerifyRequest) *noticeModel {
	m := r.noticeModel(v.Common, "verify-request", "verify")
	m.say("verify.text")
	m.say("verify.browser")
	m.say("verify.spam")
	m.Back = &actionModel{URL: m.link("signin", ""), Text: "verify.back"}
	m.Home = true
	return m
}
