package testdb

import (
	"bytes"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/internal/testport"
)

// process is a running server.
type process struct {
	cmd    *exec.Cmd
	output bytes.Buffer // complete when done
	done   chan struct{}
}

// startProcess starts a server.
func startProcess(t testing.TB, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.output, &p.output
	started := make(chan error)
	go p.run(started)
	fatal(t, <-started)
	return p
}

// run stays on one thread as long as the server runs. Where the system ends the
// server when the tests are killed (see processAttributes), it goes by the
// thread that started it.
func (p *process) run(started chan<- error) {
	runtime.LockOSThread()
	err := p.cmd.Start()
	started <- err
	if err == nil {
		_ = p.cmd.Wait() // how it ended is in its output
	}
	close(p.done)
}

// signal sends a signal, if the server has not ended.
func (p *process) signal(sig syscall.Signal) { _ = p.cmd.Process.Signal(sig) }

// kill ends the server and waits until it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// log is what a server that has ended wrote.
func (p *process) log() string {
	<-p.done
	return p.output.String()
}

// freePort is a port of 127.0.0.1 that nobody listens at.
func freePort(t testing.TB) int {
	t.Helper()
	port, err := strconv.Atoi(testport.Free(t))
	fatal(t, err)
	return port
}

func fatal(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
