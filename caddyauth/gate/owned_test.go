package gate

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"
)

func TestOwnedStrip(t *testing.T) {
	o := NewOwned("X-Auth-User", "X-Auth-Groups")
	for _, test := range []struct {
		name  string
		keys  []string
		owned bool
	}{
		{"HDR-01 own mapping", []string{"X-Auth-User"}, true},
		{"HDR-02 without a value to set", []string{"X-Auth-Groups"}, true},
		{"HDR-03 presets, even without headers", []string{
			"Remote-User", "Remote-Name", "Remote-Email", "Remote-Groups",
			"X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Preferred-Username", "X-Forwarded-Groups",
			"X-Auth-Request-User", "X-Auth-Request-Email", "X-Auth-Request-Preferred-Username", "X-Auth-Request-Groups",
		}, true},
		{"a whole family", []string{"X-Auth-Request-Access-Token", "X_AUTH_REQUEST_ANYTHING", "X-Auth-Request-" + strings.Repeat("x", 300)}, true},
		{"HDR-04 underscore", []string{"X_Auth_User", "X-Auth_User", "Remote_user", "REMOTE_USER"}, true},
		{"HDR-05 dot", []string{"X.Auth.User", "Remote.User", "X-Auth.User"}, true},
		{"HDR-06 other characters", func() (keys []string) {
			for _, c := range "~!#$%&'*+^`|" {
				keys = append(keys, strings.ReplaceAll("X-Auth-User", "-", string(c)), "Remote"+string(c)+"User")
			}
			return keys
		}(), true},
		{"HDR-11 raw keys", []string{"x-auth-user", "X-AUTH-USER", "remote-user", "rEMOTE-gROUPS"}, true},
		{"everything else", []string{
			"X-Auth-Users", "X-Auth-Use", "X-Auth", "X-Forwarded-For", "X-Forwarded-Host", "Cookie", "Authorization", "Remote-Addr",
			"XAuthUser", "Remote-Userx", "X-Auth-Request", "", "R", "X", ":protocol", "Référence",
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := http.Header{"Accept": {"*/*"}}
			for _, key := range test.keys {
				h[key] = []string{"admin"}
				if o.Owns(key) != test.owned {
					t.Errorf("owns %q: %v", key, !test.owned)
				}
			}
			o.Strip(h)
			want := 1
			if !test.owned {
				want += len(test.keys)
			}
			if len(h) != want {
				t.Errorf("left: %q", slices.Sorted(maps.Keys(h)))
			}
		})
	}
}

