package callbacks

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// SignInInput is what a sign_in expression sees. Nil maps read as empty ones.
// Their values may be whatever encoding/json decodes to, and Go's own numbers,
// times, and slices and maps of strings. The same goes for the other inputs.
type SignInInput struct {
	User, Account, Profile map[string]any

	// Email says {"verificationRequest": true} before a magic link is sent.
	Email map[string]any

	// Credentials is what the person filled in.
	Credentials map[string]any

	Request Request
}

func (in SignInInput) vars() *vars {
	return &vars{
		user: in.User, account: in.Account, profile: in.Profile,
		email: in.Email, credentials: in.Credentials, request: in.Request,
	}
}

// JWTInput is what a jwt expression sees besides the token. Only Request is
// set while a session is read.
type JWTInput struct {
	Trigger                string // "signIn", "signUp", "update" or ""
	IsNewUser              bool
	User, Account, Profile map[string]any

	// Session is the JSON text of what an update brought, "" if nothing.
	Session string

	Request Request
}

func (in JWTInput) vars(token *object) *vars {
	return &vars{
		user: in.User, account: in.Account, profile: in.Profile, isNewUser: in.IsNewUser,
		token: lazy{value: token}, session: lazy{text: in.Session}, trigger: in.Trigger, request: in.Request,
	}
}

// SessionInput is what a session expression sees besides the session.
type SessionInput struct {
	// Token is the payload of the session's token, a JSON object. "" is an
	// empty one.
	Token string

	// User is the user of a session that is kept in a database.
	User map[string]any

	Trigger string // "update" or ""

	// NewSession is the JSON text of what an update brought, "" if nothing.
	NewSession string

	Request Request
}

func (in SessionInput) vars(body *object) *vars {
	return &vars{
		user: in.User, token: lazy{text: in.Token}, session: lazy{value: body},
		newSession: lazy{text: in.NewSession}, trigger: in.Trigger, request: in.Request,
	}
}

// Request is the HTTP request on whose behalf expressions run. It is looked at
// only if an expression asks for it.
type Request struct {
	Method, Host string

	// Path is decoded, RawQuery is not and comes without the question mark.
	Path, RawQuery string

	// Header is shown without cookies and credentials. Of it and of the query,
	// values of more than 8 KiB are left out.
	Header http.Header

	// IP is the client's address; the zero one reads as "".
	IP netip.Addr

	// Time is the variable now. Default: time.Now().
	Time time.Time
}

// requestFields are the members of the variable request.
var requestFields = []string{"method", "host", "path", "query", "headers", "ip"}

// variable is the map that expressions see.
func (r *Request) variable() map[string]any {
	ip := ""
	if r.IP.IsValid() {
		ip = r.IP.Unmap().String()
	}
	return map[string]any{
		"method": r.Method, "host": r.Host, "path": r.Path,
		"query": r.query(), "headers": r.headers(), "ip": ip,
	}
}

// maxWord bounds a header and a parameter, in bytes. Anybody can send them, and
// what some functions cost grows with the square of their arguments.
const maxWord = 8 << 10

// query has the first value of each parameter, but none that is too long.
func (r *Request) query() map[string]string {
	// What cannot be parsed is left out; the rest is there.
	values, _ := url.ParseQuery(r.RawQuery)
	query := make(map[string]string, len(values))
	for name, list := range values {
		if len(list[0]) <= maxWord {
			query[name] = strings.ToValidUTF8(list[0], "\uFFFD")
		}
	}
	return query
}

// secretHeaders carry what signs somebody in. A claim made of them would end
// up in the browser's hands, or a log.
var secretHeaders = map[string]bool{"cookie": true, "authorization": true, "proxy-authorization": true}

// headers has names in lower case, and repeated ones as one list (RFC 9110
// section 5.3), but none that is too long.
func (r *Request) headers() map[string]string {
	headers := make(map[string]string, len(r.Header))
	for name, list := range r.Header {
		if name = strings.ToLower(name); secretHeaders[name] {
			continue
		}
		if text := strings.Join(list, ", "); len(text) <= maxWord {
			headers[name] = strings.ToValidUTF8(text, "\uFFFD")
		}
	}
	return headers
}
