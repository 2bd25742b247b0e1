package store

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

// Vault is a Driver that keeps secrets out of another one: session tokens are
// hashed, so that nobody can be impersonated with what is in the store, and the
// tokens of providers are encrypted. It is left out for the schemas of Auth.js,
// whose applications have to find there what they know.
//
// Session tokens are random enough for a plain hash, which survives a change of
// the secret. What was encrypted with a secret that is gone counts as absent.
type Vault struct {
	Driver
	// keys seal what providers gave us: the first seals, all of them open.
	keys []cipher.AEAD
}

// NewVault returns a Vault over d with keys derived from the secrets.
func NewVault(d Driver, secrets []string) (*Vault, error) {
	if len(secrets) == 0 {
		return nil, errors.New("store: no secret")
	}
	v := &Vault{Driver: d}
	for _, secret := range secrets {
		key, err := hkdf.Key(sha256.New, []byte(secret), nil, "caddyauth provider tokens", 32)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		v.keys = append(v.keys, aead)
	}
	return v, nil
}

// Hash is the form in which a Vault keeps a session token, and everybody the
// secret of a personal access token.
func Hash(token string) string {
	if token == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// CreateSession implements Driver.
func (v *Vault) CreateSession(ctx context.Context, s Session) error {
	s.Token = Hash(s.Token)
	return v.Driver.CreateSession(ctx, s)
}

// SessionByToken implements Driver.
func (v *Vault) SessionByToken(ctx context.Context, token string) (SessionAndUser, error) {
	return v.Driver.SessionByToken(ctx, Hash(token))
}

// LinkAccount implements Driver.
func (v *Vault) LinkAccount(ctx context.Context, a Account) error {
	return v.Driver.LinkAccount(ctx, v.seal(a))
}

// CreateUserAndAccount implements Driver.
func (v *Vault) CreateUserAndAccount(ctx context.Context, u User, a Account) (User, error) {
	return v.Driver.CreateUserAndAccount(ctx, u, v.seal(a))
}

// UpdateAccount implements Driver.
func (v *Vault) UpdateAccount(ctx context.Context, a Account) error {
	return v.Driver.UpdateAccount(ctx, v.seal(a))
}

// Account implements Driver.
func (v *Vault) Account(ctx context.Context, provider, providerAccountID string) (Account, error) {
	a, err := v.Driver.Account(ctx, provider, providerAccountID)
	return v.open(a), err
}

// Accounts implements Driver.
func (v *Vault) Accounts(ctx context.Context, userID string) ([]Account, error) {
	list, err := v.Driver.Accounts(ctx, userID)
	for i := range list {
		list[i] = v.open(list[i])
	}
	return list, err
}

// sealed begins a value that was encrypted.
const sealed = "sealed:"

// seal returns the account with its tokens encrypted.
func (v *Vault) seal(a Account) Account {
	for name, t := range secretsOf(&a) {
		if *t != "" {
			*t = sealed + base64.RawStdEncoding.EncodeToString(v.keys[0].Seal(nil, nil, []byte(*t), bound(&a, name)))
		}
	}
	return a
}

// open returns the account with its tokens in the clear.
func (v *Vault) open(a Account) Account {
	for name, t := range secretsOf(&a) {
		*t = v.unseal(*t, bound(&a, name))
	}
	return a
}

func (v *Vault) unseal(value string, data []byte) string {
	box, ok := strings.CutPrefix(value, sealed)
	if !ok {
		return ""
	}
	raw, err := base64.RawStdEncoding.DecodeString(box)
	if err != nil {
		return ""
	}
	for _, key := range v.keys {
		if plain, err := key.Open(nil, nil, raw, data); err == nil {
			return string(plain)
		}
	}
	return ""
}

func secretsOf(a *Account) map[string]*string {
	return map[string]*string{
		"access_token": &a.AccessToken, "refresh_token": &a.RefreshToken, "id_token": &a.IDToken,
	}
}

// bound ties a value to its place: put into another row, it does not open.
func bound(a *Account, name string) []byte {
	return []byte(a.Provider + "\x00" + a.ProviderAccountID + "\x00" + name)
}

// NewID returns a fresh id that nobody can guess: 128 random bits in hex.
func NewID() string {
	b := Random16()
	return hex.EncodeToString(b[:])
}

// Random16 returns 128 random bits.
func Random16() (b [16]byte) {
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return b
}
