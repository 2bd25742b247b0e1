package page

import (
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParts(t *testing.T) {
	c := &catalog{texts: map[string]string{
		"plain": "Sign in",
		"one":   "Sign in with {provider}",
		"front": "{provider} did not answer.",
		"two":   "{page} · {host}",
		"odd":   "a { b",
	}}
	tests := []struct {
		key   string
		slots []string
		want  []part
	}{
		{"plain", nil, []part{{"Sign in", false}}},
		{"one", []string{"provider", "Acme"}, []part{{"Sign in with ", false}, {"Acme", false}}},
		{"one", []string{"provider", "会社"}, []part{{"Sign in with ", false}, {"会社", true}}},
		{"one", []string{"provider", "a\u202eb"}, []part{{"Sign in with ", false}, {"a\u202eb", true}}},
		{"one", []string{"provider", "{provider}"}, []part{{"Sign in with ", false}, {"{provider}", false}}},
		{"one", nil, []part{{"Sign in with ", false}, {}}},
		{"one", []string{"provider"}, []part{{"Sign in with ", false}, {}}},
		{"front", []string{"provider", "Acme"}, []part{{"Acme", false}, {" did not answer.", false}}},
		{"two", []string{"host", "h", "page", "p"}, []part{{"p", false}, {" · ", false}, {"h", false}}},
		{"odd", nil, []part{{"a { b", false}}},
		{"missing", nil, []part{{"missing", false}}},
	}
	for _, tt := range tests {
		if got := c.parts(tt.key, tt.slots...); !slices.Equal(got, tt.want) {
			t.Errorf("%s %q: got %+v, want %+v", tt.key, tt.slots, got, tt.want)
		}
	}
	if got, want := c.plain("two", "page", "p", "host", "h"), "p · h"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestClip(t *testing.T) {
	for _, tt := range []struct {
		in   string
		n    int
		want string
	}{
		{"", 3, ""}, {"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"界界界", 3, "界界界"}, {"界界界界", 3, "界界…"},
		{"abcd", 1, "…"}, {"\xff\xff\xff\xff", 3, "\xff\xff…"},
	} {
		got := clip(tt.in, tt.n)
		if got != tt.want || utf8.RuneCountInString(got) > tt.n {
			t.Errorf("%q, %d: got %q, want %q", tt.in, tt.n, got, tt.want)
		}
	}
}

var messageKey = regexp.MustCompile(`[a-z]+\.[a-z_]+`)

// Every text is used somewhere, and every text that is used exists.
func TestCatalogIsComplete(t *testing.T) {
	r := newRenderer(t)
	marked := make(map[string]string)
	for key, text := range r.messages.texts {
		marked[key] = "⟦" + key + "⟧"
		for _, slot := range regexp.MustCompile(`\{[a-z]+\}`).FindAllString(text, -1) {
			marked[key] += slot
		}
	}
	r.messages = &catalog{lang: "en", texts: marked}
	pages := somePages()
	for reason := range reasons {
		pages["reason "+reason] = pageOf((*Renderer).Error, Error{Common: site, Reason: reason})
	}
	for key := range marked {
		if code, ok := strings.CutPrefix(key, "code."); ok {
			v := signIn(github)
			v.ErrorCode = code
			pages["code "+code] = pageOf((*Renderer).SignIn, v)
		}
	}
	used := make(map[string]bool)
	for name, f := range pages {
		rec := httptest.NewRecorder()
		f(r, rec, httptest.NewRequest("GET", "/", nil))
		_, body, _ := strings.Cut(rec.Body.String(), "</style>")
		_, title, _ := strings.Cut(rec.Body.String(), "<title>")
		title, _, _ = strings.Cut(title, "</title>")
		body, _, _ = strings.Cut(body, "<script>") // the last element
		rest := regexp.MustCompile(`⟦([^⟧]*)⟧`).ReplaceAllStringFunc(title+body, func(m string) string {
			used[strings.Trim(m, "⟦⟧")] = true
			return ""
		})
		rest = regexp.MustCompile(`(?s)<[^>]*>|app\.example\.com|octocat@example\.com`).ReplaceAllString(rest, " ")
		if missing := messageKey.FindString(rest); missing != "" {
			t.Errorf("%s: there is no text %q", name, missing)
		}
	}
	for key := range marked {
		if !used[key] {
			t.Errorf("text %q is never shown", key)
		}
	}
}

// Slots in texts are those that the code fills.
func TestSlots(t *testing.T) {
	known := []string{"account", "browser", "date", "host", "id", "n", "name", "page", "provider", "system"}
	for key, text := range newRenderer(t).messages.texts {
		for _, m := range regexp.MustCompile(`\{([^}]*)\}`).FindAllStringSubmatch(text, -1) {
			if !slices.Contains(known, m[1]) {
				t.Errorf("%s has the slot %q", key, m[1])
			}
		}
	}
}

func TestReasons(t *testing.T) {
	r := newRenderer(t)
	for reason, key := range reasons {
		if !KnownReason(reason) || !r.messages.has(key) {
			t.Errorf("reason %s has no text %s", reason, key)
		}
	}
	for _, reason := range []string{"", "Declined", "reason.declined", "__proto__"} {
		if KnownReason(reason) {
			t.Errorf("reason %q is known", reason)
		}
	}
}

func TestLoadCatalogUnknown(t *testing.T) {
	if _, err := loadCatalog("xx"); err == nil {
		t.Error("a language without messages was loaded")
	}
}
