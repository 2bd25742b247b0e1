// Package mailaddr knows the e-mail addresses that a sign-in link can be sent
// to: one mailbox each, in one spelling.
package mailaddr

import (
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/cases"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
)

// The limits of RFC 5321, section 4.5.3.1, in bytes. A path of 256 includes the
// angle brackets.
const (
	maxAddress = 254
	maxLocal   = 64
	maxDomain  = 253
)

// Normalize returns the one spelling of an address that somebody typed, as
// NextAuth.js does: compatibility characters folded, white space around it cut
// off, lower case, and what follows a comma in the domain dropped. It is false
// unless exactly one @ is left with a mailbox around it that mail can be sent to.
//
// Folding comes first: a full-width @ that passed for another character would
// become a second one in some mail server (CWE-180).
func Normalize(typed string) (address string, ok bool) {
	if len(typed) > 4*maxAddress {
		return "", false
	}
	// Not strings.ToLower, which makes an i of a dotted capital I: JavaScript
	// keeps the dot, and the two are different mailboxes.
	address = cases.Lower(language.Und).String(strings.TrimFunc(norm.NFKC.String(typed), isSpace))
	if strings.Count(address, "@") != 1 {
		return "", false
	}
	local, domain, _ := strings.Cut(address, "@")
	domain, _, _ = strings.Cut(domain, ",")
	address = local + "@" + domain
	if _, ok := Parse(address); !ok {
		return "", false
	}
	return address, true
}

// isSpace is what JavaScript's trim cuts off.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r == '\ufeff' }

// Mailbox is an address as mail servers take it.
type Mailbox struct {
	// Local is what stands before the @.
	Local string
	// Domain is a host name in ASCII: an international one is in punycode.
	Domain string
}

// Parse splits a bare address. It is false for everything that mail software
// could read in more than one way, or as more than one address: quoted local
// parts, comments, address literals, names around an address, control and
// format characters, encoded words (RFC 2047), routes (bob%other.example@ and
// other.example!bob@ make some servers pass the mail on), and domains that are
// written differently from how they are looked up.
func Parse(address string) (Mailbox, bool) {
	local, domain, found := strings.Cut(address, "@")
	if !found || local == "" || len(local) > maxLocal || !utf8.ValidString(local) || strings.Contains(local, "=?") ||
		strings.ContainsFunc(local, func(r rune) bool { return !isLocal(r) }) {
		return Mailbox{}, false
	}
	ascii, ok := Domain(domain)
	if !ok || len(local)+1+len(ascii) > maxAddress {
		return Mailbox{}, false
	}
	return Mailbox{Local: local, Domain: ascii}, true
}

// isLocal is a character of a dot-atom (RFC 5322, section 3.2.3), which RFC 6531
// extends beyond ASCII, less those that delimit routes and pipes.
func isLocal(r rune) bool {
	if r < utf8.RuneSelf {
		return r > ' ' && r < 0x7f && !strings.ContainsRune(`"(),:;<>@[\]!%|`, r)
	}
	return unicode.IsPrint(r) && !unicode.IsSpace(r)
}

// UTF8 reports whether a mail server needs the extension SMTPUTF8 (RFC 6531) to
// take the address.
func (m Mailbox) UTF8() bool {
	return strings.ContainsFunc(m.Local, func(r rune) bool { return r >= utf8.RuneSelf })
}

// Address returns it for headers, and for the envelope by way of String.
func (m Mailbox) Address(name string) *mail.Address {
	return &mail.Address{Name: name, Address: m.Local + "@" + m.Domain}
}

// lookup converts names as browsers and resolvers do (UTS #46), but for
// Transitional processing, which nobody has any more.
var lookup = idna.New(
	idna.MapForLookup(), idna.BidiRule(), idna.CheckJoiners(true),
	idna.StrictDomainName(true), idna.VerifyDNSLength(true), idna.Transitional(false),
	idna.CheckHyphens(false),
)

// Domain returns a host name in lower-case ASCII. An international name must be
// spelled as it would be displayed: a character that the conversion drops or
// maps would make two domains of one.
func Domain(name string) (ascii string, ok bool) {
	if len(name) > maxDomain || !utf8.ValidString(name) {
		return "", false
	}
	ascii, err := lookup.ToASCII(name)
	if err != nil || !isHost(ascii) {
		return "", false
	}
	if strings.EqualFold(ascii, name) && isASCII(name) {
		return ascii, true
	}
	shown, err := lookup.ToUnicode(ascii)
	return ascii, err == nil && shown == name
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

// isHost reports whether a name is one of a host (RFC 1123, section 2.1). One
// whose last label is a number is an address in disguise.
func isHost(name string) bool {
	if name == "" || len(name) > maxDomain {
		return false
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if c := label[i]; c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') {
				return false
			}
		}
		last = label
	}
	return strings.Trim(last, "0123456789") != ""
}
