package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/caddyauth/gateway/caddyauth/dialect"
	"github.com/caddyauth/gateway/caddyauth/jwt"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/session"
)

//go:embed wrk.lua
var script []byte

// sessions is how many wrk goes through in a row. Before one of them comes
// again, the cache of opened tokens has forgotten it.
const sessions = 20_000

// connections is how many wrk keeps open.
const connections = 16

// makeCookies seals the sessions of as many people and returns what their
// browsers send.
func makeCookies(n int) ([]string, error) {
	github, err := provider.New(provider.Config{Preset: "github", ClientID: "bench", ClientSecret: "bench"}, provider.Options{})
	if err != nil {
		return nil, err
	}
	ring, err := jwt.NewRing(dialect.V4, []string{secret}, "")
	if err != nil {
		return nil, err
	}
	cookies := make([]string, n)
	for i := range cookies {
		account := strconv.Itoa(583231 + i)
		token, err := jwt.SealClaims(ring, map[string]any{
			"sub": account, "name": "Mona Lisa Octocat", "email": "octocat" + account + "@example.com",
			"picture": "https://avatars.githubusercontent.com/u/" + account + "?v=4",
			session.EvidenceClaim: session.Evidence{
				SID: session.NewID(), Provider: "github", Realm: github.Info().Realm, Account: account,
				Login: "octocat", Verified: true, Domain: "example.com", AuthTime: time.Now().Unix(),
			},
		}, time.Now(), 24*time.Hour)
		if err != nil {
			return nil, err
		}
		cookies[i] = "theme=dark; next-auth.session-token=" + token
	}
	return cookies, nil
}

func writeLines(name string, lines []string) error {
	return os.WriteFile(name, []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

// load lets wrk loose on a process and returns what a request cost it.
func (b *bench) load(ctx context.Context, p *process, cookies string) (sample, error) {
	before, err := b.measure(ctx, p)
	if err != nil {
		return sample{}, err
	}
	requests, err := b.wrk(ctx, p, cookies)
	if err != nil {
		return sample{}, err
	}
	after, err := b.measure(ctx, p)
	if err != nil {
		return sample{}, err
	}
	return sample{
		cpu:   (after.cpu - before.cpu) / time.Duration(requests),
		bytes: float64(after.mem.TotalAlloc-before.mem.TotalAlloc) / float64(requests),
		count: float64(after.mem.Mallocs-before.mem.Mallocs) / float64(requests),
		rate:  float64(requests) / b.time.Seconds(),
	}, nil
}

type measurement struct {
	cpu time.Duration
	mem runtime.MemStats
}

func (b *bench) measure(ctx context.Context, p *process) (m measurement, err error) {
	if m.mem, err = p.memStats(ctx); err != nil {
		return m, err
	}
	m.cpu, err = p.cpu()
	return m, err
}

var (
	wrkRequests = regexp.MustCompile(`(?m)^\s*(\d+) requests in `)
	wrkTrouble  = regexp.MustCompile(`(?m)^\s*(Non-2xx or 3xx responses|Socket errors): .*$`)
)

// wrk returns how many requests were answered. An answer other than 200 is an
// error: a refusal would be cheap.
func (b *bench) wrk(ctx context.Context, p *process, cookies string) (int, error) {
	name := filepath.Join(b.dir, "wrk.lua")
	if err := os.WriteFile(name, script, 0o600); err != nil {
		return 0, err
	}
	cmd := pin(ctx, 0, "wrk", "--threads=1", fmt.Sprintf("--connections=%d", connections),
		fmt.Sprintf("--duration=%ds", max(1, int(b.time.Seconds()))), "--script="+name, "http://"+p.addr)
	cmd.Env = append(os.Environ(), "COOKIES="+cookies)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("wrk: %w\n%s", err, &out)
	}
	if trouble := wrkTrouble.FindString(out.String()); trouble != "" {
		return 0, errors.New(strings.TrimSpace(trouble))
	}
	m := wrkRequests.FindStringSubmatch(out.String())
	if m == nil {
		return 0, fmt.Errorf("wrk says no number of requests:\n%s", &out)
	}
	n, err := strconv.Atoi(m[1])
	if err == nil && n == 0 {
		err = errors.New("no request was answered")
	}
	return n, err
}

// profiles writes profiles of one more run, if asked to.
func (b *bench) profiles(ctx context.Context, p *process, name, cookies string) error {
	if b.profile == "" {
		return nil
	}
	if err := os.MkdirAll(b.profile, 0o755); err != nil {
		return err
	}
	seconds := strconv.Itoa(max(1, int(b.time.Seconds())))
	loaded := make(chan error, 1)
	go func() {
		_, err := b.wrk(ctx, p, cookies)
		loaded <- err
	}()
	name = strings.ReplaceAll(strings.ReplaceAll(name, ",", ""), " ", "-")
	for _, profile := range []struct{ suffix, path string }{
		{".cpu", "/debug/pprof/profile?seconds=" + seconds},
		{".allocs", "/debug/pprof/allocs"},
	} {
		raw, err := p.get(ctx, profile.path)
		if err != nil {
			return err
		}
		file := filepath.Join(b.profile, name+profile.suffix)
		if err := os.WriteFile(file, raw, 0o644); err != nil {
			return err
		}
	}
	return <-loaded
}
