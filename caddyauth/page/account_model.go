package page

import (
	"slices"
	"strconv"
	"strings"
)

// accountModel is a person's own page, ready to be printed.
type accountModel struct {
	document
	URL, CSRFToken string
	Account        string
	SignOutURL     string
	Notice         []part // nil: nothing to say
	Secret         string // of a token, belongs to the notice
	Failed         bool   // whether it says why something has not been done
	AgainURL       string // where to sign in again, if that is needed
	AgainText      bool   // whether to say why
	Bare           bool

	Recent   bool
	Sessions []itemModel
	Hidden   string
	Others   bool // whether there are sessions besides this one
	Accounts []itemModel
	Connect  []providerModel
	Passkeys *passkeysModel
	Tokens   *tokensModel
}

type passkeysModel struct {
	Items []itemModel
	Add   *passkeyModel
}

type tokensModel struct {
	Items []itemModel
	Form  TokenForm
	Days  []daysModel
	Open  bool // whether to show the limits
	// Notice is what is wrong with the form, Wrong the id of the input.
	Notice []part
	Wrong  string
}

// daysModel is a choice of how long a token lasts.
type daysModel struct {
	Value    int
	Text     []part
	Selected bool
}

// section is the page as a part of it sees it.
type section struct {
	*accountModel
	Part any
}

// With is the page for the template of a part.
func (m *accountModel) With(part any) section { return section{m, part} }

func (r *Renderer) accountModel(v Account) *accountModel {
	m := &accountModel{
		document:  r.document(v.Common, "account.title"),
		URL:       v.URL,
		CSRFToken: v.CSRFToken,
		Account:   v.Account,
		Bare:      v.Bare,
		Recent:    v.Recent,
	}
	m.sheet = r.accountSheet
	m.SignOutURL = m.link("signout", "")
	notice := accountNotices[v.Notice]
	if notice.key != "" {
		m.Notice, m.Failed = m.T(notice.key), notice.failed
	}
	if v.Bare {
		return m
	}
	if !v.Recent {
		m.AgainURL, m.AgainText = m.again(v.URL), v.Notice != AccountSignInAgain
	}
	m.addSessions(v)
	m.addAccounts(r, v)
	m.addPasskeys(r, v)
	m.addTokens(v, notice.field)
	return m
}

// again is the address of the sign-in page for somebody who is signed in. The
// code keeps a page that starts a flow by itself from sending them straight back.
func (m *accountModel) again(callbackURL string) string {
	to := m.link("signin", callbackURL)
	separator := "?"
	if strings.Contains(to, "?") {
		separator = "&"
	}
	return to + separator + "error=SessionRequired"
}

func (m *accountModel) addSessions(v Account) {
	for _, s := range v.Sessions {
		name, slots := browserText(s)
		item := itemModel{Title: m.T(name, slots...)}
		item.Facts = m.facts(
			factModel{Label: "fact.provider", Text: plainText(s.Provider)},
			factModel{Label: "fact.address", Text: plainText(s.IP)},
			factModel{Label: "fact.signed_in", When: m.moment(v.Now, s.Created)},
			factModel{Label: "fact.seen", When: m.moment(v.Now, s.Seen)},
			factModel{Label: "fact.expires", When: m.moment(v.Now, s.Expires)},
		)
		if s.Current {
			item.Badge = "session.current"
		} else {
			m.Others = true
			item.Remove = remove("end_session", "session.end", m.S(name, slots...), hiddenField{"id", s.ID})
		}
		m.Sessions = append(m.Sessions, item)
	}
	if v.Hidden > 0 {
		m.Hidden, m.Others = strconv.Itoa(v.Hidden), true
	}
}

// browserText is the key and the slots of what people call a browser.
func browserText(s AccountSession) (key string, slots []string) {
	switch {
	case s.Browser != "" && s.System != "":
		return "session.browser_system", []string{"browser", s.Browser, "system", s.System}
	case s.Browser != "" || s.System != "":
		return "session.browser", []string{"browser", s.Browser + s.System}
	}
	return "session.unknown", nil
}

