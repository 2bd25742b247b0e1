package guard

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// forbidden are names that code outside of tests has no business with.
var forbidden = map[string]string{
	"InsecureSkipVerify":         "a certificate nobody checks protects nothing",
	"SkipClientIDCheck":          "an ID token for somebody else must not sign anybody in",
	"SkipIssuerCheck":            "an ID token of somebody else must not sign anybody in",
	"InsecureSkipSignatureCheck": "an ID token nobody signed must not sign anybody in",
	"InsecureIssuerURLContext":   "the issuer must be the one that was configured",
}

// ownAddresses may use http.Redirect: what they redirect to is built of their
// own addresses. Elsewhere it would rewrite what a client asked for, and turn
// "/./\evil.example" into an address of somebody else's.
var ownAddresses = []string{"caddyauth/provider/devidp", "caddyauth/internal/testop"}

func TestForbiddenCode(t *testing.T) {
	files := 0
	for _, p := range list(t, "./...") {
		if isForTests(p.short()) {
			continue
		}
		for _, name := range p.GoFiles {
			files++
			checkFile(t, p.short(), filepath.Join(p.Dir, name))
		}
	}
	if files < 50 {
		t.Errorf("only %d files were looked at", files)
	}
}

func checkFile(t *testing.T, pkg, name string) {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range f.Imports {
		if path, _ := strconv.Unquote(spec.Path.Value); strings.HasPrefix(path, "math/rand") {
			t.Errorf("%s: %s: use crypto/rand", fset.Position(spec.Pos()), path)
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			if why, ok := forbidden[n.Name]; ok {
				t.Errorf("%s: %s: %s", fset.Position(n.Pos()), n.Name, why)
			}
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "http" && n.Sel.Name == "Redirect" && !slices.Contains(ownAddresses, pkg) {
				t.Errorf("%s: http.Redirect rewrites what it is given; set Location to an absolute URL", fset.Position(n.Pos()))
			}
		}
		return true
	})
}

// elsewhere are places outside of the repository that files in it must not
// point to: a checkout works wherever it is, with whatever registry one has.
// The names are put together here so that this file does not have them.
var elsewhere = []*regexp.Regexp{
	regexp.MustCompile(`(^|[^\w.~:/-])/` + `work\b`),
	regexp.MustCompile(`\.\./` + `shared\b`),
	regexp.MustCompile(`/tmp/` + `design\b`),
	regexp.MustCompile(`registry\.` + `(npmjs\.org|yarnpkg\.com)`),
	regexp.MustCompile(`(proxy|sum)\.` + `golang\.org`),
	regexp.MustCompile(`(file://|["'\s=])/(root|home/\w+)/`),
}

func TestNothingPointsElsewhere(t *testing.T) {
	top := root(t)
	files := 0
	err := filepath.WalkDir(top, func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // tests of other packages clean up meanwhile
		}
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch d.Name() {
			case ".git", ".run", "node_modules", ".next", "bin", "dist", "screenshots":
				return filepath.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil || !info.Mode().IsRegular() || info.Size() > 4<<20 {
			return err // built binaries
		}
		files++
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(b), "\n") {
			for _, re := range elsewhere {
				if m := re.FindString(line); m != "" {
					t.Errorf("%s:%d mentions %q", name, i+1, m)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 100 {
		t.Errorf("only %d files were looked at", files)
	}
}

func TestElsewhere(t *testing.T) {
	for text, want := range map[string]bool{
		"see /" + "work/main":                     true,
		"../" + "shared/spec":                     true,
		"https://registry." + "npmjs.org/x":       true,
		"GOPROXY=https://proxy." + "golang.org":   true,
		"open /root" + "/x":                       true,
		"/private/work/x":                         false,
		"how we work":                             false,
		"https://example.com/work":                false,
		"the folder /workshop":                    false,
		`"resolved": "https://example.org/x.tgz"`: false,
	} {
		found := slices.ContainsFunc(elsewhere, func(re *regexp.Regexp) bool { return re.MatchString(text) })
		if found != want {
			t.Errorf("%q: %v, want %v", text, found, want)
		}
	}
}
