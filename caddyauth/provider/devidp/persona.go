package devidp

import (
	"errors"
	"fmt"
	"net/mail"
	"strings"

	"github.com/zitadel/oidc/v3/pkg/oidc"
)

// maxPersonas keeps the page at a size somebody can choose from.
const maxPersonas = 50

// Persona is somebody to sign in as.
type Persona struct {
	// Sub is the subject identifier, also reported as preferred_username. At
	// most 64 characters, letters, digits and `.-_@+` only. Required, unique.
	Sub string `json:"sub,omitempty"`

	// Name is the display name. Default: Sub.
	Name string `json:"name,omitempty"`

	// Email is the e-mail address. Default: none.
	Email string `json:"email,omitempty"`

	// EmailUnverified reports the address as not verified, to see how rules
	// treat such people. Default: verified.
	EmailUnverified bool `json:"email_unverified,omitempty"`

	// Groups become the claim `groups`.
	Groups []string `json:"groups,omitempty"`

	// Roles become the claim `roles`.
	Roles []string `json:"roles,omitempty"`
}

// defaultPersonas is the cast when none is configured: one who may do
// everything, one who may do little, and one whose name needs care wherever
// it is written and whose address nobody checked.
func defaultPersonas() []Persona {
	return []Persona{
		{
			Sub: "admin", Name: "Ada Admin", Email: "admin@example.com",
			Groups: []string{"admin", "staff"}, Roles: []string{"admin", "staff"},
		},
		{
			Sub: "alice", Name: "Alice Example", Email: "alice@example.com",
			Groups: []string{"users"}, Roles: []string{"user"},
		},
		{
			Sub: "zoe", Name: "Zoë Ōta", Email: "zoe@example.net", EmailUnverified: true,
		},
	}
}

// validate returns everything that is wrong with a cast, in one error.
func validate(personas []Persona) error {
	var errs []error
	if len(personas) > maxPersonas {
		errs = append(errs, fmt.Errorf("at most %d personas, have %d", maxPersonas, len(personas)))
	}
	seen := make(map[string]bool, len(personas))
	for _, p := range personas {
		if seen[p.Sub] {
			errs = append(errs, fmt.Errorf("persona %q: more than once", p.Sub))
		}
		seen[p.Sub] = true
		if err := p.validate(); err != nil {
			errs = append(errs, fmt.Errorf("persona %q: %w", p.Sub, err))
		}
	}
	return errors.Join(errs...)
}

func (p Persona) validate() error {
	// The OP library writes "id:subject" into access tokens and splits there,
	// so a subject has no colon. The rest keeps identifiers readable.
	if p.Sub == "" || len(p.Sub) > 64 || strings.IndexFunc(p.Sub, notSub) >= 0 {
		return errors.New("the subject must be 1 to 64 letters, digits or .-_@+")
	}
	if p.Email == "" {
		return nil
	}
	if addr, err := mail.ParseAddress(p.Email); err != nil || addr.Address != p.Email {
		return fmt.Errorf("%q is no e-mail address", p.Email)
	}
	return nil
}

func notSub(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(".-_@+", r)
}

// DisplayName is Name, or what comes closest to one.
func (p Persona) DisplayName() string {
	if p.Name != "" {
		return p.Name
	}
	return p.Sub
}

// claims fills in what the granted scopes permit (OpenID Connect Core 1.0,
// section 5.4). Groups and roles have no scope of their own there and come
// with the profile, as most providers do it.
func (p Persona) claims(info *oidc.UserInfo, scopes []string) {
	info.Subject = p.Sub
	for _, scope := range scopes {
		switch scope {
		case oidc.ScopeProfile:
			info.Name = p.DisplayName()
			info.PreferredUsername = p.Sub
			if len(p.Groups) > 0 {
				info.AppendClaims("groups", p.Groups)
			}
			if len(p.Roles) > 0 {
				info.AppendClaims("roles", p.Roles)
			}
		case oidc.ScopeEmail:
			if p.Email != "" {
				info.Email = p.Email
				info.EmailVerified = oidc.Bool(!p.EmailUnverified)
			}
		}
	}
}
