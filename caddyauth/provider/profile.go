package provider

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/caddyauth/gateway/caddyauth/internal/claim"
)

// profileFields are the keys of Config.Profile.
var profileFields = []string{"id", "name", "email", "image"}

// Bounds of the fields. What is longer is treated as missing: it would not fit
// a cookie, and is no name and no address.
const (
	maxID    = 255 // of the login too
	maxName  = 1024
	maxEmail = 320 // RFC 3696 3, with its erratum
	maxImage = 4096
)

// identity reads the finished profile.
func (s *signIn) identity() (*Identity, error) {
	id, ok := s.field("id", maxID).Get()
	if !ok || id == "" {
		return nil, &Error{Reason: ReasonProfile, Err: errors.New("the profile has no usable account id")}
	}
	user := User{
		ID:    id,
		Name:  s.field("name", maxName),
		Email: s.field("email", maxEmail),
		Image: s.field("image", maxImage),
	}
	if email, ok := user.Email.Get(); ok {
		user.Email = String(strings.ToLower(email))
	}
	out := &Identity{
		User:    user,
		Profile: s.profile,
		Account: Account{
			Type: s.p.info.Type, ProviderAccountID: id,
			AccessToken: s.tokens.access, RefreshToken: s.tokens.refresh,
			TokenType: s.tokens.kind, Scope: s.tokens.scope, ExpiresAt: s.tokens.expiresAt,
		},
	}
	if s.p.preset.oidc {
		out.Account.IDToken = s.tokens.id // verified
	}
	out.Login = s.login()
	if t, ok := numericDate(s.profile["auth_time"]); ok {
		out.AuthTime = t
	}
	s.vouch(out)
	return out, nil
}

// login is the account's name at the service, empty if it has none that fits.
func (s *signIn) login() string {
	if find := s.p.preset.login; find != nil {
		return find(s)
	}
	for _, path := range s.p.preset.Login {
		v, _ := s.value(path)
		if login, ok := claim.Text(v); ok && login != "" && len(login) <= maxID {
			return login
		}
	}
	return ""
}

// vouch fills in what the provider vouches for.
func (s *signIn) vouch(out *Identity) {
	email, ok := out.User.Email.Get()
	if !ok || email == "" {
		return
	}
	// What is vouched for is one claim. An address that a mapping takes from
	// elsewhere may be anything the account's owner typed.
	v, verified := s.vouchedFor()
	found, _ := s.value(v.Address)
	about, _ := found.(string)
	// Letters beyond ASCII may become ASCII in lower case (U+0130, U+212A): the
	// address is then another than the one vouched for.
	if !verified || strings.ToLower(about) != email || isASCII(email) && !isASCII(about) {
		return
	}
	out.Verified = true
	out.Domain = EmailDomain(email)
	if s.p.preset.domain != nil {
		out.Domain = s.p.preset.domain(s.profile, out.Domain)
	}
}

// standardVouched is what email_verified is about (Core 5.1).
var standardVouched = vouched{Address: "email", If: []string{"email_verified"}}

// vouchedFor is where the address is that the service vouches for, if it does so
// for this person.
func (s *signIn) vouchedFor() (vouched, bool) {
	if s.verified != nil {
		return standardVouched, *s.verified
	}
	v := s.p.preset.Vouched
	switch {
	case v == nil && !s.p.preset.oidc:
		return standardVouched, false
	case v == nil:
		v = &standardVouched
	}
	return *v, !slices.ContainsFunc(v.If, func(path string) bool {
		said, _ := s.value(path)
		return !claim.True(said)
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

// field reads one of NextAuth's user fields as a chain of JavaScript's ??: the
// first claim that is neither absent nor null, else what the last one is.
func (s *signIn) field(name string, most int) Text {
	var out Text
	for _, path := range s.p.cfg.Profile[name] {
		v, exists := s.text(path)
		switch {
		case !exists:
			out = Text{}
		case v == nil:
			out = Null()
		default:
			// A list or an object is no name, and an endless one neither.
			if text, ok := claim.Text(v); ok && len(text) <= most {
				return String(text)
			}
			out = Text{}
		}
	}
	return out
}

// EmailDomain returns the lower-case domain of an e-mail address, "" if it is
// not plainly one: exactly one @, also after compatibility normalization, and a
// host name after it. "a@evil.example@example.com" has no domain to trust.
func EmailDomain(address string) string {
	if norm.NFKC.String(address) != address || strings.Count(address, "@") != 1 {
		return ""
	}
	local, domain, _ := strings.Cut(address, "@")
	if local == "" || strings.ContainsAny(local, "\"<>,; \t\r\n\\") {
		return ""
	}
	return hostname(domain)
}

// hostname returns a host name in lower case, "" if it is none.
func hostname(s string) string {
	s = strings.ToLower(s)
	if s == "" || len(s) > 253 {
		return ""
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return ""
		}
		for i := range len(label) {
			if c := label[i]; c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
				return ""
			}
		}
	}
	return s
}
