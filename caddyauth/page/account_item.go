package page

import (
	"html/template"
	"slices"
	"strings"
	"time"
)

// itemModel is one thing of a list, and what can be done with it.
type itemModel struct {
	Title  []part
	Logo   template.HTML
	Letter string // instead of a logo
	Badge  string // key
	Facts  []factModel
	Note   string // key
	Rename *renameModel
	Remove *removeModel
}

// factModel is a line about a thing.
type factModel struct {
	Label string // key
	When  *moment
	Text  []part
}

// removeModel is the form that makes a thing go.
type removeModel struct {
	Action string
	// Text is the key of the button, Named that of the one that says the name too,
	// which tells it from others of its kind.
	Text, Named, Name string
	Fields            []hiddenField
}

// hiddenField says which thing a form is about.
type hiddenField struct{ Name, Value string }

// renameModel is the form for another name.
type renameModel struct {
	ID, Name   string
	Key, Value string
}

func remove(action, text, name string, fields ...hiddenField) *removeModel {
	return &removeModel{Action: action, Text: text, Named: text + "_named", Name: name, Fields: fields}
}

// nameOr is the name that somebody gave a thing, or else the text of a key.
func (m *accountModel) nameOr(name, key string) string {
	if strings.TrimSpace(name) == "" {
		return m.messages.plain(key)
	}
	return name
}

// used is the fact when a thing was used last.
func (m *accountModel) used(v Account, t time.Time) factModel {
	if t.IsZero() {
		return factModel{Label: "fact.used", Text: m.T("when.never")}
	}
	return factModel{Label: "fact.used", When: m.moment(v.Now, t)}
}

// facts leaves out those that nobody knows.
func (m *accountModel) facts(all ...factModel) []factModel {
	return slices.DeleteFunc(all, func(f factModel) bool { return f.When == nil && f.Text == nil })
}

// maxFact bounds a value that stands alone, in runes.
const maxFact = 1000

// plainText is a value that stands alone.
func plainText(s string) []part {
	if s == "" {
		return nil
	}
	return []part{value(s, maxFact)}
}
