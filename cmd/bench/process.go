package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The sites of both sides. {UPSTREAM} stands for the address.
const (
	plainSite = `reverse_proxy {UPSTREAM}`
	secret    = "bench-secret-0123456789abcdefghijklmnop"
)

func (b *bench) gatewaySite() string {
	return `caddyauth {
		secret ` + secret + `
		provider github {
			client_id bench
			client_secret bench
		}
		allow user octocat
		` + b.options + `
	}
	reverse_proxy {UPSTREAM}`
}

// process is a server that this program started.
type process struct {
	cmd         *exec.Cmd
	addr, admin string
	log         bytes.Buffer
}

// pin makes a command run on one processor, if there is more than one: Caddy
// has the last one for itself, wrk and the upstream share the first.
func pin(ctx context.Context, cpu int, name string, args ...string) *exec.Cmd {
	if _, err := exec.LookPath("taskset"); err == nil && runtime.NumCPU() > 1 {
		args = append([]string{"-c", strconv.Itoa(cpu), name}, args...)
		name = "taskset"
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// start runs a Caddy until stop is called.
func (b *bench) start(ctx context.Context, binary, site string) (*process, error) {
	p := new(process)
	if err := freeAddresses(&p.addr, &p.admin); err != nil {
		return nil, err
	}
	home := filepath.Join(b.dir, "home")
	config := filepath.Join(b.dir, "Caddyfile")
	text := fmt.Sprintf("{\n\tadmin %s\n\tpersist_config off\n}\nhttp://%s {\n\t%s\n}\n",
		p.admin, p.addr, strings.ReplaceAll(site, "{UPSTREAM}", b.upstream))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	p.cmd = pin(ctx, runtime.NumCPU()-1, binary, "run", "--config", config, "--adapter", "caddyfile")
	p.cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+home, "XDG_CONFIG_HOME="+home, "GOGC=100", "GOMEMLIMIT=off")
	p.cmd.Stderr = &p.log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	for range 200 {
		if conn, err := net.Dial("tcp", p.addr); err == nil {
			return p, conn.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	p.stop()
	return nil, fmt.Errorf("%s does not answer:\n%s", binary, &p.log)
}

// freeAddresses sets different addresses that nothing listens on.
func freeAddresses(addrs ...*string) error {
	for _, addr := range addrs {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close()
		*addr = l.Addr().String()
	}
	return nil
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	_ = p.cmd.Wait()
}

// cpu is the processor time that the process has used, of all its threads.
func (p *process) cpu() (time.Duration, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	// The name, in parentheses, may hold anything; the rest are numbers. See
	// proc_pid_stat(5): utime and stime are fields 14 and 15, in ticks of 10 ms.
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	if len(fields) < 13 {
		return 0, errors.New("unexpected /proc/PID/stat")
	}
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(err1, err2)
}

// rss is the memory that the process occupies, in bytes.
func (p *process) rss() (int, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(raw)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
			return kib << 10, err
		}
	}
	return 0, errors.New("no VmRSS in /proc/PID/status")
}

// memStats are the runtime's own figures, from Caddy's admin endpoint.
func (p *process) memStats(ctx context.Context) (m runtime.MemStats, err error) {
	raw, err := p.get(ctx, "/debug/vars")
	if err != nil {
		return m, err
	}
	vars := struct {
		MemStats *runtime.MemStats `json:"memstats"`
	}{&m}
	return m, json.Unmarshal(raw, &vars)
}

// get asks the admin endpoint.
func (p *process) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.admin+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, resp.Status)
	}
	return io.ReadAll(resp.Body)
}

// startUpstream runs this program as the upstream.
func (b *bench) startUpstream(ctx context.Context) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{cmd: pin(ctx, 0, self, "-upstream")}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		p.stop()
		return nil, fmt.Errorf("the upstream does not start: %w", err)
	}
	b.upstream = strings.TrimSpace(line)
	return p, nil
}

// serveUpstream answers everything with the same small page. It ends with the
// program that started it, or by a signal.
func serveUpstream() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	page := bytes.Repeat([]byte("<p>hello</p>\n"), 40)
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{"text/html; charset=utf-8"}
		_, _ = w.Write(page)
	}))
}
