package webauthn

import (
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/go-webauthn/webauthn/protocol"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

// FinishAuthentication checks an AuthenticationResponseJSON (Web Authentication,
// section 7.2). The passkey comes back with its new Counter, BackedUp and Flags.
//
// Authenticators that sync passkeys do not count, and then one answer is as good
// as another: the challenge must not be answered twice.
func (p *passkeys) FinishAuthentication(rp provider.RelyingParty, challenge string, data []byte, find func(credentialID string) (provider.Passkey, error)) (provider.Passkey, error) {
	r, answer, rp, err := p.assertion(rp, challenge, data)
	if err != nil {
		return provider.Passkey{}, failed(err)
	}
	id := base64.StdEncoding.EncodeToString(answer.RawID)
	k, err := find(id)
	if err != nil {
		return provider.Passkey{}, err
	}
	if k.ID != id {
		return provider.Passkey{}, failed(errors.New("another passkey was found"))
	}
	if err := p.verify(rp, challenge, answer, k); err != nil {
		return provider.Passkey{}, failed(err)
	}
	if given := r.Response.UserHandle; given != "" && len(k.Handle) > 0 && !handleMatches(given, k.Handle) {
		return provider.Passkey{}, failed(errors.New("the authenticator has the passkey for another user"))
	}
	auth := &answer.Response.AuthenticatorData
	k.Counter, k.BackedUp, k.Flags = auth.Counter, auth.Flags.HasBackupState(), byte(auth.Flags)
	return k, nil
}

// assertion decodes an answer and checks what needs no passkey.
func (p *passkeys) assertion(rp provider.RelyingParty, challenge string, data []byte) (*response, *protocol.ParsedCredentialAssertionData, provider.RelyingParty, error) {
	rp, err := p.party(rp)
	if err != nil {
		return nil, nil, rp, err
	}
	if err := checkChallenge(challenge); err != nil {
		return nil, nil, rp, err
	}
	r, err := parseResponse(data)
	if err != nil {
		return nil, nil, rp, err
	}
	answer, err := r.assertion()
	if err != nil {
		return nil, nil, rp, err
	}
	return r, answer, rp, checkClientData(&answer.Response.CollectedClientData, protocol.AssertCeremony, rp, challenge)
}

// verify checks the signature and what it covers.
func (p *passkeys) verify(rp provider.RelyingParty, challenge string, answer *protocol.ParsedCredentialAssertionData, k provider.Passkey) error {
	if err := checkKey(k.PublicKey); err != nil {
		return err
	}
	err := answer.Verify(challenge, rp.ID, "", []string{rp.Origin}, nil, nil,
		protocol.TopOriginExplicitVerificationMode, false, p.verified(), true, k.PublicKey, protocol.SignaturePolicy{})
	if err != nil {
		return err
	}
	auth := &answer.Response.AuthenticatorData
	if err := checkBackup(auth.Flags); err != nil {
		return err
	}
	// Whether a credential may be synced never changes (section 6.1.3).
	if auth.Flags.HasBackupEligible() != k.MultiDevice {
		return errors.New("the passkey says otherwise whether it can be backed up than when it was registered")
	}
	return checkCounter(k.Counter, auth.Counter)
}

// checkCounter refuses a counter that does not advance, which means that there
// are two copies of the credential or that the answer is an old one (Web
// Authentication, sections 6.1.1 and 7.2, step 22). Zero is for those that do
// not count.
func checkCounter(kept, sent uint32) error {
	if sent > kept || sent == 0 && kept == 0 {
		return nil
	}
	return fmt.Errorf("the signature counter is %d after %d: the passkey may have been copied", sent, kept)
}

// handleMatches compares the user handle in an answer with the one that the
// passkey was registered for.
//
// The web platform has base64url of it. Version 9 of the browser library that
// Auth.js uses hands authenticators that text itself as the handle, and decodes
// as UTF-8 what they return: a passkey that was registered with one and signs in
// with the other has one encoding too many or too few.
func handleMatches(given string, handle []byte) bool {
	text := base64.RawURLEncoding.EncodeToString(handle)
	return given == text || given == string(handle) || given == base64.RawURLEncoding.EncodeToString([]byte(text))
}
