package authapi

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/testkey"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// locksmith is a provider of passkeys. It looks at what decides whom an answer is
// for, and believes signatures: those are the concern of the provider's own tests.
type locksmith struct {
	id string

	mu     sync.Mutex
	n      int
	broken error // what beginning fails with
	user   provider.PasskeyUser
	have   []provider.Passkey
	party  provider.RelyingParty
}

func (s *locksmith) Info() provider.Info {
	return provider.Info{ID: s.id, Name: "Passkey", Type: provider.TypeWebAuthn, Logo: "passkey", Realm: "passkey"}
}

func (s *locksmith) begin(rp provider.RelyingParty, have []provider.Passkey) (json.RawMessage, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.have, s.party = have, rp
	if s.broken != nil {
		return nil, "", s.broken
	}
	s.n++
	sum := sha256.Sum256(fmt.Append(nil, s.id, s.n))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	return json.RawMessage(`{"challenge":"` + challenge + `"}`), challenge, nil
}

func (s *locksmith) BeginRegistration(rp provider.RelyingParty, user provider.PasskeyUser, have []provider.Passkey) (json.RawMessage, string, error) {
	s.user = user
	return s.begin(rp, have)
}

func (s *locksmith) BeginAuthentication(rp provider.RelyingParty, have []provider.Passkey) (json.RawMessage, string, error) {
	return s.begin(rp, have)
}

var errLie = &provider.Error{Reason: provider.ReasonPasskey, Err: errors.New("a lie")}

// answered reads an answer and returns the credential's id and what the
// authenticator says.
func answered(rp provider.RelyingParty, typ, challenge string, data []byte) (id, handle string, auth []byte, err error) {
	var answer struct {
		ID       string
		Response struct{ ClientDataJSON, AuthenticatorData, UserHandle string }
	}
	var client struct{ Type, Challenge, Origin string }
	err = json.Unmarshal(data, &answer)
	raw, e := base64.RawURLEncoding.DecodeString(answer.Response.ClientDataJSON)
	err = errors.Join(err, e, json.Unmarshal(raw, &client))
	auth, e = base64.RawURLEncoding.DecodeString(answer.Response.AuthenticatorData)
	rawID, e2 := base64.RawURLEncoding.DecodeString(answer.ID)
	if errors.Join(err, e, e2) != nil || client.Type != typ || client.Challenge != challenge || client.Origin != rp.Origin {
		return "", "", nil, errLie
	}
	return base64.StdEncoding.EncodeToString(rawID), answer.Response.UserHandle, auth, nil
}

func (s *locksmith) FinishRegistration(rp provider.RelyingParty, challenge string, user provider.PasskeyUser, data []byte) (provider.Passkey, error) {
	id, _, _, err := answered(rp, "webauthn.create", challenge, data)
	if err != nil {
		return provider.Passkey{}, err
	}
	return provider.Passkey{
		ID: id, PublicKey: []byte("key of " + id), Counter: 1, Handle: user.Handle, MultiDevice: true, BackedUp: true,
		Transports: []string{"internal", "hybrid"}, Flags: testkey.UP | testkey.UV, AAGUID: make([]byte, 16),
	}, nil
}

func (s *locksmith) FinishAuthentication(rp provider.RelyingParty, challenge string, data []byte, find func(string) (provider.Passkey, error)) (provider.Passkey, error) {
	id, handle, auth, err := answered(rp, "webauthn.get", challenge, data)
	if err != nil {
		return provider.Passkey{}, err
	}
	k, err := find(id)
	if err != nil {
		return provider.Passkey{}, err
	}
	k.Counter, k.Flags = binary.BigEndian.Uint32(auth[33:37]), auth[32]
	k.BackedUp = k.Flags&testkey.BS != 0
	if k.ID != id || string(k.PublicKey) != "key of "+id || !k.MultiDevice ||
		k.Handle != nil && handle != "" && handle != testkey.Base64(k.Handle) {
		return provider.Passkey{}, errLie
	}
	return k, nil
}

// withPasskeys adds passkeys to a site.
func withPasskeys(o *Options) { o.Providers = append(o.Providers, &locksmith{id: "passkey"}) }

// locksmith is the site's.
func (w *world) locksmith() *locksmith {
	p, _ := providerOf[*locksmith](w.api)
	return p
}

// newDevice is a device with a passkey at the test's site. Its key is an EdDSA one,
// which takes the least time.
func newDevice(t testing.TB) *testkey.Device {
	t.Helper()
	return testkey.New(t, testkey.EdDSA, "app.example.com", testOrigin)
}

// credentialID is how a passkey is kept.
func credentialID(d *testkey.Device) string { return base64.StdEncoding.EncodeToString(d.ID) }

// options asks for options and returns the challenge in them.
func (b *browser) options(action string) string {
	b.t.Helper()
	r := b.get("/webauthn-options/passkey?action=" + action)
	var answer struct {
		Action  string
		Options struct{ Challenge string }
	}
	if err := json.Unmarshal([]byte(r.body), &answer); err != nil || r.status != 200 || answer.Action != action || answer.Options.Challenge == "" {
		b.t.Fatalf("no options to %s: %d %s", action, r.status, r.body)
	}
	return answer.Options.Challenge
}

// answer posts what a device says.
func (b *browser) answer(action string, data []byte, more ...string) reply {
	b.t.Helper()
	return b.post("/callback/passkey", append([]string{"action", action, "data", string(data)}, more...)...)
}

