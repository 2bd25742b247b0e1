package guard

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	module = "github.com/caddyauth/gateway"
	caddy  = "github.com/caddyserver/caddy/v2"
)

// tags are what caddy is built with wherever nobody asks for more.
const tags = "-tags=nobadger,nomysql,nopgx"

// root is the module's folder.
func root(t testing.TB) string {
	t.Helper()
	return filepath.Dir(strings.TrimSpace(goCommand(t, "env", "GOMOD")))
}

// goCommand runs the go command in this folder.
func goCommand(t testing.TB, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return string(out)
}

// pkg is what go list tells about a package.
type pkg struct {
	ImportPath   string
	Dir          string
	Standard     bool
	Imports      []string
	TestImports  []string
	XTestImports []string
	Deps         []string
	GoFiles      []string
	Module       *struct{ Path string }
}

// short is the import path below the module, "." for the module's root.
func (p *pkg) short() string { return short(p.ImportPath) }

func short(path string) string {
	if path == module {
		return "."
	}
	rest, ok := strings.CutPrefix(path, module+"/")
	if !ok {
		return ""
	}
	return rest
}

// list returns the packages that the patterns match, relative to the root.
func list(t testing.TB, args ...string) []*pkg {
	t.Helper()
	args = append([]string{"list", "-C", root(t), tags,
		"-json=ImportPath,Dir,Standard,Imports,TestImports,XTestImports,Deps,GoFiles,Module"}, args...)
	dec := json.NewDecoder(strings.NewReader(goCommand(t, args...)))
	var pkgs []*pkg
	for {
		p := new(pkg)
		err := dec.Decode(p)
		if errors.Is(err, io.EOF) {
			return pkgs
		}
		if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

func read(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
