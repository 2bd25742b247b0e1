package jwt

import (
	"strings"
	"testing"
)

func TestJWE11HeaderBringsKey(t *testing.T) {
	each(t, func(t *testing.T, f form) {
		r, usual := f.ring(t), f.members(t, testSecret)
		for _, member := range []string{
			`"jwk":{"kty":"oct","k":"AAAA"}`, `"jku":"https://evil.example/keys"`, `"x5u":"https://evil.example/cert"`,
			`"x5c":["AAAA"]`, `"x5t":"AAAA"`, `"crit":["exp"]`, `"crit":[]`, `"crit":"exp"`, `"p2c":1`, `"epk":{}`, `"apu":"AAAA"`, `"b64":false`,
			`"iv":"AAAA"`, `"tag":"AAAA"`, `"unknown":1`, `"":""`, `"KID":"x"`, `"typ":1`, `"kid":null`, `"cty":["JWT"]`,
			`"alg":"dir"`, `"enc":"` + f.enc + `"`, `"alg":"none"`, `"Alg":"dir"`, `"iss":"x"`, `"exp":1`,
		} {
			wantInvalid(t, r, f.mint(t, testSecret, "{"+usual+","+member+"}", testClaims))
			wantInvalid(t, r, f.mint(t, testSecret, "{"+member+","+usual+"}", testClaims))
		}
		enc := `"enc":"` + f.enc + `"`
		for _, header := range []string{
			`{}`, `{"alg":"dir"}`, `{` + enc + `}`, `[]`, `null`, `"dir"`, ``, ` `, `{` + usual, `{` + usual + `}x`, `{` + usual + `,}`,
			`{"ALG":"dir",` + enc + `}`, `{"alg":["dir"],` + enc + `}`, `{"alg":"dir","enc":["` + f.enc + `"]}`,
			`{` + usual + `,"typ":"` + strings.Repeat("x", maxHeader) + `"}`,
		} {
			wantInvalid(t, r, f.mint(t, testSecret, header, testClaims))
		}
		if f.named {
			kid := usual[strings.Index(usual, `"kid"`):]
			wantInvalid(t, r, f.mint(t, testSecret, "{"+usual+","+kid+"}", testClaims))
		}
	})
}

// TestHeaderSpellings: what means the same is accepted, however it is written.
func TestHeaderSpellings(t *testing.T) {
	each(t, func(t *testing.T, f form) {
		r, usual := f.ring(t), f.members(t, testSecret)
		list := strings.Split(usual, ",")
		reversed := list[len(list)-1]
		for i := len(list) - 2; i >= 0; i-- {
			reversed += "," + list[i]
		}
		for _, header := range []string{
			"{" + usual + "}", "{" + reversed + "}", "{ " + strings.ReplaceAll(usual, ",", " , ") + "\n}",
			`{"typ":"JWT",` + usual + `}`, `{` + usual + `,"cty":"json","typ":"JWT"}`,
			`{` + strings.NewReplacer("alg", `\u0061lg`, "dir", `d\u0069r`, "kid", `k\u0069d`).Replace(usual) + `}`,
		} {
			wantOpens(t, r, f.mint(t, testSecret, header, testClaims), testClaims)
		}
		// The tag covers the header as received, not as understood.
		_, rest, _ := strings.Cut(f.mint(t, testSecret, "{"+reversed+"}", testClaims), "..")
		wantInvalid(t, r, b64([]byte("{"+usual+"}"))+".."+rest)
	})
}
