package authapi

import (
	"net/http"

	"github.com/caddyauth/gateway/caddyauth/jwt"
)

// providers answers GET {base}/providers, an object with the providers in the
// order of the configuration. It sets no cookies.
func (q *request) providers() {
	b := []byte{'{'}
	for i, p := range q.api.opts.Providers {
		if i > 0 {
			b = append(b, ',')
		}
		info := p.Info()
		b = append(jwt.AppendString(b, info.ID), ':')
		for j, m := range [...][2]string{
			{"id", info.ID},
			{"name", info.Name},
			{"type", q.api.contract.providerType(info.Type)},
			{"signinUrl", q.signinURL(info.ID)},
			{"callbackUrl", q.callbackURLOf(info.ID)},
		} {
			b = append(b, "{,"[min(j, 1)])
			b = append(jwt.AppendString(b, m[0]), ':')
			b = jwt.AppendString(b, m[1])
		}
		b = append(b, '}')
	}
	q.json(http.StatusOK, append(b, '}'))
}
