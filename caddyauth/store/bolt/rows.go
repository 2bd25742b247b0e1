package bolt

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"reflect"
	"time"
	"unicode/utf8"

	"go.etcd.io/bbolt"

	"github.com/caddyauth/gateway/caddyauth/store"
)

// schemaVersion is that of the buckets and rows below.
const schemaVersion = 1

// Buckets. Those of rows are by id; the others lead to ids.
var (
	meta      = []byte("meta")
	schemaKey = []byte("schema")

	users          = []byte("users")
	accounts       = []byte("accounts") // by key(provider, id)
	sessions       = []byte("sessions")
	links          = []byte("links") // by key(identifier, token)
	authenticators = []byte("authenticators")
	tokens         = []byte("tokens")
	revocations    = []byte("revocations") // by key(kind, key)

	usersByEmail    = []byte("users.email")
	sessionsByToken = []byte("sessions.token")
	tokensByHash    = []byte("tokens.hash")

	// By key(user) followed by the key of what is theirs, with nothing in them.
	accountsOf       = []byte("accounts.user")
	sessionsOf       = []byte("sessions.user")
	authenticatorsOf = []byte("authenticators.user")
	tokensOf         = []byte("tokens.user")

	buckets = [][]byte{
		meta, users, accounts, sessions, links, authenticators, tokens, revocations,
		usersByEmail, sessionsByToken, tokensByHash, accountsOf, sessionsOf, authenticatorsOf, tokensOf,
	}
)

// key makes one key of several strings, each after its length: no two lists of
// strings have the same, and those that begin alike are together.
func key(parts ...string) []byte {
	n := 0
	for _, p := range parts {
		n += len(p) + 2
	}
	k := make([]byte, 0, n)
	for _, p := range parts {
		k = binary.AppendUvarint(k, uint64(len(p)))
		k = append(k, p...)
	}
	return k
}

// The rows are kept as JSON, under names that must stay. What they are found by
// is in them as well, so that a key that is wrong is noticed.
type (
	userRow struct {
		ID            string    `json:"id"`
		Name          string    `json:"name,omitempty"`
		Email         string    `json:"email,omitempty"`
		Image         string    `json:"image,omitempty"`
		EmailVerified time.Time `json:"verified,omitzero"`
	}
	accountRow struct {
		UserID            string `json:"user"`
		Type              string `json:"type,omitempty"`
		Provider          string `json:"provider"`
		ProviderAccountID string `json:"id"`
		AccessToken       string `json:"access,omitempty"`
		RefreshToken      string `json:"refresh,omitempty"`
		IDToken           string `json:"id_token,omitempty"`
		TokenType         string `json:"token_type,omitempty"`
		Scope             string `json:"scope,omitempty"`
		SessionState      string `json:"state,omitempty"`
		ExpiresAt         int64  `json:"expires,omitempty"`
	}
	sessionRow struct {
		ID        string    `json:"id"`
		Token     string    `json:"token,omitempty"`
		UserID    string    `json:"user"`
		Provider  string    `json:"provider,omitempty"`
		Account   string    `json:"account,omitempty"`
		Expires   time.Time `json:"expires,omitzero"`
		Created   time.Time `json:"created,omitzero"`
		Seen      time.Time `json:"seen,omitzero"`
		UserAgent string    `json:"agent,omitempty"`
		IP        string    `json:"ip,omitempty"`
		// Evidence is kept byte for byte, in base64.
		Evidence []byte `json:"evidence,omitempty"`
	}
	linkRow struct {
		Identifier string    `json:"identifier"`
		Token      string    `json:"token"`
		Expires    time.Time `json:"expires,omitzero"`
	}
	authenticatorRow struct {
		CredentialID      string    `json:"id"`
		UserID            string    `json:"user"`
		ProviderAccountID string    `json:"account,omitempty"`
		PublicKey         []byte    `json:"key,omitempty"`
		Counter           uint32    `json:"counter,omitempty"`
		DeviceType        string    `json:"type,omitempty"`
		BackedUp          bool      `json:"backed_up,omitempty"`
		Transports        []string  `json:"transports,omitempty"`
		Name              string    `json:"name,omitempty"`
		Flags             byte      `json:"flags,omitempty"`
		AAGUID            []byte    `json:"aaguid,omitempty"`
		Created           time.Time `json:"created,omitzero"`
		Used              time.Time `json:"used,omitzero"`
		Evidence          []byte    `json:"evidence,omitempty"`
	}
	tokenRow struct {
		ID       string    `json:"id"`
		UserID   string    `json:"user"`
		Hash     string    `json:"hash"`
		Name     string    `json:"name,omitempty"`
		Paths    []string  `json:"paths,omitempty"`
		Methods  []string  `json:"methods,omitempty"`
		Expires  time.Time `json:"expires,omitzero"`
		Created  time.Time `json:"created,omitzero"`
		Used     time.Time `json:"used,omitzero"`
		Evidence []byte    `json:"evidence,omitempty"`
	}
	revocationRow struct {
		Kind  store.RevocationKind `json:"kind"`
		Key   string               `json:"key"`
		At    time.Time            `json:"at,omitzero"`
		Until time.Time            `json:"until,omitzero"`
	}
)

