package email

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/text/language"
)

//go:embed messages.json
var messageFile []byte

// maxLanguages bounds the field Accept-Language, in bytes. What is beyond comes
// after many others.
const maxLanguages = 512

// catalog holds the words of a mail in one language. Texts are patterns with
// slots in braces, because languages order words differently.
type catalog struct {
	Lang string `json:"lang"` // a BCP 47 tag
	Dir  string `json:"dir"`  // ltr or rtl

	Subject  string `json:"subject"` // {host}
	Button   string `json:"button"`
	Instead  string `json:"instead"`  // where the button does not work
	Validity string `json:"validity"` // {time}
	Ignore   string `json:"ignore"`

	// Time has the units minute, hour and day, each by CLDR plural category, with
	// the slot {n}.
	Time map[string]map[string]string `json:"time"`
}

// library is the embedded catalogs. The first is for readers of no language that
// there is one for.
type library struct {
	catalogs []catalog
	matcher  language.Matcher
}

var loadLibrary = sync.OnceValues(func() (*library, error) {
	l := new(library)
	if err := json.Unmarshal(messageFile, &l.catalogs); err != nil {
		return nil, fmt.Errorf("messages.json: %w", err)
	}
	var tags []language.Tag
	for _, c := range l.catalogs {
		tag, err := language.Parse(c.Lang)
		if err != nil {
			return nil, fmt.Errorf("messages.json: %w", err)
		}
		tags = append(tags, tag)
	}
	l.matcher = language.NewMatcher(tags)
	return l, nil
})

// pick chooses the language by the field Accept-Language (RFC 9110, section
// 12.5.4).
func (l *library) pick(accept string) *catalog {
	if len(accept) > maxLanguages {
		accept = accept[:maxLanguages]
		accept = accept[:max(0, strings.LastIndexByte(accept, ','))]
	}
	// One entry that is no language must not spoil the others.
	var known []string
	for entry := range strings.SplitSeq(accept, ",") {
		if _, _, err := language.ParseAcceptLanguage(entry); err == nil {
			known = append(known, entry)
		}
	}
	_, i := language.MatchStrings(l.matcher, strings.Join(known, ","))
	return &l.catalogs[i]
}

func (c *catalog) subject(host string) string {
	return strings.ReplaceAll(c.Subject, "{host}", host)
}

// validity says how long a link is good for.
func (c *catalog) validity(d time.Duration) string {
	n, unit := lifetime(d)
	forms := c.Time[unit]
	text, ok := forms[plural(c.Lang, n)]
	if !ok {
		text = forms["other"]
	}
	return strings.ReplaceAll(c.Validity, "{time}", strings.ReplaceAll(text, "{n}", strconv.Itoa(n)))
}

// plural returns the CLDR plural category of a positive number in the languages
// that there are messages for. Those without categories have only "other".
func plural(lang string, n int) string {
	switch {
	case n == 1:
		return "one"
	case lang != "pl":
		return "other"
	case n%10 >= 2 && n%10 <= 4 && (n%100 < 12 || n%100 > 14):
		return "few"
	}
	return "many"
}
