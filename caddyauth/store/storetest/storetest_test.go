package storetest_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/store"
	"github.com/caddyauth/gateway/caddyauth/store/bolt"
	"github.com/caddyauth/gateway/caddyauth/store/memory"
	"github.com/caddyauth/gateway/caddyauth/store/storetest"
)

// faultEnv tells a child process which fault its store has.
const faultEnv = "CADDYAUTH_STORE_FAULT"

// fails runs one test of this binary in a process of its own. It must fail.
func fails(t *testing.T, test, env, want string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run="+test)
	cmd.Env = append(os.Environ(), env)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), want) {
		t.Errorf("not noticed: %v\n%s", err, out)
	}
}

// The suite is worth as much as the mistakes that it notices.
func TestFaults(t *testing.T) {
	if name := os.Getenv(faultEnv); name != "" {
		storetest.Run(t, func(t *testing.T) store.Driver {
			d := memory.New()
			t.Cleanup(func() { d.Close() })
			return faults[name].put(d)
		}, storetest.Options{})
		return
	}
	for name, f := range faults {
		t.Run(name, func(t *testing.T) {
			test := "^TestFaults$/" + f.test
			fails(t, test, faultEnv+"="+name, "--- FAIL: TestFaults/"+f.test)
		})
	}
}

// crashFaultEnv asks for a store that says too early that it has kept something.
const crashFaultEnv = "CADDYAUTH_STORE_CRASH_FAULT"

type early struct{ store.Driver }

func (d early) CreateSession(ctx context.Context, a store.Session) error {
	go func() {
		time.Sleep(20 * time.Millisecond)
		_ = d.Driver.CreateSession(context.WithoutCancel(ctx), a)
	}()
	return nil
}

func TestCrashNotices(t *testing.T) {
	if os.Getenv(crashFaultEnv) != "" {
		storetest.Crash(t, func(path string) (store.Driver, error) {
			d, err := bolt.Open(context.Background(), path)
			return early{d}, err
		}, nil)
		return
	}
	fails(t, "^TestCrashNotices$", crashFaultEnv+"=1", "--- FAIL: TestCrashNotices")
}

func TestReopenNotices(t *testing.T) {
	if os.Getenv(faultEnv) != "" {
		open := func(t *testing.T) store.Driver {
			d, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "store"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { d.Close() })
			return d
		}
		storetest.Run(t, open, storetest.Options{
			Reopen: func(t *testing.T, _ store.Driver) store.Driver { return open(t) },
		})
		return
	}
	fails(t, "^TestReopenNotices$/^Reopen$", faultEnv+"=reopen", "--- FAIL: TestReopenNotices/Reopen")
}
