package page

import "time"

// Common is what every page needs to know about the site it is shown on.
type Common struct {
	// Host is the name people know the site by, such as "app.example.com".
	// It is only ever shown.
	Host string
	// BaseURL is the absolute address of the API, {origin}{base}, such as
	// "https://app.example.com/api/auth". Links and forms start with it.
	BaseURL string
	// Loopback says that the site is itself served over plain http on a
	// loopback name. Only then may forms end up at http on loopback.
	Loopback bool
}

// SignIn is the content of the sign-in page.
type SignIn struct {
	Common

	// CSRFToken goes into every form.
	CSRFToken string
	// CallbackURL goes into every form as it is, unless it is empty or longer
	// than 4 KiB. Whoever receives the form validates it.
	CallbackURL string
	// SessionURL is where the session is asked for when somebody comes back to
	// the tab: who has signed in meanwhile, in another one, goes on to
	// CallbackURL. Empty leaves it out.
	SessionURL string

	// ErrorCode is the `error` query parameter. Every value is acceptable; it
	// picks a text and is never shown itself. Empty means no error.
	ErrorCode string
	// Reason is a finer cause for the text, from the vocabulary of the log.
	// Unknown or empty falls back to ErrorCode. A known one is shown even if
	// ErrorCode is empty.
	Reason string
	// Provider is the id of the provider that the failed attempt was with, if
	// known. It lets texts name it, and puts the focus into the right form.
	Provider string
	// Reference identifies the failure in the log, shown small beside the
	// text. Empty means none.
	Reference string

	// Username is filled into the user name field of credentials forms, up to
	// 4 KiB.
	Username string
	// Email is filled into the field of e-mail forms, up to 4 KiB.
	Email string

	// Providers are shown in this order.
	Providers []Provider
}

// Provider is one way to sign in.
type Provider struct {
	// ID is the provider's id, part of its addresses and of element ids.
	ID string
	// Name is what people know it by. Empty means ID.
	Name string
	// Type is "oauth", "oidc", "email", "credentials" or "webauthn". Everything
	// unknown is taken for "oauth".
	Type string
	// SigninURL is where oauth and e-mail forms go.
	SigninURL string
	// CallbackURL is where the forms of credentials and passkeys go.
	CallbackURL string
	// OptionsURL is where the script of a passkey form asks for what the browser
	// needs to know.
	OptionsURL string
	// Logo is the name of an embedded logo. Empty means the one called ID.
	// Without such a logo the first letter of Name is drawn.
	Logo string
	// Fields are the inputs of a credentials form.
	Fields []Field
	// FormAction lists the origins the browser visits after the form, each as
	// a CSP source such as "https://github.com". They narrow the form-action
	// directive if every provider that leaves the site has some.
	FormAction []string
	// Unavailable marks a provider that failed lately. The button stays
	// usable, with a note.
	Unavailable bool
}

// Field is one input of a credentials form.
type Field struct {
	// Name is the name of the form field.
	Name string
	// Label is shown above the input. Empty means a label for the common
	// names, else Name.
	Label string
	// Type is the input's type: "text" (default), "password", "email", "tel",
	// "number", "url" or "hidden".
	Type string
	// Placeholder is shown while the input is empty.
	Placeholder string
	// Autocomplete is the HTML autofill detail. Empty means "username" for the
	// user name field and "current-password" for passwords.
	Autocomplete string
	// Required makes the browser insist on a value.
	Required bool
}

// SignOut is the content of the page that asks before signing out.
type SignOut struct {
	Common
	// CSRFToken and CallbackURL are as on the sign-in page.
	CSRFToken, CallbackURL string
	// Account names who is signed in. Empty leaves it out.
	Account string
}

// Portal is the content of a portal's front page.
type Portal struct {
	Common
	// CSRFToken and CallbackURL are as on the sign-in page.
	CSRFToken, CallbackURL string
	// Account names who is signed in. Empty means nobody.
	Account string
}

// Error is the content of the error page.
type Error struct {
	Common
	// Code is the `error` query parameter, see [StatusOf].
	Code string
	// Reason, Reference: as on the sign-in page.
	Reason, Reference string
	// Account names who was refused, for AccessDenied. Empty leaves it out.
	Account string
	// ProviderName is what people call the provider that failed. Empty leaves
	// it out.
	ProviderName string
	// CallbackURL is where another attempt leads in the end. It may be empty.
	CallbackURL string
	// Site is the origin that Host names if the person has come from another site
	// than this one, who is to get back there. Empty means this one.
	Site string
}

// VerifyRequest is the content of the page shown after a sign-in link was
// mailed.
type VerifyRequest struct {
	Common
}

// Denied is the content of the 403 page for a signed-in account that may not
// see what it asked for.
type Denied struct {
	Common
	// Account names the account that was refused. Empty leaves it out.
	Account string
	// CallbackURL is where to return to with another account, already
	// validated. Empty leaves it out.
	CallbackURL string
	// Reference: as on the sign-in page.
	Reference string
}

// Unauthorized is the content of the 401 page for a form that was sent
// without a valid session.
type Unauthorized struct {
	Common
	// CallbackURL is where to go after signing in, already validated.
	CallbackURL string
	// Resend says that the form comes from the site's own page, so that it may be
	// sent again when somebody has signed in, with DoneURL to come back to in the
	// other tab. A form of another site's must not be: reloading would lend it
	// cookies that it has come without.
	Resend bool
	// DoneURL and SessionURL are where the sign-in in another tab ends, and where
	// the script asks whether it has.
	DoneURL, SessionURL string
	// Reference: as on the sign-in page.
	Reference string
}

// StepUp is the content of the 403 page for somebody who signed in again for the
// sake of a page, and still lacks what it asks for.
type StepUp struct {
	Common
	// Account names the account. Empty leaves it out.
	Account string
	// Provider is the name of the one that was asked, empty for "the sign-in
	// service".
	Provider string
	// Strength says that it is not the time that is wrong but the way of signing
	// in. Form says that there was nobody to ask for another one.
	Strength, Form bool
	// CallbackURL is the page, already validated.
	CallbackURL string
	// Reference: as on the sign-in page.
	Reference string
}

// StepUpForm is the content of the 401 page for a form that needs a fresh
// sign-in.
type StepUpForm struct {
	Common
	// CallbackURL is where to go after signing in, already validated.
	CallbackURL string
	// Demands are what the sign-in page is to ask of the provider, as a query.
	Demands string
	// Reference: as on the sign-in page.
	Reference string
}

// Loop is the content of the 403 page for somebody who signs in again and again
// and is a stranger each time.
type Loop struct {
	Common
	// Cause says why, as far as that can be told: one of [Causes].
	Cause string
	// CallbackURL is where to go after signing out, already validated.
	CallbackURL string
	// Reference: as on the sign-in page.
	Reference string
}

// SignedIn is the content of the page that a sign-in in a tab of its own ends on.
type SignedIn struct {
	Common
	// Account names who is signed in. Empty leaves it out.
	Account string
}

// Unavailable is the content of the 503 page.
type Unavailable struct {
	Common
	// RetryAfter goes into the header of that name, in whole seconds, if it is
	// positive.
	RetryAfter time.Duration
	// Reference: as on the sign-in page.
	Reference string
}

// BadRequest is the content of the 400 page.
type BadRequest struct {
	Common
	// Reference: as on the sign-in page.
	Reference string
}
