package page

import (
	"bytes"
	"compress/gzip"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strings"
	"testing"
)

// zipped returns the size of a page as Caddy's encoder would send it.
func zipped(t *testing.T, page []byte) int {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write(page)
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Len()
}

func TestSize(t *testing.T) {
	r := newRenderer(t)
	t.Run("one provider", func(t *testing.T) {
		page := get(t, r, pageOf((*Renderer).SignIn, signIn(github))).Body.Bytes()
		n := zipped(t, page)
		t.Logf("%d bytes, %d compressed", len(page), n)
		if n > 2<<10 {
			t.Errorf("%d bytes compressed, want at most 2 KiB", n)
		}
	})
	t.Run("ten providers", func(t *testing.T) {
		v := signIn(github, google, provider("keycloak", "Keycloak", "oauth"), provider("dev", "Development", "oauth"),
			provider("openid", "OpenID", "oauth"), acme, provider("a", "A", "oauth"), provider("b", "B", "oauth"), email, users)
		for i := range v.Providers {
			v.Providers[i].Unavailable = true
		}
		v.ErrorCode, v.Reference = "Callback", "k3v9-2xqa"
		page := get(t, r, pageOf((*Renderer).SignIn, v)).Body.Bytes()
		t.Logf("%d bytes, %d compressed", len(page), zipped(t, page))
		if len(page) > 20<<10 {
			t.Errorf("%d bytes, want at most 20 KiB", len(page))
		}
	})
}

// Logos must not need what the policy forbids, nor carry anything active.
func TestLogosAreInert(t *testing.T) {
	elements := map[string]bool{"svg": true, "g": true, "path": true, "circle": true, "ellipse": true, "rect": true}
	attributes := map[string]bool{"xmlns": true, "viewBox": true, "fill": true, "fill-rule": true, "stroke": true,
		"stroke-width": true, "stroke-linecap": true, "stroke-linejoin": true, "d": true,
		"cx": true, "cy": true, "r": true, "rx": true, "ry": true}
	files, err := assets.ReadDir("logos")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		t.Run(f.Name(), func(t *testing.T) {
			b, err := assets.ReadFile("logos/" + f.Name())
			if err != nil {
				t.Fatal(err)
			}
			d := xml.NewDecoder(bytes.NewReader(b))
			for {
				token, err := d.Token()
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				e, ok := token.(xml.StartElement)
				if !ok {
					continue
				}
				if !elements[e.Name.Local] {
					t.Errorf("element %s", e.Name.Local)
				}
				for _, a := range e.Attr {
					if !attributes[a.Name.Local] || strings.Contains(a.Value, "url(") {
						t.Errorf("attribute %s=%q", a.Name.Local, a.Value)
					}
				}
			}
		})
	}
	for name, svg := range newRenderer(t).logos {
		if !strings.HasPrefix(string(svg), `<svg class="provider-logo" aria-hidden="true" viewBox="0 0 24 24"`) {
			t.Errorf("%s starts with %.80s", name, svg)
		}
		if len(svg) > 700 {
			t.Errorf("%s has %d bytes", name, len(svg))
		}
	}
}

func TestMinify(t *testing.T) {
	for in, want := range map[string]string{
		"":                               "",
		"a {\n  b: c;\n  d-e: f g;\n}\n": "a{b:c;d-e:f g}",
		"/* x\n{} */ a , b > c { d: e }": "a,b > c{d:e}",
		"a :hover { --x: 1 }":            "a :hover{--x:1}",
		"@media (x: y) { a { b: c; } }":  "@media (x: y){a{b:c}}",
	} {
		if got := minify(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

var (
	theme    = regexp.MustCompile(`(?s)__next-auth-theme-(\w+) \{(.*?)\}`)
	variable = regexp.MustCompile(`--color-([a-z-]+): #([0-9a-f]+);`)
)

// themes returns the colors of the style sheet by theme, the dark variant of
// auto as "screen".
func themes(t *testing.T) map[string]map[string]string {
	t.Helper()
	css, err := assets.ReadFile("styles.css")
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]map[string]string)
	for _, m := range theme.FindAllStringSubmatch(string(css), -1) {
		colors := make(map[string]string)
		for _, v := range variable.FindAllStringSubmatch(m[2], -1) {
			colors[v[1]] = v[2]
		}
		name := m[1]
		if name == "auto" {
			name = "screen"
		}
		found[name] = colors
	}
	return found
}

// luminance is the relative luminance of WCAG 2.2.
func luminance(t *testing.T, color string) float64 {
	t.Helper()
	if len(color) == 3 {
		color = fmt.Sprintf("%c%[1]c%c%[2]c%c%[3]c", color[0], color[1], color[2])
	}
	var rgb [3]uint8
	if n, err := fmt.Sscanf(color, "%02x%02x%02x", &rgb[0], &rgb[1], &rgb[2]); n != 3 {
		t.Fatalf("color %q: %v", color, err)
	}
	var sum float64
	for i, weight := range []float64{.2126, .7152, .0722} {
		c := float64(rgb[i]) / 255
		if c <= .04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + .05) / (min(x, y) + .05)
}

// WCAG 2.2 AA: 4.5:1 for text (1.4.3), 3:1 for the borders of controls and for
// the focus ring (1.4.11).
func TestContrast(t *testing.T) {
	found := themes(t)
	if len(found) != 3 {
		t.Fatalf("themes are %v", found)
	}
	for name, c := range found {
		for _, pair := range []struct {
			front, back string
			least       float64
		}{
			{"text", "background-card", 4.5},
			{"text", "background-hover", 4.5},
			{"primary", "background-card", 4.5},
			{"primary", "background-hover", 4.5},
			{"primary", "error-background", 4.5},
			{"error", "error-background", 4.5},
			{"info", "background-card", 4.5},
			{"info-text", "info", 4.5},
			{"info-text", "info-hover", 4.5},
			{"control-border", "background-card", 3},
			{"control-border", "background-hover", 3},
			{"info", "background", 3},
		} {
			if got := contrast(t, c[pair.front], c[pair.back]); got < pair.least {
				t.Errorf("%s: %s on %s is %.2f:1, want %.1f:1", name, pair.front, pair.back, got, pair.least)
			}
		}
	}
	for color, value := range found["dark"] {
		if got := found["screen"][color]; got != value {
			t.Errorf("%s is %s in dark, %s in auto", color, value, got)
		}
	}
	// Colors of our own in logos, against the backgrounds they stand on.
	for _, back := range []string{found["light"]["background-card"], found["dark"]["background-card"]} {
		if got := contrast(t, "1a8fc0", back); got < 3 {
			t.Errorf("keycloak on %s is %.2f:1", back, got)
		}
	}
}

// The style sheet keeps what the pages promise.
func TestStyles(t *testing.T) {
	css := string(newRenderer(t).sheet.text)
	for name, want := range map[string]string{
		"target size":    "min-height:3rem",
		"focus ring":     ":focus-visible{outline:3px",
		"long words":     "overflow-wrap:anywhere",
		"paper is white": "@media screen and (prefers-color-scheme: dark)",
	} {
		if !strings.Contains(css, want) {
			t.Errorf("%s: %q is missing", name, want)
		}
	}
	for _, never := range []string{"outline:none", "outline:0", "transition", "animation", "url(", "@import", "</"} {
		if strings.Contains(css, never) {
			t.Errorf("the style sheet has %q", never)
		}
	}
}
