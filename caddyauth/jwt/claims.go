package jwt

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"
)

// ErrTooLarge says that claims do not fit into a token of [MaxToken] bytes.
var ErrTooLarge = errors.New("jwt: claims too large")

// SealClaims seals claims with iat set to now, exp to now plus maxAge (both in
// whole seconds) and jti to a fresh random UUID, as NextAuth.js does. It does
// not change the map. Values are encoded by encoding/json; the error is either
// its own or [ErrTooLarge].
func SealClaims(r *Ring, claims map[string]any, now time.Time, maxAge time.Duration) (string, error) {
	stamped := maps.Clone(claims)
	if stamped == nil {
		stamped = map[string]any{}
	}
	for _, name := range []string{"iat", "exp", "jti"} {
		delete(stamped, name)
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	// Avatar URLs are full of ampersands. Left alone they can later be read
	// as substrings of the claims, and the token stays shorter.
	enc.SetEscapeHTML(false)
	if err := enc.Encode(stamped); err != nil {
		return "", fmt.Errorf("jwt: encoding claims: %w", err)
	}
	object := bytes.TrimSpace(buf.Bytes())
	return sealStamped(r, object[:len(object)-1], "", now, maxAge)
}

// Renew seals the claims of an opened token again with new iat and exp, and with
// the given jti or, if that is empty, a fresh one. All other members keep their
// exact spelling and order, so that numbers beyond the precision of a float and
// claims of somebody else's making survive. The error is [ErrInvalid] if claims
// is not a JSON object, or [ErrTooLarge].
func Renew(r *Ring, claims, jti string, now time.Time, maxAge time.Duration) (string, error) {
	out := append(make([]byte, 0, len(claims)+128), '{')
	err := scanObject(claims, func(key, name string, v Value) bool {
		switch name {
		case "iat", "exp", "jti":
			return true
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, key...)
		out = append(out, ':')
		out = append(out, v.Raw()...)
		return true
	})
	if err != nil {
		return "", ErrInvalid
	}
	return sealStamped(r, out, jti, now, maxAge)
}

// sealStamped completes object, a JSON object without its closing brace, with
// the registered claims and seals it.
func sealStamped(r *Ring, object []byte, jti string, now time.Time, maxAge time.Duration) (string, error) {
	if len(object) > 1 {
		object = append(object, ',')
	}
	object = append(object, `"iat":`...)
	object = strconv.AppendInt(object, now.Unix(), 10)
	object = append(object, `,"exp":`...)
	object = strconv.AppendInt(object, now.Add(maxAge).Unix(), 10)
	object = append(object, `,"jti":`...)
	if jti != "" {
		object = AppendString(object, jti)
	} else {
		var id [16]byte
		_, _ = rand.Read(id[:]) // never fails
		object = AppendUUID(append(object, '"'), id)
		object = append(object, '"')
	}
	object = append(object, '}')
	// Refuse to make what Open would refuse to read.
	if r.tokenLen(len(object)) > MaxToken {
		return "", ErrTooLarge
	}
	return r.Seal(object), nil
}

// AppendUUID appends the UUID, version 4, that is made of 16 random bytes
// (RFC 9562 section 5.4).
func AppendUUID(dst []byte, id [16]byte) []byte {
	id[6] = id[6]&0x0F | 0x40
	id[8] = id[8]&0x3F | 0x80
	start := 0
	for _, end := range [...]int{4, 6, 8, 10, 16} {
		if start > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, id[start:end])
		start = end
	}
	return dst
}
