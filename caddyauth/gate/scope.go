package gate

import (
	"net/http"
	"slices"

	"github.com/caddyauth/gateway/caddyauth/session"
)

// ruleScope is what log and page call the scope of a personal access token.
const ruleScope = "the scope of the personal access token"

// amongMethods reports whether a method is one of those of a token. Whoever may GET
// may HEAD.
func amongMethods(methods []string, m string) bool {
	return slices.Contains(methods, m) || m == http.MethodHead && slices.Contains(methods, http.MethodGet)
}

// within reports whether a request is in the scope of the personal access token
// that it came with. Paths open something, so every reading has to match; a
// method that the upstream would get as another one counts as that, and one that
// may say nothing at all is in no scope.
func (e *evaluation) within(t *session.PAT) bool {
	if t == nil {
		return true
	}
	if len(t.Methods) > 0 && (!amongMethods(t.Methods, method(e.r)) || disguised(e.r)) {
		return false
	}
	if len(t.Paths) == 0 {
		return true
	}
	paths, err := NewPathMatcher(t.Paths...)
	if err != nil {
		e.err = err
		return false
	}
	return e.opens(newTerm(paths))
}
