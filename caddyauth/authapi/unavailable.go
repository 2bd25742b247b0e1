package authapi

import (
	"net/http"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/page"
)

// unavailable answers 503 where nobody can tell who is signed in. The browser
// keeps its cookies: the session is as good as before when the store is back.
func (q *request) unavailable(err error) {
	// The store's own line in the log says that it is down.
	q.api.opts.Log.Debug("the store does not answer", zap.String("action", q.action), zap.Error(err))
	q.cookies = nil
	q.setRetryAfter(storeRetryAfter)
	switch {
	case q.action == "session":
		q.json(http.StatusServiceUnavailable, []byte(q.api.contract.noSession))
	case q.wantsURL():
		e := q.api.contract.endings[kindStore]
		q.send(q.api.contract.locate(q, e, failure{}), http.StatusServiceUnavailable, false)
	default:
		q.api.opts.Page.Unavailable(q.w, q.r, page.Unavailable{Common: q.common(), RetryAfter: storeRetryAfter, Reference: q.reference()})
	}
}
