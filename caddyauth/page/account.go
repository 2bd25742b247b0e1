package page

import (
	"cmp"
	"net/http"
	"time"
)

// Account is the content of a person's own page.
type Account struct {
	Common
	// Status is that of the answer. Default: 200.
	Status int
	// URL is the page's own address, which its forms go to.
	URL string
	// CSRFToken goes into every form.
	CSRFToken string
	// Account names who is signed in. Empty leaves it out.
	Account string
	// Notice says what has just been done, or why it has not. Empty and unknown
	// ones say nothing.
	Notice AccountNotice
	// Recent says that the sign-in is recent enough for every change. Otherwise
	// the page offers to sign in again in place of the changes that matter.
	Recent bool
	// Bare leaves out everything but the notice.
	Bare bool
	// Now is what times are told relative to.
	Now time.Time

	// Sessions are shown in this order, and Hidden is how many are not shown.
	Sessions []AccountSession
	Hidden   int
	// Accounts are what the person signs in with, Connect what can be added.
	Accounts []AccountLink
	Connect  []Provider
	// Passkeys and Tokens are nil where the site has none.
	Passkeys *AccountPasskeys
	Tokens   *AccountTokens
}

// AccountSession is one browser that the person is signed in with.
type AccountSession struct {
	ID string
	// Browser and System are names for people. Either may be empty.
	Browser, System string
	// IP is where the sign-in came from, Provider what it was with. Empty leaves
	// them out, and so does a zero time.
	IP, Provider           string
	Created, Seen, Expires time.Time
	// Current says that it is the one that asks.
	Current bool
}

// AccountLink is an account at a provider.
type AccountLink struct {
	// Provider and ID name it in the form.
	Provider, ID string
	// Name is what people call the provider, Login what they are called there.
	Name, Login string
	// Logo is as in [Provider].
	Logo string
	// Last says that there is no other way to sign in, so that it must stay.
	Last bool
	// Passkeys says that there are passkeys that need it.
	Passkeys bool
}

// AccountPasskeys are a person's passkeys.
type AccountPasskeys struct {
	List []AccountPasskey
	// Add is the provider that another one can be registered with. Nil leaves out
	// the button for it; it needs a recent sign-in as well.
	Add *Provider
}

// AccountPasskey is one of them.
type AccountPasskey struct {
	ID string
	// Name is what its owner calls it. It may be empty.
	Name          string
	Created, Used time.Time
	// Last is as in [AccountLink].
	Last bool
	// Dead says that the account that it needs is not connected any more.
	Dead bool
}

// AccountTokens are a person's access tokens.
type AccountTokens struct {
	List []AccountToken
	// Form is what the form for another one has in it.
	Form TokenForm
	// Secret is that of the token that has just been made, and shown this once.
	Secret string
}

// AccountToken is one of them.
type AccountToken struct {
	ID, Name string
	// Paths and Methods are where it is good for. None means everywhere.
	Paths, Methods []string
	// Expires is zero for a token that does not, Used for one that was not.
	Created, Used, Expires time.Time
}

// TokenForm is what somebody typed to make a token.
type TokenForm struct {
	Name string
	// Days is how long it is to last, one of [TokenDays]. Unknown ones show
	// the default.
	Days           string
	Paths, Methods string
}

// TokenDays are the choices of how many days a token lasts, in the order of the
// form. Zero is for ever.
var TokenDays = []int{7, 30, 90, 365, 0}

// defaultDays is chosen unless somebody chooses.
const defaultDays = 30

// AccountNotice is what the page says about a change. The set is closed.
type AccountNotice string

// What has been done.
const (
	AccountSessionEnded   AccountNotice = "session_ended"
	AccountSessionsEnded  AccountNotice = "sessions_ended"
	AccountUnlinked       AccountNotice = "unlinked"
	AccountPasskeyAdded   AccountNotice = "passkey_added"
	AccountPasskeyRenamed AccountNotice = "passkey_renamed"
	AccountPasskeyRemoved AccountNotice = "passkey_removed"
	AccountTokenCreated   AccountNotice = "token_created"
	AccountTokenEnded     AccountNotice = "token_ended"
)

// Why it has not been done.
const (
	// AccountCSRF is a form that does not prove where it comes from.
	AccountCSRF AccountNotice = "csrf"
	// AccountTooMany is a reached limit.
	AccountTooMany AccountNotice = "too_many_attempts"
	// AccountUnknown is a form that the page does not have.
	AccountUnknown AccountNotice = "unknown"
	// AccountSignInAgain is a change that needs a recent sign-in.
	AccountSignInAgain AccountNotice = "sign_in_again"
	// AccountGone is a change of something that is not there, or not theirs.
	AccountGone AccountNotice = "gone"
	// AccountLastWay is the removal of the only way to sign in.
	AccountLastWay AccountNotice = "last_way"
	// AccountBusy is a change while another one is under way.
	AccountBusy AccountNotice = "busy"
	// AccountPasskeyName is a name that a passkey cannot have, and
	// AccountTokenName one that a token cannot.
	AccountPasskeyName AccountNotice = "passkey_name"
	AccountTokenName   AccountNotice = "token_name"
	// AccountTokenDays, AccountTokenPaths and AccountTokenMethods are wrong fields
	// of the form for a token.
	AccountTokenDays    AccountNotice = "token_days"
	AccountTokenPaths   AccountNotice = "token_paths"
	AccountTokenMethods AccountNotice = "token_methods"
	// AccountTokenMany is a token too many.
	AccountTokenMany AccountNotice = "token_many"
)

// accountNotices tells which text a notice has.
var accountNotices = map[AccountNotice]struct {
	key    string
	failed bool
	field  string // id of the input that it is about
}{
	AccountSessionEnded:   {key: "done.session_ended"},
	AccountSessionsEnded:  {key: "done.sessions_ended"},
	AccountUnlinked:       {key: "done.unlinked"},
	AccountPasskeyAdded:   {key: "done.passkey_added"},
	AccountPasskeyRenamed: {key: "done.passkey_renamed"},
	AccountPasskeyRemoved: {key: "done.passkey_removed"},
	AccountTokenCreated:   {key: "done.token_created"},
	AccountTokenEnded:     {key: "done.token_ended"},

	AccountCSRF:         {key: "reason.csrf", failed: true},
	AccountTooMany:      {key: "reason.too_many_attempts", failed: true},
	AccountUnknown:      {key: "badrequest.text", failed: true},
	AccountSignInAgain:  {key: "failed.sign_in_again", failed: true},
	AccountGone:         {key: "failed.gone", failed: true},
	AccountLastWay:      {key: "failed.last_way", failed: true},
	AccountBusy:         {key: "failed.busy", failed: true},
	AccountPasskeyName:  {key: "failed.passkey_name", failed: true},
	AccountTokenName:    {key: "failed.token_name", failed: true, field: "token-name"},
	AccountTokenDays:    {key: "failed.token_days", failed: true, field: "token-days"},
	AccountTokenPaths:   {key: "failed.token_paths", failed: true, field: "token-paths"},
	AccountTokenMethods: {key: "failed.token_methods", failed: true, field: "token-methods"},
	AccountTokenMany:    {key: "failed.token_many", failed: true},
}

// Account writes a person's own page, with the status that the view has.
func (r *Renderer) Account(w http.ResponseWriter, req *http.Request, v Account) {
	status := cmp.Or(v.Status, http.StatusOK)
	r.write(w, req, status, r.formAction(v.Common, v.Connect), r.account, r.accountModel(v))
}
