package redis

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Things are hashes, their fields readable with redis-cli: texts as they are,
// points in time in Unix milliseconds, lists in JSON. A field that is absent is
// empty.

// errReply means that the server is no Redis, or that what is kept was not made
// by this program.
var errReply = errors.New("redis: the answer is not what it should be")

// millis is a point in time as it is kept. The zero time is empty.
func millis(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.UnixMilli(), 10)
}

func parseMillis(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, errReply
	}
	return time.UnixMilli(n).UTC(), nil
}

const (
	// slack is how long a thing is kept after its end, for clocks that differ and
	// for Sweep to come first: it also tidies the lists that a thing is on.
	slack = time.Hour
	// minLife is how long a thing is kept at least, before the slack.
	minLife = time.Hour
	// maxLife bounds it, so that no sum overflows, and maxGuess does where only
	// the end of a thing is known.
	maxLife  = 100 * 366 * 24 * time.Hour
	maxGuess = 366 * 24 * time.Hour
)

// keep is for how many milliseconds Redis is told to keep something that ends at
// until; "0" is for ever. The caller's clock is not that of Redis, and may not be
// set at all. So what counts is not the end, but the time from since, when the
// caller's clock showed that, until then. Only if that is unknown, it is the time
// from now, within bounds.
func keep(since, until time.Time) string {
	if until.IsZero() {
		return "0"
	}
	var life time.Duration
	if since.IsZero() {
		life = min(time.Until(until), maxGuess)
	} else {
		life = until.Sub(since)
	}
	life = min(max(life, minLife), maxLife) + slack
	return strconv.FormatInt(life.Milliseconds(), 10)
}

// fields are names and values in turn, as HSET takes them.
type fields []any

// add adds a field, unless it is empty.
func (f fields) add(name, value string) fields {
	if value == "" {
		return f
	}
	return append(f, name, value)
}

// texts is a list as it is kept.
func texts(v []string) string {
	if len(v) == 0 {
		return ""
	}
	text, _ := json.Marshal(v) // strings always can be
	return string(text)
}

// row is a thing as it is kept: its fields as HGETALL returns them. The first
// field that cannot be read leaves an error.
type row struct {
	fields []any
	err    error
}

// newRow reads part of what a script returned.
func newRow(v any) *row {
	f, ok := v.([]any)
	r := &row{fields: f}
	if !ok || len(f) == 0 || len(f)%2 != 0 {
		r.err = errReply
	}
	return r
}

func (r *row) text(name string) string {
	for i := 0; i+1 < len(r.fields); i += 2 {
		if r.fields[i] == name {
			s, _ := r.fields[i+1].(string)
			return s
		}
	}
	return ""
}

func (r *row) time(name string) time.Time {
	t, err := parseMillis(r.text(name))
	r.check(name, err)
	return t
}

func (r *row) number(name string, bits int) uint64 {
	s := r.text(name)
	if s == "" {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, bits)
	r.check(name, err)
	return n
}

func (r *row) integer(name string) int64 {
	s := r.text(name)
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	r.check(name, err)
	return n
}

func (r *row) list(name string) (v []string) {
	if s := r.text(name); s != "" {
		r.check(name, json.Unmarshal([]byte(s), &v))
	}
	return v
}

// bytes is a text that may be absent, which is nil.
func (r *row) bytes(name string) []byte {
	if s := r.text(name); s != "" {
		return []byte(s)
	}
	return nil
}

func (r *row) check(name string, err error) {
	if err != nil && r.err == nil {
		// Not the value, which may be anything.
		r.err = fmt.Errorf("%w: the field %s cannot be read", errReply, name)
	}
}

// parts is what a script returned as a list of at least n.
func parts(v any, n int) ([]any, error) {
	list, ok := v.([]any)
	if !ok || len(list) < n {
		return nil, errReply
	}
	return list, nil
}