// row is one of the types above.
type row interface {
	userRow | accountRow | sessionRow | linkRow | authenticatorRow | tokenRow | revocationRow
	key() []byte // of the row in its bucket
}

func (r userRow) key() []byte          { return []byte(r.ID) }
func (r accountRow) key() []byte       { return key(r.Provider, r.ProviderAccountID) }
func (r sessionRow) key() []byte       { return []byte(r.ID) }
func (r linkRow) key() []byte          { return key(r.Identifier, r.Token) }
func (r authenticatorRow) key() []byte { return []byte(r.CredentialID) }
func (r tokenRow) key() []byte         { return []byte(r.ID) }
func (r revocationRow) key() []byte    { return key(string(r.Kind), r.Key) }

// encode makes of a row what is kept. It refuses what JSON cannot keep as it is.
func encode[R row](r R) ([]byte, error) {
	v := reflect.ValueOf(&r).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Interface().(type) {
		case time.Time:
			// The zone says nothing here, and some have no form in JSON.
			t := f.Interface().(time.Time)
			f.Set(reflect.ValueOf(t.UTC()))
		case []string:
			for k := range f.Len() {
				if !utf8.ValidString(f.Index(k).String()) {
					return nil, fmt.Errorf("bolt: %s is not UTF-8", v.Type().Field(i).Name)
				}
			}
		default:
			if f.Kind() == reflect.String && !utf8.ValidString(f.String()) {
				return nil, fmt.Errorf("bolt: %s is not UTF-8", v.Type().Field(i).Name)
			}
		}
	}
	data, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("bolt: %w", err)
	}
	return data, nil
}

// decode is the reverse of encode. It makes copies: what bbolt hands out is gone
// when the transaction ends.
func decode[R row](data []byte) (r R, err error) {
	if !bytes.HasPrefix(data, []byte("{")) {
		return r, fmt.Errorf("%w: a row is no object", ErrDamaged)
	}
	if err := json.Unmarshal(data, &r); err != nil {
		var none R
		return none, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return r, nil
}

// read decodes the row that is at a key.
func read[R row](k, data []byte) (R, error) {
	r, err := decode[R](data)
	if err == nil && !bytes.Equal(r.key(), k) {
		return *new(R), fmt.Errorf("%w: a row is not in its place", ErrDamaged)
	}
	return r, err
}

// get returns a row, or [store.ErrNotFound].
func get[R row](tx *bbolt.Tx, bucket, k []byte) (r R, err error) {
	data := tx.Bucket(bucket).Get(k)
	if data == nil {
		return r, store.ErrNotFound
	}
	return read[R](k, data)
}

// of returns a row that must be there, because another leads to it.
func of[R row](tx *bbolt.Tx, bucket, k []byte) (r R, err error) {
	data := tx.Bucket(bucket).Get(k)
	if data == nil {
		return r, fmt.Errorf("%w: a row of %s is missing", ErrDamaged, bucket)
	}
	return read[R](k, data)
}

// put keeps a row.
func put[R row](tx *bbolt.Tx, bucket []byte, r R) error {
	data, err := encode(r)
	if err != nil {
		return err
	}
	return tx.Bucket(bucket).Put(r.key(), data)
}

// taken reports whether a key is in use.
func taken(tx *bbolt.Tx, bucket, key []byte) bool {
	return tx.Bucket(bucket).Get(key) != nil
}

// theirs returns the keys of what belongs to a user, in order.
func theirs(tx *bbolt.Tx, bucket []byte, userID string) (keys [][]byte) {
	prefix := key(userID)
	c := tx.Bucket(bucket).Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k[len(prefix):]))
	}
	return keys
}

// belong enters what belongs to a user.
func belong(tx *bbolt.Tx, bucket []byte, userID string, id []byte) error {
	return tx.Bucket(bucket).Put(append(key(userID), id...), nil)
}

// disown is the reverse of belong.
func disown(tx *bbolt.Tx, bucket []byte, userID string, id []byte) error {
	return tx.Bucket(bucket).Delete(append(key(userID), id...))
}
