package gate

import (
	"net/http"

	"github.com/caddyauth/gateway/caddyauth/session"
)

// BearerChallenge is how a site that takes bearer tokens asks for one.
type BearerChallenge struct {
	// Metadata is the path of the resource's metadata (RFC 9728), empty if there
	// is none.
	Metadata string
	// Only says that nothing else lets anybody in: nobody is told how to sign in.
	Only bool
}

// Challenge sets the challenges of a refusal, whoever writes the rest of it, and
// reports whether the request came with a bearer token: no person opens a page like
// that.
func (p *Responder) Challenge(h http.Header, r *http.Request, d Decision, site Site) (bearer bool) {
	bearer = p.Bearer.challenges(r, d, site, h)
	switch {
	case d.Action == StepUp && d.Lacking != nil:
		h["Www-Authenticate"] = []string{d.Lacking.Challenge(realm(site.Origin))}
	case d.Action == SignIn && !p.onlyBearer():
		// RFC 9110 section 15.5.2 wants a challenge. Basic would make browsers ask
		// for a password; a scheme that they do not know leaves it to the script.
		challenges := append(h["Www-Authenticate"], `Session realm="`+realm(site.Origin)+`"`)
		if p.Basic && !fromBrowser(r.Header) {
			challenges = append(challenges, `Basic realm="`+realm(site.Origin)+`", charset="UTF-8"`)
		}
		h["Www-Authenticate"] = challenges
	}
	return bearer
}

func (p *Responder) onlyBearer() bool { return p.Bearer != nil && p.Bearer.Only }

// challenges adds the challenge of RFC 6750 section 3 to a refusal that a bearer
// token could have prevented, and reports whether the request came with one.
func (b *BearerChallenge) challenges(r *http.Request, d Decision, site Site, h http.Header) bool {
	delete(h, "Www-Authenticate")
	if b == nil {
		return false
	}
	_, sent := session.BearerOf(r.Header)
	code, about := "", ""
	switch {
	case d.Action == Forbid && d.Candidate != nil && d.Candidate.Bearer:
		code, about = "insufficient_scope", "the token does not suffice for this"
	case d.Action != SignIn:
		return sent
	case sent:
		code, about = "invalid_token", "the token is not valid here"
		switch d.Reason {
		case ReasonExpired:
			about = "the token has expired"
		case ReasonEnded:
			about = "the session has ended"
		}
	}
	challenge := `Bearer realm="` + realm(site.Origin) + `"`
	if code != "" {
		// Without a token there is no error to tell (section 3.1).
		challenge += `, error="` + code + `", error_description="` + about + `"`
	}
	if b.Metadata != "" {
		challenge += `, resource_metadata="` + realm(site.Origin) + b.Metadata + `"`
	}
	h["Www-Authenticate"] = []string{challenge}
	return sent
}
