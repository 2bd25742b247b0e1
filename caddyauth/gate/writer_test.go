package gate

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/cookie"
)

func TestPrivateControl(t *testing.T) {
	for _, test := range []struct {
		lines []string
		want  string
	}{
		{nil, "private, no-cache"},
		{[]string{""}, "private"},
		{[]string{"private"}, "private"},
		{[]string{"no-store"}, "no-store"},
		{[]string{"no-store, max-age=0"}, "no-store, max-age=0"},
		{[]string{"public, max-age=60"}, "max-age=60, private"},
		{[]string{"PUBLIC,S-MaxAge=60 , proxy-revalidate,must-revalidate"}, "must-revalidate, private"},
		{[]string{"max-age=31536000, public, immutable"}, "max-age=31536000, immutable, private"},
		{[]string{"no-cache", "no-cache"}, "no-cache, private"},
		{[]string{"public", "max-age=1"}, "max-age=1, private"},
		{[]string{"private", "private"}, "private"},
		{[]string{"max-age=1", "no-store"}, "max-age=1, no-store"},
		{[]string{`private="set-cookie, x", max-age=1`}, "max-age=1, private"},
		{[]string{`no-cache="a, public", x="\",s-maxage=1"`}, `no-cache="a, public", x="\",s-maxage=1", private`},
		{[]string{",,"}, "private"},
		{[]string{`x="unclosed, public`}, "private"},
		{[]string{`x="unclosed`, "no-store"}, "no-store"},
		{[]string{"no-store=1"}, "no-store=1, private"},
	} {
		if got := privateControl(test.lines); got != test.want {
			t.Errorf("%q: %q", test.lines, got)
		}
	}
}

func ownedCookie(name string) bool {
	return strings.HasPrefix(name, "next-auth.") || strings.HasPrefix(name, "__Secure-next-auth.")
}

func TestWriter(t *testing.T) {
	renewed := cookie.Cookie{Name: "next-auth.session-token", Value: "new"}
	for _, test := range []struct {
		name     string
		rules    ResponseRules
		upstream http.Header
		control  []string
		cookies  []string
	}{
		{"nothing must hold", ResponseRules{}, http.Header{"Set-Cookie": {"next-auth.x=1"}}, nil, []string{"next-auth.x=1"}},
		{
			"owned cookies", ResponseRules{Owned: ownedCookie},
			http.Header{"Set-Cookie": {"a=1", "next-auth.session-token=evil; Path=/", "__Secure-next-auth.csrf-token=x"}}, nil, []string{"a=1"},
		},
		{"pass_cookie", ResponseRules{Private: true}, http.Header{"Set-Cookie": {"next-auth.session-token=app"}}, []string{"private, no-cache"}, []string{"next-auth.session-token=app"}},
		{
			"private", ResponseRules{Private: true, Owned: ownedCookie},
			http.Header{"Cache-Control": {"public, max-age=60", "max-age=60"}, "Cdn-Cache-Control": {"max-age=600"}, "Surrogate-Control": {"max-age=600"}},
			[]string{"max-age=60, private"}, nil,
		},
		{
			"renewal", ResponseRules{Private: true, Owned: ownedCookie, Cookies: []cookie.Cookie{renewed}},
			http.Header{"Cache-Control": {"public"}, "Set-Cookie": {"next-auth.session-token=evil", "a=1"}},
			[]string{"private, no-cache, no-store"}, []string{"a=1", renewed.String()},
		},
	} {
		for _, way := range []string{"WriteHeader", "Write", "ReadFrom", "Flush", "Finish"} {
			t.Run(test.name+" at "+way, func(t *testing.T) {
				recorder := httptest.NewRecorder()
				w := NewWriter(recorder, test.rules)
				for name, values := range test.upstream {
					w.Header()[name] = slices.Clone(values)
				}
				switch way {
				case "WriteHeader":
					w.WriteHeader(201)
					if recorder.Code != 201 {
						t.Errorf("status %d", recorder.Code)
					}
				case "Write":
					_, _ = io.WriteString(w, "x")
				case "ReadFrom":
					_, _ = w.ReadFrom(strings.NewReader("x"))
				case "Flush":
					w.Flush()
					if !recorder.Flushed {
						t.Error("not flushed")
					}
				}
				w.Finish()
				w.Finish()
				h := w.Header()
				if !slices.Equal(h["Cache-Control"], test.control) || !slices.Equal(h["Set-Cookie"], test.cookies) {
					t.Errorf("header %q", h)
				}
				if test.rules.Private && (h["Cdn-Cache-Control"] != nil || h["Surrogate-Control"] != nil) {
					t.Errorf("header %q", h)
				}
			})
		}
	}
}

// statuses records what the server's writer is told.
type statuses struct {
	http.ResponseWriter
	got []int
	// cookies are the Set-Cookie lines at each status.
	cookies []string
}

