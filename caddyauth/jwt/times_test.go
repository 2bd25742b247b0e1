package jwt

import (
	"encoding/json"
	"errors"
	"math"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"
)

// readTimes is what a caller does with claims.
func readTimes(t testing.TB, now time.Time, claims string) error {
	t.Helper()
	var std Standard
	if err := Members(claims, func(name string, v Value) bool { std.Take(name, v); return true }); err != nil {
		t.Fatalf("%s: %v", claims, err)
	}
	return Times(now, std)
}

func TestJWE12Expiry(t *testing.T) {
	now := time.Unix(1_800_000_000, 999_999_999)
	for _, tt := range []struct {
		exp  string
		want error
	}{
		{"1800000060", nil},
		{"1800000000", nil},
		{"1799999986", nil}, // 14 s ago
		{"1799999985.5", nil},
		{"1799999985", ErrExpired}, // 15 s ago, as in jose
		{"1799999984", ErrExpired},
		{"1799999984.5", ErrExpired},
		{"1.8e9", nil},
		{"18000000000e-1", nil},
		{"1800000060.000000001", nil},
		{"253402300799", nil}, // 9999-12-31
		{"253402300800", ErrInvalid},
		{"0", ErrExpired},
		{"-0", ErrExpired},
		{"0.0", ErrExpired},
		{"1.5", ErrExpired},
		{"-1", ErrInvalid},
		{"-1e9", ErrInvalid},
		{"1e308", ErrInvalid},
		{"1e309", ErrInvalid},
		{"9223372036854775807", ErrInvalid},
		{"9223372036854775808", ErrInvalid},
		{"99999999999999999999999999", ErrInvalid},
		{`"string"`, ErrInvalid},
		{`"1800000060"`, ErrInvalid},
		{"null", ErrInvalid},
		{"true", ErrInvalid},
		{"[1800000060]", ErrInvalid},
		{"{}", ErrInvalid},
	} {
		if err := readTimes(t, now, `{"sub":"1","exp":`+tt.exp+`}`); !errors.Is(err, tt.want) {
			t.Errorf("exp %s: %v; want %v", tt.exp, err, tt.want)
		}
	}
	t.Run("absent", func(t *testing.T) {
		for _, claims := range []string{`{}`, `{"iat":1800000000}`, `{"EXP":1800000060}`, `{"x":{"exp":1800000060}}`} {
			if err := readTimes(t, now, claims); !errors.Is(err, ErrInvalid) {
				t.Errorf("%s: %v; want ErrInvalid", claims, err)
			}
		}
	})
	t.Run("repeated, the last counts", func(t *testing.T) {
		for claims, want := range map[string]error{
			`{"exp":1,"exp":1800000060}`:   nil,
			`{"exp":"x","exp":1800000060}`: nil,
			`{"exp":1800000060,"exp":1}`:   ErrExpired,
			`{"exp":1800000060,"exp":"x"}`: ErrInvalid,
		} {
			if err := readTimes(t, now, claims); !errors.Is(err, want) {
				t.Errorf("%s: %v; want %v", claims, err, want)
			}
		}
	})
}

func TestJWE13NotYet(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for members, want := range map[string]error{
		`"nbf":1800000060`:                  ErrNotYet,
		`"nbf":1800000016`:                  ErrNotYet,
		`"nbf":1800000015.5`:                ErrNotYet,
		`"nbf":1800000015`:                  nil,
		`"nbf":0`:                           nil,
		`"nbf":"1"`:                         ErrInvalid,
		`"nbf":null`:                        ErrInvalid,
		`"nbf":-5`:                          ErrInvalid,
		`"iat":1800003600`:                  nil,
		`"iat":1`:                           nil,
		`"iat":"1800000000"`:                ErrInvalid,
		`"iat":1e300`:                       ErrInvalid,
		`"iat":1800000000,"nbf":1800000000`: nil,
	} {
		if err := readTimes(t, now, `{"exp":1900000000,`+members+`}`); !errors.Is(err, want) {
			t.Errorf("%s: %v; want %v", members, err, want)
		}
	}
}

func TestTimesNoOverflow(t *testing.T) {
	for _, sec := range []int64{0, 1, 15, MaxDate, -1 << 40} {
		now := time.Unix(sec, 0)
		if err := Times(now, Standard{Exp: math.MaxInt64, HasExp: true}); err != nil {
			t.Errorf("at %d: %v", sec, err)
		}
		if err := Times(now, Standard{Exp: math.MinInt64, HasExp: true}); !errors.Is(err, ErrExpired) {
			t.Errorf("at %d: %v; want ErrExpired", sec, err)
		}
	}
}

