package email

import (
	_ "embed"
	"html/template"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

//go:embed page.html
var pageText string

// pageTemplate is made for mail clients: tables, for those that know no other
// layout; styles in attributes, for those that drop style sheets; and a style
// sheet for the others that prefer dark.
var pageTemplate = template.Must(template.New("page").Parse(pageText))

type pageModel struct {
	*catalog
	Title, Validity string
	URL             string
	Color, OnColor  string
}

// page renders the HTML part. There is nothing of the recipient's address in it,
// other than in the link.
func (c *catalog) page(host, url, color string, maxAge time.Duration) (string, error) {
	background, text := buttonColors(color)
	var b strings.Builder
	err := pageTemplate.Execute(&b, pageModel{
		catalog:  c,
		Title:    c.subject(unlinked(host)),
		Validity: c.validity(maxAge),
		URL:      url,
		Color:    background,
		OnColor:  text,
	})
	return b.String(), err
}

// unlinked keeps mail clients from making a link of a host name, which leads
// elsewhere than the button, with an invisible space before each dot (as
// NextAuth does) and before the colon of a port.
func unlinked(host string) string {
	return strings.NewReplacer(".", "\u200b.", ":", "\u200b:").Replace(host)
}

const (
	defaultColor = "#1d4ed8"
	lightText    = "#ffffff"
	darkText     = "#111827"
)

var hexColor = regexp.MustCompile(`^#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})$`)

// buttonColors returns the color of the button and that of its text, whichever
// of white and near black has more contrast. A color that mail clients may not
// understand is replaced: they know hexadecimal ones, of three or six digits.
func buttonColors(brand string) (background, text string) {
	if !hexColor.MatchString(brand) {
		brand = defaultColor
	}
	digits := brand[1:]
	if len(digits) == 3 {
		digits = string([]byte{digits[0], digits[0], digits[1], digits[1], digits[2], digits[2]})
	}
	n, _ := strconv.ParseUint(digits, 16, 32)
	l := 0.2126*linear(n>>16) + 0.7152*linear(n>>8) + 0.0722*linear(n)
	// WCAG 2.2, "contrast ratio", against white (luminance 1) and against
	// darkText, which has a luminance of 0.0097.
	if 1.05/(l+0.05) >= (l+0.05)/0.0597 {
		return "#" + digits, lightText
	}
	return "#" + digits, darkText
}

// linear undoes the gamma correction of the lowest byte (WCAG 2.2, "relative
// luminance").
func linear(channel uint64) float64 {
	v := float64(channel&0xff) / 255
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}
