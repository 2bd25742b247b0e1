package page

import (
	"html/template"
	"net/url"
)

// document is what the layout needs. Templates reach the texts through it.
type document struct {
	Common
	Scheme   string
	Heading  string // key of the h1 and of the title
	messages *catalog
	sheet    sheet
	scripts  []script // none for most pages
	// secretAddress says that there is a secret in the page's own address.
	secretAddress bool
}

func (r *Renderer) document(c Common, heading string) document {
	return document{Common: c, Scheme: r.scheme, Heading: heading, messages: r.messages, sheet: r.sheet}
}

// Lang is the language of the page, a BCP 47 tag.
func (d document) Lang() string { return d.messages.lang }

// Title is the title of the browser's window or tab.
func (d document) Title() string {
	heading := d.messages.plain(d.Heading)
	if d.Host == "" {
		return heading
	}
	return d.messages.plain("title", "page", heading, "host", d.Host)
}

// T returns a text in parts, for the template called text.
func (d document) T(key string, slots ...string) []part { return d.messages.parts(key, slots...) }

// S returns a text for an attribute.
func (d document) S(key string, slots ...string) string { return d.messages.plain(key, slots...) }

// Style is the page's style sheet.
func (d document) Style() template.CSS { return d.sheet.text }

// Scripts are the page's scripts.
func (d document) Scripts() []template.JS {
	var texts []template.JS
	for _, s := range d.scripts {
		texts = append(texts, s.text)
	}
	return texts
}

// scriptSources are what the policy has to allow for them, and whether one of
// them asks the API.
func (d document) scriptSources() (sources string, connects bool) {
	for _, s := range d.scripts {
		sources += " " + s.source
		connects = connects || s.connects
	}
	return sources, connects
}

// styleSource is what the policy has to allow for it.
func (d document) styleSource() string { return d.sheet.source }

// referrerPolicy says which requests may name the page's address. None at all,
// no-referrer, will not do: under that policy browsers send `Origin: null` with
// our own forms (Fetch standard, "append a request Origin header"), and checks of
// the origin would refuse them.
func (d document) referrerPolicy() string {
	if d.secretAddress {
		return "strict-origin"
	}
	// Other sites learn nothing.
	return "same-origin"
}

// link returns an address of the API, with a return address if there is one.
func (d document) link(action, callbackURL string) string {
	to := d.BaseURL + "/" + action
	if callbackURL = bounded(callbackURL); callbackURL != "" {
		to += "?callbackUrl=" + url.QueryEscape(callbackURL)
	}
	return to
}

// maxValue bounds a visitor's value that is put into forms and links, in bytes.
// Each form repeats it, and a page must not be many times its request.
const maxValue = 4 << 10

// bounded drops a value that is too long to be given back. Half an address or
// name would be worse than none.
func bounded(s string) string {
	if len(s) > maxValue {
		return ""
	}
	return s
}

// providerName is what a text calls a provider, "the sign-in service" if it is
// not known which one.
func (d document) providerName(name string) string {
	if name == "" {
		return d.messages.plain("provider")
	}
	return name
}
