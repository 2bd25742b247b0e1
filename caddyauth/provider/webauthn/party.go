package webauthn

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

// party completes a relying party with what is configured and makes sure that
// browsers will accept it: its id has to be a domain that the origin's host is
// in (Web Authentication, section 5.1.3, step 8). That the domain is nobody
// else's as well, like com, is for browsers to know.
func (p *passkeys) party(rp provider.RelyingParty) (provider.RelyingParty, error) {
	u, err := url.Parse(rp.Origin)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return rp, fmt.Errorf("%q is no origin", clip(rp.Origin))
	}
	rp.Origin = originOf(u)
	host := strings.ToLower(u.Hostname())
	if p.rpID != "" {
		rp.ID = p.rpID
	}
	if rp.ID == "" {
		rp.ID = host
	}
	rp.ID = strings.ToLower(rp.ID)
	if p.rpName != "" {
		rp.Name = p.rpName
	}
	if rp.Name == "" {
		_, rp.Name, _ = strings.Cut(rp.Origin, "://")
	}
	if err := protocol.ValidateRPID(rp.ID); err != nil {
		return rp, fmt.Errorf("passkeys are bound to a domain, and %q is none: %w", clip(rp.ID), err)
	}
	if host != rp.ID && !strings.HasSuffix(host, "."+rp.ID) {
		return rp, fmt.Errorf("the site's host %q is not in the domain %q", clip(host), clip(rp.ID))
	}
	return rp, nil
}

// originOf spells an origin as browsers do (HTML standard, section 7.1.1,
// serialization of an origin): in lower case and without the default port.
func originOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	if port := u.Port(); port == "" || u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		host = strings.TrimSuffix(strings.TrimSuffix(host, port), ":")
	}
	return u.Scheme + "://" + host
}

// checkChallenge refuses a challenge that cannot be one of ours. An empty one
// above all, which the answer to nothing would match.
func checkChallenge(challenge string) error {
	b, err := base64.RawURLEncoding.DecodeString(challenge)
	if err != nil || len(b) < protocol.ChallengeLength {
		return errors.New("there is no challenge to answer")
	}
	return nil
}

// checkClientData checks what the browser says about the ceremony (Web
// Authentication, section 7.1, steps 7 to 12, and section 7.2, steps 10 to 15).
// An answer from inside a frame of another site's page is refused. The origin is
// compared byte by byte: go-webauthn would overlook a path or user information,
// and it would tell the challenge if that is wrong.
func checkClientData(c *protocol.CollectedClientData, ceremony protocol.CeremonyType, rp provider.RelyingParty, challenge string) error {
	if c.Origin != rp.Origin {
		return fmt.Errorf("the answer is for the origin %q, not %q", clip(c.Origin), rp.Origin)
	}
	if subtle.ConstantTimeCompare([]byte(c.Challenge), []byte(challenge)) != 1 {
		return errors.New("the answer is to another challenge")
	}
	return c.Verify(challenge, ceremony, []string{rp.Origin}, nil, nil, protocol.TopOriginExplicitVerificationMode, false)
}

// checkBackup refuses flags that say that a credential is backed up and cannot
// be (Web Authentication, section 6.1.3).
func checkBackup(flags protocol.AuthenticatorFlags) error {
	if flags.HasBackupState() && !flags.HasBackupEligible() {
		return errors.New("the flags contradict each other: backed up, but not eligible for it")
	}
	return nil
}

// clip bounds a value that goes into an error.
func clip(s string) string { return s[:min(len(s), 100)] }
