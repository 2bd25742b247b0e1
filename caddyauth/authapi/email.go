package authapi

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddyauth/gateway/caddyauth/internal/mailaddr"
	"github.com/caddyauth/gateway/caddyauth/page"
	"github.com/caddyauth/gateway/caddyauth/provider"
	"github.com/caddyauth/gateway/caddyauth/store"
)

// signInEmail answers POST {base}/signin/:provider of a provider that mails
// links. Whether an address is known, or may sign in at all, does not show.
func (q *request) signInEmail(p provider.Email) {
	id := p.Info().ID
	address, ok := q.address(q.body.text("email"))
	if !ok {
		q.fail(failure{kind: kindEmail, reason: ReasonAddress, provider: id})
		return
	}
	if !q.mayMail() {
		q.setRetryAfter(retryAfter)
		q.fail(failure{kind: kindEmail, reason: ReasonTooManyAttempts, provider: id})
		return
	}
	s := q.newSignIn(p, byEmail(p, address))
	if !q.identify(s) || !q.preview(s) || !q.askedToMail(s) {
		return // it has been answered
	}
	if err := q.mail(p, s, address); err != nil {
		k, why := kindEmail, reasonOf(err)
		if errors.Is(err, store.ErrUnavailable) {
			k, why = kindStore, ReasonStore
		}
		q.fail(failure{kind: k, reason: why, provider: id, err: err})
		return
	}
	q.redirect(q.base + "/verify-request?provider=" + formEncode(id) + "&type=" + provider.TypeEmail)
}

// byEmail is who has an address, once that is proved.
func byEmail(p provider.Email, address string) *provider.Identity {
	mailbox, _ := mailaddr.Parse(address) // it was normalized
	return &provider.Identity{
		User:     provider.User{ID: address, Email: provider.String(address)},
		Account:  provider.Account{Type: p.Info().Type, ProviderAccountID: address},
		Verified: true, Domain: mailbox.Domain,
	}
}

// address is an address in the one spelling that links are kept for.
func (q *request) address(typed string) (string, bool) {
	address, ok := mailaddr.Normalize(typed)
	if !ok || q.api.contract.dottedDomain && !strings.Contains(address[strings.IndexByte(address, '@'):], ".") {
		return "", false
	}
	return address, true
}

// askedToMail asks the callback sign_in, as NextAuth does before it mails a link.
func (q *request) askedToMail(s *signIn) bool {
	if q.api.opts.Callbacks == nil {
		return true
	}
	in := q.signInInput(s)
	in.Email = map[string]any{"verificationRequest": true}
	return q.verdict(s, in)
}

// mail keeps a link's token and mails the link. For an address that the rules
// refuse, or that has had its share of mails, it only asks the mail server whether
// it would take one, and takes as long. What the server has against a recipient is
// no failure: who is refused was never named there, so it would tell that this
// address was not.
func (q *request) mail(p provider.Email, s *signIn, address string) error {
	begun := time.Now()
	if q.api.opts.Authorize != nil && !q.api.opts.Authorize(s.session) {
		q.logNoMail(s, ReasonAccessDenied, nil)
		return q.pretendToMail(p, begun)
	}
	if !q.mayMailTo(s.evidence.Provider, address) {
		q.logNoMail(s, ReasonTooManyAttempts, nil)
		return q.pretendToMail(p, begun)
	}
	raw := q.api.newLinkToken(q.csrf.token)
	row := store.VerificationToken{Identifier: address, Token: hashLink(raw, q.api.linkKeys[0]), Expires: q.now.Add(p.MaxAge())}
	if err := q.api.opts.Store.CreateVerificationToken(q.r.Context(), row); err != nil {
		return err
	}
	// A browser that goes away leaves neither half a mail nor a token behind.
	ctx := context.WithoutCancel(q.r.Context())
	err := p.Send(ctx, provider.Mail{
		To: address, Host: q.common().Host, Languages: q.r.Header.Get("Accept-Language"),
		URL: q.callbackURLOf(s.evidence.Provider) +
			"?callbackUrl=" + formEncode(q.callbackURL) + "&token=" + raw + "&email=" + formEncode(address),
	})
	if err != nil {
		// Nobody got the link.
		_, _ = q.api.opts.Store.UseVerificationToken(ctx, row.Identifier, row.Token)
		if errors.Is(err, provider.ErrRecipient) {
			q.logNoMail(s, provider.ReasonMail, err)
			return q.api.pace.wait(q.r.Context(), begun)
		}
		return err
	}
	q.api.pace.took(time.Since(begun))
	if entry := q.api.opts.Log.Check(zap.InfoLevel, "sign-in link mailed"); entry != nil {
		entry.Write(q.about(s.evidence.Provider, address)...)
	}
	return nil
}

