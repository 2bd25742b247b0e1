package testsmtp

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"strings"
)

// loginServer asks for the two words one after the other, the mechanism LOGIN
// that predates the standard.
type loginServer struct {
	session  *session
	step     int
	username string
}

func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	l.step++
	switch l.step {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.username = string(response)
		return []byte("Password:"), false, nil
	case 3:
		return nil, true, l.session.login(l.username, func(want string) bool { return string(response) == want })
	}
	return nil, false, errSASL
}

// cramServer is CRAM-MD5 (RFC 2195).
type cramServer struct {
	session *session
	asked   bool
}

const cramChallenge = "<1896.697170952@mail.test>"

func (c *cramServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if !c.asked {
		c.asked = true
		return []byte(cramChallenge), false, nil
	}
	username, digest, _ := strings.Cut(string(response), " ")
	return nil, true, c.session.login(username, func(want string) bool {
		h := hmac.New(md5.New, []byte(want))
		h.Write([]byte(cramChallenge))
		return hex.EncodeToString(h.Sum(nil)) == digest
	})
}