// adds registers the passkey of a device.
func (b *browser) adds(d *testkey.Device) reply {
	b.t.Helper()
	r := b.answer("register", d.Create(b.options("register")))
	if r.status != 302 || r.location() != testOrigin {
		b.t.Fatalf("not registered: %d %q", r.status, r.location())
	}
	return r
}

// uses tries to sign in with the passkey of a device.
func (b *browser) uses(d *testkey.Device) reply {
	b.t.Helper()
	return b.answer("authenticate", d.Get(b.options("authenticate")))
}

// signOut leaves the browser as it was before anybody signed in.
func (b *browser) signOut() {
	b.t.Helper()
	if b.post("/signout"); b.session() != nil {
		b.t.Fatal("still signed in")
	}
}

// wantNoPasskey is the refusal of a passkey.
func (l *library) wantNoPasskey(t testing.TB, r reply, why reason) {
	t.Helper()
	want := map[string]string{"v4": "/signin?error=WebAuthnVerificationError", "v5": "/error?error=WebAuthnVerificationError"}
	l.wantRefusal(t, r, why, want[l.api.opts.Dialect.String()])
}

// wantTaken is the refusal of a passkey that is somebody else's.
func (l *library) wantTaken(t testing.TB, r reply) {
	t.Helper()
	want := map[string]string{"v4": "/error?error=OAuthAccountNotLinked", "v5": "/signin?error=AccountNotLinked"}
	l.wantRefusal(t, r, ReasonAccountTaken, want[l.api.opts.Dialect.String()])
}

func (l *library) wantRefusal(t testing.TB, r reply, why reason, to string) {
	t.Helper()
	if r.status != 302 || r.location() != baseURL+to {
		t.Errorf("got %d %q, want %q", r.status, r.location(), baseURL+to)
	}
	if _, set := r.cookie(l.name("session-token")); set {
		t.Error("a session cookie is set")
	}
	var reasons []any
	for _, line := range l.logs.TakeAll() {
		if why, ok := line.ContextMap()["reason"]; ok {
			reasons = append(reasons, why)
		}
	}
	if len(reasons) != 1 || reasons[0] != string(why) {
		t.Errorf("reasons %v, want %s", reasons, why)
	}
}

// passkeys are those that are kept of a user.
func (l *library) passkeys(t testing.TB, userID string) []store.Authenticator {
	t.Helper()
	list, err := l.shelf.Driver.Authenticators(context.Background(), userID)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// linked are the accounts in the events since they were last asked for.
func (l *library) linked() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []string
	for _, e := range l.events {
		account, _ := e.data["account"].(map[string]any)
		list = append(list, fmt.Sprint(e.name, " ", account["provider"], " ", account["type"], " ", account["providerAccountId"]))
	}
	l.events = nil
	return list
}

// strictly makes the sessions of a site whose providers are known by their realms,
// and which asks about accounts at each request.
func strictly(t testing.TB, database bool, realms map[string]string, live func(*session.Session) ([]string, []string, bool)) func(*Options) {
	return func(o *Options) {
		so := sessionOptions(t, o.Now, o.Dialect, o.Secrets)
		so.Store, so.Database, so.Realms, so.Live = o.Store, database, realms, live
		var err error
		if o.Sessions, err = session.New(so); err != nil {
			t.Fatal(err)
		}
	}
}

// inBothStrategies is everywhere for those who make the sessions themselves.
func inBothStrategies(t *testing.T, f func(t *testing.T, database bool, d func(*Options))) {
	both(t, func(t *testing.T, d func(*Options)) {
		for name, database := range map[string]bool{"jwt": false, "database": true} {
			t.Run(name, func(t *testing.T) { f(t, database, d) })
		}
	})
}

// holds reports whether a browser holds a cookie with attempts under way, and what it
// is.
func (b *browser) holds(short string) (setCookie, bool) {
	i := slices.IndexFunc(b.jar, func(c setCookie) bool { return c.name == b.name(short) })
	if i < 0 {
		return setCookie{}, false
	}
	return b.jar[i], true
}

// silent makes sure that the log has none of these in it.
func (l *library) silent(t testing.TB, secrets ...string) {
	t.Helper()
	for _, line := range l.logs.All() {
		text := fmt.Sprint(line.Message, line.ContextMap())
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("logged: %s", text)
			}
		}
	}
}

func (s *shelf) Authenticator(ctx context.Context, id string) (store.Authenticator, error) {
	return calling(s, "Authenticator", func() (store.Authenticator, error) { return s.Driver.Authenticator(ctx, id) })
}

func (s *shelf) Authenticators(ctx context.Context, userID string) ([]store.Authenticator, error) {
	return calling(s, "Authenticators", func() ([]store.Authenticator, error) { return s.Driver.Authenticators(ctx, userID) })
}

func (s *shelf) CreateAuthenticator(ctx context.Context, a store.Authenticator) error {
	return doing(s, "CreateAuthenticator", func() error { return s.Driver.CreateAuthenticator(ctx, a) })
}

func (s *shelf) UpdateAuthenticator(ctx context.Context, a store.Authenticator) error {
	return doing(s, "UpdateAuthenticator", func() error { return s.Driver.UpdateAuthenticator(ctx, a) })
}

func (s *shelf) Account(ctx context.Context, p, id string) (store.Account, error) {
	return calling(s, "Account", func() (store.Account, error) { return s.Driver.Account(ctx, p, id) })
}

func (s *shelf) Lock(ctx context.Context, name, owner string, ttl time.Duration) (bool, error) {
	return calling(s, "Lock", func() (bool, error) { return s.Driver.Lock(ctx, name, owner, ttl) })
}
