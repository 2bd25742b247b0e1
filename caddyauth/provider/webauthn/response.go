package webauthn

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
)

// The longest parts of an answer, in bytes. All are far above what authenticators
// send; without them, a stranger would choose how much is parsed and kept.
const (
	maxResponse     = 64 << 10
	maxClientData   = 4 << 10
	maxAttestation  = 16 << 10
	maxAuthData     = 4 << 10
	maxSignature    = 1 << 10
	maxCredentialID = 1023 // Web Authentication, section 4, Credential ID
	maxTransports   = 8
	maxTransport    = 32
)

// response is a RegistrationResponseJSON or an AuthenticationResponseJSON (Web
// Authentication, section 5.1, toJSON). The members that repeat what the
// attestation object has, such as the public key, are not looked at.
type response struct {
	ID       string `json:"id"`
	RawID    string `json:"rawId"`
	Type     string `json:"type"`
	Response struct {
		ClientDataJSON    string   `json:"clientDataJSON"`
		AttestationObject string   `json:"attestationObject"`
		Transports        []string `json:"transports"`
		AuthenticatorData string   `json:"authenticatorData"`
		Signature         string   `json:"signature"`
		UserHandle        string   `json:"userHandle"`
	} `json:"response"`
}

func parseResponse(data []byte) (*response, error) {
	if len(data) > maxResponse {
		return nil, errors.New("the answer is too long")
	}
	r := new(response)
	if err := json.Unmarshal(data, r); err != nil {
		return nil, errors.New("the answer is no JSON object of the expected form")
	}
	if r.ID != r.RawID {
		return nil, errors.New("the answer has two different credential ids")
	}
	return r, nil
}

// creation decodes the answer to a registration.
func (r *response) creation() (*protocol.ParsedCredentialCreationData, error) {
	var c protocol.CredentialCreationResponse
	var err error
	if c.PublicKeyCredential, err = r.credential(); err != nil {
		return nil, err
	}
	in, out := &r.Response, &c.AttestationResponse
	if out.ClientDataJSON, err = decode("clientDataJSON", in.ClientDataJSON, maxClientData); err != nil {
		return nil, err
	}
	if out.AttestationObject, err = decode("attestationObject", in.AttestationObject, maxAttestation); err != nil {
		return nil, err
	}
	return c.Parse()
}

// assertion decodes the answer to an authentication. The user handle is left
// out: see [handleMatches].
func (r *response) assertion() (*protocol.ParsedCredentialAssertionData, error) {
	var a protocol.CredentialAssertionResponse
	var err error
	if a.PublicKeyCredential, err = r.credential(); err != nil {
		return nil, err
	}
	in, out := &r.Response, &a.AssertionResponse
	if out.ClientDataJSON, err = decode("clientDataJSON", in.ClientDataJSON, maxClientData); err != nil {
		return nil, err
	}
	if out.AuthenticatorData, err = decode("authenticatorData", in.AuthenticatorData, maxAuthData); err != nil {
		return nil, err
	}
	if out.Signature, err = decode("signature", in.Signature, maxSignature); err != nil {
		return nil, err
	}
	return a.Parse()
}

func (r *response) credential() (protocol.PublicKeyCredential, error) {
	id, err := decode("id", r.ID, maxCredentialID)
	return protocol.PublicKeyCredential{
		Credential: protocol.Credential{ID: r.ID, Type: r.Type}, RawID: id,
	}, err
}

// transports are those of a new credential that have the form of a
// transport, known or not (Web Authentication, section 5.8.4).
func (r *response) transports() []string {
	var list []string
	for _, t := range r.Response.Transports {
		if len(list) < maxTransports && isTransport(t) && !slices.Contains(list, t) {
			list = append(list, t)
		}
	}
	return list
}

// isTransport accepts lower-case words with hyphens. Auth.js keeps the list as
// one text with commas between.
func isTransport(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= maxTransport
}

// decode decodes canonical base64url without padding, so that nothing has two
// spellings. It is an error if nothing is left.
func decode(name, s string, limit int) ([]byte, error) {
	if s == "" {
		return nil, fmt.Errorf("%s is missing", name)
	}
	if len(s) > base64.RawURLEncoding.EncodedLen(limit) {
		return nil, fmt.Errorf("%s is too long", name)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	// The decoder passes over line breaks.
	if err != nil || len(b) != base64.RawURLEncoding.DecodedLen(len(s)) {
		return nil, fmt.Errorf("%s is not base64url", name)
	}
	return b, nil
}
