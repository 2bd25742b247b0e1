// Command build makes a caddy binary from xcaddy.json, as `xcaddy build` would
// with the same settings on its command line.
//
// Usage:
//
//	go run ./cmd/build [-config xcaddy.json] [-o caddy]
//
// It needs no network beyond Go's modules. Relative paths in the file's
// replacements start from the folder of the file.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/caddyserver/xcaddy"
)

func main() {
	config := flag.String("config", "xcaddy.json", "the build to make: an xcaddy Builder as JSON")
	output := flag.String("o", "caddy", "where to put the binary")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := build(ctx, *config, *output); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func build(ctx context.Context, config, output string) error {
	b, err := load(config)
	if err != nil {
		return err
	}
	cleanup, err := standIn(ctx, b)
	if err != nil {
		return err
	}
	defer cleanup()
	return b.Build(ctx, output)
}

// load reads a Builder. A member that Builder does not have is an error: a
// misspelled one would otherwise build something else in silence.
func load(config string) (*xcaddy.Builder, error) {
	raw, err := os.ReadFile(config)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	b := new(xcaddy.Builder)
	if err := dec.Decode(b); err != nil {
		return nil, fmt.Errorf("%s: %w", config, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("%s: something stands after the end of the object", config)
	}
	dir, err := filepath.Abs(filepath.Dir(config))
	if err != nil {
		return nil, err
	}
	// The Builder works in a folder of its own, where a relative path would
	// lead elsewhere; only the xcaddy command makes them absolute.
	for i, r := range b.Replacements {
		if p := string(r.New); p == "." || strings.HasPrefix(p, "./") || strings.HasPrefix(p, "../") {
			b.Replacements[i].New = xcaddy.ReplacementPath(filepath.Join(dir, p))
		}
	}
	return b, nil
}