func (s *statuses) WriteHeader(status int) {
	s.got = append(s.got, status)
	s.cookies = append(s.cookies, strings.Join(s.Header()["Set-Cookie"], "|"))
	if status >= 200 {
		s.ResponseWriter.WriteHeader(status)
	}
}

func TestWriterInformational(t *testing.T) {
	inner := &statuses{ResponseWriter: httptest.NewRecorder()}
	w := NewWriter(inner, ResponseRules{Owned: ownedCookie, Private: true})
	h := w.Header()
	h["Set-Cookie"] = []string{"next-auth.x=1", "a=1"}
	w.WriteHeader(http.StatusEarlyHints)
	if h["Cache-Control"] != nil {
		t.Errorf("the rules were applied: %v", h)
	}
	h["Set-Cookie"] = []string{"next-auth.x=1"}
	w.WriteHeader(http.StatusOK)
	if !slices.Equal(inner.got, []int{103, 200}) || !slices.Equal(inner.cookies, []string{"a=1", ""}) || h.Get("Cache-Control") != "private, no-cache" {
		t.Errorf("%v, %q, %v", inner.got, inner.cookies, h)
	}
}

func TestWriterWritesTheHeaderOnce(t *testing.T) {
	inner := &statuses{ResponseWriter: httptest.NewRecorder()}
	w := NewWriter(inner, ResponseRules{Private: true})
	_, _ = w.Write([]byte("x"))
	_, _ = w.Write([]byte("y"))
	_ = w.FlushError()
	if !slices.Equal(inner.got, []int{200}) {
		t.Errorf("got %v", inner.got)
	}
}

func TestWriterLeavesTheRestToTheServer(t *testing.T) {
	type bare struct{ http.ResponseWriter }
	recorder := httptest.NewRecorder()
	w := NewWriter(bare{recorder}, ResponseRules{})
	if w.Unwrap() != (bare{recorder}) {
		t.Error("Unwrap")
	}
	if _, _, err := w.Hijack(); !errors.Is(err, http.ErrNotSupported) {
		t.Errorf("Hijack: %v", err)
	}
	if err := w.FlushError(); !errors.Is(err, http.ErrNotSupported) {
		t.Errorf("Flush: %v", err)
	}
	if err := w.Push("/x", nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Push: %v", err)
	}
	if n, err := w.ReadFrom(strings.NewReader("abc")); n != 3 || err != nil || recorder.Body.String() != "abc" {
		t.Errorf("ReadFrom: %d, %v", n, err)
	}
}

// fromRecorder has ReadFrom, as net/http's writer has.
type fromRecorder struct {
	*httptest.ResponseRecorder
	used   bool
	pushed string
}

func (f *fromRecorder) ReadFrom(r io.Reader) (int64, error) {
	f.used = true
	return f.Body.ReadFrom(r)
}

func (f *fromRecorder) Push(target string, _ *http.PushOptions) error {
	f.pushed = target
	return nil
}

func TestWriterPassesOn(t *testing.T) {
	inner := &fromRecorder{ResponseRecorder: httptest.NewRecorder()}
	w := NewWriter(inner, ResponseRules{Private: true})
	if _, err := io.Copy(w, struct{ io.Reader }{bytes.NewBufferString("abc")}); err != nil || !inner.used || inner.Body.String() != "abc" {
		t.Errorf("%v, used %v", err, inner.used)
	}
	if err := w.Push("/x", nil); err != nil || inner.pushed != "/x" {
		t.Errorf("%v, pushed %q", err, inner.pushed)
	}
}

func TestWriterUpgrade(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		w := NewWriter(rw, ResponseRules{Owned: ownedCookie, Private: true})
		h := w.Header()
		h.Set("Upgrade", "websocket")
		h.Set("Connection", "Upgrade")
		h.Add("Set-Cookie", "next-auth.session-token=evil")
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = buffered.WriteString("hello\n")
		_ = buffered.Flush()
	}))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != 101 || response.Header.Get("Set-Cookie") != "" || response.Header.Get("Cache-Control") != "private, no-cache" {
		t.Errorf("%d %v", response.StatusCode, response.Header)
	}
	if line, err := reader.ReadString('\n'); line != "hello\n" {
		t.Errorf("got %q, %v", line, err)
	}
}

func TestWriterAllocatesOnce(t *testing.T) {
	w := discard{http.Header{"Cache-Control": nil, "Content-Type": {"text/html"}}}
	rules := ResponseRules{Owned: ownedCookie, Private: true}
	if n := testing.AllocsPerRun(100, func() {
		delete(w.h, "Cache-Control")
		NewWriter(w, rules).WriteHeader(200)
	}); n != 1 {
		t.Errorf("%v allocations", n)
	}
}
