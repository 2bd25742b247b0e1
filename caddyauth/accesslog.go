package caddyauth

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// accessLog writes the access entries of the endpoints. Caddy's own are
// written from a copy of the request that was made before any handler ran, and
// with all response headers: authorization codes and states would stand in
// them. They are left out for these requests, and ours say the same without any
// query. They name no user and count no request body.
type accessLog struct {
	rec   caddyhttp.ResponseRecorder
	start time.Time
	names []string
}

// beginAccessLog replaces Caddy's access entry of a request by ours, and
// returns the writer to answer with. The entry is nil where nothing is logged.
func beginAccessLog(w http.ResponseWriter, r *http.Request) (*accessLog, http.ResponseWriter) {
	server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || server.Logs == nil {
		return nil, w
	}
	if skip, _ := caddyhttp.GetVar(r.Context(), caddyhttp.LogSkipVar).(bool); skip {
		return nil, w
	}
	caddyhttp.SetVar(r.Context(), caddyhttp.LogSkipVar, true)
	names := loggerNames(server.Logs, r)
	if names == nil {
		return nil, w
	}
	rec := caddyhttp.NewResponseRecorder(w, nil, nil)
	return &accessLog{rec: rec, start: time.Now(), names: names}, rec
}

// loggerNames returns what Caddy calls the access loggers of a request, the
// empty name being the default one. It is nil if the host is not logged. Caddy
// decides by the same rules, but does not export them.
func loggerNames(logs *caddyhttp.ServerLogConfig, r *http.Request) []string {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	host = strings.ToLower(host)
	mapped, names := mappedLoggers(logs, host)
	if !mapped && (logs.SkipUnmappedHosts || slices.ContainsFunc(logs.SkipHosts, func(pattern string) bool {
		return certmagic.MatchWildcard(host, pattern)
	})) {
		return nil
	}
	if chosen, ok := caddyhttp.GetVar(r.Context(), caddyhttp.AccessLoggerNameVarKey).([]any); ok {
		names = nil
		for _, n := range chosen {
			if s, ok := n.(string); ok {
				names = append(names, s)
			}
		}
	}
	return names
}

// mappedLoggers returns the loggers of a host, and whether the configuration
// names any: its own, else those of the narrowest wildcard.
func mappedLoggers(logs *caddyhttp.ServerLogConfig, host string) (mapped bool, names []string) {
	if names, ok := logs.LoggerNames[host]; ok {
		return true, names
	}
	labels := strings.Split(host, ".")
	for i := range labels {
		if labels[i] == "" {
			continue
		}
		labels[i] = "*"
		if names, ok := logs.LoggerNames[strings.Join(labels, ".")]; ok {
			return true, names
		}
	}
	return false, []string{logs.DefaultLoggerName}
}

// end writes the entry to access, which is the parent of Caddy's access
// loggers.
func (l *accessLog) end(access *zap.Logger, r *http.Request) {
	if l == nil {
		return
	}
	// A copy whose address has no query; its headers are those that Caddy
	// would log, credentials hidden.
	logged := r.WithContext(r.Context())
	logged.RequestURI, _, _ = strings.Cut(logged.RequestURI, "?")
	logged.Header = r.Header.Clone()
	for _, name := range []string{"Referer", "Origin"} {
		if v, _, found := strings.Cut(logged.Header.Get(name), "?"); found {
			logged.Header.Set(name, v)
		}
	}
	header := l.rec.Header().Clone()
	for _, name := range []string{"Location", "Refresh"} {
		if v, _, found := strings.Cut(header.Get(name), "?"); found {
			header.Set(name, v)
		}
	}
	fields := []zap.Field{
		zap.Object("request", caddyhttp.LoggableHTTPRequest{Request: logged}),
		zap.Duration("duration", time.Since(l.start)),
		zap.Int("size", l.rec.Size()),
		zap.Int("status", l.rec.Status()),
		zap.Object("resp_headers", caddyhttp.LoggableHTTPHeader{Header: header}),
	}
	level := zap.InfoLevel
	if l.rec.Status() >= http.StatusInternalServerError {
		level = zap.ErrorLevel
	}
	for _, name := range l.names {
		log := access
		if name != "" {
			log = access.Named(name)
		}
		if c := log.Check(level, "handled request"); c != nil {
			c.Write(fields...)
		}
	}
}
