package caddyauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/store"
)

func init() {
	caddy.RegisterModule(new(AdminAPI))
}

// AdminAPI lists and ends sessions and personal access tokens, tells whether identity
// providers answer, and rotates the generated secret, at Caddy's admin endpoint. Whoever may use that endpoint may
// do all of it.
//
// Request | Effect
// --------|-------
// `GET /caddyauth/sessions?user=&email=&provider=&after=&limit=` | Lists the sessions of all stores, a page at a time
// `DELETE /caddyauth/sessions/<id>` | Ends one
// `DELETE /caddyauth/sessions?user=<id>` | Ends all of a user's
// `GET /caddyauth/tokens?user=&email=&after=&limit=` | Lists personal access tokens
// `POST /caddyauth/tokens` | Makes one; its secret is in the answer and nowhere else
// `DELETE /caddyauth/tokens/<id>` | Ends one
// `DELETE /caddyauth/tokens?user=<id>` | Ends all of a user's
// `GET /caddyauth/providers` | Lists the providers of all sites, and whether they answered when they were last asked
// `POST /caddyauth/secret/rotate` | Makes a new secret, which takes over two minutes later
//
// The body of `POST /caddyauth/tokens` is an object with `user`, the user's id, or
// `email`, and optionally `name`, `paths`, `methods` and `expires`, in RFC 3339.
// The token stands in for the user's latest session. Answers are JSON; errors have
// the form of Caddy's own. A store that does not answer is a 503.
type AdminAPI struct {
	log *zap.Logger
}

// CaddyModule returns the Caddy module information.
func (*AdminAPI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.caddyauth", New: func() caddy.Module { return new(AdminAPI) }}
}

// Provision sets up the endpoint.
func (a *AdminAPI) Provision(ctx caddy.Context) error {
	a.log = ctx.Logger(a)
	return nil
}

// adminBase begins the path of every endpoint.
const adminBase = "/caddyauth/"

// Routes implements caddy.AdminRouter.
func (a *AdminAPI) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: adminBase, Handler: caddy.AdminHandlerFunc(a.serve)}}
}

// atWork are the apps whose configuration runs. Caddy starts its admin endpoint
// before it loads the apps, and has no record of one that nobody configured: the
// apps tell by themselves.
var atWork running

// running is a list of apps, the latest last. During a reload there are two.
type running struct {
	mu   sync.Mutex
	apps []*App
}

func (l *running) enter(a *App) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.apps = append(l.apps, a)
}

func (l *running) leave(a *App) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.apps = slices.DeleteFunc(l.apps, func(have *App) bool { return have == a })
}

func (l *running) latest() *App {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.apps) == 0 {
		return nil
	}
	return l.apps[len(l.apps)-1]
}

// adminRequest is one request of the admin API.
type adminRequest struct {
	w   http.ResponseWriter
	r   *http.Request
	app *App
	log *zap.Logger
	now time.Time
}

// serve finds what a request is for.
func (a *AdminAPI) serve(w http.ResponseWriter, r *http.Request) error {
	q := &adminRequest{w: w, r: r, app: atWork.latest(), log: a.log, now: time.Now()}
	if q.app == nil {
		return adminError(http.StatusNotFound, "no site of the running configuration uses caddyauth")
	}
	resource, id, one := strings.Cut(strings.TrimPrefix(r.URL.Path, adminBase), "/")
	var methods map[string]func() error
	switch {
	case resource == "sessions" && !one:
		methods = map[string]func() error{http.MethodGet: q.listSessions, http.MethodDelete: q.endUserSessions}
	case resource == "sessions":
		methods = map[string]func() error{http.MethodDelete: func() error { return q.endSession(id) }}
	case resource == "tokens" && !one:
		methods = map[string]func() error{http.MethodGet: q.listTokens, http.MethodPost: q.createToken, http.MethodDelete: q.endUserTokens}
	case resource == "tokens":
		methods = map[string]func() error{http.MethodDelete: func() error { return q.endToken(id) }}
	case resource == "providers" && !one:
		methods = map[string]func() error{http.MethodGet: q.listProviders}
	case resource == "secret" && id == "rotate":
		methods = map[string]func() error{http.MethodPost: q.rotateSecret}
	default:
		return adminError(http.StatusNotFound, "there is no %s", r.URL.Path)
	}
	do := methods[r.Method]
	if do == nil {
		for method := range methods {
			w.Header().Add("Allow", method)
		}
		return adminError(http.StatusMethodNotAllowed, "method %s is not for %s", r.Method, r.URL.Path)
	}
	return q.explain(do())
}

