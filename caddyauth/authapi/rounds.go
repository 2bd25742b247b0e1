package authapi

import (
	"strconv"
	"strings"
	"time"

	"github.com/caddyauth/gateway/caddyauth/cookie"
)

// Sign-ins are counted in a cookie, "<count>.<unix time>", so that a browser that
// is sent to sign in again and again can be told why. NextAuth has no such cookie.
// Anybody can write one of their own: all it decides is which page they see
// themselves.
const (
	// roundsAge is how long one sign-in counts, in seconds.
	roundsAge = 60
	// tooManyRounds is the count from which on another sign-in would not help.
	tooManyRounds = 3
	// maxRounds bounds what is read, maxRoundsAhead how far a clock may be ahead.
	maxRounds      = 99
	maxRoundsAhead = 24 * time.Hour
	// roundsTolerance is what clocks may differ without being named as the cause.
	roundsTolerance = 15 * time.Second
)

// rounds returns how many sign-ins there were lately, each within a minute of the
// one before. ahead says that the last one is in the future: another instance,
// with another clock, made it.
func (q *request) rounds() (n int, ahead bool) {
	value, _ := cookie.Get(q.r.Header, q.jar.names.Rounds)
	return parseRounds(value, q.now)
}

func parseRounds(value string, now time.Time) (n int, ahead bool) {
	count, since, ok := strings.Cut(value, ".")
	if !ok || len(count) > 2 || len(since) > 12 {
		return 0, false
	}
	n, err := strconv.Atoi(count)
	sec, err2 := strconv.ParseInt(since, 10, 64)
	if err != nil || err2 != nil || n < 1 {
		return 0, false
	}
	age := now.Sub(time.Unix(sec, 0))
	if age > roundsAge*time.Second+roundsTolerance || age < -maxRoundsAhead {
		return 0, false
	}
	return n, age < -roundsTolerance
}

// countRound notes that somebody has just been given a session.
func (q *request) countRound() {
	n, _ := q.rounds()
	c := q.newCookie(q.jar.names.Rounds, strconv.Itoa(min(n+1, maxRounds))+"."+strconv.FormatInt(q.now.Unix(), 10))
	c.MaxAge, c.HasMaxAge = roundsAge, true
	q.set(c)
}

// forgetRounds begins to count anew: after signing out, the next sign-in is
// nothing but that.
func (q *request) forgetRounds() {
	if name := q.jar.names.Rounds; q.sent(name) {
		q.set(cookie.Clear(q.newCookie(name, "")))
	}
}
