package callbacks

import (
	"fmt"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// variables are what expressions can name.
var variables = func() []variable {
	object := cel.MapType(cel.StringType, cel.DynType)
	return []variable{
		{"user", object}, {"account", object}, {"profile", object},
		{"email", object}, {"credentials", object}, {"token", object},
		{"session", cel.DynType}, {"newSession", cel.DynType}, // an update may bring any JSON
		{"trigger", cel.StringType}, {"isNewUser", cel.BoolType},
		{"url", cel.StringType}, {"baseUrl", cel.StringType},
		{"request", object}, {"now", cel.TimestampType},
	}
}()

type variable struct {
	name string
	typ  *cel.Type
}

// vars gives the variables their values. What has to be made is made when an
// expression asks for it. It serves one call of one callback, whose expressions
// run one after the other.
type vars struct {
	user, account, profile, email, credentials map[string]any

	token, session, newSession lazy

	trigger, url, baseURL string
	isNewUser             bool

	request     Request
	requestSeen map[string]any
	now         ref.Val

	// err is why a variable has no value, of which CEL would know nothing.
	err error
}

// ResolveName implements cel.Activation.
func (v *vars) ResolveName(name string) (any, bool) {
	switch name {
	case "user":
		return v.user, true
	case "account":
		return v.account, true
	case "profile":
		return v.profile, true
	case "email":
		return v.email, true
	case "credentials":
		return v.credentials, true
	case "token":
		return v.parse(name, &v.token), true
	case "session":
		return v.parse(name, &v.session), true
	case "newSession":
		return v.parse(name, &v.newSession), true
	case "trigger":
		return v.trigger, true
	case "isNewUser":
		return v.isNewUser, true
	case "url":
		return v.url, true
	case "baseUrl":
		return v.baseURL, true
	case "request":
		return v.requestVar(), true
	case "now":
		return v.nowVar(), true
	}
	return nil, false
}

// Parent implements cel.Activation.
func (*vars) Parent() cel.Activation { return nil }

func (v *vars) requestVar() map[string]any {
	if v.requestSeen == nil {
		v.requestSeen = v.request.variable()
	}
	return v.requestSeen
}

// nowVar is the same time for all expressions of a callback.
func (v *vars) nowVar() ref.Val {
	if v.now == nil {
		now := v.request.Time
		if now.IsZero() {
			now = time.Now()
		}
		v.now = types.Timestamp{Time: now.UTC()}
	}
	return v.now
}

// lazy is JSON that is parsed when somebody asks for it. No text reads as an
// empty object.
type lazy struct {
	text  string
	value ref.Val
}

var emptyObject = types.NewStringInterfaceMap(adapter{}, nil)

func (v *vars) parse(name string, l *lazy) ref.Val {
	if l.value != nil {
		return l.value
	}
	if l.text == "" {
		return emptyObject
	}
	if o, err := newObject(l.text); err == nil {
		l.value = o
	} else if value, err := parseJSON(l.text); err == nil {
		l.value = fromJSON(value)
	} else {
		v.err = fmt.Errorf("the variable %s: %w", name, err)
		return emptyObject
	}
	return l.value
}
