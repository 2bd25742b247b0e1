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

//go:embed templates/*.html styles.css logos/*.svg
var assets embed.FS

// load prepares everything that is the same for every page.
func (r *Renderer) load() (err error) {
	if r.messages, err = loadCatalog("en"); err != nil {
		return err
	}
	sheet, err := assets.ReadFile("styles.css")
	if err != nil {
		return err
	}
	style := minify(string(sheet))
	// The hash covers the element's text byte for byte (CSP3, "Does element
	// match source list for type and source?").
	sum := sha256.Sum256([]byte(style))
	r.style = template.CSS(style)
	r.styleSource = "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	if r.logos, err = loadLogos(); err != nil {
		return err
	}
	if r.signin, err = parse("signin"); err != nil {
		return err
	}
	r.notice, err = parse("notice")
	return err
}

// parse reads one page's template and the layout around it.
func parse(name string) (*template.Template, error) {
	return template.New(name).ParseFS(assets, "templates/layout.html", "templates/"+name+".html")
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

// minify removes what only people need from the style sheet. It knows just as
// much CSS as styles.css uses, which has no strings with spaces in them.
func minify(css string) string {
	css = comments.ReplaceAllString(css, "")
	css = spaces.ReplaceAllString(css, " ")
	css = around.ReplaceAllString(css, "$1")
	css = colon.ReplaceAllString(css, "$1:")
	return strings.TrimSpace(strings.ReplaceAll(css, ";}", "}"))
}
