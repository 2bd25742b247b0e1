package email

import (
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyauth/gateway/caddyauth/internal/testsmtp"
	"github.com/caddyauth/gateway/caddyauth/provider"
)

// What next-auth 4 sends with its default template, and the fields that it lacks.
func TestLetter(t *testing.T) {
	s := testsmtp.Start(t, testsmtp.Options{})
	got := send(t, s, Config{ReplyTo: "help@example.com"}, order())
	if got.From != "login@mail.example.com" || !slices.Equal(got.To, []string{alice}) {
		t.Errorf("the envelope is from %q to %q", got.From, got.To)
	}
	if want := "Sign in to app.example.com"; got.Subject != want {
		t.Errorf("subject is %q, want %q", got.Subject, want)
	}
	if want := "Sign in to app.example.com\n" + testLink + "\n\n"; got.Text != want {
		t.Errorf("text is %q, want %q", got.Text, want)
	}
	if got.Link != testLink {
		t.Errorf("link is %q", got.Link)
	}
	for field, want := range map[string]string{
		"From":                     `"Example" <login@mail.example.com>`,
		"To":                       "<" + alice + ">",
		"Reply-To":                 "<help@example.com>",
		"Date":                     "Sat, 17 May 2031 12:00:00 +0200",
		"Auto-Submitted":           "auto-generated",
		"X-Auto-Response-Suppress": "All",
		"Content-Language":         "en",
		"Mime-Version":             "1.0",
	} {
		if v := got.Header[field]; len(v) != 1 || v[0] != want {
			t.Errorf("%s is %q, want %q", field, v, want)
		}
	}
	for _, field := range []string{"User-Agent", "X-Mailer", "Cc", "Bcc", "Sender"} {
		if v := got.Header[field]; v != nil {
			t.Errorf("%s is %q", field, v)
		}
	}
	if got.UTF8 {
		t.Error("SMTPUTF8 was asked for")
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(got.Raw, "\r\n"), "\r\n") {
		if len(line) > 78 || strings.ContainsFunc(line, func(r rune) bool { return r > '~' || r < ' ' && r != '\t' }) {
			t.Errorf("the line %q is not one of a mail", line)
		}
	}
}

func TestMessageID(t *testing.T) {
	s := testsmtp.Start(t, testsmtp.Options{})
	seen := make(map[string]bool)
	for range 3 {
		id := send(t, s, Config{From: "login@münchen.example"}, order()).Header.Get("Message-Id")
		if seen[id] {
			t.Errorf("%s is there twice", id)
		}
		seen[id] = true
		if list, err := mail.ParseAddress(id); err != nil || !strings.HasSuffix(list.Address, "@xn--mnchen-3ya.example") {
			t.Errorf("Message-ID is %q", id)
		}
	}
}

func TestPage(t *testing.T) {
	s := testsmtp.Start(t, testsmtp.Options{})
	got := send(t, s, Config{}, order())
	nodes := parseHTML(t, got.HTML)
	if n := nodes["html"][0]; attr(n, "lang") != "en" || attr(n, "dir") != "ltr" {
		t.Errorf("language is %q %q", attr(n, "lang"), attr(n, "dir"))
	}
	links := nodes["a"]
	if len(links) != 2 {
		t.Fatalf("%d links", len(links))
	}
	for _, a := range links {
		if attr(a, "href") != testLink {
			t.Errorf("a link leads to %q", attr(a, "href"))
		}
	}
	if button := links[0].FirstChild.Data; button != "Sign in" {
		t.Errorf("the button says %q", button)
	}
	says := text(t, got.HTML)
	for _, want := range []string{
		"Sign in to app\u200b.example\u200b.com", "once", "24 hours", "If you did not ask for this mail, ignore it.", testLink,
	} {
		if !strings.Contains(says, want) {
			t.Errorf("%q is missing in %q", want, says)
		}
	}
	for _, tag := range []string{"img", "script", "link", "iframe", "form", "input", "object"} {
		if len(nodes[tag]) != 0 {
			t.Errorf("there is a <%s>", tag)
		}
	}
	for _, table := range nodes["table"] {
		if attr(table, "role") != "presentation" {
			t.Error("a table for the layout is read aloud as one")
		}
	}
	if strings.Contains(got.HTML, "ZgotmplZ") || strings.Contains(got.HTML, "{{") {
		t.Error("the template is broken")
	}
	// Gmail cuts mails off at 102 KB, and drops style sheets beyond 8 KB.
	if len(got.HTML) > 6<<10 {
		t.Errorf("the page has %d bytes", len(got.HTML))
	}
	if !strings.Contains(got.HTML, "prefers-color-scheme: dark") {
		t.Error("nothing for those who prefer dark")
	}
}

