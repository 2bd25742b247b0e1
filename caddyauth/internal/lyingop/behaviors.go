package lyingop

import (
	"crypto/rand"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// The prefixes of the conformance suite's module names.
const (
	OIDCC = "oidcc-client-test"
	FAPI2 = "fapi2-security-profile-final-client-"
)

// Behave makes the OP behave as the module of that name of the OpenID Foundation's
// conformance suite for clients. Where that adds something to a value, it is one
// character, so that nobody passes who compares less than the whole.
func (op *OP) Behave(name string) {
	op.t.Helper()
	behave := behaviors[name]
	if behave == nil {
		op.t.Fatalf("no behavior is called %q", name)
	}
	if strings.HasPrefix(name, FAPI2) {
		op.fapi()
	}
	behave(op)
}

// Behaviors returns the names of all, sorted.
func Behaviors() []string { return slices.Sorted(maps.Keys(behaviors)) }

// claim is a behavior that changes one claim of ID tokens; nil removes it.
func claim(name string, value func(op *OP) any) func(*OP) {
	return func(op *OP) { op.Claims = func(c map[string]any) { c[name] = value(op) } }
}

// missing is one that leaves a claim out.
func missing(name string) func(*OP) { return claim(name, func(*OP) any { return nil }) }

// Set returns a function that sets one member.
func Set(name string, v any) func(map[string]any) {
	return func(m map[string]any) { m[name] = v }
}

func honest(*OP) {}

var (
	wrongIss   = claim("iss", func(op *OP) any { return op.URL + "1" })
	wrongAud   = claim("aud", func(op *OP) any { return op.ClientID + "1" })
	wrongNonce = func(op *OP) {
		op.Claims = func(c map[string]any) {
			nonce, _ := c["nonce"].(string)
			c["nonce"] = nonce + "1"
		}
	}
	anotherIssuer = func(op *OP) {
		op.alsoMetadata(func(m map[string]any) { m["issuer"] = op.URL + "1" })
	}
	unsigned = func(op *OP) { op.RawToken = Unsigned }
)

// alsoMetadata changes the discovery document after what changes it already.
func (op *OP) alsoMetadata(change func(map[string]any)) {
	before := op.Metadata
	op.Metadata = func(m map[string]any) {
		if before != nil {
			before(m)
		}
		change(m)
	}
}

// behaviors are one for every module that a client of the code flow has to pass
// (OIDCC, and FAPI2 as far as it does without DPoP and JARM). What logout tokens
// say is in LogoutToken.
var behaviors = map[string]func(*OP){
	OIDCC:                                honest,
	OIDCC + "-client-secret-basic":       func(op *OP) { op.only("basic") },
	OIDCC + "-discovery-issuer-mismatch": anotherIssuer,
	OIDCC + "-discovery-jwks-uri-keys":   func(op *OP) { op.JWKSPath = JWKS + "/" + rand.Text() },
	OIDCC + "-discovery-openid-config":   honest,
	OIDCC + "-form-post-error":           honest, // prompt=none is an error here by itself
	OIDCC + "-idtoken-sig-none":          unsigned,
	OIDCC + "-idtoken-sig-rs256":         func(op *OP) { op.Metadata = Set("id_token_signing_alg_values_supported", []string{"RS256"}) },
	OIDCC + "-invalid-athash":            claim("at_hash", func(*OP) any { return AtHash("another token") }),
	OIDCC + "-invalid-aud":               wrongAud,
	OIDCC + "-invalid-iss":               wrongIss,
	OIDCC + "-invalid-sig-es256": func(op *OP) {
		op.signES256()
		op.RawToken = Flip
	},
	OIDCC + "-invalid-sig-hs256": func(op *OP) {
		op.Metadata = Set("id_token_signing_alg_values_supported", []string{"RS256", "HS256"})
		op.RawToken = func(raw string) string { return Flip(HS256([]byte(op.ClientSecret))(raw)) }
	},
	OIDCC + "-invalid-sig-rs256": func(op *OP) { op.RawToken = Flip },
	OIDCC + "-kid-absent-multiple-jwks": func(op *OP) {
		op.Key, op.JWKS = RSA().Named(""), KeysOf(EC(), OtherRSA(), RSA())
	},
	OIDCC + "-kid-absent-single-jwks": func(op *OP) {
		op.Key, op.JWKS = RSA().Named(""), KeysOf(RSA())
	},
	OIDCC + "-missing-aud":   missing("aud"),
	OIDCC + "-missing-iat":   missing("iat"),
	OIDCC + "-missing-sub":   missing("sub"),
	OIDCC + "-nonce-invalid": wrongNonce,
	OIDCC + "-refresh-token": (*OP).expiring,
	OIDCC + "-refresh-token-invalid-issuer": func(op *OP) {
		op.expiring()
		op.Refreshed = func(c map[string]any) { c["iss"] = op.URL + "1" }
	},
	OIDCC + "-refresh-token-invalid-sub": func(op *OP) {
		op.expiring()
		op.Refreshed = Set("sub", Subject+"1")
	},
	OIDCC + "-scope-userinfo-claims":                    func(op *OP) { op.Scoped = true },
	OIDCC + "-signing-key-rotation":                     (*OP).rotateAfterSigning,
	OIDCC + "-signing-key-rotation-just-before-signing": (*OP).rotateBeforeSigning,
	OIDCC + "-userinfo-bearer-header":                   honest,
	OIDCC + "-userinfo-invalid-sub":                     func(op *OP) { op.Person["sub"] = Subject + "1" },
	OIDCC + "-userinfo-signed":                          func(op *OP) { op.SignedUserinfo = true },

	OIDCC + "-3rd-party-init-login":                    honest,
	OIDCC + "-rp-backchannel-rpinitlogout":             (*OP).leaving,
	OIDCC + "-rp-backchannel-rpinitlogout-alg-none":    (*OP).leaving,
	OIDCC + "-rp-backchannel-rpinitlogout-no-event":    (*OP).leaving,
	OIDCC + "-rp-backchannel-rpinitlogout-with-nonce":  (*OP).leaving,
	OIDCC + "-rp-backchannel-rpinitlogout-wrong-alg":   (*OP).leaving,
	OIDCC + "-rp-backchannel-rpinitlogout-wrong-aud":   (*OP).leaving,
	OIDCC + "-rp-backchannel-rpinitlogout-wrong-event": (*OP).leaving,
	OIDCC + "-rp-backchannel-rpinitlogout-wrong-iss":   (*OP).leaving,
	OIDCC + "-rp-frontchannel-opinitlogout":            (*OP).leaving,
	OIDCC + "-rp-frontchannel-rpinitlogout":            (*OP).leaving,
	OIDCC + "-rp-init-logout":                          (*OP).leaving,
	OIDCC + "-rp-init-logout-no-state": func(op *OP) {
		op.leaving()
		op.Return = func(v url.Values) { v.Del("state") }
	},
	OIDCC + "-rp-init-logout-other-state": func(op *OP) {
		op.leaving()
		op.Return = func(v url.Values) { v.Set("state", v.Get("state")+"1") }
	},

	FAPI2 + "test-happy-path":                honest,
	FAPI2 + "test-discovery-issuer-mismatch": anotherIssuer,
	FAPI2 + "test-invalid-iss":               wrongIss,
	FAPI2 + "test-invalid-aud":               wrongAud,
	FAPI2 + "test-invalid-secondary-aud":     claim("aud", func(op *OP) any { return []string{op.ClientID, "another client"} }),
	FAPI2 + "test-invalid-null-alg":          unsigned,
	FAPI2 + "test-invalid-alternate-alg": func(op *OP) {
		op.Key, op.JWKS = RSA(), KeysOf(EC(), RSA())
	},
	FAPI2 + "test-invalid-expired-exp":   claim("exp", func(op *OP) any { return op.Now().Add(-6 * time.Minute).Unix() }),
	FAPI2 + "test-invalid-missing-exp":   missing("exp"),
	FAPI2 + "test-invalid-missing-aud":   missing("aud"),
	FAPI2 + "test-invalid-missing-iss":   missing("iss"),
	FAPI2 + "test-valid-aud-as-array":    claim("aud", func(op *OP) any { return []string{op.ClientID} }),
	FAPI2 + "test-invalid-nonce":         wrongNonce,
	FAPI2 + "test-invalid-missing-nonce": missing("nonce"),
	FAPI2 + "test-invalid-authorization-response-iss": func(op *OP) {
		op.Callback = func(v url.Values) { v.Set("iss", op.URL+"1") }
	},
	FAPI2 + "test-remove-authorization-response-iss": func(op *OP) {
		op.Callback = func(v url.Values) { v.Del("iss") }
	},
	FAPI2 + "test-ensure-authorization-response-with-invalid-state-fails": func(op *OP) {
		op.Callback = func(v url.Values) { v.Set("state", v.Get("state")+"1") }
	},
	FAPI2 + "test-ensure-authorization-response-with-invalid-missing-state-fails": func(op *OP) {
		op.Callback = func(v url.Values) { v.Del("state") }
	},
	FAPI2 + "test-token-endpoint-response-without-expires_in": func(op *OP) {
		op.Response = func(m map[string]any) { delete(m, "expires_in") }
	},
	FAPI2 + "test-token-type-case-insensitivity": func(op *OP) { op.Response = Set("token_type", "bEARER") },
	FAPI2 + "refresh-token-test":                 (*OP).expiring,
}

// only restricts the OP to one way to authenticate clients.
func (op *OP) only(auth string) {
	op.ClientAuth = auth
	method := auth
	if auth != "private_key_jwt" {
		method = "client_secret_" + auth
	}
	op.alsoMetadata(Set("token_endpoint_auth_methods_supported", []string{method}))
}

func (op *OP) signES256() {
	op.Key, op.JWKS = EC(), KeysOf(EC())
	op.alsoMetadata(Set("id_token_signing_alg_values_supported", []string{"ES256"}))
}

// Pushed makes the OP take authorization requests that are pushed (RFC 9126), and
// no others, from a client that authenticates with assertions of a key.
func (op *OP) Pushed(client Key) {
	op.only("private_key_jwt")
	op.ClientKey, op.PushedOnly = client.Signer.Public(), true
	op.alsoMetadata(func(m map[string]any) {
		m["pushed_authorization_request_endpoint"] = op.URL + PushedRequest
		m["require_pushed_authorization_requests"] = true
	})
}

// fapi is what all modules of FAPI 2.0 have in common: ES256, and the iss
// parameter. See Pushed for the rest.
func (op *OP) fapi() {
	op.signES256()
	op.alsoMetadata(Set("authorization_response_iss_parameter_supported", true))
}

// expiring makes access tokens due for renewal from the beginning, each one for
// one use: userinfo says 401 the second time.
func (op *OP) expiring() {
	op.Lifetime = 30 * time.Second
	used := make(map[string]bool)
	var mu sync.Mutex
	op.Replace(Userinfo, func(w http.ResponseWriter, r *http.Request) {
		bearer := r.Header.Get("Authorization")
		mu.Lock()
		again := used[bearer]
		used[bearer] = true
		mu.Unlock()
		if again {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			http.Error(w, "expired", http.StatusUnauthorized)
			return
		}
		op.Answer(w, r)
	})
}

// rotateAfterSigning gives the OP another key after each ID token.
func (op *OP) rotateAfterSigning() {
	op.RawToken = func(raw string) string {
		next := RSA()
		if op.Key.ID == next.ID {
			next = OtherRSA()
		}
		// The client gets the keys after the token that they verify.
		old := op.Key
		op.Key = next
		op.JWKS = func() any {
			keys := KeysOf(old)()
			op.JWKS = KeysOf(next)
			return keys
		}
		return raw
	}
}

// rotateBeforeSigning gives it another key before each, and takes the old one
// away.
func (op *OP) rotateBeforeSigning() {
	op.Claims = func(map[string]any) {
		op.Key = NewEC(rand.Text())
		op.JWKS = KeysOf(op.Key)
	}
	op.signES256()
}

// leaving advertises what an OP has for it.
func (op *OP) leaving() {
	op.alsoMetadata(func(m map[string]any) {
		m["end_session_endpoint"] = op.URL + EndSession
		for _, name := range []string{"backchannel_logout_supported", "backchannel_logout_session_supported", "frontchannel_logout_supported", "frontchannel_logout_session_supported"} {
			m[name] = true
		}
	})
	op.Claims = Set("sid", Session)
}

// Session is the OP's name of the session of whoever signs in, where it has one.
const Session = "the OP's session"

// LogoutEvent is the member that the events of a logout token have (OpenID Connect
// Back-Channel Logout, section 2.4).
const LogoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// LogoutToken makes a logout token that lies as the module of that name does. More
// claims go over its own, where nil removes one.
func (op *OP) LogoutToken(module string, more ...map[string]any) string {
	op.t.Helper()
	op.mu.Lock()
	defer op.mu.Unlock()
	now := op.Now().Unix()
	c := map[string]any{
		"iss": op.URL, "aud": op.ClientID, "iat": now, "exp": now + 120, "jti": rand.Text(), "sub": Subject, "sid": Session,
		"events": map[string]any{LogoutEvent: map[string]any{}},
	}
	key, lie := op.Key, func(raw string) string { return raw }
	switch strings.TrimPrefix(module, OIDCC+"-rp-backchannel-rpinitlogout") {
	case "":
	case "-alg-none":
		lie = Unsigned
	case "-no-event":
		delete(c, "events")
	case "-with-nonce":
		c["nonce"] = "a nonce"
	case "-wrong-alg":
		key = EC()
		op.JWKS = KeysOf(op.Key, key)
	case "-wrong-aud":
		c["aud"] = op.ClientID + "1"
	case "-wrong-event":
		c["events"] = map[string]any{LogoutEvent + "1": map[string]any{}}
	case "-wrong-iss":
		c["iss"] = op.URL + "1"
	default:
		op.t.Fatalf("no logout token is called %q", module)
	}
	for _, m := range more {
		maps.Copy(c, m)
	}
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return lie(key.Sign(string(mustJSON(c)), map[string]any{"typ": "logout+jwt"}))
}
