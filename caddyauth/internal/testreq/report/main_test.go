package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	const pass = `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"chatter\n"}
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":0.1}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.2s\n"}
{"Action":"pass","Package":"p","Elapsed":0.25}
`
	for _, test := range []struct {
		name, input  string
		err          string
		want, unwant []string
	}{
		{"pass", pass, "", []string{"ok  \tp\t0.250s", "1 tests passed, 0 failed, 0 skipped"}, []string{"chatter"}},
		{"a package without tests is no skipped test",
			pass + `{"Action":"skip","Package":"q"}` + "\n", "", nil, []string{"skipped: q"}},
		{"a skipped test fails",
			pass + `{"Action":"output","Package":"p","Test":"TestB","Output":"    x_test.go:1: this test needs wings\n"}
{"Action":"skip","Package":"p","Test":"TestB"}
`, "skipped", []string{"this test needs wings", "skipped: p TestB"}, nil},
		{"a failure is shown with its output",
			`{"Action":"output","Package":"p","Test":"TestA/x","Output":"    x_test.go:7: got 1\n"}
{"Action":"fail","Package":"p","Test":"TestA/x"}
{"Action":"fail","Package":"p"}
`, "failed", []string{"x_test.go:7: got 1"}, nil},
		{"what does not compile",
			`{"ImportPath":"p","Action":"build-output","Output":"x.go:3: undefined: y\n"}
{"ImportPath":"p","Action":"build-fail"}
{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
{"Action":"fail","Package":"p","FailedBuild":"p"}
`, "failed", []string{"undefined: y", "[build failed]"}, nil},
		{"a test that never ended",
			pass + `{"Action":"output","Package":"p","Test":"TestC","Output":"panic: timed out\n"}` + "\n",
			"failed", []string{"panic: timed out"}, nil},
		{"words of the go command", "go: no such tool\n", "no test ran", []string{"go: no such tool"}, nil},
		{"nothing", "", "no test ran", nil, nil},
		{"no newline at the end", strings.TrimSuffix(pass, "\n"), "", []string{"1 tests passed"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			err := report(strings.NewReader(test.input), &out)
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("error %v, want %q", err, test.err)
			}
			for _, s := range test.want {
				if !strings.Contains(out.String(), s) {
					t.Errorf("no %q in\n%s", s, out.String())
				}
			}
			for _, s := range test.unwant {
				if strings.Contains(out.String(), s) {
					t.Errorf("%q in\n%s", s, out.String())
				}
			}
		})
	}
}
