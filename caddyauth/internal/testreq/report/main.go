// Command report turns what `go test -json` writes into what `go test` would
// have written, and fails if a test failed or was skipped: for runs that must
// not leave anything out.
//
// Usage:
//
//	go test -json ./... | go run ./caddyauth/internal/testreq/report
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	if err := report(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

// event is a line of the test command's output; see `go doc test2json`.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64
}

// run is what the events have told so far.
type run struct {
	out io.Writer
	// output is kept by package and test until it is known whether anybody
	// wants to read it.
	output          map[[2]string]*strings.Builder
	passed          int
	skipped, broken []string
}

// report copies what matters of events from r to w. The error says what was
// wrong in one line.
func report(r io.Reader, w io.Writer) error {
	t := &run{out: w, output: make(map[[2]string]*strings.Builder)}
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			t.line(line)
		}
		if errors.Is(err, io.EOF) {
			return t.verdict()
		}
		if err != nil {
			return err
		}
	}
}

// line takes one line. What is no event comes from the go command itself.
func (t *run) line(line []byte) {
	var e event
	if json.Unmarshal(line, &e) != nil {
		t.out.Write(line)
		return
	}
	key := [2]string{e.Package, e.Test}
	switch e.Action {
	case "output":
		if t.output[key] == nil {
			t.output[key] = new(strings.Builder)
		}
		t.output[key].WriteString(e.Output)
	case "build-output":
		io.WriteString(t.out, e.Output)
	case "pass", "fail", "skip":
		t.end(e, key)
	}
}

// end takes the result of a test or, where no test is named, of a package.
func (t *run) end(e event, key [2]string) {
	text := t.output[key]
	delete(t.output, key)
	switch {
	case e.Action == "fail":
		t.broken = append(t.broken, strings.TrimSpace(e.Package+" "+e.Test))
		if text != nil {
			io.WriteString(t.out, text.String())
		}
	case e.Test == "" && e.Action == "pass":
		fmt.Fprintf(t.out, "ok  \t%s\t%.3fs\n", e.Package, e.Elapsed)
	case e.Test == "": // a package without tests
	case e.Action == "skip":
		t.skipped = append(t.skipped, e.Package+" "+e.Test)
		if text != nil {
			io.WriteString(t.out, text.String())
		}
	default:
		t.passed++
	}
}

func (t *run) verdict() error {
	// A test that a panic or a timeout ended has no result of its own.
	for key, text := range t.output {
		fmt.Fprintf(t.out, "unfinished: %s %s\n%s", key[0], key[1], text)
		t.broken = append(t.broken, strings.TrimSpace(key[0]+" "+key[1]))
	}
	for _, name := range t.skipped {
		fmt.Fprintln(t.out, "skipped:", name)
	}
	fmt.Fprintf(t.out, "%d tests passed, %d failed, %d skipped\n", t.passed, len(t.broken), len(t.skipped))
	switch {
	case len(t.broken) > 0:
		return errors.New("tests failed")
	case len(t.skipped) > 0:
		return errors.New("tests were skipped, which this run does not allow")
	case t.passed == 0:
		return errors.New("no test ran")
	}
	return nil
}
