package caddyauth_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/caddyauth/gateway/caddyauth/internal/testport"
)

// TestGateProperty sends generated request targets to generated rules, without
// a session, over three versions of HTTP, and holds what happens against what
// the documentation says (gate_reference_test.go). It checks three things:
// nothing passes that the rules close, nothing is refused that they open, and
// what the upstream received lies inside what they open, however it reads that.
//
// CADDYAUTH_MORE=1 makes a million cases of ten thousand. CADDYAUTH_SEED repeats
// a run.
func TestGateProperty(t *testing.T) {
	seed := uint64(20261123)
	batches, cases := 1, 10_000
	if os.Getenv("CADDYAUTH_MORE") == "1" {
		batches, cases = 50, 20_000
	}
	if text := os.Getenv("CADDYAUTH_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	total := new(tally)
	for batch := range batches {
		t.Run(fmt.Sprint("batch ", batch), func(t *testing.T) {
			runBatch(t, seed, uint64(batch), cases, total)
		})
		if t.Failed() {
			break
		}
	}
	t.Logf("CADDYAUTH_SEED=%d: %s", seed, total)
	if total.passed.Load() < total.cases.Load()/20 || total.refused.Load() < total.cases.Load()/20 {
		t.Error("hardly any case passed, or hardly any was refused: the test says little")
	}
}

// TestGatePropertyFindsWeakGates shows that the test can fail: gates that leave
// out one of the meanings let through what the reference does not.
func TestGatePropertyFindsWeakGates(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	sets := []*ruleSet{
		{public: []condition{named(onPaths("/pub/*"), "/pub/*")}},
		{public: []condition{always()}, private: []condition{named(onPaths("/adm/*"), "/adm/*")}},
	}
	for i, name := range []string{
		"cut at # or ?", "backslashes", "endings", "dots behind spaces", "parameters", "double slashes", "dots", "dots at the end", "authorities",
	} {
		fewer := slices.Delete(slices.Clone(habits), i, i+1)
		if name == "dots at the end" || name == "dots behind spaces" {
			continue // what these leave to the others is next to nothing
		}
		tried, found := 0, false
		for ; tried < 20_000 && !found; tried++ {
			set := sets[random.IntN(2)]
			target := newTarget(random, set)
			if set.decide("GET", meaningsOf([]string{pathOf(target)}, fewer, mostMeanings)) == passes {
				_, ok := set.admits("GET " + target)
				found = !ok
			}
		}
		if !found {
			t.Errorf("a gate that knows nothing of %s passes", name)
		}
		t.Logf("without %s: found after %d cases", name, tried)
	}
}

func named(c condition, text string) condition {
	c.text = text
	return c
}

// tally counts what became of the cases.
type tally struct{ cases, passed, refused, denied, malformed, endpoints, faults, h1, h2, h3 atomic.Int64 }

func (c *tally) String() string {
	return fmt.Sprintf("%d cases (HTTP/1.1 %d, HTTP/2 %d, HTTP/3 %d): %d passed, %d had to sign in, %d were denied, %d were malformed, %d were the endpoints'",
		c.cases.Load(), c.h1.Load(), c.h2.Load(), c.h3.Load(), c.passed.Load(), c.refused.Load(), c.denied.Load(), c.malformed.Load(), c.endpoints.Load())
}

// runBatch runs cases against one configuration.
func runBatch(t *testing.T, seed, batch uint64, cases int, total *tally) {
	random := rand.New(rand.NewPCG(seed, batch))
	up := newEchoUpstream(t)
	port := testport.Free(t)
	var config strings.Builder
	var sets []*ruleSet
	files := certificate(t, "*.test")
	users := usersFile(t)
	for i := range 32 {
		set := newRuleSet(random, fmt.Sprintf("r%d.test", i))
		sets = append(sets, set)
		site := fmt.Sprintf("%s\treverse_proxy %s\n}\n", set.site(users), up.Addr())
		fmt.Fprintf(&config, "http://%[1]s:{PORT} {\n%[4]shttps://%[1]s:%[2]s {\n\ttls %[3]s\n%[4]s", set.host, port, files, site)
	}
	s := startWith(t, everyHTTP, config.String())

	const workers = 4
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			random := rand.New(rand.NewPCG(seed, batch<<8|uint64(worker+1)))
			senders := []sender{&sender1{address: "127.0.0.1:" + s.Port}, &sender2{address: "127.0.0.1:" + s.Port}, newSender3(port)}
			for _, one := range senders {
				defer one.close()
			}
			for i := 0; i < cases/workers && total.faults.Load() < 10; i++ {
				c := exchange{
					id: fmt.Sprint(worker, ".", i), set: sets[random.IntN(len(sets))],
					method: []string{"GET", "GET", "GET", "GET", "HEAD", "POST", "DELETE"}[random.IntN(7)],
				}
				c.target = newTarget(random, c.set)
				version := 0
				switch n := random.IntN(10); {
				case !strings.HasPrefix(c.target, "/"): // the others take no absolute form
				case n >= 9:
					version = 2
				case n >= 6 || strings.Contains(c.target, " "): // HTTP/1 cannot carry a space
					version = 1
				}
				c.run(t, senders[version], up, total)
				[]*atomic.Int64{&total.h1, &total.h2, &total.h3}[version].Add(1)
			}
		}()
	}
	wg.Wait()
}

