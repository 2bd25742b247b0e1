package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
)

const (
	appleAudience = "https://appleid.apple.com"
	appleTeam     = "team_id"
	appleKeyID    = "key_id"
	// appleSecretAge is how long a secret is good for. Apple takes six months at
	// most; as one is made for each request, minutes do.
	appleSecretAge = 5 * time.Minute
	// maxAppleUser bounds what the browser says about a name, in bytes.
	maxAppleUser = 4096
)

// appleKey checks a secret: the private key that Apple lets one download, from
// which secrets are made, or one that was made elsewhere.
func appleKey(c *Config, p *problems) {
	if c.ClientSecret == "" || isJWT(c.ClientSecret) {
		return
	}
	key, err := parseClientKey(c.ClientSecret, c.Settings[appleKeyID])
	if err == nil {
		var alg string
		if alg, err = key.signingAlg(nil); err == nil && alg != "ES256" {
			err = fmt.Errorf("the key is for %s instead of ES256", alg)
		}
	}
	if err != nil {
		p.add("client_secret: neither the key from Apple (AuthKey_....p8) nor a JWT made with it: %v", err)
	}
	for _, name := range []string{appleTeam, appleKeyID} {
		if c.Settings[name] == "" {
			p.add("%s is not set in Caddy's environment, and Apple's key needs it. Or write: setting %s ...", EnvSetting(p.id, name), name)
		}
	}
}

func isJWT(s string) bool { return strings.HasPrefix(s, "ey") && strings.Count(s, ".") == 2 }

// appleSecret signs the client secret, which Apple takes for a short time only,
// with the key that lasts.
func appleSecret(p *oauthProvider, form url.Values) error {
	if isJWT(p.cfg.ClientSecret) {
		return nil
	}
	key, err := parseClientKey(p.cfg.ClientSecret, p.cfg.Settings[appleKeyID])
	if err != nil {
		return err
	}
	now := p.now()
	secret, err := key.sign("ES256", map[string]any{
		"iss": p.cfg.Settings[appleTeam], "sub": p.cfg.ClientID, "aud": appleAudience,
		"iat": now.Unix(), "exp": now.Add(appleSecretAge).Unix(),
	})
	if err != nil {
		return err
	}
	form.Set("client_secret", secret)
	return nil
}

// appleName takes the name from the callback: Apple sends it there at the first
// sign-in only, and never in the ID token. It passes through the browser and so
// is the person's own word; the address beside it counts for nothing.
func appleName(_ context.Context, s *signIn) error {
	raw := s.params.Get("user")
	if raw == "" || len(raw) > maxAppleUser {
		return nil
	}
	var user struct {
		Name struct {
			First string `json:"firstName"`
			Last  string `json:"lastName"`
		} `json:"name"`
	}
	if json.Unmarshal([]byte(raw), &user) != nil {
		return nil
	}
	s.profile["user"] = map[string]any{"name": map[string]any{"firstName": user.Name.First, "lastName": user.Name.Last}}
	return nil
}