var uuid4 = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestSealClaims(t *testing.T) { eachSealed(t, testSealClaims) }

func testSealClaims(t *testing.T, r *Ring) {
	now := time.Unix(1_800_000_000, 123)
	seen := map[string]bool{}
	for _, claims := range []map[string]any{
		nil,
		{},
		{"sub": "1", "picture": nil, "url": "https://x.example/?a=1&b=<2>", "name": "é\u2028\x00", "n": json.Number("12345678901234567890")},
		{"iat": 1, "exp": "x", "jti": true, "sub": "2"},
	} {
		before := len(claims)
		token, err := SealClaims(r, claims, now, 90*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if len(claims) != before || claims["exp"] != nil && claims["exp"] != "x" {
			t.Errorf("the caller's map was changed: %v", claims)
		}
		raw, err := r.OpenString(token)
		if err != nil {
			t.Fatal(err)
		}
		got := decodeClaims(t, []byte(raw))
		if got["iat"] != json.Number("1800000000") || got["exp"] != json.Number("1800000090") {
			t.Errorf("times in %s", raw)
		}
		jti, _ := got["jti"].(string)
		if !uuid4.MatchString(jti) || seen[jti] {
			t.Errorf("jti %q is no fresh UUID", jti)
		}
		seen[jti] = true
		for name, want := range claims {
			if name == "iat" || name == "exp" || name == "jti" {
				continue
			}
			if got[name] != want {
				t.Errorf("%s = %v; want %v", name, got[name], want)
			}
		}
		if strings.Count(raw, `"exp"`) != 1 || strings.Contains(raw, `\u0026`) {
			t.Errorf("claims %s", raw)
		}
		if err := readTimes(t, now, raw); err != nil {
			t.Errorf("own token: %v", err)
		}
	}
	if _, err := SealClaims(r, map[string]any{"f": func() {}}, now, time.Hour); err == nil {
		t.Error("a function was encoded")
	}
	if _, err := SealClaims(r, map[string]any{"x": strings.Repeat("x", MaxToken)}, now, time.Hour); !errors.Is(err, ErrTooLarge) {
		t.Errorf("huge claims: %v; want ErrTooLarge", err)
	}
	// Whatever is not too large can be opened again.
	seal := func(n int) (string, error) {
		return SealClaims(r, map[string]any{"x": strings.Repeat("x", n)}, now, time.Hour)
	}
	most := sort.Search(MaxToken, func(n int) bool { _, err := seal(n + 1); return err != nil })
	longest := 0
	for n := most - 20; n <= most; n++ {
		token, err := seal(n)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.OpenString(token); err != nil {
			t.Fatalf("token of %d bytes: %v", len(token), err)
		}
		longest = len(token)
	}
	if longest <= MaxToken-32 { // a block more would be too long
		t.Errorf("the longest token has %d bytes of %d", longest, MaxToken)
	}
}

func TestRenew(t *testing.T) { eachSealed(t, testRenew) }

func testRenew(t *testing.T, r *Ring) {
	now := time.Unix(1_800_000_000, 0)
	for claims, want := range map[string]string{
		`{}`:                          `{"iat":1800000000,"exp":1800003600,"jti":`,
		`{"exp":1,"iat":2,"jti":"3"}`: `{"iat":1800000000,"exp":1800003600,"jti":`,
		`{"\u0065xp":1,"sub":"1"}`:    `{"sub":"1","iat":1800000000,"exp":1800003600,"jti":`,
		` { "sub" : "\u0031" , "n":12345678901234567890.0 ,"exp":1, "caddyauth":{"exp":5} } `: `{"sub":"\u0031","n":12345678901234567890.0,"caddyauth":{"exp":5},"iat":1800000000,"exp":1800003600,"jti":`,
	} {
		token, err := Renew(r, claims, "", now, time.Hour)
		if err != nil {
			t.Fatalf("%s: %v", claims, err)
		}
		got, err := r.OpenString(token)
		if err != nil || !strings.HasPrefix(got, want) || !json.Valid([]byte(got)) {
			t.Errorf("Renew(%s) seals %s; want %s...", claims, got, want)
		}
	}
	for _, claims := range []string{"", "null", "[]", `{"a":1`, `{"a":1}x`} {
		if _, err := Renew(r, claims, "", now, time.Hour); !errors.Is(err, ErrInvalid) {
			t.Errorf("Renew(%s): %v; want ErrInvalid", claims, err)
		}
	}
	if _, err := Renew(r, `{"x":`+strconv.Quote(strings.Repeat("x", MaxToken))+`}`, "", now, time.Hour); !errors.Is(err, ErrTooLarge) {
		t.Errorf("huge claims: %v; want ErrTooLarge", err)
	}
}
