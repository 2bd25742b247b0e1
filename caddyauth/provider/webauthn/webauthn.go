package webauthn

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

const (
	// timeout is how long a browser waits for the person.
	timeout = 5 * time.Minute
	// maxHandle is the longest user handle in bytes. Authenticators keep 64, but
	// the browser library that Auth.js uses, in version 9, takes the base64url
	// text of a handle for the handle itself.
	maxHandle = 48
	// maxListed is how many passkeys a browser is told of: Chromium refuses more.
	maxListed = 64
)

// passkeys is the provider of a site.
type passkeys struct {
	id string
	// rpID and rpName take precedence over what a request says, if not empty.
	rpID, rpName string
	verification protocol.UserVerificationRequirement
}

var _ provider.Passkeys = (*passkeys)(nil)

// Info describes the provider. It is not public: only who has signed in by other
// means can register a passkey. The realm is the same everywhere, as no two
// people have a credential of one id.
func (p *passkeys) Info() provider.Info {
	return provider.Info{ID: p.id, Name: "Passkey", Type: provider.TypeWebAuthn, Logo: "passkey", Realm: "passkey"}
}

// parameters are the accepted kinds of keys, the preferred one first: those, and
// in the order, that Auth.js asks for. Windows Hello needs RS256.
func parameters() []protocol.CredentialParameter {
	var list []protocol.CredentialParameter
	for _, alg := range algorithms {
		list = append(list, protocol.CredentialParameter{Type: protocol.PublicKeyCredentialType, Algorithm: alg})
	}
	return list
}

// algorithms are the ones of parameters.
var algorithms = []webauthncose.COSEAlgorithmIdentifier{
	webauthncose.AlgEdDSA, webauthncose.AlgES256, webauthncose.AlgRS256,
}

// BeginRegistration returns a PublicKeyCredentialCreationOptionsJSON (Web
// Authentication, section 5.1.8). The handle of the user has 1 to 48 bytes; it
// should be ASCII, as version 9 of the browser library that Auth.js uses hands
// it back as text.
func (p *passkeys) BeginRegistration(rp provider.RelyingParty, user provider.PasskeyUser, have []provider.Passkey) (json.RawMessage, string, error) {
	rp, err := p.party(rp)
	if err != nil {
		return nil, "", failed(err)
	}
	if err := checkUser(user); err != nil {
		return nil, "", failed(err)
	}
	challenge, err := protocol.CreateChallenge()
	if err != nil {
		return nil, "", failed(err)
	}
	display := user.DisplayName
	if display == "" {
		display = user.Name
	}
	return encode(challenge, protocol.PublicKeyCredentialCreationOptions{
		RelyingParty: protocol.RelyingPartyEntity{ID: rp.ID, CredentialEntity: protocol.CredentialEntity{Name: rp.Name}},
		User: protocol.UserEntity{
			ID:               protocol.URLEncodedBase64(user.Handle),
			CredentialEntity: protocol.CredentialEntity{Name: user.Name},
			DisplayName:      display,
		},
		Challenge:             challenge,
		Parameters:            parameters(),
		Timeout:               int(timeout.Milliseconds()),
		CredentialExcludeList: descriptors(have),
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			// Whoever signs in types no name, so the authenticator has to find the
			// passkey by itself.
			RequireResidentKey: protocol.ResidentKeyRequired(),
			ResidentKey:        protocol.ResidentKeyRequirementRequired,
			UserVerification:   p.verification,
		},
		Attestation: protocol.PreferNoAttestation,
		Extensions:  protocol.AuthenticationExtensions{CredProps: true},
	})
}

// BeginAuthentication returns a PublicKeyCredentialRequestOptionsJSON (Web
// Authentication, section 5.1.9).
func (p *passkeys) BeginAuthentication(rp provider.RelyingParty, have []provider.Passkey) (json.RawMessage, string, error) {
	rp, err := p.party(rp)
	if err != nil {
		return nil, "", failed(err)
	}
	challenge, err := protocol.CreateChallenge()
	if err != nil {
		return nil, "", failed(err)
	}
	return encode(challenge, protocol.PublicKeyCredentialRequestOptions{
		Challenge:          challenge,
		Timeout:            int(timeout.Milliseconds()),
		RelyingPartyID:     rp.ID,
		AllowedCredentials: descriptors(have),
		UserVerification:   p.verification,
	})
}

func encode(challenge protocol.URLEncodedBase64, options any) (json.RawMessage, string, error) {
	b, err := json.Marshal(options)
	if err != nil {
		return nil, "", failed(err)
	}
	return b, challenge.String(), nil
}

// checkUser refuses a user whom an authenticator could not remember.
func checkUser(user provider.PasskeyUser) error {
	if len(user.Handle) == 0 || len(user.Handle) > maxHandle {
		return fmt.Errorf("the user handle has %d bytes: it needs 1 to %d", len(user.Handle), maxHandle)
	}
	return nil
}

// descriptors lists passkeys for a browser, the last ones if there are too many.
// One whose id is damaged cannot be meant.
func descriptors(have []provider.Passkey) []protocol.CredentialDescriptor {
	have = have[max(0, len(have)-maxListed):]
	var list []protocol.CredentialDescriptor
	for _, k := range have {
		id, err := base64.StdEncoding.DecodeString(k.ID)
		if err != nil || len(id) == 0 {
			continue
		}
		d := protocol.CredentialDescriptor{Type: protocol.PublicKeyCredentialType, CredentialID: id}
		for _, t := range k.Transports {
			d.Transport = append(d.Transport, protocol.AuthenticatorTransport(t))
		}
		list = append(list, d)
	}
	return list
}

// maxDetail bounds the text of an error in bytes: some of it comes from outside.
const maxDetail = 300

// failed makes err an error of the provider. Whatever a browser sent may be in
// it, but the challenge is not: see [checkClientData].
func failed(err error) error {
	text := err.Error()
	if of, ok := errors.AsType[*protocol.Error](err); ok && of.DevInfo != "" {
		text += ": " + of.DevInfo
	}
	return &provider.Error{Reason: provider.ReasonPasskey, Err: errors.New(text[:min(len(text), maxDetail)])}
}