// exchange is one case.
type exchange struct {
	id, method, target string
	set                *ruleSet
}

func (c *exchange) run(t *testing.T, send sender, up *echoUpstream, total *tally) {
	want, m := c.set.expects(c.method, c.target)
	status, echo, err := send.send(c)
	line, received := up.take(c.id)
	got := verdict(fmt.Sprint(status, " ", err))
	switch status {
	case http.StatusOK:
		got = passes
	case http.StatusUnauthorized:
		got = asks
	case http.StatusForbidden:
		got = denies
	case http.StatusBadRequest:
		got = refuses
	}
	if want == "" { // the endpoints': never the upstream's
		total.endpoints.Add(1)
		want = got
		if received {
			want = "is answered by the endpoints"
			got = passes
		}
	}
	total.cases.Add(1)
	switch got {
	case passes:
		total.passed.Add(1)
	case asks:
		total.refused.Add(1)
	case denies:
		total.denied.Add(1)
	case refuses:
		total.malformed.Add(1)
	}
	fault := ""
	switch {
	// What is malformed beyond the bound is never looked for.
	case got != want && m.tooMany && got != passes && want != passes:
	case got != want:
		fault = fmt.Sprintf("it %s, although by the rules it %s", got, want)
	case received != (got == passes) || line != echo:
		fault = "the upstream received what was not passed on, or something else"
	case got == passes:
		if p, ok := c.set.admits(line); !ok {
			fault = fmt.Sprintf("the upstream may read it as %q, which the rules do not open", p)
		}
	}
	if fault != "" {
		total.faults.Add(1)
		t.Errorf("case %s over %s: %s\n%s %q\nupstream received %q\nmeanings %q\ntoo many %v, unclear %v, malformed %v\n%s",
			c.id, send.name(), fault, c.method, c.target, line, m.paths, m.tooMany, m.unclear, m.bad, c.set.site("FILE"))
	}
}

// site is the rules in a site block.
func (rs *ruleSet) site(users string) string {
	var define, lines strings.Builder
	word := func(word string, c condition, rest string) {
		if c.define != "" {
			fmt.Fprintf(&define, "\t%s %s\n", c.text, c.define)
		}
		fmt.Fprintf(&lines, "\t\t%s %s %s\n", word, c.text, rest)
	}
	scope := ""
	if rs.scope != nil {
		scope = rs.scope.text
		fmt.Fprintf(&define, "\t%s %s\n", rs.scope.text, rs.scope.define)
	}
	for _, c := range rs.public {
		word("public", c, "")
	}
	for _, c := range rs.private {
		word("private", c, "")
	}
	for _, c := range rs.deny {
		word("deny", c, "any")
	}
	for _, line := range rs.others {
		fmt.Fprintf(&lines, "\t\t%s\n", line)
	}
	return fmt.Sprintf("%s\tcaddyauth %s {\n\t\tsecret %s\n\t\tusers %s\n%s\t}\n", define.String(), scope, secret, users, lines.String())
}

// newRuleSet makes rules up.
func newRuleSet(random *rand.Rand, host string) *ruleSet {
	rs := &ruleSet{host: host}
	names := 0
	one := func() condition {
		c := newCondition(random)
		if c.define != "" {
			names++
			c.text = fmt.Sprint("@m", names)
		}
		return c
	}
	switch random.IntN(3) {
	case 0:
		rs.public = append(rs.public, always())
		rs.private = append(rs.private, one())
	default:
		for range 1 + random.IntN(3) {
			rs.public = append(rs.public, one())
		}
	}
	for range random.IntN(3) {
		rs.private = append(rs.private, one())
	}
	if random.IntN(4) == 0 {
		rs.deny = append(rs.deny, one())
	}
	if random.IntN(6) == 0 {
		for rs.scope == nil || rs.scope.define == "" {
			c := one()
			rs.scope = &c
		}
	}
	if random.IntN(3) == 0 {
		rs.others = append(rs.others, "allow /adm/* group staff", "deny /b/* group contractors")
	}
	return rs
}

