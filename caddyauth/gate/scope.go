package gate

import (
	"net/http"
	"slices"

	"github.com/caddyauth/gateway/caddyauth/session"
)

// ruleScope is what log and page call the scope of a personal access token.
const ruleScope = "the scope of the personal access token"

// within reports whether a request is in the scope of the personal access token
// that it came with. Paths open something, so every reading has to match; a
// method that the upstream would get as another one counts as that.
func (e *evaluation) within(t *session.PAT) bool {
	if t == nil {
		return true
	}
	if m := method(e.r); len(t.Methods) > 0 && !slices.Contains(t.Methods, m) &&
		!(m == http.MethodHead && slices.Contains(t.Methods, http.MethodGet)) {
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
