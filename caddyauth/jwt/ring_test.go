package jwt

import (
	"testing"

	"github.com/caddyauth/gateway/caddyauth/dialect"
)

func TestNewRingErrors(t *testing.T) {
	for _, d := range []dialect.Dialect{dialect.V4, dialect.V5} {
		for _, secrets := range [][]string{nil, {}, {""}, {"good", ""}} {
			if r, err := NewRing(d, secrets, ""); err == nil || r != nil {
				t.Errorf("%s: NewRing(%q) = %v, %v; want an error", d, secrets, r, err)
			}
		}
	}
}

func TestRotation(t *testing.T) {
	for _, f := range forms {
		if !f.seals {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			oldRing, newRing := f.ring(t, "old"), f.ring(t, "new")
			both := f.ring(t, "new", "older", "old")
			wantOpens(t, both, oldRing.Seal([]byte(testClaims)), testClaims)
			wantOpens(t, both, newRing.Seal([]byte(testClaims)), testClaims)
			token := both.Seal([]byte(testClaims))
			wantOpens(t, newRing, token, testClaims)
			wantInvalid(t, oldRing, token)
		})
	}
}

// TestV5KeySelection: the kid picks the key, whichever secret it is of; without
// one only the first secret's counts, as with Auth.js.
func TestV5KeySelection(t *testing.T) {
	const first, second, stranger = testSecret, "the second one", "a stranger's"
	for _, f := range forms {
		if f.dialect != dialect.V5 {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			r := f.ring(t, first, second)
			wantOpens(t, r, f.token(t, first, testClaims), testClaims)
			wantInvalid(t, r, f.token(t, stranger, testClaims))
			if f.named {
				wantOpens(t, r, f.token(t, second, testClaims), testClaims)
			} else {
				wantInvalid(t, r, f.token(t, second, testClaims))
			}
			// A kid that names another key than the one that sealed.
			named := f
			named.named = true
			wantInvalid(t, r, f.mint(t, first, "{"+named.members(t, second)+"}", testClaims))
			wantInvalid(t, r, f.mint(t, first, "{"+named.members(t, stranger)+"}", testClaims))
			// That of the other encryption is a stranger's as well.
			other := named
			other.enc, other.keySize = "A256GCM", 32
			if f.enc == "A256GCM" {
				other.enc, other.keySize = "A256CBC-HS512", 64
			}
			id := thumbprint(other.encryption().thumbprintHash(), other.rawKey(t, first))
			wantInvalid(t, r, f.mint(t, first, `{"alg":"dir","enc":"`+f.enc+`","kid":"`+id+`"}`, testClaims))
			for _, kid := range []string{`""`, `"1"`, `" "`, "null", "1", "{}", "[]", "true"} {
				wantInvalid(t, r, f.mint(t, first, `{"alg":"dir","enc":"`+f.enc+`","kid":`+kid+`}`, testClaims))
			}
		})
	}
}

// TestV4IgnoresKid: v4 never wrote one and tries all its keys.
func TestV4IgnoresKid(t *testing.T) {
	f := forms[0]
	r := f.ring(t, "new", testSecret)
	for _, kid := range []string{"", "1", thumbprint(a256gcm.thumbprintHash(), f.rawKey(t, "new"))} {
		wantOpens(t, r, f.mint(t, testSecret, `{"alg":"dir","enc":"A256GCM","kid":"`+kid+`"}`, testClaims), testClaims)
	}
}

// TestDialectsAreSeparate: a token of one dialect is none in the other, even
// with one secret, one salt and one encryption.
func TestDialectsAreSeparate(t *testing.T) {
	for _, from := range forms {
		for _, salt := range []string{"", "authjs.session-token", "next-auth.session-token"} {
			from.salt = salt
			token := from.token(t, testSecret, testClaims)
			for _, d := range []dialect.Dialect{dialect.V4, dialect.V5} {
				r := newRing(t, d, salt, testSecret, "an older one")
				if d == from.dialect {
					wantOpens(t, r, token, testClaims)
				} else {
					wantInvalid(t, r, token)
				}
			}
		}
	}
}

func TestSTATE08PurposesAreSeparate(t *testing.T) {
	for _, f := range forms {
		prefix := f.dialect.CookiePrefix()
		salts := []string{
			"", prefix + ".session-token", "__Secure-" + prefix + ".session-token", prefix + ".state", "__Secure-" + prefix + ".state",
			prefix + ".pkce.code_verifier", prefix + ".nonce", prefix + ".notice", "encodedState",
		}
		t.Run(f.name, func(t *testing.T) {
			for _, from := range salts {
				f.salt = from
				token := f.token(t, testSecret, testClaims)
				for _, to := range salts {
					r := newRing(t, f.dialect, to, testSecret)
					if from == to {
						wantOpens(t, r, token, testClaims)
					} else {
						wantInvalid(t, r, token)
					}
				}
			}
		})
	}
}
