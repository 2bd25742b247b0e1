package jwt

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strconv"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

// vector is a token that NextAuth.js minted.
type vector struct {
	Secret, Salt  string
	DerivedKeyHex string
	JWE           string
	Claims        map[string]any
}

type vectorFile struct {
	V4, V5         []vector
	V5Rotation     struct{ JWE string }
	ClockTolerance struct{ V4 map[string]string }
}

func vectors(t testing.TB) vectorFile {
	t.Helper()
	raw, err := os.ReadFile("../../testdata/interop/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var f vectorFile
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&f); err != nil {
		t.Fatal(err)
	}
	if len(f.V4) == 0 || len(f.V5) == 0 || len(f.ClockTolerance.V4) == 0 {
		t.Fatal("vectors are missing")
	}
	return f
}

func decodeClaims(t testing.TB, raw []byte) map[string]any {
	t.Helper()
	var m map[string]any
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(&m); err != nil {
		t.Fatalf("claims %q: %v", raw, err)
	}
	return m
}

// TestJWE19InteropV4 holds the codec against tokens of the real next-auth, and
// go-jose against both, so that all three agree in every direction.
func TestJWE19InteropV4(t *testing.T) {
	for _, v := range vectors(t).V4 {
		t.Run(v.Secret+"/"+v.Salt, func(t *testing.T) {
			key, err := deriveKey(v.Secret, v.Salt)
			if err != nil || hex.EncodeToString(key) != v.DerivedKeyHex || len(key) != 32 {
				t.Fatalf("key %x, %v; want %s", key, err, v.DerivedKeyHex)
			}
			r := mustRing(t, v.Salt, v.Secret)
			theirs, err := r.Open(nil, v.JWE)
			if err != nil {
				t.Fatalf("opening theirs: %v", err)
			}
			if got := decodeClaims(t, theirs); !reflect.DeepEqual(got, v.Claims) {
				t.Errorf("claims %v; want %v", got, v.Claims)
			}
			for whose, token := range map[string]string{"theirs": v.JWE, "ours": r.Seal(theirs)} {
				obj, err := jose.ParseEncrypted(token, []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256GCM})
				if err != nil {
					t.Fatalf("go-jose parsing %s: %v", whose, err)
				}
				if got, err := obj.Decrypt(key); err != nil || !bytes.Equal(got, theirs) {
					t.Errorf("go-jose opening %s: %q, %v", whose, got, err)
				}
			}
			enc, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.DIRECT, Key: key}, nil)
			if err != nil {
				t.Fatal(err)
			}
			obj, err := enc.Encrypt(theirs)
			if err != nil {
				t.Fatal(err)
			}
			token, err := obj.CompactSerialize()
			if err != nil {
				t.Fatal(err)
			}
			if got, err := r.OpenString(token); err != nil || got != string(theirs) {
				t.Errorf("opening go-jose's: %q, %v", got, err)
			}
		})
	}
}

// TestV5TokensAreRefused: the other dialect's tokens do not open, not even
// those sealed with the same secret or with A256GCM.
func TestV5TokensAreRefused(t *testing.T) {
	f := vectors(t)
	tokens := []string{f.V5Rotation.JWE}
	for _, v := range f.V5 {
		tokens = append(tokens, v.JWE)
	}
	for _, v := range f.V5 {
		for _, salt := range []string{"", v.Salt} {
			r := mustRing(t, salt, v.Secret, "new", "old")
			for _, token := range tokens {
				if token == "" {
					t.Fatal("empty vector")
				}
				wantInvalid(t, r, token)
			}
		}
	}
}

func TestV4TokensNeedTheirSecret(t *testing.T) {
	all := vectors(t).V4
	for i, v := range all {
		r := mustRing(t, v.Salt, v.Secret)
		for j, other := range all {
			if i != j {
				wantInvalid(t, r, other.JWE)
			}
		}
	}
}

// TestClockToleranceV4 replays what was measured on next-auth: how many seconds
// past exp a token is still good.
func TestClockToleranceV4(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for offset, want := range vectors(t).ClockTolerance.V4 {
		sec, err := strconv.ParseInt(offset, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		err = Times(now, Standard{Exp: now.Unix() + sec, HasExp: true})
		switch want {
		case "accepted":
			if err != nil {
				t.Errorf("exp %s s: %v; want nil", offset, err)
			}
		case "ERR_JWT_EXPIRED":
			if !errors.Is(err, ErrExpired) {
				t.Errorf("exp %s s: %v; want ErrExpired", offset, err)
			}
		default:
			t.Errorf("unknown outcome %q", want)
		}
	}
}
