package page

import "slices"

// Causes returns what can be told about a sign-in loop, in words that the log has
// as well.
func Causes() []string {
	return []string{
		"clock", "cookie_blocked", "cookie_domain", "cookie_foreign", "cookie_strict",
		"cookie_too_large", "ended", "secure_over_http",
	}
}

// loopModel offers to begin again, and to sign out: that removes cookies which
// stand in the way.
func (r *Renderer) loopModel(v Loop) *noticeModel {
	m := r.noticeModel(v.Common, "error", "loop")
	m.say("loop.text")
	if slices.Contains(Causes(), v.Cause) {
		m.say("loop." + v.Cause)
	}
	m.Action = &actionModel{Text: "retry"} // the same address
	m.Back = &actionModel{URL: m.link("signout", v.CallbackURL), Text: "signout.submit"}
	m.scripts = []script{r.retryScript}
	m.Reference = v.Reference
	return m
}

func (r *Renderer) signedInModel(v SignedIn) *noticeModel {
	m := r.noticeModel(v.Common, "verify-request", "signedin")
	m.sayAbout(v.Account, "signedin.account", "")
	m.say("signedin.text")
	m.Home = true
	return m
}
