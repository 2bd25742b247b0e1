package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/testdb"
	"github.com/caddyauth/gateway/caddyauth/internal/testop"
	"github.com/caddyauth/gateway/caddyauth/internal/testport"
)

const (
	nodes   = 3
	people  = 200
	workers = 16
	visits  = 12
	// outage is how long the store is away.
	outage = 5 * time.Second
	// news is how long a node may take to learn what another one ended.
	news = time.Second
)

// TestCluster lets people sign in, browse and sign out at three nodes behind a
// load balancer that sends each request to another one, while one node is killed
// and the store goes away for a while. Nobody may become somebody else, lose a
// session, or use one that has ended.
func TestCluster(t *testing.T) {
	binary := build(t)
	for _, c := range []struct {
		name, strategy string
		more           bool
		store          func(testing.TB) (line string, stop, start func())
	}{
		{"redis, database sessions", "database", false, startRedis},
		{"postgres, jwt sessions", "jwt", false, startPostgres},
		{"redis, jwt sessions", "jwt", true, startRedis},
		{"postgres, database sessions", "database", true, startPostgres},
	} {
		if c.more && os.Getenv("CADDYAUTH_MORE") != "1" {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			line, stop, start := c.store(t)
			newCluster(t, binary, line, c.strategy).storm(stop, start)
		})
	}
}

func startRedis(t testing.TB) (line string, stop, start func()) {
	s := testdb.Redis(t, "appendfsync", "always")
	return "store redis " + s.URL, s.Stop, s.Start
}

func startPostgres(t testing.TB) (line string, stop, start func()) {
	s := testdb.Postgres(t, testdb.PostgresOptions{Fsync: true})
	return `store postgres "` + s.DSN + `"`, s.Stop, s.Start
}

// build compiles the command, once for all tests.
func build(t testing.TB) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "caddy")
	cmd := exec.Command("go", "build", "-o", binary, "github.com/caddyauth/gateway/cmd/caddy")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// cluster is the nodes, what is in front of them and what is behind.
type cluster struct {
	*testing.T
	binary, dir string
	op          *testop.OP
	origin      string // of the load balancer
	ports       [nodes]string
	running     [nodes]*exec.Cmd

	done    atomic.Int64 // people who have left
	asked   atomic.Int64
	refused atomic.Int64 // requests answered with 503
	broken  atomic.Int64 // requests that a dying node did not answer
	again   atomic.Int64 // sign-ins that had to be begun anew
}

func newCluster(t *testing.T, binary, store, strategy string) *cluster {
	c := &cluster{T: t, binary: binary, dir: t.TempDir()}
	front := testport.Free(t)
	c.origin = "http://localhost:" + front
	c.op = testop.Start(t, c.origin+"/api/auth/callback/op")
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/events":
			events(w, r)
		case "/socket":
			socket(w)
		default:
			fmt.Fprint(w, r.Header.Get("Remote-User"))
		}
	}))
	t.Cleanup(func() {
		upstream.CloseClientConnections()
		upstream.Close()
	})
	var addresses []string
	for i := range c.ports {
		c.ports[i] = testport.Free(t)
		addresses = append(addresses, "127.0.0.1:"+c.ports[i])
		c.write(fmt.Sprint("node", i), `{
	admin off
	skip_install_trust
}
http://:`+c.ports[i]+` {
	bind 127.0.0.1
	caddyauth {
		url `+c.origin+`
		secret cluster-test-secret-0123456789abcdef
		provider oidc `+c.op.URL+` as op {
			client_id `+c.op.ClientID+`
			client_secret "`+c.op.ClientSecret+`"
		}
		`+store+`
		session {
			strategy `+strategy+`
		}
		headers
		limit off
	}
	reverse_proxy `+upstream.Listener.Addr().String()+`
}
`)
		c.start(i)
	}
	c.write("front", `{
	admin off
	skip_install_trust
}
http://localhost:`+front+` {
	bind 127.0.0.1
	reverse_proxy `+strings.Join(addresses, " ")+` {
		lb_policy round_robin
		lb_try_duration 3s
		lb_try_interval 50ms
		fail_duration 500ms
	}
}
`)
	c.run("front", front)
	return c
}

