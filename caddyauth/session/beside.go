package session

import (
	"net/http"
	"time"

	"github.com/caddyauth/gateway/caddyauth/cookie"
)

// Beside returns the cookies that keep a value beside the session's in the
// browser that sent h, with the same attributes and cut up in the same way. An
// empty value clears what is there. [Manager.Clear] clears the cookies called
// names.Tokens.
func (m *Manager) Beside(h http.Header, names *cookie.Names, name, value string, expires time.Time) []cookie.Cookie {
	c := m.cookie(name, names.Secure)
	present := cookie.Present(h, name)
	if value == "" {
		var clears []cookie.Cookie
		for _, old := range present {
			clears = append(clears, cookie.Clear(m.cookie(old, names.Secure)))
		}
		return clears
	}
	c.Value, c.Expires = value, expires
	return cookie.Chunk(c, names.ChunkSize, present)
}