func TestSubject(t *testing.T) {
	s := testsmtp.Start(t, testsmtp.Options{})
	got := send(t, s, Config{Subject: "Ihr Zugang zu Müller & Söhne"}, order())
	if got.Subject != "Ihr Zugang zu Müller & Söhne" {
		t.Errorf("subject is %q", got.Subject)
	}
	if !strings.HasPrefix(got.Text, "Sign in to app.example.com\n") {
		t.Errorf("text is %q", got.Text)
	}
}

func TestMAIL03OneRecipient(t *testing.T) {
	s := testsmtp.Start(t, testsmtp.Options{})
	m := mailerFor(t, Config{Server: s.URL})
	for _, to := range []string{
		"a@evil.com,b@victim.com", "a@evil.com;b@victim.com", "a@evil.com b@victim.com", "a@evil.com>,<b@victim.com",
		"a@evil.com@victim.com", "a＠evil.com,b@victim.com", `"a@evil.com"@victim.com`, "a,b@victim.com", "x:a@evil.com,b@victim.com;",
		"<a@evil.com>", "A <a@evil.com>", "@relay.com:a@evil.com", "a%evil.com@victim.com", "evil.com!a@victim.com", "=?utf-8?q?a=40evil.com=3e?=@victim.com", "(b@victim.com)a@evil.com",
		"a@evil.com\nb@victim.com", "", "@", "a", "a@", "@victim.com",
	} {
		t.Run("MAIL-03 "+to, func(t *testing.T) {
			err := m.Send(t.Context(), order(func(o *provider.Mail) { o.To = to }))
			if provider.ReasonOf(err) != provider.ReasonMail {
				t.Errorf("got %v", err)
			}
		})
	}
	if asked := s.Recipients(); len(asked) != 0 {
		t.Fatalf("the server was asked to deliver to %q", asked)
	}
	for _, to := range []string{alice, "o'neil+tag/x=1@example.org", "a..b@example.org", "postmaster@localhost"} {
		t.Run("MAIL-03 "+to, func(t *testing.T) {
			before := len(s.Recipients())
			if err := m.Send(t.Context(), order(func(o *provider.Mail) { o.To = to })); err != nil {
				t.Fatal(err)
			}
			if asked := s.Recipients()[before:]; !slices.Equal(asked, []string{to}) {
				t.Errorf("the server was asked to deliver to %q", asked)
			}
		})
	}
}