// pretendToMail takes as long as a mail, and fails if the mail server fails
// everybody.
func (q *request) pretendToMail(p provider.Email, begun time.Time) error {
	if err := p.Check(context.WithoutCancel(q.r.Context())); err != nil {
		return err
	}
	return q.api.pace.wait(q.r.Context(), begun)
}

// logNoMail tells the operator what the browser is not told.
func (q *request) logNoMail(s *signIn, why reason, err error) {
	level := zap.InfoLevel
	if err != nil {
		level = zap.WarnLevel
	}
	entry := q.api.opts.Log.Check(level, "no sign-in link was mailed")
	if entry == nil {
		return
	}
	fields := append(q.about(s.evidence.Provider, s.evidence.Account), zap.String("reason", string(why)))
	if err != nil {
		fields = append(fields, zap.String("error", q.describe(err)))
	}
	entry.Write(fields...)
}

// A link's token is 16 random bytes and 16 bytes that tie them to the browser
// which asked, in hex: as long as NextAuth's.
const linkRandom, linkToken = 16, 32

// newLinkToken makes the token of a link that a browser asks for.
func (a *API) newLinkToken(csrfToken string) string {
	random := a.randomBytes(linkRandom)
	return hex.EncodeToString(append(random, linkMAC(a.opts.Secrets[0], random, csrfToken)...))
}

// asked reports whether the browser with that CSRF token asked for a link. Then a
// GET may sign in: mail scanners, which open every link, do not have its cookies.
func (a *API) asked(raw, csrfToken string) bool {
	token, err := hex.DecodeString(raw)
	if err != nil || len(token) != linkToken {
		return false
	}
	for _, secret := range a.opts.Secrets {
		if hmac.Equal(token[linkRandom:], linkMAC(secret, token[:linkRandom], csrfToken)) {
			return true
		}
	}
	return false
}

func linkMAC(secret string, random []byte, csrfToken string) []byte {
	mac := hmac.New(sha256.New, []byte("caddyauth sign-in link\x00"+secret))
	mac.Write(random)
	mac.Write([]byte(csrfToken))
	return mac.Sum(nil)[:linkToken-linkRandom]
}

// hashLink is what is kept of a link's token, as NextAuth keeps it.
func hashLink(raw, key string) string {
	sum := sha256.Sum256([]byte(raw + key))
	return hex.EncodeToString(sum[:])
}

// maxLink bounds the token in a link. NextAuth's have 64 bytes, those of
// applications with a generator of their own may have more.
const maxLink = 512

// callbackEmail answers {base}/callback/:provider of a mailed link. Where it was
// not asked for in this browser, a GET shows a page with a button, and changes
// nothing; its POST signs in.
func (q *request) callbackEmail(p provider.Email) {
	id := p.Info().ID
	raw, email := q.query.text("token"), q.query.text("email")
	if raw == "" {
		q.fail(failure{kind: kindLink, reason: ReasonLink, provider: id})
		return
	}
	// As NextAuth does: links have the address in the spelling that it is kept in.
	address, ok := q.address(email)
	switch {
	case !ok || address != email || len(raw) > maxLink:
		q.fail(failure{kind: kindVerification, reason: ReasonLink, provider: id})
	case q.r.Method == http.MethodPost && !q.csrf.verified:
		q.failCSRF(kindCSRF)
	case q.r.Method == http.MethodGet && (prefetches(q.r.Header) || !q.api.asked(raw, q.csrf.token)):
		q.confirmEmail(id, address)
	case !q.mayExchange():
		q.setRetryAfter(retryAfter)
		q.fail(failure{kind: kindVerification, reason: ReasonTooManyAttempts, provider: id})
	default:
		q.useLink(p, raw, address)
	}
}

// confirmEmail asks whether somebody wants to be who the link says.
func (q *request) confirmEmail(id, address string) {
	q.writeCookies()
	q.api.opts.Page.ConfirmEmail(q.w, q.r, page.ConfirmEmail{
		Common: q.common(), CSRFToken: q.csrf.token, Email: address,
		Action: q.callbackURLOf(id) + "?" + searchOf(q.site.Query),
	})
}

// useLink signs in with a link, which is used up by it whatever comes after.
func (q *request) useLink(p provider.Email, raw, address string) {
	id := p.Info().ID
	err := error(store.ErrNotFound)
	var link store.VerificationToken
	for _, key := range q.api.linkKeys {
		link, err = q.api.opts.Store.UseVerificationToken(q.r.Context(), address, hashLink(raw, key))
		if !errors.Is(err, store.ErrNotFound) {
			break
		}
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		q.fail(failure{kind: kindVerification, reason: ReasonLink, provider: id})
	case err != nil:
		q.fail(failure{kind: kindStore, reason: ReasonStore, provider: id, err: err})
	case !link.Expires.After(q.now):
		q.fail(failure{kind: kindVerification, reason: ReasonLinkExpired, provider: id})
	default:
		q.admit(p, byEmail(p, address))
	}
}
