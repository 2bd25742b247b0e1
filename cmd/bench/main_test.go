package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	for _, test := range []struct {
		values []float64
		q      float64
		want   float64
	}{
		{[]float64{3}, 0.5, 3},
		{[]float64{1, 2, 9}, 0.5, 2},
		{[]float64{1, 2, 4, 9}, 0.5, 3},
		{[]float64{1, 2, 3, 4, 5}, 0.25, 2},
		{[]float64{1, 2, 3, 4, 5}, 0.75, 4},
		{[]float64{1, 2}, 1, 2},
	} {
		if got := quantile(test.values, test.q); got != test.want {
			t.Errorf("%v at %v: %v, want %v", test.values, test.q, got, test.want)
		}
	}
}

func TestMedian(t *testing.T) {
	samples := []sample{{bytes: 30}, {bytes: 10}, {bytes: 20}}
	if got := median(samples, func(s sample) float64 { return s.bytes }); got != 20 {
		t.Errorf("got %v", got)
	}
	if samples[0].bytes != 30 {
		t.Error("the samples were sorted")
	}
}

func TestCookiesDiffer(t *testing.T) {
	cookies, err := makeCookies(3)
	if err != nil {
		t.Fatal(err)
	}
	if len(cookies) != 3 || cookies[0] == cookies[1] || cookies[1] == cookies[2] {
		t.Errorf("got %q", cookies)
	}
}

// What wrk prints, and what must not be taken for a result.
func TestWrkOutput(t *testing.T) {
	const good = "  1 threads and 16 connections\n  12345 requests in 2.00s, 9.01MB read\nRequests/sec:   6172.50\n"
	if m := wrkRequests.FindStringSubmatch(good); m == nil || m[1] != "12345" {
		t.Errorf("got %q", m)
	}
	if m := wrkTrouble.FindString(good); m != "" {
		t.Errorf("trouble %q", m)
	}
	for _, bad := range []string{
		good + "  Non-2xx or 3xx responses: 12345\n",
		good + "  Socket errors: connect 0, read 3, write 0, timeout 0\n",
	} {
		if wrkTrouble.FindString(bad) == "" {
			t.Errorf("no trouble in %q", bad)
		}
	}
}

func TestProcessFigures(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("this test needs /proc")
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: &exec.Cmd{Process: self}}
	before, err := p.cpu()
	if err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); time.Since(start) < 10*time.Second; {
		if after, err := p.cpu(); err != nil || after-before >= 50*time.Millisecond {
			break
		}
	}
	after, err := p.cpu()
	if used := after - before; err != nil || used < 50*time.Millisecond || used > 20*time.Second {
		t.Errorf("used %v: %v", used, err)
	}
	if rss, err := p.rss(); err != nil || rss < 1<<20 {
		t.Errorf("occupies %d bytes: %v", rss, err)
	}
}

func TestWriteLines(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lines")
	if err := writeLines(name, []string{"a=1", "b=2"}); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(name); err != nil || string(b) != "a=1\nb=2\n" {
		t.Errorf("%q, %v", b, err)
	}
}