func TestMAIL05HeaderInjection(t *testing.T) {
	s := testsmtp.Start(t, testsmtp.Options{SMTPUTF8: true})
	m := mailerFor(t, Config{Server: s.URL})
	evil := []string{
		"\r\nBcc: victim@example.net", "\nBcc: victim@example.net", "\rBcc: victim@example.net", "\r\n\r\n<html>", "\x00",
		"\r\n.\r\nMAIL FROM:<x@example.net>", "\u2028Bcc: victim@example.net", "\u0085Bcc: victim@example.net", "=?utf-8?q?=0D=0ABcc:_x?=",
	}
	for _, e := range evil {
		for _, to := range []string{"a" + e + "@example.org", "a@example.org" + e, e + "a@example.org"} {
			t.Run("MAIL-05 address", func(t *testing.T) {
				if err := m.Send(t.Context(), order(func(o *provider.Mail) { o.To = to })); err == nil && !strings.HasSuffix(to, "?=") {
					t.Errorf("a mail to %q was sent", to)
				}
			})
		}
		t.Run("MAIL-05 link", func(t *testing.T) {
			err := m.Send(t.Context(), order(func(o *provider.Mail) { o.URL += e }))
			if err == nil && !strings.HasPrefix(e, "=?") {
				t.Errorf("a mail with %q in the link was sent", e)
			}
		})
		t.Run("MAIL-05 host and languages", func(t *testing.T) {
			o := order(func(o *provider.Mail) { o.Host += e; o.Languages = "de" + e; o.Color = "#fff" + e })
			if err := m.Send(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		})
	}
	known := []string{"Auto-Submitted", "Content-Language", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Subject", "To", "X-Auto-Response-Suppress"}
	for _, got := range s.Messages("") {
		for field, values := range got.Header {
			if !slices.Contains(known, field) || len(values) != 1 {
				t.Errorf("there is a field %s: %q", field, values)
			}
		}
		if strings.Contains(got.Subject, "\n") {
			t.Errorf("subject is %q", got.Subject)
		}
	}
	if n := len(s.Messages("")); n < len(evil) {
		t.Fatalf("only %d mails arrived", n)
	}
	for _, to := range s.Recipients() {
		if strings.Contains(to, "victim") {
			t.Errorf("the server was asked to deliver to %q", to)
		}
	}
}

func TestMAIL06Markup(t *testing.T) {
	s := testsmtp.Start(t, testsmtp.Options{SMTPUTF8: true})
	for _, local := range []string{"'style='x'onclick='x'", "{{.URL}}", "&lt", "www.evil.example", "https//evil.example", "用户"} {
		t.Run("MAIL-06 address "+local, func(t *testing.T) {
			o := order(func(o *provider.Mail) { o.To = local + "@evil.example" })
			got := send(t, s, Config{}, o)
			for what, body := range map[string]string{"text": got.Text, "HTML": got.HTML, "subject": got.Subject} {
				if strings.Contains(body, "evil.example") || strings.Contains(body, "用户") {
					t.Errorf("the %s repeats the address: %s", what, body)
				}
			}
			if links := parseHTML(t, got.HTML)["a"]; len(links) != 2 {
				t.Errorf("%d links", len(links))
			}
		})
	}
	t.Run("MAIL-06 a tag is no address", func(t *testing.T) {
		m := mailerFor(t, Config{Server: s.URL})
		if err := m.Send(t.Context(), order(func(o *provider.Mail) { o.To = `<a href="https://evil.example">@example.org` })); err == nil {
			t.Error("it was sent")
		}
	})
	for host, want := range map[string]string{
		`"><a href="https://evil.example">`:         "ahrefhttps:evil.example",
		"</title></style><script>alert(1)</script>": "titlestylescriptalert1script",
		"{{.URL}}":        ".URL",
		"localhost:8080":  "localhost:8080",
		"[::1]:8080":      "[::1]:8080",
		"münchen.example": "münchen.example",
		"app.example.com https://evil.example/ ?a=b&c#": "app.example.comhttps:evil.exampleabc",
		strings.Repeat("界", 100):                        strings.Repeat("界", 86),
	} {
		t.Run("MAIL-06 host "+want, func(t *testing.T) {
			got := send(t, s, Config{}, order(func(o *provider.Mail) { o.Host = host }))
			nodes := parseHTML(t, got.HTML)
			if len(nodes["a"]) != 2 || len(nodes["script"]) != 0 || len(nodes["style"]) != 1 {
				t.Errorf("the host is markup: %s", got.HTML)
			}
			if title := nodes["title"][0].FirstChild.Data; strings.ReplaceAll(title, "\u200b", "") != "Sign in to "+want {
				t.Errorf("the title is %q", title)
			}
		})
	}
	t.Run("MAIL-06 link", func(t *testing.T) {
		link := testLink + `&x="><script>alert('1')</script><!--`
		got := send(t, s, Config{}, order(func(o *provider.Mail) { o.URL = link }))
		nodes := parseHTML(t, got.HTML)
		if len(nodes["script"]) != 0 || len(nodes["a"]) != 2 || nodes["a"][1].FirstChild.Data != link {
			t.Errorf("the link is markup: %s", got.HTML)
		}
	})
	t.Run("MAIL-06 no host is made a link of", func(t *testing.T) {
		got := send(t, s, Config{}, order())
		for n, words := range map[string]string{"title": parseHTML(t, got.HTML)["title"][0].FirstChild.Data, "body": text(t, got.HTML)} {
			if words = strings.ReplaceAll(words, testLink, ""); strings.Contains(words, "app.example") {
				t.Errorf("%s: a mail client may find a host name in %q", n, words)
			}
		}
	})
}

func TestLinks(t *testing.T) {
	s := testsmtp.Start(t, testsmtp.Options{})
	m := mailerFor(t, Config{Server: s.URL})
	for _, link := range []string{"", "javascript:alert(1)", "/callback", "//example.com/", "https:///x", "data:text/html,x", "https://exa mple.com/", "https://example.com/ü", "ftp://example.com/"} {
		if err := m.Send(t.Context(), order(func(o *provider.Mail) { o.URL = link })); err == nil {
			t.Errorf("%q was sent", link)
		}
	}
	if n := len(s.Messages("")); n != 0 {
		t.Errorf("%d mails arrived", n)
	}
	if err := m.Send(t.Context(), order(func(o *provider.Mail) { o.URL = "http://localhost:8080/x?y=%0D%0A.%0D%0A" })); err != nil {
		t.Error(err)
	}
}

func TestInternationalAddresses(t *testing.T) {
	plain := testsmtp.Start(t, testsmtp.Options{})
	modern := testsmtp.Start(t, testsmtp.Options{SMTPUTF8: true})
	domain := order(func(o *provider.Mail) { o.To = "alice@münchen.example" })
	local := order(func(o *provider.Mail) { o.To = "jürgen@münchen.example" })

	for _, s := range []*testsmtp.Server{plain, modern} {
		got := send(t, s, Config{}, domain)
		if !slices.Equal(got.To, []string{"alice@xn--mnchen-3ya.example"}) || got.UTF8 {
			t.Errorf("got %q, SMTPUTF8 %v", got.To, got.UTF8)
		}
		if got.Header.Get("To") != "<alice@xn--mnchen-3ya.example>" {
			t.Errorf("To is %q", got.Header.Get("To"))
		}
	}
	got := send(t, modern, Config{}, local)
	if !slices.Equal(got.To, []string{"jürgen@xn--mnchen-3ya.example"}) || !got.UTF8 {
		t.Errorf("got %q, SMTPUTF8 %v", got.To, got.UTF8)
	}
	if got.Header.Get("To") != "<jürgen@xn--mnchen-3ya.example>" {
		t.Errorf("To is %q", got.Header.Get("To"))
	}
	before := len(plain.Recipients())
	text := sendError(t, mailerFor(t, Config{Server: plain.URL}), local)
	if !strings.Contains(text, "SMTPUTF8") || len(plain.Recipients()) != before {
		t.Errorf("got %q", text)
	}
}

func TestLifetime(t *testing.T) {
	const day = 24 * time.Hour
	for d, want := range map[time.Duration]string{
		time.Minute: "1 minute", 90 * time.Second: "1 minute", 10 * time.Minute: "10 minutes", 59*time.Minute + 59*time.Second: "59 minutes",
		time.Hour: "1 hour", 90 * time.Minute: "90 minutes", 4*time.Hour + 59*time.Minute: "4 hours", day: "24 hours", 36 * time.Hour: "36 hours",
		2 * day: "2 days", 50 * time.Hour: "50 hours", 80 * time.Hour: "3 days", 30 * day: "30 days",
	} {
		s := testLibrary(t).pick("en").validity(d)
		if s != "The link works once, within "+want+"." {
			t.Errorf("%v: %q, want %q", d, s, want)
		}
	}
}

func TestButtonColors(t *testing.T) {
	for brand, want := range map[string][2]string{
		"": {defaultColor, lightText}, "#346df1": {"#346df1", lightText}, "#000": {"#000000", lightText}, "#fff": {"#ffffff", darkText},
		"#FFCC00": {"#FFCC00", darkText}, "#0a0": {"#00aa00", darkText}, "#757575": {"#757575", lightText},
		"red": {defaultColor, lightText}, "#12": {defaultColor, lightText}, "#1234567": {defaultColor, lightText},
		"#fff;background:url(https://evil.example)": {defaultColor, lightText}, "rgb(1,2,3)": {defaultColor, lightText},
		"#fff\n": {defaultColor, lightText}, `"><script>`: {defaultColor, lightText},
	} {
		background, text := buttonColors(brand)
		if got := [2]string{background, text}; got != want {
			t.Errorf("%q: got %q, want %q", brand, got, want)
		}
	}
	s := testsmtp.Start(t, testsmtp.Options{})
	got := send(t, s, Config{}, order(func(o *provider.Mail) { o.Color = "#ffcc00" }))
	for _, td := range parseHTML(t, got.HTML)["td"] {
		if color := attr(td, "bgcolor"); color != "" && (color != "#ffcc00" || !strings.Contains(attr(td, "style"), "background:#ffcc00")) {
			t.Errorf("the button is %q, %q", color, attr(td, "style"))
		}
	}
}

// Whatever is typed, the mail has one recipient and the fields it should have.
func FuzzLetter(f *testing.F) {
	f.Add(alice, "app.example.com", "de,en;q=0.5", "#123456")
	f.Add("a@b.c\r\nBcc: d@e.f", "h\r\nX: y", "x\r\n", "#fff\r\n")
	f.Add("用户@例子.中国", "例子.中国", "zh-Hant-TW", "red")
	f.Add("a..b@c.d", "=?utf-8?q?=0d=0a?=", "*", "")
	m := mailerFor(f, Config{Server: "smtp://127.0.0.1:1"})
	f.Fuzz(func(t *testing.T, to, host, languages, color string) {
		l, err := m.write(provider.Mail{To: to, URL: testLink, Host: host, Languages: languages, Color: color})
		if err != nil {
			return
		}
		head, _, _ := strings.Cut(string(l.content), "\r\n\r\n")
		head = strings.ReplaceAll(head, "\r\n ", " ")
		fields := []string{
			"Auto-Submitted", "Content-Language", "Date", "MIME-Version", "Message-ID", "Subject", "X-Auto-Response-Suppress", "From", "To", "Content-Type",
		}
		lines := strings.Split(head, "\r\n")
		if len(lines) != len(fields) {
			t.Fatalf("%d fields: %q", len(lines), lines)
		}
		for i, line := range lines {
			if !strings.HasPrefix(line, fields[i]+": ") || strings.ContainsAny(line, "\r\n\x00") {
				t.Fatalf("a field is %q, not %s", line, fields[i])
			}
		}
		for _, path := range []string{l.from, l.to} {
			list, err := mail.ParseAddressList(path)
			if err != nil || len(list) != 1 || list[0].Name != "" || strings.ContainsAny(path, "\r\n\x00 ,;") {
				t.Fatalf("the envelope has %q", path)
			}
		}
		if !l.utf8 && strings.ContainsFunc(string(l.content), func(r rune) bool { return r > '~' }) {
			t.Fatal("there is something beyond ASCII in it")
		}
	})
}
