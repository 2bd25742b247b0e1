package authapi

import (
	"net/http"
	"regexp"

	"go.uber.org/zap"
)

// maxLog is the size limit of a client's log entry, in bytes.
const maxLog = 16 << 10

// clientLog answers POST {base}/_log, where NextAuth's client reports its
// errors. Anybody may post there, so what is written is bounded in size and
// rate, at debug level, and the client's words are values only. The rest of an
// entry (stacks, URLs with codes in them) is left alone. The answer is always
// the same.
func (q *request) clientLog() {
	defer q.w.WriteHeader(http.StatusOK)
	entry := q.api.opts.Log.Check(zap.DebugLevel, "client log")
	if entry == nil || !q.api.opts.Limits.ClientLog.Allow(q.client()) {
		return
	}
	body, err := q.readBody(maxLog)
	if err != nil {
		return
	}
	entry.Write(
		zap.String("level", cut(body.text("level"), 16)),
		zap.String("code", q.clientWord(body, "code")),
		zap.String("message", q.clientWord(body, "message")),
		zap.String("client_ip", q.site.ClientIP.String()),
	)
}

// parameter matches the parameters of a URL that must not end up in a log.
var parameter = regexp.MustCompile(`(?i)\b(code|state|nonce|password|[a-z_]*token|[a-z_]*secret)=[^\s&"']+`)

func (q *request) clientWord(body fields, name string) string {
	text := cut(body.text(name), maxLogged)
	text = tokenLike.ReplaceAllString(text, "[redacted]")
	return parameter.ReplaceAllString(text, "$1=[redacted]")
}
