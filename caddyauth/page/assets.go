package page

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"path"
	"regexp"
	"strings"
)

//go:embed templates/*.html *.css *.js logos/*.svg
var assets embed.FS

// sheet is a style sheet, and the source that lets a policy allow it.
type sheet struct {
	text   template.CSS
	source string
}

// loadSheet joins style sheets.
func loadSheet(names ...string) (sheet, error) {
	var all strings.Builder
	for _, name := range names {
		b, err := assets.ReadFile(name)
		if err != nil {
			return sheet{}, err
		}
		all.Write(b)
	}
	text := minify(all.String())
	return sheet{template.CSS(text), hashSource(text)}, nil
}

// hashSource is the source that allows an element with that text. The hash covers
// it byte for byte (CSP3, "Does element match source list for type and source?").
func hashSource(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// script is a script, and the source that lets a policy allow it. There is nothing
// of a request in it, so it is the same on every page.
type script struct {
	text   template.JS
	source string
	// connects says that it asks the API.
	connects bool
}

func loadScript(name string, connects bool) (script, error) {
	b, err := assets.ReadFile(name)
	if err != nil {
		return script{}, err
	}
	text := strip(string(b))
	return script{template.JS(text), hashSource(text), connects}, nil
}

// load prepares everything that is the same for every page.
func (r *Renderer) load() (err error) {
	if r.messages, err = loadCatalog("en"); err != nil {
		return err
	}
	if r.sheet, err = loadSheet("styles.css"); err != nil {
		return err
	}
	if r.accountSheet, err = loadSheet("styles.css", "account.css"); err != nil {
		return err
	}
	for name, s := range map[string]*script{
		"passkey": &r.passkeyScript, "fragment": &r.fragmentScript, "retry": &r.retryScript, "return": &r.returnScript,
	} {
		if *s, err = loadScript(name+".js", name == "passkey" || name == "return"); err != nil {
			return err
		}
	}
	if r.logos, err = loadLogos(); err != nil {
		return err
	}
	if r.signin, err = parse("signin"); err != nil {
		return err
	}
	if r.notice, err = parse("notice"); err != nil {
		return err
	}
	r.account, err = parse("account")
	return err
}

// parse reads one page's template, and those that it may use: the layout around it,
// and the form for passkeys.
func parse(name string) (*template.Template, error) {
	return template.New(name).ParseFS(assets, "templates/layout.html", "templates/passkey.html", "templates/"+name+".html")
}

// loadLogos reads the logos by name. They are our own drawings, colored by
// presentation attributes only: a style inside would be blocked by the policy.
// That is why they may become template.HTML; no other value may.
func loadLogos() (map[string]template.HTML, error) {
	files, err := assets.ReadDir("logos")
	if err != nil {
		return nil, err
	}
	logos := make(map[string]template.HTML, len(files))
	for _, f := range files {
		b, err := assets.ReadFile(path.Join("logos", f.Name()))
		if err != nil {
			return nil, err
		}
		// HTML needs no namespace; and the button's text already says what the
		// picture shows.
		svg := strings.Replace(string(b), `xmlns="http://www.w3.org/2000/svg"`,
			`class="provider-logo" aria-hidden="true"`, 1)
		svg = between.ReplaceAllString(strings.TrimSpace(svg), "><")
		logos[strings.TrimSuffix(f.Name(), ".svg")] = template.HTML(svg)
	}
	return logos, nil
}

var (
	between  = regexp.MustCompile(`>\s+<`)
	comments = regexp.MustCompile(`(?s)/\*.*?\*/`)
	spaces   = regexp.MustCompile(`\s+`)
	around   = regexp.MustCompile(`\s*([{};,])\s*`)
	colon    = regexp.MustCompile(`([{;][a-z-]+): `)
)

// strip removes what only people need from a script: lines that are a comment, and
// indentation. It has neither inside of strings.
func strip(js string) string {
	var lines []string
	for line := range strings.Lines(js) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// minify removes what only people need from the style sheet. It knows just as
// much CSS as styles.css uses, which has no strings with spaces in them.
func minify(css string) string {
	css = comments.ReplaceAllString(css, "")
	css = spaces.ReplaceAllString(css, " ")
	css = around.ReplaceAllString(css, "$1")
	css = colon.ReplaceAllString(css, "$1:")
	return strings.TrimSpace(strings.ReplaceAll(css, ";}", "}"))
}
