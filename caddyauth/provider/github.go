package provider

import (
	"context"
	"fmt"
	"strings"

	"go.uber.org/zap"
)

// githubEmails asks for the account's addresses: /user shows an address only if
// its owner made it public, and never says whether it is verified.
//
// Like NextAuth it takes the primary address, else the first. Without the scope
// user:email, or if the request fails, the sign-in goes on with what is known
// and nothing vouched for.
func githubEmails(ctx context.Context, s *signIn) error {
	url := strings.TrimSuffix(s.metadata.userinfo, "/") + "/emails"
	s.verified = new(bool)
	body, _, err := get(ctx, s.p.client, url, s.tokens.access)
	if err != nil {
		s.p.log.Debug("the e-mail addresses could not be fetched", zap.String("provider", s.p.info.ID), zap.Error(err))
		if ctx.Err() != nil {
			return failure(ctx, ReasonUserinfo, err)
		}
		return nil
	}
	var list []githubEmail
	if err := decodeStrict(body, &list); err != nil {
		return &Error{Reason: ReasonUserinfo, Err: fmt.Errorf("%s: %w", hostOf(url), err)}
	}
	if len(list) == 0 {
		return nil
	}
	chosen := list[0]
	shown, _ := s.profile["email"].(string)
	for _, e := range list {
		if shown == "" && e.Primary || shown != "" && strings.EqualFold(e.Email, shown) {
			chosen = e
			break
		}
	}
	if shown == "" {
		s.profile["email"] = chosen.Email
		*s.verified = chosen.Verified
	} else {
		*s.verified = chosen.Verified && strings.EqualFold(chosen.Email, shown)
	}
	return nil
}

type githubEmail struct {
	Email    string `json:"email"`
	Primary  bool   `json:"primary"`
	Verified bool   `json:"verified"`
}
