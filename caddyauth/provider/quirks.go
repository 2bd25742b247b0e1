package provider

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyauth/gateway/caddyauth/internal/claim"
)

// serviceQuirks binds what entries of the catalogue cannot say to their ids.
func serviceQuirks() map[string]quirks {
	microsoft := quirks{issuer: microsoftIssuer, tokenIssuer: microsoftTokenIssuer, login: microsoftLogin}
	return map[string]quirks{
		"apple":              {validate: appleKey, tokenForm: appleSecret, enrich: appleName},
		"azure-ad":           microsoft,
		"azure-ad-b2c":       {issuer: b2cIssuer},
		"azure-devops":       {authorize: azureDevOpsAssertion, tokenForm: azureDevOpsGrant, tokenAnswer: azureDevOpsTokenType},
		"bitbucket":          {enrich: bitbucketEmails},
		"discord":            {enrich: discordAvatar},
		"eventbrite":         {enrich: eventbriteEmail},
		"facebook":           {askUserinfo: facebookProof},
		"github":             {enrich: githubEmails, orgs: githubOrgs, orgScope: "read:org"},
		"gitlab":             {enrich: gitlabConfirmed, orgs: gitlabGroups, orgScope: "openid"},
		"google":             {domain: googleDomain},
		"instagram":          {tokenAnswer: instagramEnvelope},
		"microsoft-entra-id": microsoft,
		"twitter":            {askUserinfo: twitterEmail},
		"wechat":             {authorize: wechatOrder, tokenAnswer: wechatError, enrich: wechatRefused},
		"yandex":             {enrich: yandexAvatar},
	}
}

// googleDomain follows Google's own rule for when an address is authoritative:
// an account at Workspace says so with hd, and gmail.com is Google's. A private
// Google account may be registered with any address of any company, verified
// once and never again.
func googleDomain(profile map[string]any, address string) string {
	if hd, ok := profile["hd"].(string); ok {
		return hostname(hd)
	}
	if address == "gmail.com" {
		return address
	}
	return ""
}

// discordAvatar works out the picture's address, which Discord leaves to its
// clients, and puts it where NextAuth does.
func discordAvatar(_ context.Context, s *signIn) error {
	id, _ := claim.Text(s.profile["id"])
	if hash, _ := s.profile["avatar"].(string); hash != "" {
		format := "png"
		if strings.HasPrefix(hash, "a_") {
			format = "gif"
		}
		s.profile["image_url"] = "https://cdn.discordapp.com/avatars/" + url.PathEscape(id) + "/" + url.PathEscape(hash) + "." + format
		return nil
	}
	discriminator, _ := claim.Text(s.profile["discriminator"])
	number, err := strconv.ParseUint(discriminator, 10, 16)
	index := number % 5
	if err != nil || number == 0 {
		// Accounts without a discriminator have one of six pictures, by the time
		// in their id.
		snowflake, err := strconv.ParseUint(id, 10, 64)
		if err != nil {
			return nil
		}
		index = (snowflake >> 22) % 6
	}
	s.profile["image_url"] = fmt.Sprintf("https://cdn.discordapp.com/embed/avatars/%d.png", index)
	return nil
}

// yandexAvatar leaves out the id of a picture that nobody has chosen: it leads to
// a gray head.
func yandexAvatar(_ context.Context, s *signIn) error {
	if claim.True(s.profile["is_avatar_empty"]) {
		delete(s.profile, "default_avatar_id")
	}
	return nil
}

// eventbriteEmail picks the primary address of a list, which no path can.
func eventbriteEmail(_ context.Context, s *signIn) error {
	list, _ := s.profile["emails"].([]any)
	for _, e := range list {
		if e, ok := e.(map[string]any); ok && claim.True(e["primary"]) {
			s.profile["email"] = e["email"]
			s.verified = new(claim.True(e["verified"]))
			return nil
		}
	}
	return nil
}

// facebookProof proves that the request is from the holder of the secret. It is
// refused without where the application says "Require App Secret".
func facebookProof(s *signIn, req *http.Request) {
	mac := hmac.New(sha256.New, []byte(s.p.cfg.ClientSecret))
	mac.Write([]byte(s.tokens.access))
	q := req.URL.Query()
	q.Set("appsecret_proof", hex.EncodeToString(mac.Sum(nil)))
	req.URL.RawQuery = q.Encode()
}

// twitterEmail asks for the confirmed address where the scope for it is
// configured. Without, X refuses the whole request.
func twitterEmail(s *signIn, req *http.Request) {
	if !slices.Contains(s.p.cfg.Scope, "users.email") {
		return
	}
	q := req.URL.Query()
	q.Set("user.fields", q.Get("user.fields")+",confirmed_email")
	req.URL.RawQuery = q.Encode()
}

// gitlabConfirmed reads from when an account was confirmed that its address was:
// GitLab shows no address as email that is not confirmed, once there is a first.
func gitlabConfirmed(_ context.Context, s *signIn) error {
	at, _ := s.profile["confirmed_at"].(string)
	s.verified = new(at != "")
	return nil
}

// gitlabGroups asks the OpenID Connect side of GitLab for groups, subgroups as
// paths: the API would need a scope that reads everything. Whoever takes the
// scope out of the address on the way gets a refusal here.
func gitlabGroups(ctx context.Context, s *signIn) ([]string, error) {
	body, _, err := get(ctx, s.p.client, s.p.endpoint("{issuer}/oauth/userinfo"), s.tokens.access)
	if err != nil {
		return nil, err
	}
	claims, err := decodeObject(body)
	if err != nil {
		return nil, err
	}
	groups, ok := claims["groups"]
	if !ok {
		return nil, errors.New("userinfo has no groups")
	}
	return claim.Strings(groups), nil
}

// bitbucketEmails asks for the account's addresses, as /user has none. Without
// the scope for them the sign-in goes on without.
func bitbucketEmails(ctx context.Context, s *signIn) error {
	address := strings.TrimSuffix(s.metadata.userinfo, "/") + "/emails"
	body, _, err := get(ctx, s.p.client, address, s.tokens.access)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		return nil
	}
	var list struct {
		Values []struct {
			Email     string `json:"email"`
			Primary   bool   `json:"is_primary"`
			Confirmed bool   `json:"is_confirmed"`
		} `json:"values"`
	}
	if err := decodeStrict(body, &list); err != nil {
		return fmt.Errorf("%s: %w", hostOf(address), err)
	}
	for _, e := range list.Values {
		if e.Primary {
			s.profile["email"], s.verified = e.Email, new(e.Confirmed)
			return nil
		}
	}
	return nil
}
