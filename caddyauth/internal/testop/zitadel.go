package testop

import (
	"context"
	"crypto/sha256"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// Start runs zitadel's provider until the test ends. The redirect URIs are
// compared exactly, and a refresh token is taken once. After signing out, browsers
// may be sent to each of the URIs with signed-out in place of callback and the
// provider's id.
func Start(t testing.TB, redirectURIs ...string) *OP {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	o := newOP(server.URL)
	o.told = func(testing.TB) []Event {
		o.mu.Lock()
		defer o.mu.Unlock()
		return slices.Clone(o.events)
	}

	store := &store{op: o, leave: signedOut(redirectURIs), Storage: storage.NewStorageWithClients(users{}, map[string]*storage.Client{
		clientID: storage.WebClient(clientID, clientSecret, redirectURIs...),
	})}
	provider, err := op.NewProvider(
		&op.Config{CryptoKey: sha256.Sum256([]byte("test")), CryptoKeyId: "key", CodeMethodS256: true, GrantTypeRefreshToken: true, AuthMethodPost: true, AuthMethodPrivateKeyJWT: true},
		store, op.StaticIssuer(server.URL), op.WithAllowInsecure(),
	)
	fatal(t, err)

	issuer := op.NewIssuerInterceptor(provider.IssuerFromRequest)
	finished := op.AuthCallbackURL(provider)
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<form method="post" action="/login"><input type="hidden" name="id" value="%s"><input name="login"><input name="password" type="password"><button>Sign in</button></form>`,
			html.EscapeString(r.FormValue("id")))
	})
	mux.HandleFunc("POST /login", issuer.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.FormValue("id")
		if err := store.CheckUsernamePassword(r.FormValue("login"), r.FormValue("password"), id); err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		http.Redirect(w, r, finished(r.Context(), id), http.StatusFound)
	}))
	mux.Handle("/", o.counting(provider))
	return o
}

// users is zitadel's view of Users.
type users struct{}

func (users) GetUserByUsername(name string) *storage.User { return users{}.GetUserByID("id-" + name) }
func (users) ExampleClientID() string                     { return storage.ServiceUserID }

func (users) GetUserByID(id string) *storage.User {
	for _, u := range Users() {
		if id == "id-"+u.Username {
			return &storage.User{
				ID: id, Username: u.Username, Password: Password, FirstName: u.FirstName, LastName: u.LastName,
				Email: u.Email, EmailVerified: u.EmailVerified,
			}
		}
	}
	if name, ok := strings.CutPrefix(id, "id-crowd"); ok && name != "" {
		name = "crowd" + name
		return &storage.User{ID: id, Username: name, Password: Password, FirstName: name, Email: name + "@example.com", EmailVerified: true}
	}
	return nil
}

// store puts the claims of scopes into the ID token, and groups into both.
type store struct {
	*storage.Storage
	op    *OP
	leave []string // where to after signing out
}

func signedOut(redirectURIs []string) (uris []string) {
	for _, uri := range redirectURIs {
		base, _, _ := strings.Cut(uri, "/callback/")
		uris = append(uris, base+"/signed-out")
	}
	return uris
}

func (s *store) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := s.Storage.GetClientByClientID(ctx, id)
	if err != nil {
		return nil, err
	}
	return &client{c, s}, nil
}

func (s *store) CreateAccessToken(ctx context.Context, req op.TokenRequest) (id string, until time.Time, err error) {
	id, until, err = s.Storage.CreateAccessToken(ctx, req)
	return id, s.until(until), err
}

func (s *store) CreateAccessAndRefreshTokens(ctx context.Context, req op.TokenRequest, current string) (id, next string, until time.Time, err error) {
	id, next, until, err = s.Storage.CreateAccessAndRefreshTokens(ctx, req, current)
	if err == nil && current != "" {
		s.op.did(Event{Event: Granted, GrantType: "refresh_token", RefreshToken: current})
	}
	return id, next, s.until(until), err
}

// until is when an access token ends that has just been made.
func (s *store) until(usual time.Time) time.Time {
	if lifetime, ok := s.op.lifetime(); ok {
		return time.Now().Add(lifetime + time.Second/2) // it tells whole seconds, rounded down
	}
	return usual
}

func (s *store) GetKeyByIDAndClientID(ctx context.Context, keyID, id string) (*jose.JSONWebKey, error) {
	if key := s.op.clientKey(); key != nil && id == clientID && keyID == key.KeyID {
		return key, nil
	}
	return s.Storage.GetKeyByIDAndClientID(ctx, keyID, id)
}

func (s *store) SetUserinfoFromRequest(ctx context.Context, info *oidc.UserInfo, token op.IDTokenRequest, scopes []string) error {
	defer addGroups(info, token.GetSubject())
	return s.Storage.SetUserinfoFromRequest(ctx, info, token, scopes)
}

func (s *store) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, tokenID, subject, origin string) error {
	defer addGroups(info, subject)
	return s.Storage.SetUserinfoFromToken(ctx, info, tokenID, subject, origin)
}

func addGroups(info *oidc.UserInfo, subject string) {
	for _, u := range Users() {
		if subject == "id-"+u.Username && len(u.Groups) > 0 {
			info.AppendClaims("groups", u.Groups)
		}
	}
}

type client struct {
	op.Client
	of *store
}

func (c *client) AuthMethod() oidc.AuthMethod {
	if c.of.op.clientKey() != nil {
		return oidc.AuthMethodPrivateKeyJWT
	}
	return c.Client.AuthMethod()
}

func (c *client) PostLogoutRedirectURIs() []string { return c.of.leave }

func (c *client) LoginURL(id string) string            { return "/login?id=" + id }
func (c *client) IDTokenUserinfoClaimsAssertion() bool { return true }
