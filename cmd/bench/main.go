// Command bench measures what caddyauth costs: a plain Caddy and one with
// caddyauth stand in front of the same upstream and take turns under wrk, which
// sends both the same cookies. It needs wrk, and Linux.
//
// Usage:
//
//	go run ./cmd/bench [-pairs 25] [-time 2s] [-options lines] [-profile folder]
//
// It prints for each scenario the processor time and the bytes allocated per
// request on both sides, and the ratio of the processor times: the median of
// the pairs, with quartiles. Other work on the machine moves the single times
// a lot, and the median of the ratios less with every pair.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// bench is one run of the program.
type bench struct {
	pairs   int
	time    time.Duration
	options string // further lines of the directive
	profile string // a folder for profiles, or nothing

	dir          string
	plain, ours  string // binaries
	upstream     string // address
	one, many    string // files of cookies
	memorySample []string
}

func main() {
	b := new(bench)
	flag.IntVar(&b.pairs, "pairs", 25, "how often each side runs per scenario")
	flag.DurationVar(&b.time, "time", 2*time.Second, "how long each run lasts")
	flag.StringVar(&b.options, "options", "", "further `lines` for the directive, such as headers")
	flag.StringVar(&b.profile, "profile", "", "write a processor and an allocation profile of caddyauth per scenario into this `folder`")
	upstream := flag.Bool("upstream", false, "be the upstream (what the program calls itself with)")
	flag.Parse()
	if *upstream {
		fail(serveUpstream())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// Generous: three runs' time for every two.
	limit := 10*time.Minute + 6*time.Duration(b.pairs)*b.time
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := b.run(ctx); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

func (b *bench) run(ctx context.Context) (err error) {
	if b.dir, err = os.MkdirTemp("", "caddyauth-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	if err := b.prepare(ctx); err != nil {
		return err
	}
	up, err := b.startUpstream(ctx)
	if err != nil {
		return err
	}
	defer up.stop()

	for _, s := range []struct {
		name, cookies string
		aim           float64
	}{
		{"one session, seen before", b.one, 1.05},
		{"every session new", b.many, 1.12},
	} {
		if err := b.compare(ctx, s.name, s.cookies, s.aim); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return b.memory(ctx)
}

// prepare builds both Caddys and seals the tokens.
func (b *bench) prepare(ctx context.Context) error {
	b.plain, b.ours = filepath.Join(b.dir, "plain"), filepath.Join(b.dir, "caddyauth")
	for binary, pkg := range map[string]string{b.plain: "github.com/caddyserver/caddy/v2/cmd/caddy", b.ours: "./cmd/caddy"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-tags=nobadger,nomysql,nopgx", "-o", binary, pkg)
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("building %s: %w", pkg, err)
		}
	}
	cookies, err := makeCookies(sessions)
	if err != nil {
		return err
	}
	b.memorySample = cookies[:memorySessions]
	b.one, b.many = filepath.Join(b.dir, "one"), filepath.Join(b.dir, "many")
	if err := writeLines(b.one, cookies[:1]); err != nil {
		return err
	}
	return writeLines(b.many, cookies)
}

// sample is what one run of one side cost, per request.
type sample struct {
	cpu   time.Duration
	bytes float64
	count float64 // allocations
	rate  float64 // requests per second, for orientation
}

// compare lets both sides take turns, each going first every other time.
func (b *bench) compare(ctx context.Context, name, cookies string, aim float64) error {
	plain, err := b.start(ctx, b.plain, plainSite)
	if err != nil {
		return err
	}
	defer plain.stop()
	ours, err := b.start(ctx, b.ours, b.gatewaySite())
	if err != nil {
		return err
	}
	defer ours.stop()

	var samples [2][]sample
	var ratios []float64
	for pair := -1; pair < b.pairs; pair++ { // the first pair only warms up
		var now [2]sample
		for turn := range 2 {
			side := (pair + turn) & 1
			if now[side], err = b.load(ctx, [2]*process{plain, ours}[side], cookies); err != nil {
				return err
			}
		}
		if pair < 0 {
			continue
		}
		samples[0], samples[1] = append(samples[0], now[0]), append(samples[1], now[1])
		ratios = append(ratios, float64(now[1].cpu)/float64(now[0].cpu))
	}

	fmt.Printf("\n%s\n", name)
	fmt.Printf("  %-10s %14s %14s %14s %12s\n", "", "CPU/request", "bytes/request", "allocs/request", "requests/s")
	for side, who := range []string{"plain", "caddyauth"} {
		s := samples[side]
		fmt.Printf("  %-10s %11.2f us %14.0f %14.1f %12.0f\n", who,
			median(s, func(s sample) float64 { return float64(s.cpu) / 1e3 }),
			median(s, func(s sample) float64 { return s.bytes }),
			median(s, func(s sample) float64 { return s.count }),
			median(s, func(s sample) float64 { return s.rate }))
	}
	slices.Sort(ratios)
	fmt.Printf("  ratio      %.3f (quartiles %.3f and %.3f, %d pairs; aim at most %.2f)\n",
		quantile(ratios, 0.5), quantile(ratios, 0.25), quantile(ratios, 0.75), len(ratios), aim)
	return b.profiles(ctx, ours, name, cookies)
}

// quantile interpolates between the two nearest of sorted values.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	low := int(at)
	if low+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[low] + (at-float64(low))*(sorted[low+1]-sorted[low])
}

func median(samples []sample, of func(sample) float64) float64 {
	var values []float64
	for _, s := range samples {
		values = append(values, of(s))
	}
	slices.Sort(values)
	return quantile(values, 0.5)
}
