package devidp

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

//go:embed login.html
var loginHTML string

//go:embed login.css
var loginCSS string

var loginTemplate = template.Must(template.New("login").Parse(loginHTML))

// loginPolicy permits the page its one style sheet and nothing else. Browsers
// apply form-action to the redirects that follow as well, and where those end
// is the site's business: anywhere on https, and on this computer.
var loginPolicy = func() string {
	sum := sha256.Sum256([]byte(loginCSS))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; " +
		"img-src data:; form-action 'self' https: http://localhost:* http://*.localhost:* http://127.0.0.1:*; " +
		"base-uri 'none'; frame-ancestors 'none'"
}()

// crossOrigin refuses forms that another site sends: it must not choose for
// the person in front of the browser.
var crossOrigin = http.NewCrossOriginProtection()

type loginPage struct {
	CSS                           template.CSS
	Title, Host, Home, Action, ID string
	Personas                      []loginPersona
}

type loginPersona struct {
	Sub, Name, Letter, Email string
	Unverified               bool
	Tags                     []string
}

// login shows the personas, and takes the choice.
func (s *server) login(w http.ResponseWriter, r *http.Request, t *tenant) {
	if r.Method == http.MethodPost {
		s.choose(w, r, t)
		return
	}
	id := r.Form.Get("id")
	if _, ok := s.storage.request(t.key(), id); !ok {
		gone(w, t)
		return
	}
	writePage(w, http.StatusOK, t, loginPage{
		Title: "Choose a person", Action: t.issuerPath() + loginPath, ID: id, Personas: loginPersonas(t.personas),
	})
}

// choose answers the request, once: with a code for the persona, or with the
// error of somebody who went away (RFC 6749, section 4.1.2.1).
func (s *server) choose(w http.ResponseWriter, r *http.Request, t *tenant) {
	if err := crossOrigin.Check(r); err != nil {
		http.Error(w, "The development provider does not take a form from another site.", http.StatusForbidden)
		return
	}
	persona, known := t.persona(r.PostForm.Get("sub"))
	canceled := r.PostForm.Has("cancel")
	if !known && !canceled {
		http.Error(w, "The development provider does not know that person.", http.StatusBadRequest)
		return
	}
	asked, ok := s.storage.takeRequest(t.key(), r.PostForm.Get("id"))
	if !ok {
		gone(w, t)
		return
	}
	if canceled {
		s.refuse(w, r, t, &asked.asked, errCanceled())
		return
	}
	answered := *asked
	answered.persona, answered.authTime = persona, s.storage.now()
	s.grant(w, r, t, &answered)
}

// gone is the page for a request that is not there any more.
func gone(w http.ResponseWriter, t *tenant) {
	writePage(w, http.StatusBadRequest, t, loginPage{Title: "This sign-in is over"})
}

func loginPersonas(personas []Persona) []loginPersona {
	view := make([]loginPersona, len(personas))
	for i, p := range personas {
		letter, _ := utf8.DecodeRuneInString(p.DisplayName())
		view[i] = loginPersona{
			Sub: p.Sub, Name: p.DisplayName(), Letter: strings.ToUpper(string(letter)),
			Email: p.Email, Unverified: p.Email != "" && p.EmailUnverified, Tags: tags(p),
		}
	}
	return view
}

// tags are the groups, and the roles that no group is named after.
func tags(p Persona) []string {
	all := slices.Clone(p.Groups)
	for _, role := range p.Roles {
		if !slices.Contains(all, role) {
			all = append(all, role)
		}
	}
	return all
}

func writePage(w http.ResponseWriter, status int, t *tenant, page loginPage) {
	page.CSS, page.Home, page.Host = template.CSS(loginCSS), t.origin+"/", t.host()
	var b bytes.Buffer
	if err := loginTemplate.Execute(&b, page); err != nil {
		// The template is constant and its values are plain.
		panic(err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", loginPolicy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w)
}
