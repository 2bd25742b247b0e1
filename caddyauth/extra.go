package caddyauth

import (
	"net/http"
	"net/url"
	"strings"
)

// extraHandler serves an endpoint below the base path that NextAuth does not
// have. e is what needs the secret; origin is the site's at this request.
type extraHandler func(h *Handler, w http.ResponseWriter, r *http.Request, e *engine, origin string, original *url.URL)

// addExtra adds an endpoint. They exist only when the configuration asks for
// them. One whose name ends in a slash has all that is below it as well.
func (s *site) addExtra(name string, serve extraHandler) {
	if s.extra == nil {
		s.extra = make(map[string]extraHandler)
	}
	s.extra[name] = serve
}

// extraFor returns what serves a URL below the base path, nil if that is the REST
// API.
func (s *site) extraFor(original *url.URL) extraHandler {
	if len(s.extra) == 0 {
		return nil
	}
	name, ok := strings.CutPrefix(original.EscapedPath(), s.basePath+"/")
	if !ok {
		return nil
	}
	if serve := s.extra[name]; serve != nil {
		return serve
	}
	first, _, below := strings.Cut(name, "/")
	if !below {
		return nil
	}
	return s.extra[first+"/"]
}