var (
	// segments are what patterns and targets are made of.
	segments = []string{"pub", "adm", "Adm", "a", "b", "img", "x.css", "é", "k"}
	// plain are patterns that stand in a word themselves.
	patterns = []string{
		"/pub", "/pub/*", "/pub/*", "/pub/*", "/adm", "/adm/*", "/adm/*", "/Adm/*", "/a/b/*", "/a", "/a/", "/img/*", "/pu*", "/b*", "/pub/adm/*", "/pub/*/b",
		"/p?b", "/p?b/*/*", "/[a-b]/*/*", "/*/adm/*", "/a%2Fb/*", "/C%23/*", "/C%23*", "/x%20y/*", "/é/*", "/%C3%A9", "/k/*", "/*",
	}
	// suffixes are patterns that need a name.
	suffixes = []string{"*.css", "*.css", "*adm*", "*/adm/*", "*/pub/*", "*/b", "*adm"}
	regexps  = []string{`^/pub/`, `^/Adm/`, `^/pub/[a-z]+$`, `^/adm(/|$)`, `\.css$`, `^/(a|b)/`, `^/img/.*\.css$`, `^/pub/([^/]+)/b$`}
)

func newCondition(random *rand.Rand) condition {
	pick := func(list []string) string { return list[random.IntN(len(list))] }
	pattern := pick(patterns)
	prefix := []string{"/pub/", "/adm/", "/a/"}[random.IntN(3)]
	switch random.IntN(12) {
	case 0: // a named path
		other := pick(suffixes)
		c := onPaths(pattern, other)
		c.define = "path " + pattern + " " + other
		return c
	case 1:
		other := pick(suffixes)
		c := onPaths(other)
		c.define = "path " + other
		return c
	case 2:
		re := pick(regexps)
		c := onRegexp(re)
		c.define = "path_regexp " + re
		return c
	case 3: // not
		pattern = prefix + "*"
		c := exactly(func(_, p string) bool { return !caddyPath(pattern, p) })
		c.define = "not path " + pattern
		return c
	case 4: // an expression that reads the path
		c := exactly(func(_, p string) bool { return strings.HasPrefix(p, prefix) })
		c.define = "expression `{path}.startsWith(\"" + prefix + "\")`"
		return c
	case 5: // an expression of matchers
		c := exactly(func(m, p string) bool { return caddyPath(prefix+"*", p) && m != http.MethodPost })
		c.define = "expression `path('" + prefix + "*') && !method('POST')`"
		return c
	case 6: // a method
		method := pick([]string{"GET", "POST", "HEAD"})
		on := exactly(func(m, _ string) bool { return m == method })
		c := both(on, onPaths(pattern))
		c.define = "{\n\t\tmethod " + method + "\n\t\tpath " + pattern + "\n\t}"
		return c
	case 7: // a path and not another one
		other := pick([]string{"/pub/adm/*", "/adm/*", "/a/*", "*.css"})
		c := both(exactly(func(_, p string) bool { return !caddyPath(other, p) }), onPaths(pattern))
		c.define = "{\n\t\tpath " + pattern + "\n\t\tnot path " + other + "\n\t}"
		return c
	}
	return named(onPaths(pattern), pattern)
}