func (c *cluster) write(name, config string) {
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(config), 0o600); err != nil {
		c.Fatal(err)
	}
}

func (c *cluster) start(i int) { c.running[i] = c.run(fmt.Sprint("node", i), c.ports[i]) }

// run starts a Caddy, and ends it with the test.
func (c *cluster) run(name, port string) *exec.Cmd {
	c.Helper()
	cmd := exec.Command(c.binary, "run", "--adapter", "caddyfile", "--config", filepath.Join(c.dir, name))
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+filepath.Join(c.dir, "data of "+name), "XDG_CONFIG_HOME="+filepath.Join(c.dir, "config of "+name))
	log, err := os.OpenFile(filepath.Join(c.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		c.Fatal(err)
	}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		c.Fatal(err)
	}
	log.Close()
	c.Cleanup(func() {
		_ = cmd.Process.Kill()
		_, _ = cmd.Process.Wait()
	})
	for range 200 {
		if conn, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second); err == nil {
			conn.Close()
			return cmd
		}
		time.Sleep(50 * time.Millisecond)
	}
	text, _ := os.ReadFile(filepath.Join(c.dir, name+".log"))
	c.Fatalf("%s does not listen:\n%s", name, text)
	return nil
}

// storm is a day in twenty seconds.
func (c *cluster) storm(stop, start func()) {
	var crowd, faults sync.WaitGroup
	queue := make(chan int)
	for range workers {
		crowd.Go(func() {
			for i := range queue {
				c.live("crowd" + strconv.Itoa(i))
				c.done.Add(1)
			}
		})
	}
	faults.Go(func() {
		c.await(people / 5)
		_ = c.running[1].Process.Kill()
		_, _ = c.running[1].Process.Wait()
		time.Sleep(time.Second)
		c.start(1)
		c.await(people / 2)
		stop()
		time.Sleep(outage)
		start()
	})
	for i := range people {
		queue <- i
	}
	close(queue)
	crowd.Wait()
	faults.Wait()
	c.Logf("%d people at %d nodes: %d requests, %d refused with 503, %d cut off, %d sign-ins begun anew",
		c.done.Load(), nodes, c.asked.Load(), c.refused.Load(), c.broken.Load(), c.again.Load())
	if c.done.Load() != people {
		c.Errorf("%d people have left, want %d", c.done.Load(), people)
	}
}