// adminError is an error of the admin API with a status of its own.
func adminError(status int, format string, args ...any) error {
	return caddy.APIError{HTTPStatus: status, Err: fmt.Errorf(format, args...)}
}

// retryAfter is how long, in seconds, a client should leave a store alone that
// does not answer.
const retryAfter = "2"

// explain gives errors of the store their status.
func (q *adminRequest) explain(err error) error {
	if errors.Is(err, store.ErrUnavailable) {
		q.w.Header().Set("Retry-After", retryAfter)
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: err, Message: "the store does not answer: try again"}
	}
	return err
}

// json answers with a value.
func (q *adminRequest) json(status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	h := q.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	q.w.WriteHeader(status)
	_, err = q.w.Write(append(body, '\n'))
	return err
}

// maxAdminBody bounds the body of a request, in bytes.
const maxAdminBody = 64 << 10

// body reads a JSON object.
func (q *adminRequest) body(v any) error {
	dec := json.NewDecoder(http.MaxBytesReader(q.w, q.r.Body, maxAdminBody))
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err == nil {
		switch _, err = dec.Token(); err {
		case io.EOF:
			return nil
		case nil:
			err = errors.New("something stands after the object")
		}
	}
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return adminError(http.StatusRequestEntityTooLarge, "the body has more than %d bytes", maxAdminBody)
	}
	return adminError(http.StatusBadRequest, "the body is no JSON object of this request: %w", err)
}

// maxParameter bounds each parameter of a query, in bytes.
const maxParameter = 512

// query reads the parameters of a request. One that is unknown or comes twice is
// refused: a filter that was misspelled would otherwise select everything.
func (q *adminRequest) query(known ...string) (url.Values, error) {
	values, err := url.ParseQuery(q.r.URL.RawQuery)
	if err != nil {
		return nil, adminError(http.StatusBadRequest, "the query cannot be read: %w", err)
	}
	for name, list := range values {
		switch {
		case !slices.Contains(known, name):
			return nil, adminError(http.StatusBadRequest, "unknown parameter %q: there are %s", name, strings.Join(known, ", "))
		case len(list) > 1:
			return nil, adminError(http.StatusBadRequest, "parameter %s comes %d times", name, len(list))
		case list[0] == "":
			delete(values, name)
		case len(list[0]) > maxParameter || !printable(list[0]):
			return nil, adminError(http.StatusBadRequest, "parameter %s is too long or has characters that nothing here has", name)
		}
	}
	return values, nil
}

// printable reports whether a text can be shown on one line as it is.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// filterUser reads the one filter with which several things may be ended at
// once.
func (q *adminRequest) filterUser(what string) (string, error) {
	values, err := q.query("user")
	if err != nil {
		return "", err
	}
	if !values.Has("user") {
		return "", adminError(http.StatusBadRequest, "say whose %s are to end with ?user=<id>, or which one with /%s/<id>: all of them at once is not to be had", what, what)
	}
	return values.Get("user"), nil
}

// rotateSecret answers POST /caddyauth/secret/rotate.
func (q *adminRequest) rotateSecret() error {
	done, err := q.app.rotateSecret(q.r.Context())
	switch {
	case errors.Is(err, errRotating), errors.Is(err, errNoGenerated):
		return adminError(http.StatusConflict, "%w", err)
	case err != nil:
		q.w.Header().Set("Retry-After", retryAfter)
		return adminError(http.StatusServiceUnavailable, "%w", err)
	}
	return q.json(http.StatusOK, done)
}

// Interface guards
var (
	_ caddy.AdminRouter = (*AdminAPI)(nil)
	_ caddy.Provisioner = (*AdminAPI)(nil)
)