// pieces are what hostile targets are made of, beside the segments.
var pieces = []string{
	"/", "/", "/", "//", "..", ".", "/../", "/..", "/./", "%2e", "%2E%2e", "%252e", "%25252e", "%2f", "%2F", "%252F", "%5c", "%5C", "%255c", `\`, ";", ";x=1", ";jsessionid=a.b",
	"%3b", "%253b", "%23", "%2523", "#", "%3f", "%253F", "%20", "+", "%25", "%2525", "%61", "%41", "%2561", "%70ub", "ADM", "PUB", "Pub", "pub", "adm", "adm", "a", "b", ".css", "|", "{", "\"", "<", "[", "'", "(", "é",
	"%C3%A9", "%c3%89", "e%CC%81", "%E2%84%AA", "%25C3%25A9", "~", "@", "!", "$&", ":", "=", "*", "...", ". ", "%00", "%2500", "%01", "%0d%0a", "%7f", "%", "%zz", "%2", "%u002e", "%ff", "%c0%ae", "%25ff", "%ed%a0%80", "\xff", "\xc0\xae",
}

// newTarget makes a request target up: something that the rules mean, with
// something done to it, or anything.
func newTarget(random *rand.Rand, set *ruleSet) string {
	pick := func(list []string) string { return list[random.IntN(len(list))] }
	var b strings.Builder
	for range 1 + random.IntN(3) {
		b.WriteString("/" + pick(segments))
	}
	if random.IntN(3) == 0 {
		b.WriteByte('/')
	}
	target := b.String()
	if random.IntN(40) == 0 {
		target = "/api/auth" + target
	}
	for range random.IntN(5) {
		switch at := random.IntN(len(target) + 1); random.IntN(6) {
		case 0: // escape a byte, once or more
			if at < len(target) && target[at] != '%' {
				escape := fmt.Sprintf([]string{"%%%02x", "%%%02X", "%%25%02x", "%%2525%02X"}[random.IntN(4)], target[at])
				target = target[:at] + escape + target[at+1:]
			}
		case 1: // change the case of a byte
			if at < len(target) && (target[at]|0x20 >= 'a' && target[at]|0x20 <= 'z') {
				target = target[:at] + string(target[at]^0x20) + target[at+1:]
			}
		case 2: // behind something else
			target = "/" + pick(segments) + pick([]string{"/..", "/%2e%2e", "%2f..", "/..;", `\..`, "/%252e%252e", "//..", "/.", "%23", ";"}) + target
		default:
			target = target[:at] + pick(pieces) + target[at:]
		}
	}
	switch random.IntN(100) {
	case 0:
		target += "/" + strings.Repeat(pick([]string{"a", "a/", "%61", "../", "é", ";x", "%252f"}), 1+random.IntN(1500))
	case 1:
		target = "/pub" + strings.Repeat("/", 1+random.IntN(200)) + target
	case 2:
		target += "/%" + strings.Repeat("25", random.IntN(70)) + "2e"
	}
	if !strings.HasPrefix(target, "/") {
		target = "/" + target
	}
	if random.IntN(8) == 0 {
		target += pick([]string{"?", "?x=/pub/", "?/../pub/x", "?a=%00", "?#", "?%2e", "?;", "??"})
	}
	if random.IntN(12) == 0 && !strings.ContainsAny(target, " ") {
		target = "http://" + set.host + target
	}
	return target
}

// sender sends cases over one version of HTTP. The echo is what the upstream
// answered that it had received.
type sender interface {
	name() string
	send(c *exchange) (status int, echo string, err error)
	close()
}

func echoOf(values ...string) string {
	line, _ := base64.StdEncoding.DecodeString(strings.Join(values, ","))
	return string(line)
}

// sender1 keeps a connection alive and writes its bytes.
type sender1 struct {
	address string
	conn    net.Conn
	r       *bufio.Reader
}

func (s *sender1) name() string { return "HTTP/1.1" }

func (s *sender1) send(c *exchange) (int, string, error) {
	for tries := 0; ; tries++ {
		fresh := s.conn == nil
		if fresh {
			conn, err := net.Dial("tcp", s.address)
			if err != nil {
				return 0, "", err
			}
			s.conn, s.r = conn, bufio.NewReader(conn)
		}
		_ = s.conn.SetDeadline(time.Now().Add(20 * time.Second))
		_, err := fmt.Fprintf(s.conn, "%s %s HTTP/1.1\r\nHost: %s\r\nX-Case: %s\r\nContent-Length: 0\r\n\r\n", c.method, c.target, c.set.host, c.id)
		var resp *http.Response
		if err == nil {
			resp, err = http.ReadResponse(s.r, &http.Request{Method: c.method})
		}
		if err != nil {
			s.close()
			if !fresh && tries == 0 {
				continue // the server had closed it after a malformed request
			}
			return 0, "", err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		if resp.Close || err != nil {
			s.close()
		}
		return resp.StatusCode, echoOf(resp.Header["X-Received"]...), err
	}
}

func (s *sender1) close() {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

// sender2 writes HTTP/2's frames itself, with prior knowledge: Go's client
// would not send such paths.
type sender2 struct {
	address string
	conn    net.Conn
	framer  *http2.Framer
	encoded bytes.Buffer
	encoder *hpack.Encoder
	stream  uint32
}

func (s *sender2) name() string { return "HTTP/2" }

func (s *sender2) open() error {
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		return err
	}
	_ = conn.SetDeadline(time.Now().Add(10 * time.Minute))
	s.conn, s.framer, s.stream = conn, http2.NewFramer(conn, bufio.NewReader(conn)), 1
	s.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	s.encoder = hpack.NewEncoder(&s.encoded)
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		return err
	}
	return s.framer.WriteSettings()
}

func (s *sender2) send(c *exchange) (int, string, error) {
	return s.request([][2]string{
		{":method", c.method}, {":scheme", "http"}, {":authority", c.set.host}, {":path", c.target}, {"x-case", c.id},
	})
}

// request sends fields as they are and reads what they are answered with. A
// stream that is reset is one that HTTP/2 knows to be malformed.
func (s *sender2) request(fields [][2]string) (int, string, error) {
	if s.conn == nil {
		if err := s.open(); err != nil {
			return 0, "", err
		}
	}
	s.encoded.Reset()
	for _, f := range fields {
		_ = s.encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	id := s.stream
	s.stream += 2
	if err := s.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: s.encoded.Bytes(), EndStream: true, EndHeaders: true}); err != nil {
		s.close()
		return 0, "", err
	}
	status, echo := 0, ""
	for {
		f, err := s.framer.ReadFrame()
		if err != nil {
			s.close()
			return status, echo, err
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				err = s.framer.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				err = s.framer.WritePing(true, f.Data)
			}
		case *http2.GoAwayFrame:
			s.close()
			return http.StatusBadRequest, "", nil
		case *http2.RSTStreamFrame:
			if f.StreamID == id && f.ErrCode == http2.ErrCodeProtocol {
				return http.StatusBadRequest, "", nil
			}
			if f.StreamID == id && status == 0 {
				return 0, "", fmt.Errorf("stream reset: %v", f.ErrCode)
			}
		case *http2.MetaHeadersFrame:
			for _, field := range f.Fields {
				switch field.Name {
				case ":status":
					status, _ = strconv.Atoi(field.Value)
				case "x-received":
					echo = echoOf(field.Value)
				}
			}
			if f.StreamID == id && f.StreamEnded() {
				return status, echo, nil
			}
		case *http2.DataFrame:
			if n := uint32(len(f.Data())); n > 0 {
				err = s.framer.WriteWindowUpdate(0, n)
			}
			if f.StreamID == id && f.StreamEnded() {
				return status, echo, err
			}
		}
		if err != nil {
			s.close()
			return status, echo, err
		}
	}
}

func (s *sender2) close() {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

// sender3 is quic-go's client, which leaves an opaque URL as it is.
type sender3 struct {
	port      string
	transport *http3.Transport
}

func newSender3(port string) *sender3 {
	return &sender3{port, &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "r0.test"}}}
}

func (s *sender3) name() string { return "HTTP/3" }

func (s *sender3) send(c *exchange) (int, string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	address := "127.0.0.1:" + s.port
	r := (&http.Request{
		Method: c.method, Host: c.set.host, Header: http.Header{"X-Case": {c.id}},
		// The client takes scheme and host away from it again.
		URL: &url.URL{Scheme: "https", Host: address, Opaque: "//" + c.set.host + c.target},
	}).WithContext(ctx)
	resp, err := s.transport.RoundTrip(r)
	if e := (*http3.Error)(nil); errors.As(err, &e) && e.ErrorCode == http3.ErrCodeMessageError {
		return http.StatusBadRequest, "", nil
	}
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, echoOf(resp.Header["X-Received"]...), err
}

func (s *sender3) close() { s.transport.Close() }

// echoUpstream keeps connections alive, and both remembers and answers the first
// line of every request, byte for byte.
type echoUpstream struct {
	net.Listener
	mu    sync.Mutex
	lines map[string]string
}

func newEchoUpstream(t testing.TB) *echoUpstream {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &echoUpstream{Listener: l, lines: make(map[string]string)}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go u.serve(conn)
		}
	}()
	return u
}

func (u *echoUpstream) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		first, id := "", ""
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			if line = strings.TrimRight(line, "\r\n"); line == "" {
				break
			}
			if first == "" {
				first = line
			}
			if name, value, _ := strings.Cut(line, ": "); strings.EqualFold(name, "X-Case") {
				id = value
			}
		}
		u.mu.Lock()
		u.lines[id] = first
		u.mu.Unlock()
		if _, err := fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Received: %s\r\n\r\n", base64.StdEncoding.EncodeToString([]byte(first))); err != nil {
			return
		}
	}
}

// take returns the first line of a case that was received, and forgets it.
func (u *echoUpstream) take(id string) (string, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	line, ok := u.lines[id]
	delete(u.lines, id)
	return line, ok
}
