package gate

import (
	"net/http"
	"strings"
)

// Kind is what will become of an answer at the client.
type Kind uint8

const (
	// Script is everything that no person sees: fetch, WebSockets, command
	// line tools, prefetching. The zero Kind, since a redirect harms it most.
	Script Kind = iota
	// Navigate is a page load. It can be sent to sign in and come back.
	Navigate
	// NavigatePost is a form sent by a person. A redirect would lose what the
	// form holds, or turn it into a GET.
	NavigatePost
)

// Navigation tells page loads from everything else: by Sec-Fetch-Mode (Fetch
// Metadata) where the browser sends it, and otherwise by whether Accept
// prefers HTML. */* alone does not, so curl is Script. The header fields are
// the client's to choose; they decide how a refusal looks, never whether.
func Navigation(r *http.Request) Kind {
	var kind Kind
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		kind = Navigate
	case http.MethodPost:
		kind = NavigatePost
	default:
		return Script
	}
	h := r.Header
	if IsTunnel(r) || prefetches(h) {
		return Script
	}
	if first(h, "Sec-Fetch-Mode") != "" || first(h, "Sec-Fetch-Site") != "" || first(h, "Sec-Fetch-Dest") != "" {
		switch first(h, "Sec-Fetch-Dest") {
		case "embed", "object": // plug-ins navigate too, but show no page
			return Script
		}
		if first(h, "Sec-Fetch-Mode") != "navigate" {
			return Script
		}
		return kind
	}
	if !prefersHTML(h["Accept"]) {
		return Script
	}
	return kind
}

func first(h http.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// prefetches says that nobody has asked for the page yet. A sign-in must not
// begin with a guess, and its answer must not be kept for later.
func prefetches(h http.Header) bool {
	for _, name := range [...]string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		for _, v := range h[name] {
			if containsFold(v, "prefetch") || containsFold(v, "prerender") || containsFold(v, "preview") {
				return true
			}
		}
	}
	return false
}

func containsFold(s, lower string) bool {
	for ; len(s) >= len(lower); s = s[1:] {
		if hasPrefixFold(s, lower) {
			return true
		}
	}
	return false
}

// IsTunnel says whether r asks for a WebSocket or another upgrade, over
// whatever version of HTTP.
func IsTunnel(r *http.Request) bool {
	if isExtendedConnect(r) {
		return true
	}
	for _, v := range r.Header["Upgrade"] {
		if containsFold(v, "websocket") {
			return true
		}
	}
	return len(r.Header["Upgrade"]) > 0 && hasToken(r.Header["Connection"], "upgrade")
}

func hasToken(lines []string, lower string) bool {
	for _, line := range lines {
		for more := true; more; {
			var token string
			token, line, more = strings.Cut(line, ",")
			if equalFold(strings.Trim(token, " \t"), lower) {
				return true
			}
		}
	}
	return false
}

// prefersHTML says whether an Accept field (RFC 9110 section 12.5.1) names
// HTML and nothing that it likes better. Of equals, the first one counts, and
// a range such as */* counts less than what is named.
func prefersHTML(lines []string) bool {
	html, other, ranges := 0, 0, 0
	for _, line := range lines {
		for more := true; more; {
			var item string
			item, line, more = strings.Cut(line, ",")
			media, parameters, _ := strings.Cut(item, ";")
			media = strings.Trim(media, " \t")
			switch q := quality(parameters); {
			case equalFold(media, "text/html"), equalFold(media, "application/xhtml+xml"):
				if q > other {
					html = max(html, q)
				}
			case media == "":
			case strings.HasSuffix(media, "/*"):
				ranges = max(ranges, q)
			default:
				if q > html {
					other = max(other, q)
				}
			}
		}
	}
	return html > other && html >= ranges
}

// quality returns the q parameter in thousandths: 1000 without one, 0 if it is
// none (RFC 9110 section 12.4.2).
func quality(parameters string) int {
	for more := parameters != ""; more; {
		var p string
		p, parameters, more = strings.Cut(parameters, ";")
		name, value, _ := strings.Cut(strings.Trim(p, " \t"), "=")
		if !equalFold(name, "q") {
			continue
		}
		whole, fraction, _ := strings.Cut(value, ".")
		if len(whole) != 1 || whole[0] > '1' || whole[0] < '0' || len(fraction) > 3 {
			return 0
		}
		q, unit := int(whole[0]-'0')*1000, 100
		for i := 0; i < len(fraction); i++ {
			if fraction[i] < '0' || fraction[i] > '9' {
				return 0
			}
			q += int(fraction[i]-'0') * unit
			unit /= 10
		}
		return min(q, 1000)
	}
	return 1000
}
