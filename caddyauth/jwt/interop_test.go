package jwt

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/dialect"
)

// vector is a token that NextAuth.js minted.
type vector struct {
	Secret, Salt         string
	DerivedKeyHex        string
	DerivedKeyHexA256GCM string
	ProtectedHeader      struct{ Alg, Enc, Kid string }
	JWE                  string
	Claims               map[string]any
}

type vectorFile struct {
	V4, V5     []vector
	V5Rotation struct {
		EncodedWith, JWE string
		DecodeSecrets    []string
		Claims           map[string]any
	}
	ClockTolerance struct{ V4, V5 map[string]string }
	CrossVersion   map[string]string
}

// readJSON reads a file of the interop tests.
func readJSON(t testing.TB, name string, v any) {
	t.Helper()
	raw, err := os.ReadFile("../../testdata/interop/" + name)
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(v); err != nil {
		t.Fatal(err)
	}
}

func vectors(t testing.TB) vectorFile {
	t.Helper()
	var f vectorFile
	readJSON(t, "vectors.json", &f)
	if len(f.V4) == 0 || len(f.V5) == 0 || len(f.ClockTolerance.V4) == 0 || len(f.ClockTolerance.V5) == 0 || f.V5Rotation.JWE == "" {
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

// checkVector holds the codec against a token of the real NextAuth, and go-jose
// against both, so that all three agree in every direction.
func checkVector(t *testing.T, f form, v vector) {
	f.salt = v.Salt
	key := f.rawKey(t, v.Secret)
	if hex.EncodeToString(key) != v.DerivedKeyHex || len(key) != f.keySize {
		t.Fatalf("key %x; want %s", key, v.DerivedKeyHex)
	}
	r := f.ring(t, v.Secret)
	theirs, err := r.Open(nil, v.JWE)
	if err != nil {
		t.Fatalf("opening theirs: %v", err)
	}
	if got := decodeClaims(t, theirs); !reflect.DeepEqual(got, v.Claims) {
		t.Errorf("claims %v; want %v", got, v.Claims)
	}
	ours := r.Seal(theirs)
	for whose, token := range map[string]string{"theirs": v.JWE, "ours": ours} {
		if got, err := joseOpen(t, token, key); err != nil || !bytes.Equal(got, theirs) {
			t.Errorf("go-jose opening %s: %q, %v", whose, got, err)
		}
	}
	wantOpens(t, r, f.foreign(t, v.Secret, nil, theirs), string(theirs))
	// To the byte the same header, and one token as long as the other.
	theirHeader, _, _ := strings.Cut(v.JWE, ".")
	if ourHeader, _, _ := strings.Cut(ours, "."); ourHeader != theirHeader || len(ours) != len(v.JWE) {
		t.Errorf("sealed %s\ntheirs %s", ours, v.JWE)
	}
}

func TestJWE19InteropV4(t *testing.T) {
	for _, v := range vectors(t).V4 {
		t.Run(v.Secret+"/"+v.Salt, func(t *testing.T) { checkVector(t, forms[0], v) })
	}
}

func TestJWE19InteropV5(t *testing.T) {
	for _, v := range vectors(t).V5 {
		t.Run(v.Secret+"/"+v.Salt, func(t *testing.T) {
			checkVector(t, forms[1], v)

			named := forms[1]
			named.salt = v.Salt
			if id := thumbprint(a256cbcHS512.thumbprintHash(), named.rawKey(t, v.Secret)); id != v.ProtectedHeader.Kid || id == "" {
				t.Errorf("kid %q; want %q", id, v.ProtectedHeader.Kid)
			}
			gcm := forms[3]
			gcm.salt = v.Salt
			if key := gcm.rawKey(t, v.Secret); hex.EncodeToString(key) != v.DerivedKeyHexA256GCM || len(key) != 32 {
				t.Errorf("key of A256GCM %x; want %s", key, v.DerivedKeyHexA256GCM)
			}
		})
	}
}

func TestInteropV5Rotation(t *testing.T) {
	v := vectors(t).V5Rotation
	const salt = "authjs.session-token"
	got, err := newRing(t, dialect.V5, salt, v.DecodeSecrets...).Open(nil, v.JWE)
	if err != nil || !reflect.DeepEqual(decodeClaims(t, got), v.Claims) {
		t.Errorf("Open = %q, %v; want %v", got, err, v.Claims)
	}
	for i, secret := range v.DecodeSecrets {
		r := newRing(t, dialect.V5, salt, secret)
		if secret == v.EncodedWith {
			wantOpens(t, r, v.JWE, string(got))
		} else {
			wantInvalid(t, r, v.JWE)
		}
		if i == 0 && secret == v.EncodedWith {
			t.Error("the first secret sealed; want another one")
		}
	}
}

// TestV5TokensAreRefused: the other dialect's tokens do not open, not even
// those sealed with the same secret or with A256GCM.
func TestV5TokensAreRefused(t *testing.T) {
	f := vectors(t)
	if f.CrossVersion["v4_reads_v5_session"] == "" || f.CrossVersion["v5_reads_v4_session"] == "" {
		t.Fatal("NextAuth is not said to refuse them")
	}
	v4, v5 := []string{}, []string{f.V5Rotation.JWE}
	for _, v := range f.V4 {
		v4 = append(v4, v.JWE)
	}
	for _, v := range f.V5 {
		v5 = append(v5, v.JWE)
	}
	for _, v := range append(f.V4, f.V5...) {
		for _, salt := range []string{"", v.Salt} {
			for d, tokens := range map[dialect.Dialect][]string{dialect.V4: v5, dialect.V5: v4} {
				r := newRing(t, d, salt, v.Secret, "new", "old")
				for _, token := range tokens {
					wantInvalid(t, r, token)
				}
			}
		}
	}
}

// TestTokensNeedTheirSecret: of all the vectors of a dialect, a ring opens the
// one that is its own.
func TestTokensNeedTheirSecret(t *testing.T) {
	f := vectors(t)
	for d, all := range map[dialect.Dialect][]vector{dialect.V4: f.V4, dialect.V5: f.V5} {
		for i, v := range all {
			r := newRing(t, d, v.Salt, v.Secret)
			for j, other := range all {
				if i != j {
					wantInvalid(t, r, other.JWE)
				}
			}
		}
	}
}

// TestClockTolerance replays what was measured on NextAuth: how many seconds
// past exp a token is still good.
func TestClockTolerance(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	measured := vectors(t).ClockTolerance
	for d, outcomes := range map[dialect.Dialect]map[string]string{dialect.V4: measured.V4, dialect.V5: measured.V5} {
		for offset, want := range outcomes {
			sec, err := strconv.ParseInt(offset, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			err = Times(now, Standard{Exp: now.Unix() + sec, HasExp: true})
			switch want {
			case "accepted":
				if err != nil {
					t.Errorf("%s: exp %s s: %v; want nil", d, offset, err)
				}
			case "ERR_JWT_EXPIRED":
				if !errors.Is(err, ErrExpired) {
					t.Errorf("%s: exp %s s: %v; want ErrExpired", d, offset, err)
				}
			default:
				t.Errorf("unknown outcome %q", want)
			}
		}
	}
}

// A minted token is one of tokens.json. It was decoded, or refused, at a time
// and with secrets that are part of it.
type minted struct {
	Name, Dialect string
	Secrets       []string
	Salt          string
	At            int64
	Token         string
	Claims        map[string]any
	Error         string
}

// ring returns the keys that the token was decoded with. Of several secrets v4
// was given the first one.
func (m minted) ring(t *testing.T) *Ring {
	t.Helper()
	d, err := dialect.Parse(m.Dialect)
	if err != nil {
		t.Fatal(err)
	}
	if d == dialect.V4 {
		return newRing(t, d, m.Salt, m.Secrets[0])
	}
	return newRing(t, d, m.Salt, m.Secrets...)
}

// decode opens a token and checks its times, as NextAuth's decode does.
func (m minted) decode(t *testing.T) (claims string, err error) {
	t.Helper()
	claims, err = m.ring(t).OpenString(m.Token)
	if err != nil {
		return "", err
	}
	var times Standard
	err = Members(claims, func(name string, v Value) bool {
		times.Take(name, v)
		return true
	})
	if err != nil {
		return "", err
	}
	return claims, Times(time.Unix(m.At, 0), times)
}

func mintedTokens(t *testing.T) (f struct{ Tokens, Refused, Stricter []minted }) {
	t.Helper()
	readJSON(t, "tokens.json", &f)
	if len(f.Tokens) < 60 || len(f.Refused) < 40 || len(f.Stricter) < 8 {
		t.Fatalf("%d tokens, %d refused, %d stricter; some are missing", len(f.Tokens), len(f.Refused), len(f.Stricter))
	}
	return f
}

// TestMintedTokens: what the real NextAuth and Auth.js open, we open as well,
// to the same claims; and only under the salt, the secrets and the dialect that
// it was made with.
func TestMintedTokens(t *testing.T) {
	for _, m := range mintedTokens(t).Tokens {
		t.Run(m.Dialect+"/"+m.Name, func(t *testing.T) {
			claims, err := m.decode(t)
			if err != nil {
				t.Fatal(err)
			}
			if got := decodeClaims(t, []byte(claims)); !reflect.DeepEqual(got, m.Claims) {
				t.Errorf("claims %v; want %v", got, m.Claims)
			}
			if got, err := members(claims); err != nil || !reflect.DeepEqual(got, m.Claims) {
				t.Errorf("Members finds %v, %v; want %v", got, err, m.Claims)
			}
			other := m
			other.Salt += "x"
			wantInvalid(t, other.ring(t), m.Token)
			other = m
			other.Secrets = []string{"another secret"}
			wantInvalid(t, other.ring(t), m.Token)
			other = m
			other.Dialect = map[string]string{"v4": "v5", "v5": "v4"}[m.Dialect]
			wantInvalid(t, other.ring(t), m.Token)
		})
	}
}

// TestMintedRefusals: what they refuse, we refuse, and a few things that they
// let pass: compression, whose cost the sender chooses; headers with parameters
// that nobody needs; tokens that never expire.
func TestMintedRefusals(t *testing.T) {
	f := mintedTokens(t)
	for _, m := range append(f.Refused, f.Stricter...) {
		t.Run(m.Dialect+"/"+m.Name, func(t *testing.T) {
			if (m.Error == "") == (m.Claims == nil) {
				t.Fatalf("neither opened nor refused: %+v", m)
			}
			claims, err := m.decode(t)
			switch {
			case err == nil:
				t.Errorf("opens to %s; the original says %q", claims, m.Error)
			case m.Error == "ERR_JWT_EXPIRED" && !errors.Is(err, ErrExpired):
				t.Errorf("%v; want ErrExpired", err)
			}
		})
	}
}