func TestOwnedCostsNothing(t *testing.T) {
	o, h := NewOwned(), browserHeader()
	if n := testing.AllocsPerRun(100, func() { o.Strip(h); o.SanitizeConnection(h) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestSanitizeConnection(t *testing.T) {
	o := NewOwned("X-Auth-User")
	for _, test := range []struct {
		name       string
		connection []string
		want       string // the Connection field afterwards
		gone       []string
	}{
		{"none", nil, "", nil},
		{"keep-alive", []string{"keep-alive"}, "keep-alive", nil},
		{"as written", []string{"Keep-Alive,  Upgrade"}, "Keep-Alive,  Upgrade", nil},
		{"te", []string{"close, TE"}, "close, TE", nil},
		{"HDR-07 identity", []string{"close, X-Auth-User"}, "close", nil},
		{"HDR-07 identity of a preset", []string{"Remote-User, Remote-Groups"}, "", nil},
		{"HDR-07 identity, spelled otherwise", []string{"close, x_auth.user"}, "close", nil},
		{"HDR-07 several lines", []string{"close", "X-Auth-User", "keep-alive"}, "close, keep-alive", nil},
		{"HDR-08 Cookie", []string{"Cookie"}, "", nil},
		{"HDR-08 Authorization", []string{"authorization, close"}, "close", nil},
		{"HDR-08 Host and the forwarded", []string{"Host, Forwarded, X-Forwarded-For, X-Forwarded-Proto, x-forwarded-anything"}, "", nil},
		{"HDR-09 upgrade", []string{"Upgrade, X-Auth-User"}, "Upgrade", nil},
		{"HTTP2-Settings", []string{"Upgrade, HTTP2-Settings"}, "Upgrade", []string{"Http2-Settings"}},
		{"any other field", []string{"close, X-Custom"}, "close", []string{"X-Custom"}},
		{"a raw key", []string{"x-raw"}, "", []string{"x-raw"}},
		{"empty options", []string{" , ,close,, "}, "close", nil},
		{"tabs", []string{"\tX-Custom\t,\tclose"}, "close", []string{"X-Custom"}},
		{"Connection itself", []string{"connection, close"}, "close", nil},
		{"nonsense", []string{"X Custom, \x00, é"}, "", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := http.Header{
				"X-Auth-User": {"alice"}, "Remote-User": {"alice"}, "Remote-Groups": {"dev"}, "Cookie": {"a=b"}, "Authorization": {"x"},
				"Host": {"x"}, "Forwarded": {"for=x"}, "X-Forwarded-For": {"x"}, "X-Forwarded-Proto": {"https"},
				"X-Forwarded-Anything": {"x"}, "Http2-Settings": {"x"}, "X-Custom": {"x"}, "x-raw": {"x"}, "Upgrade": {"websocket"},
			}
			before := maps.Clone(h)
			if test.connection != nil {
				h["Connection"] = test.connection
			}
			o.SanitizeConnection(h)
			if got := strings.Join(h["Connection"], "|"); got != test.want {
				t.Errorf("Connection: %q", got)
			}
			if _, ok := h["Connection"]; ok != (test.want != "") {
				t.Errorf("Connection present: %v", ok)
			}
			delete(h, "Connection")
			for key := range before {
				if _, ok := h[key]; ok == slices.Contains(test.gone, key) {
					t.Errorf("%s present: %v", key, ok)
				}
			}
		})
	}
}

// proxied is what a proxy leaves of a header (RFC 9110 section 7.6.1).
func proxied(h http.Header) http.Header {
	out := h.Clone()
	for _, line := range h["Connection"] {
		for token := range strings.SplitSeq(line, ",") {
			out.Del(strings.TrimSpace(token))
		}
	}
	return out
}

func FuzzConnection(f *testing.F) {
	for _, seed := range []string{
		"", "keep-alive", "close, X-Auth-User", "Upgrade, HTTP2-Settings", "Cookie", "x_auth.user,TE", ",,\t, Host ,", "X-Forwarded-For;q=1",
	} {
		f.Add(seed, "close")
	}
	o := NewOwned("X-Auth-User")
	f.Fuzz(func(t *testing.T, one, two string) {
		h := http.Header{"Connection": {one, two}, "X-Auth-User": {"alice"}, "Cookie": {"a=b"}, "Authorization": {"x"}, "X-Forwarded-For": {"x"}, "X-Custom": {"x"}}
		o.SanitizeConnection(h)
		after := proxied(h)
		for _, name := range []string{"X-Auth-User", "Cookie", "Authorization", "X-Forwarded-For"} {
			if after[name] == nil {
				t.Errorf("%q, %q: a proxy removes %s", one, two, name)
			}
		}
		for _, line := range h["Connection"] {
			for token := range strings.SplitSeq(line, ",") {
				if token = strings.Trim(token, " \t"); !isConnectionOption(token) {
					t.Errorf("%q, %q: option %q is left", one, two, token)
				}
			}
		}
		once := maps.Clone(h)
		o.SanitizeConnection(h)
		if !maps.EqualFunc(once, h, slices.Equal) {
			t.Errorf("%q, %q: not idempotent: %v, %v", one, two, once, h)
		}
	})
}

// echo serves what a handler behind the gate gets to see, as one line.
func echo(t *testing.T) string {
	t.Helper()
	o := NewOwned("X-Auth-User")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.StripRequest(r)
		o.SanitizeConnection(r.Header)
		if d := policy(t, "public").Decide(r, nil, anonymous); d.Action != Pass {
			new(Responder).Respond(w, r, d, Site{Origin: "http://app.example.com", BasePath: "/api/auth"})
			return
		}
		body, err := io.ReadAll(r.Body)
		var fields []string
		for _, h := range []http.Header{r.Header, r.Trailer} {
			for name, values := range h {
				fields = append(fields, name+"="+strings.Join(values, "+"))
			}
		}
		sort.Strings(fields)
		fmt.Fprintf(w, "%s body=%q err=%v", strings.Join(fields, " "), body, err)
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// raw sends bytes and returns status and body.
func raw(t *testing.T, address, request string) (int, string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(body)
}

// What arrives on the wire, as net/http understands it.
func TestOverTheWire(t *testing.T) {
	address := echo(t)
	const chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
	for _, test := range []struct {
		name, request string
		status        int
		body          string
	}{
		{"HDR-01 header", "GET / HTTP/1.1\r\nHost: a\r\nX-Auth-User: admin\r\nx-a: b\r\n\r\n", 200, `X-A=b body="" err=<nil>`},
		{"HDR-04 underscore", "GET / HTTP/1.1\r\nHost: a\r\nX_Auth_User: admin\r\nX.Auth.User: admin\r\n\r\n", 200, `body="" err=<nil>`},
		{"HDR-12 trailer", chunked + "Trailer: X-Auth-User, X-Sum\r\n\r\n1\r\nx\r\n0\r\nX-Auth-User: admin\r\nX-Sum: 1\r\n\r\n", 200, `X-Sum=1 body="x" err=<nil>`},
		{"HDR-12 trailer, announced as another", chunked + "Trailer: X-Sum\r\n\r\n0\r\nX_auth.user: admin\r\nX-Sum: 1\r\n\r\n", 200, `X-Sum=1 body="" err=<nil>`},
		{"HDR-12 trailer, not announced", chunked + "\r\n1\r\nx\r\n0\r\nX-Auth-User: admin\r\n\r\n", 200, `body="x" err=<nil>`},
		{"HDR-13 folded line", "GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n X-Auth-User: z\r\n\r\n", 200, `X-A=b X-Auth-User: z body="" err=<nil>`},
		{"HDR-13 space before the colon", "GET / HTTP/1.1\r\nHost: a\r\nX-Auth-User : z\r\n\r\n", 400, ""},
		{"METH-04 TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405, `{"error":"MethodNotAllowed"}`},
		{"PATH-16 asterisk", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 405, `{"error":"MethodNotAllowed"}`},
		{"PATH-18 CONNECT", "CONNECT app:443 HTTP/1.1\r\nHost: app:443\r\n\r\n", 405, `{"error":"MethodNotAllowed"}`},
		{"PATH-11 NUL", "GET /x%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400, `{"error":"BadRequest"}`},
		{"PATH-15 not UTF-8", "GET /%ff HTTP/1.1\r\nHost: a\r\n\r\n", 400, `{"error":"BadRequest"}`},
		{"a target without a path", "GET http:admin HTTP/1.1\r\nHost: a\r\n\r\n", 400, `{"error":"BadRequest"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, body := raw(t, address, test.request)
			if status != test.status || test.body != "" && strings.TrimSpace(body) != test.body {
				t.Errorf("%d %s", status, body)
			}
		})
	}
}

func TestStripRequestLeavesBodiesAlone(t *testing.T) {
	o := NewOwned()
	r := httptest.NewRequest("POST", "/", strings.NewReader("x"))
	body := r.Body
	if o.StripRequest(r); r.Body != body {
		t.Error("a body of known length was wrapped")
	}
	r.Body = http.NoBody
	r.ContentLength = -1
	if o.StripRequest(r); r.Body != http.NoBody {
		t.Error("no body was wrapped")
	}
}
