// Package testreq says what a test needs from the machine it runs on.
package testreq

import (
	"os"
	"os/exec"
	"testing"
)

// FullEnv is the environment variable that turns skipping into failing, for
// runs that must not leave anything out.
const FullEnv = "CADDYAUTH_FULL"

// Need skips the test unless cond holds, and says what was missing. With
// CADDYAUTH_FULL=1 it fails the test instead.
func Need(t testing.TB, cond bool, what string) {
	t.Helper()
	switch {
	case cond:
	case os.Getenv(FullEnv) == "1":
		t.Fatalf("this test needs %s", what)
	default:
		t.Skipf("this test needs %s", what)
	}
}

// Program is Need for a program on the search path. It returns where it is.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	Need(t, err == nil, "the program "+name)
	return path
}

// File is Need for a file or directory.
func File(t testing.TB, path, what string) {
	t.Helper()
	_, err := os.Stat(path)
	Need(t, err == nil, what)
}