// await waits until so many people have left.
func (c *cluster) await(n int64) {
	for range 2400 {
		if c.done.Load() >= n {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	c.Errorf("%d people have left after two minutes, want %d", c.done.Load(), n)
}

// person is somebody with a browser.
type person struct {
	*cluster
	name    string
	browser *http.Client
}

// live is what everybody does: sign in, look around, sign out.
func (c *cluster) live(name string) {
	jar, _ := cookiejar.New(nil)
	p := &person{c, name, &http.Client{Jar: jar, Timeout: 15 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	if !p.signIn() {
		c.Errorf("%s cannot sign in", name)
		return
	}
	for range visits {
		if !p.visit() {
			return
		}
	}
	old := p.cookies()
	if !p.signOut() {
		c.Errorf("%s cannot sign out", name)
		return
	}
	p.haunt(old)
}

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

// do sends a request as often as it takes to get an answer that is no 503, which
// has to say when to come back and must leave the cookies alone.
func (p *person) do(method, target string, form url.Values) (reply, bool) {
	for range 80 {
		r, err := p.once(method, target, form)
		switch {
		case err != nil, r.status == http.StatusBadGateway, r.status == http.StatusGatewayTimeout:
			p.broken.Add(1)
		case r.status == http.StatusServiceUnavailable && r.header.Get("Server") == "Caddy" && r.header.Get("Cache-Control") == "":
			p.broken.Add(1) // the load balancer's own
		case r.status == http.StatusServiceUnavailable:
			p.refused.Add(1)
			if r.header.Get("Retry-After") == "" {
				p.Errorf("503 of %s %s without Retry-After", method, target)
			}
			if set := r.header.Values("Set-Cookie"); len(set) > 0 {
				p.Errorf("503 of %s %s sets cookies %q", method, target, set)
			}
		default:
			return r, true
		}
		time.Sleep(200 * time.Millisecond)
	}
	return reply{}, false
}

func (p *person) once(method, target string, form url.Values) (reply, error) {
	p.asked.Add(1)
	if !strings.HasPrefix(target, "http") {
		target = p.origin + target
	}
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequest(method, target, body)
	if err != nil {
		return reply{}, err
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := p.browser.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(text)}, err
}

// csrf is the token for forms.
func (p *person) csrf() (string, error) {
	r, ok := p.do("GET", "/api/auth/csrf", nil)
	if !ok {
		return "", errors.New("no answer")
	}
	var body struct{ CSRFToken string }
	return body.CSRFToken, json.Unmarshal([]byte(r.body), &body)
}

// signIn begins anew if the store or a node went away in the middle of it: a code
// is good once.
func (p *person) signIn() bool {
	for try := range 40 {
		if try > 0 {
			p.again.Add(1)
			time.Sleep(300 * time.Millisecond)
		}
		if p.trySignIn() {
			return true
		}
	}
	return false
}

func (p *person) trySignIn() bool {
	token, err := p.csrf()
	if err != nil {
		return false
	}
	r, ok := p.do("POST", "/api/auth/signin/op", url.Values{"csrfToken": {token}, "callbackUrl": {p.origin + "/"}, "json": {"true"}})
	var body struct{ URL string }
	if !ok || json.Unmarshal([]byte(r.body), &body) != nil || !strings.HasPrefix(body.URL, p.op.URL) {
		return false
	}
	back := p.op.SignIn(p.T, body.URL, p.name)
	r, err = p.once("GET", back.String(), nil)
	return err == nil && r.status == http.StatusFound && r.header.Get("Location") == p.origin+"/"
}

// visit opens a page, which says who came.
func (p *person) visit() bool {
	r, ok := p.do("GET", "/page", nil)
	switch {
	case !ok:
		p.Errorf("%s gets no answer any more", p.name)
	case r.status != http.StatusOK:
		p.Errorf("%s has lost the session: %d %s", p.name, r.status, r.header.Get("Location"))
	case r.body != p.name:
		p.Errorf("%s is taken for %q", p.name, r.body)
	default:
		return true
	}
	return false
}

func (p *person) cookies() string {
	u, _ := url.Parse(p.origin)
	var pairs []string
	for _, c := range p.browser.Jar.Cookies(u) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}

func (p *person) signOut() bool {
	for range 40 {
		token, err := p.csrf()
		if err != nil {
			continue
		}
		r, ok := p.do("POST", "/api/auth/signout", url.Values{"csrfToken": {token}, "callbackUrl": {p.origin + "/"}})
		if ok && r.status == http.StatusFound && r.header.Get("Location") == p.origin+"/" {
			return true
		}
	}
	return false
}

// haunt tries the cookies of a session that has ended, at every node.
func (p *person) haunt(cookies string) {
	time.Sleep(news)
	for i, port := range p.ports {
		req, err := http.NewRequest("GET", "http://127.0.0.1:"+port+"/page", nil)
		if err != nil {
			p.Error(err)
			return
		}
		req.Host = strings.TrimPrefix(p.origin, "http://")
		req.Header.Set("Cookie", cookies)
		resp, err := (&http.Client{Timeout: 10 * time.Second, CheckRedirect: p.browser.CheckRedirect}).Do(req)
		if err != nil {
			continue // the node is down
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			p.Errorf("%s has signed out, and node %d still lets the session in", p.name, i)
		}
	}
}
