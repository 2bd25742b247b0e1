package page

import (
	"strconv"
	"time"
)

// moment is a point in time, for people and for machines. Without a script
// nobody knows the visitor's time zone, so people get the distance from now.
type moment struct {
	Machine string // as HTML's valid global date and time string
	Exact   string
	Text    []part
}

// moment returns when t is, seen from now; nil for no time.
func (d document) moment(now, t time.Time) *moment {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	m := &moment{Machine: t.Format(time.RFC3339), Exact: t.Format("2006-01-02 15:04 UTC")}
	if unit, n := distance(now, t); unit != "" {
		m.Text = d.T("when."+unit, "n", strconv.Itoa(n))
	} else {
		m.Text = d.T("when.date", "date", t.Format("2006-01-02"))
	}
	return m
}

// farAway is when a date says more than a number of days.
const farAway = 100 * 24 * time.Hour

// distance is how far t is from now, in whole units: the last part of a key. It
// is empty if that is too far.
func distance(now, t time.Time) (unit string, n int) {
	span, from, direction := now.Sub(t), "", "_ago"
	if span < 0 {
		// To the nearest second: what lasts a day was made a moment ago.
		span, from, direction = (-span).Round(time.Second), "in_", ""
	}
	switch {
	case span > farAway:
		return "", 0
	case span < time.Minute:
		return from + "moment" + direction, 0
	case span < time.Hour:
		unit, n = "minute", int(span/time.Minute)
	case span < 24*time.Hour:
		unit, n = "hour", int(span/time.Hour)
	default:
		unit, n = "day", int(span/(24*time.Hour))
	}
	if n > 1 {
		unit += "s"
	}
	return from + unit + direction, n
}
