package page

import (
	"embed"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

//go:embed messages_*.json
var messageFiles embed.FS

// maxSlot bounds a value shown inside a text, in runes. Names come from
// providers and may be of any length.
const maxSlot = 160

// catalog holds the texts of one language. A text is a pattern with slots in
// braces, "Sign in with {provider}", because languages order words
// differently.
type catalog struct {
	lang  string
	texts map[string]string
}

// part is a piece of a text. Isolated parts need their own direction.
type part struct {
	Text    string
	Isolate bool
}

// loadCatalog reads the messages of a language, a BCP 47 tag.
func loadCatalog(lang string) (*catalog, error) {
	b, err := messageFiles.ReadFile("messages_" + lang + ".json")
	if err != nil {
		return nil, err
	}
	c := &catalog{lang: lang}
	if err := json.Unmarshal(b, &c.texts); err != nil {
		return nil, fmt.Errorf("messages_%s.json: %w", lang, err)
	}
	return c, nil
}

// has reports whether there is a text of that key.
func (c *catalog) has(key string) bool {
	_, ok := c.texts[key]
	return ok
}

// parts returns the text of a key. The slots are pairs of name and value. An
// unknown key stands for itself, a page with an odd text being better than
// none.
func (c *catalog) parts(key string, slots ...string) []part {
	text, ok := c.texts[key]
	if !ok {
		text = key
	}
	var out []part
	for text != "" {
		before, rest, found := strings.Cut(text, "{")
		name, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			return append(out, part{Text: text})
		}
		if before != "" {
			out = append(out, part{Text: before})
		}
		out = append(out, slot(name, slots))
		text = after
	}
	return out
}

// slot returns the value of a slot. Values beyond printable ASCII are isolated:
// a name written from right to left, or one with overrides in it, must not
// reorder the sentence around it (UAX #9).
func slot(name string, slots []string) part {
	for i := 0; i+1 < len(slots); i += 2 {
		if slots[i] == name {
			return value(slots[i+1], maxSlot)
		}
	}
	return part{}
}

// value is a value of at most n runes.
func value(s string, n int) part {
	s = clip(s, n)
	foreign := strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
	return part{Text: s, Isolate: foreign}
}

// plain returns a text for places without markup.
func (c *catalog) plain(key string, slots ...string) string {
	var b strings.Builder
	for _, p := range c.parts(key, slots...) {
		b.WriteString(p.Text)
	}
	return b.String()
}

// clip shortens s to at most n runes, the last one being an ellipsis.
func clip(s string, n int) string {
	if len(s) <= n || utf8.RuneCountInString(s) <= n {
		return s
	}
	for i := range s {
		if n--; n == 0 {
			return s[:i] + "…"
		}
	}
	return s
}
