package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
)

const (
	memorySessions = 10_000
	memoryRounds   = 5
	memoryAim      = 15.0 // MB
)

// memory compares what both sides occupy after ten thousand people have come,
// each with three requests: caddyauth keeps a token that it sees again.
func (b *bench) memory(ctx context.Context) error {
	var rss, live [2][]float64
	for range memoryRounds {
		for side, s := range []struct{ binary, site string }{{b.plain, plainSite}, {b.ours, b.gatewaySite()}} {
			r, l, err := b.occupied(ctx, s.binary, s.site)
			if err != nil {
				return fmt.Errorf("memory: %w", err)
			}
			rss[side], live[side] = append(rss[side], r), append(live[side], l)
		}
	}
	fmt.Printf("\nmemory after %d sessions, median of %d rounds\n", memorySessions, memoryRounds)
	fmt.Printf("  %-10s %14s %14s\n", "", "resident", "live heap")
	for side, who := range []string{"plain", "caddyauth"} {
		slices.Sort(rss[side])
		slices.Sort(live[side])
		fmt.Printf("  %-10s %11.1f MB %11.1f MB\n", who, quantile(rss[side], 0.5), quantile(live[side], 0.5))
	}
	fmt.Printf("  difference %11.1f MB %11.1f MB   (aim at most %.0f MB resident)\n",
		quantile(rss[1], 0.5)-quantile(rss[0], 0.5), quantile(live[1], 0.5)-quantile(live[0], 0.5), memoryAim)
	return nil
}

// occupied is the memory of a fresh Caddy after all sessions, in MB.
func (b *bench) occupied(ctx context.Context, binary, site string) (rss, live float64, err error) {
	p, err := b.start(ctx, binary, site)
	if err != nil {
		return 0, 0, err
	}
	defer p.stop()
	if err := visit(ctx, "http://"+p.addr+"/app/", b.memorySample); err != nil {
		return 0, 0, err
	}
	occupied, err := p.rss()
	if err != nil {
		return 0, 0, err
	}
	// Asking for the heap's profile this way collects garbage first.
	if _, err := p.get(ctx, "/debug/pprof/heap?gc=1"); err != nil {
		return 0, 0, err
	}
	m, err := p.memStats(ctx)
	return float64(occupied) / 1e6, float64(m.HeapAlloc) / 1e6, err
}

// visit sends three requests with each cookie.
func visit(ctx context.Context, url string, cookies []string) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	todo := make(chan string)
	errs := make([]error, connections)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			for cookie := range todo {
				for range 3 {
					if errs[i] == nil {
						errs[i] = fetch(ctx, client, url, cookie)
					}
				}
			}
		})
	}
	for _, cookie := range cookies {
		todo <- cookie
	}
	close(todo)
	wg.Wait()
	return errors.Join(errs...)
}

func fetch(ctx context.Context, client *http.Client, url, cookie string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Cookie", cookie)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer was %s", resp.Status)
	}
	return nil
}