func (m *accountModel) addAccounts(r *Renderer, v Account) {
	for _, a := range v.Accounts {
		p := Provider{ID: a.Provider, Name: a.Name, Logo: a.Logo}
		item := itemModel{Title: plainText(p.name())}
		item.Logo, item.Letter = r.logo(p)
		login := a.Login
		if login == "" {
			login = a.ID
		}
		item.Facts = m.facts(factModel{Label: "fact.account", Text: plainText(login)})
		switch {
		case a.Last && a.Passkeys:
			item.Note = "way.last_passkeys"
		case a.Last:
			item.Note = "way.last"
		case v.Recent:
			if a.Passkeys {
				item.Note = "way.passkeys"
			}
			item.Remove = remove("unlink", "way.unlink", p.name(), hiddenField{"provider", a.Provider}, hiddenField{"account", a.ID})
		}
		m.Accounts = append(m.Accounts, item)
	}
	for _, p := range v.Connect {
		m.Connect = append(m.Connect, r.providerModel(p, SignIn{}))
	}
}

func (m *accountModel) addPasskeys(r *Renderer, v Account) {
	if v.Passkeys == nil {
		return
	}
	m.Passkeys = new(passkeysModel)
	if p := v.Passkeys.Add; p != nil && v.Recent {
		m.Passkeys.Add = r.addPasskey(m, *p)
		m.scripts = []script{r.passkeyScript}
	}
	for i, k := range v.Passkeys.List {
		name := m.nameOr(k.Name, "passkey.unnamed")
		item := itemModel{Title: plainText(name)}
		item.Facts = m.facts(
			factModel{Label: "fact.created", When: m.moment(v.Now, k.Created)},
			m.used(v, k.Used),
		)
		if k.Dead {
			item.Note = "passkey.dead"
		}
		item.Rename = &renameModel{ID: "passkey-name-" + strconv.Itoa(i+1), Name: name, Key: k.ID, Value: bounded(k.Name)}
		switch {
		case k.Last:
			item.Note = "way.last"
		case v.Recent:
			item.Remove = remove("delete_passkey", "passkey.remove", name, hiddenField{"id", k.ID})
		}
		m.Passkeys.Items = append(m.Passkeys.Items, item)
	}
}

func (m *accountModel) addTokens(v Account, wrong string) {
	if v.Tokens == nil {
		return
	}
	f := v.Tokens.Form
	f.Name, f.Paths, f.Methods = bounded(f.Name), bounded(f.Paths), bounded(f.Methods)
	m.Secret = v.Tokens.Secret
	m.Tokens = &tokensModel{Form: f, Wrong: wrong}
	if wrong != "" {
		// Beside the input, where the focus is: at the top it would be out of sight.
		m.Tokens.Notice, m.Notice = m.Notice, nil
	}
	m.Tokens.Open = f.Paths != "" || f.Methods != "" || wrong == "token-paths" || wrong == "token-methods"
	chosen, err := strconv.Atoi(f.Days)
	if err != nil || !slices.Contains(TokenDays, chosen) {
		chosen = defaultDays
	}
	for _, n := range TokenDays {
		key := "token.days"
		if n == 0 {
			key = "token.forever"
		}
		m.Tokens.Days = append(m.Tokens.Days, daysModel{n, m.T(key, "n", strconv.Itoa(n)), n == chosen})
	}
	for _, t := range v.Tokens.List {
		m.Tokens.Items = append(m.Tokens.Items, m.tokenItem(v, t))
	}
}

func (m *accountModel) tokenItem(v Account, t AccountToken) itemModel {
	name := m.nameOr(t.Name, "token.unnamed")
	expires := factModel{Label: "fact.expires", When: m.moment(v.Now, t.Expires)}
	switch {
	case t.Expires.IsZero():
		expires.Text = m.T("when.never")
	case !t.Expires.After(v.Now):
		expires.Label = "fact.expired"
	}
	return itemModel{
		Title: plainText(name),
		Facts: m.facts(
			factModel{Label: "fact.created", When: m.moment(v.Now, t.Created)},
			m.used(v, t.Used),
			expires,
			factModel{Label: "fact.paths", Text: plainText(strings.Join(t.Paths, "  "))},
			factModel{Label: "fact.methods", Text: plainText(strings.Join(t.Methods, " "))},
		),
		Remove: remove("end_token", "token.end", name, hiddenField{"id", t.ID}),
	}
}
