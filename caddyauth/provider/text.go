package provider

// Text is a string the way a JavaScript object property holds one: it can be
// absent (undefined), null, or a string. NextAuth drops absent properties from
// its tokens and sessions but keeps null ones, and clients can tell.
//
// The zero value is absent.
type Text struct {
	s    string
	kind textKind
}

type textKind uint8

const (
	textAbsent textKind = iota
	textNull
	textString
)

// String returns a Text that holds s, which may be empty.
func String(s string) Text { return Text{s: s, kind: textString} }

// Null returns a Text that is null.
func Null() Text { return Text{kind: textNull} }

// Get returns the string and true, or "" and false if t is absent or null.
func (t Text) Get() (string, bool) { return t.s, t.kind == textString }

// String returns the string, "" if t is absent or null.
func (t Text) String() string { return t.s }

// IsZero reports whether t is absent.
func (t Text) IsZero() bool { return t.kind == textAbsent }

// Any returns nil or the string, for a map that becomes JSON. The caller leaves
// absent members out.
func (t Text) Any() any {
	if t.kind == textString {
		return t.s
	}
	return nil
}
