package gate

import (
	"net/http"
	"net/url"
	"strings"
)

// disguised reports whether the method of a request may not say what becomes of it:
// frameworks take another one from such a field or parameter, and what a connection
// is used for after an upgrade has none. In the body, where forms have the parameter
// as well, nobody has looked yet.
func disguised(r *http.Request) bool {
	if IsTunnel(r) || overridesMethod(r.URL.RawQuery) {
		return true
	}
	for name := range r.Header {
		if namesMethod(name) {
			return true
		}
	}
	return false
}

// methodFields are the ends of the names of fields that bring another method,
// without separators: servers with CGI names take _ for -.
var methodFields = []string{"httpmethod", "methodoverride", "overridemethod", "xmethod", "forwardedmethod", "originalmethod", "rewritemethod"}

func namesMethod(field string) bool {
	if !containsFold(field, "method") {
		return false // as nearly all of them
	}
	name := strings.ToLower(strings.NewReplacer("-", "", "_", "", ".", "").Replace(field))
	for _, end := range methodFields {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// overridesMethod reports whether a query has the parameter _method, as any server
// may read it: in any case, and in PHP with a space or dot for the underscore.
func overridesMethod(query string) bool {
	if len(query) < len("_method") {
		return false
	}
	for parameter := range strings.FieldsFuncSeq(query, func(c rune) bool { return c == '&' || c == ';' }) {
		name, _, _ := strings.Cut(parameter, "=")
		if decoded, err := url.QueryUnescape(name); err == nil {
			name = decoded
		}
		name = strings.ToLower(strings.NewReplacer(" ", "_", ".", "_", "+", "_").Replace(name))
		name, _, _ = strings.Cut(name, "[")
		if name == "_method" {
			return true
		}
	}
	return false
}
