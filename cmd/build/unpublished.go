package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/caddyserver/xcaddy"
)

// standIn lets a plugin be built that nobody has published. The go command
// asks where a module comes from before it looks at a replacement, so each
// plugin whose module is replaced by a folder gets an empty git repository to
// find; the code itself still comes from the folder. It returns what removes
// the repositories.
func standIn(ctx context.Context, b *xcaddy.Builder) (cleanup func(), err error) {
	dir, err := os.MkdirTemp("", "caddyauth-build-")
	if err != nil {
		return nil, err
	}
	cleanup = func() { os.RemoveAll(dir) }
	configs, _ := strconv.Atoi(os.Getenv("GIT_CONFIG_COUNT"))
	for i, p := range b.Plugins {
		module, ok := replaced(b, p)
		if !ok || p.Version != "" {
			continue
		}
		repo := filepath.Join(dir, strconv.Itoa(i))
		if err := emptyRepo(ctx, repo, module, strings.TrimPrefix(p.PackagePath, module)); err != nil {
			cleanup()
			return nil, err
		}
		n := strconv.Itoa(configs)
		os.Setenv("GIT_CONFIG_KEY_"+n, "url."+repo+".insteadOf")
		os.Setenv("GIT_CONFIG_VALUE_"+n, "https://"+module)
		os.Setenv("GOPRIVATE", strings.Trim(os.Getenv("GOPRIVATE")+","+module, ","))
		configs++
	}
	os.Setenv("GIT_CONFIG_COUNT", strconv.Itoa(configs))
	return cleanup, nil
}

// replaced returns the module of a plugin, if a folder replaces it.
func replaced(b *xcaddy.Builder, p xcaddy.Dependency) (module string, ok bool) {
	for _, r := range b.Replacements {
		old := string(r.Old)
		if filepath.IsAbs(string(r.New)) && (p.PackagePath == old || strings.HasPrefix(p.PackagePath, old+"/")) {
			return old, true
		}
	}
	return "", false
}

// emptyRepo makes a repository with the module's name and an empty package.
func emptyRepo(ctx context.Context, repo, module, pkg string) error {
	dir := filepath.Join(repo, filepath.FromSlash(pkg))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	files := map[string]string{
		filepath.Join(repo, "go.mod"):    "module " + module + "\n",
		filepath.Join(dir, "standin.go"): "package standin\n",
	}
	for name, content := range files {
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"init", "--quiet", repo},
		{"-C", repo, "add", "."},
		{"-C", repo, "-c", "user.name=build", "-c", "user.email=build@localhost", "-c", "commit.gpgsign=false",
			"commit", "--quiet", "--no-verify", "--message", "Stand in for the folder"},
	} {
		if out, err := exec.CommandContext(ctx, "git", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("git %s: %w\n%s", args[0], err, out)
		}
	}
	return nil
}
