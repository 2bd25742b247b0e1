package webauthn

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"

	"github.com/caddyauth/gateway/caddyauth/provider"
)

const (
	// maxKey is the longest public key in bytes. RSA with 4096 bits has 531.
	maxKey = 1 << 10
	// minModulus and maxModulus bound RSA keys in bits. The time that a
	// verification takes grows with the square of the length.
	minModulus, maxModulus = 2048, 4096
)

// FinishRegistration checks a RegistrationResponseJSON (Web Authentication,
// section 7.1). Whether the credential is known already is for the caller to
// find out. The challenge must not be answered twice.
func (p *passkeys) FinishRegistration(rp provider.RelyingParty, challenge string, user provider.PasskeyUser, data []byte) (provider.Passkey, error) {
	k, err := p.register(rp, challenge, user, data)
	if err != nil {
		return provider.Passkey{}, failed(err)
	}
	return k, nil
}

func (p *passkeys) register(rp provider.RelyingParty, challenge string, user provider.PasskeyUser, data []byte) (k provider.Passkey, err error) {
	if rp, err = p.party(rp); err != nil {
		return k, err
	}
	if err := errors.Join(checkUser(user), checkChallenge(challenge)); err != nil {
		return k, err
	}
	r, err := parseResponse(data)
	if err != nil {
		return k, err
	}
	created, err := r.creation()
	if err != nil {
		return k, err
	}
	if err := checkClientData(&created.Response.CollectedClientData, protocol.CreateCeremony, rp, challenge); err != nil {
		return k, err
	}
	object := &created.Response.AttestationObject
	dropCertificates(object)
	auth := &object.AuthData
	// The key comes first: a self attestation is verified with it.
	if err := errors.Join(checkKey(auth.AttData.CredentialPublicKey), checkBackup(auth.Flags)); err != nil {
		return k, err
	}
	_, err = created.Verify(challenge, rp.ID, []string{rp.Origin}, nil, nil,
		protocol.TopOriginExplicitVerificationMode, false, p.verified(), true,
		nil, parameters(), protocol.AttestationPolicy{}, protocol.SignaturePolicy{})
	if err != nil {
		return k, err
	}
	return provider.Passkey{
		ID:          base64.StdEncoding.EncodeToString(auth.AttData.CredentialID),
		PublicKey:   auth.AttData.CredentialPublicKey,
		Counter:     auth.Counter,
		Handle:      slices.Clone(user.Handle),
		MultiDevice: auth.Flags.HasBackupEligible(),
		BackedUp:    auth.Flags.HasBackupState(),
		Transports:  r.transports(),
		Flags:       byte(auth.Flags),
		AAGUID:      slices.Clone(auth.AttData.AAGUID),
	}, nil
}

// verified reports whether the authenticator must have verified the person.
func (p *passkeys) verified() bool { return p.verification == protocol.VerificationRequired }

// dropCertificates forgets an attestation statement that would have to be judged
// by the maker's certificates. None was asked for, but some authenticators send
// one, and nothing is concluded from it: it is as good as none, and a stranger's
// certificates need not be parsed. A self attestation stays, as it proves that
// the authenticator has the key (Web Authentication, section 8.2).
func dropCertificates(o *protocol.AttestationObject) {
	switch protocol.AttestationFormat(o.Format) {
	case protocol.AttestationFormatNone:
		return
	case protocol.AttestationFormatPacked:
		if _, basic := o.AttStatement["x5c"]; !basic {
			return
		}
	}
	o.Format, o.AttStatement, o.SubStatements = string(protocol.AttestationFormatNone), nil, nil
}

// checkKey accepts public keys of the kinds that were asked for. It is stricter
// than go-webauthn about the size of RSA keys.
func checkKey(cose []byte) error {
	if len(cose) == 0 || len(cose) > maxKey {
		return fmt.Errorf("the public key has %d bytes", len(cose))
	}
	key, err := webauthncose.ParsePublicKey(cose)
	if err != nil {
		return err
	}
	var alg int64
	switch k := key.(type) {
	case webauthncose.OKPPublicKeyData:
		alg = k.Algorithm
	case webauthncose.EC2PublicKeyData:
		alg = k.Algorithm
	case webauthncose.RSAPublicKeyData:
		alg = k.Algorithm
		if bits := new(big.Int).SetBytes(k.Modulus).BitLen(); bits < minModulus || bits > maxModulus {
			return fmt.Errorf("the RSA key has %d bits", bits)
		}
	}
	if !slices.Contains(algorithms, webauthncose.COSEAlgorithmIdentifier(alg)) {
		return fmt.Errorf("public keys of algorithm %d are not accepted", alg)
	}
	return nil
}
