package email

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/testsmtp"
	"github.com/caddyauth/gateway/caddyauth/provider"
)

func testLibrary(t testing.TB) *library {
	t.Helper()
	l, err := loadLibrary()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestPick(t *testing.T) {
	l := testLibrary(t)
	for accept, want := range map[string]string{
		"": "en", "en": "en", "en-GB,en;q=0.9": "en", "de": "de", "de-AT": "de", "DE-ch, en;q=0.8": "de",
		"fr-CA": "fr", "es-419": "es", "ja-JP,ja;q=0.9,en-US;q=0.8": "ja", "zh-CN": "zh", "zh-TW": "zh", "zh-Hant-HK": "zh",
		"pt-BR": "pt", "pt-PT": "pt", "it": "it", "nl-BE": "nl", "pl": "pl",
		"tlh": "en", "sv,de;q=0.5": "de", "ko,xx,ja;q=0.1": "ja", "en;q=0.1,pl;q=0.9": "pl", "de;q=0,fr": "fr",
		"*": "en", "x": "en", ";;;,,,": "en", "de;q=x": "en", "\x00\xff": "en", "de\r\nX: y": "en",
		strings.Repeat("sv,", 1000) + "de": "en",
		"ja," + strings.Repeat("x", 1<<20): "ja",
		strings.Repeat("a-", 1<<16):        "en",
	} {
		if got := l.pick(accept).Lang; got != want {
			t.Errorf("%.40q: got %s, want %s", accept, got, want)
		}
	}
}

// A language with a text missing would show a mail that says nothing.
func TestCatalogsAreComplete(t *testing.T) {
	l := testLibrary(t)
	var langs []string
	for _, c := range l.catalogs {
		langs = append(langs, c.Lang)
		for name, text := range map[string]string{
			"subject": c.Subject, "button": c.Button, "instead": c.Instead, "validity": c.Validity, "ignore": c.Ignore,
		} {
			want := map[string]string{"subject": "{host}", "validity": "{time}"}[name]
			slots := regexp.MustCompile(`\{[^}]*\}?`).FindAllString(text, -1)
			if text == "" || strings.Join(slots, "") != want {
				t.Errorf("%s: %s is %q", c.Lang, name, text)
			}
		}
		if c.Dir != "ltr" {
			t.Errorf("%s: dir is %q", c.Lang, c.Dir)
		}
		for _, unit := range []string{"minute", "hour", "day"} {
			for n := range 200 {
				form, ok := c.Time[unit][plural(c.Lang, n+1)]
				if !ok {
					form = c.Time[unit]["other"]
				}
				if strings.Count(form, "{n}") != 1 {
					t.Fatalf("%s: %d %s is %q", c.Lang, n+1, unit, form)
				}
			}
		}
	}
	if want := []string{"en", "de", "fr", "es", "ja", "zh", "pt", "it", "nl", "pl"}; !slices.Equal(langs, want) {
		t.Errorf("languages are %q", langs)
	}
}

func TestPlurals(t *testing.T) {
	l := testLibrary(t)
	const day = 24 * time.Hour
	for _, tt := range []struct {
		lang string
		age  time.Duration
		want string
	}{
		{"en", time.Hour, "1 hour"}, {"de", day, "24 Stunden"}, {"de", 2 * day, "2 Tage"}, {"fr", day, "24 heures"},
		{"ja", day, "24 時間"}, {"ja", time.Hour, "1 時間"}, {"zh", 10 * time.Minute, "10 分钟"}, {"nl", day, "24 uur"}, {"it", time.Minute, "1 minuto"},
		{"pl", time.Hour, "1 godzinę"}, {"pl", 2 * time.Hour, "2 godziny"}, {"pl", 5 * time.Hour, "5 godzin"}, {"pl", 12 * time.Hour, "12 godzin"},
		{"pl", day, "24 godziny"}, {"pl", 3 * day, "3 dni"}, {"pl", 21 * time.Minute, "21 minut"}, {"pl", 22 * time.Minute, "22 minuty"},
	} {
		if got := l.pick(tt.lang).validity(tt.age); !strings.Contains(got, tt.want) {
			t.Errorf("%s, %v: %q", tt.lang, tt.age, got)
		}
	}
}

func TestLanguages(t *testing.T) {
	s := testsmtp.Start(t, testsmtp.Options{})
	for lang, want := range map[string]struct{ subject, page string }{
		"de-DE": {"Bei app.example.com anmelden", "24 Stunden"},
		"fr":    {"Connexion à app.example.com", "24 heures"},
		"es":    {"Iniciar sesión en app.example.com", "24 horas"},
		"ja":    {"app.example.com へのサインイン", "24 時間"},
		"zh":    {"登录 app.example.com", "24 小时"},
		"pt":    {"Entrar em app.example.com", "24 horas"},
		"it":    {"Accedi a app.example.com", "24 ore"},
		"nl":    {"Inloggen bij app.example.com", "24 uur"},
		"pl":    {"Logowanie do app.example.com", "24 godziny"},
		"sv":    {"Sign in to app.example.com", "24 hours"},
	} {
		got := send(t, s, Config{}, order(func(o *provider.Mail) { o.Languages = lang }))
		if got.Subject != want.subject {
			t.Errorf("%s: subject is %q", lang, got.Subject)
		}
		if got.Text != want.subject+"\n"+testLink+"\n\n" {
			t.Errorf("%s: text is %q", lang, got.Text)
		}
		if !strings.Contains(text(t, got.HTML), want.page) {
			t.Errorf("%s: the page says %q", lang, text(t, got.HTML))
		}
		tag := strings.TrimSuffix(lang, "-DE")
		if lang == "sv" {
			tag = "en"
		}
		if root := parseHTML(t, got.HTML)["html"][0]; attr(root, "lang") != tag || got.Header.Get("Content-Language") != tag {
			t.Errorf("%s: the language is said to be %q and %q", lang, attr(root, "lang"), got.Header.Get("Content-Language"))
		}
	}
}
