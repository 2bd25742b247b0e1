package caddyauth

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

var day0 = time.Date(2031, 3, 4, 5, 6, 7, 0, time.UTC)

func secretOf(letter string) string { return strings.Repeat(letter, minSecret) }

func TestSecretSetAt(t *testing.T) {
	a, b, c := secretOf("a"), secretOf("b"), secretOf("c")
	set := secretSet{
		{Secret: a, Until: day0.Add(10 * time.Hour)},
		{Secret: b, From: day0, Until: day0.Add(20 * time.Hour)},
		{Secret: c, From: day0.Add(5 * time.Hour)},
	}
	for _, test := range []struct {
		after time.Duration
		want  []string
		next  time.Duration // 0: none
	}{
		{-time.Nanosecond, []string{a, c, b}, time.Nanosecond},
		{0, []string{b, c, a}, 5 * time.Hour},
		{5*time.Hour - 1, []string{b, c, a}, 1},
		{5 * time.Hour, []string{c, b, a}, 5 * time.Hour},
		{10 * time.Hour, []string{c, b}, 10 * time.Hour},
		{20 * time.Hour, []string{c}, 0},
		{10000 * time.Hour, []string{c}, 0},
	} {
		now := day0.Add(test.after)
		if got := set.at(now); !slices.Equal(got, test.want) {
			t.Errorf("at %v: %q, want %q", test.after, got, test.want)
		}
		next, ok := set.change(now)
		if ok != (test.next != 0) || ok && !next.Equal(now.Add(test.next)) {
			t.Errorf("at %v: changes at %v, %v", test.after, next, ok)
		}
	}
	// Nobody is left without a secret, whatever the clock says.
	future := secretSet{{Secret: a, From: day0, Until: day0.Add(time.Hour)}, {Secret: b, From: day0.Add(time.Hour)}}
	if got := future.at(day0.Add(-time.Hour)); !slices.Equal(got, []string{a, b}) {
		t.Errorf("before all times: %q", got)
	}
}

func TestSecretSetRotated(t *testing.T) {
	const keep = 30 * time.Hour
	set, now := oneSecret(secretOf("a")), day0
	for i, letter := range []string{"b", "c", "d"} {
		from := now.Add(2 * time.Minute)
		next, err := set.rotated(secretOf(letter), now, from, keep)
		if err != nil {
			t.Fatal(err)
		}
		if got := next.at(now); got[0] != set.at(now)[0] || !slices.Contains(got, secretOf(letter)) {
			t.Errorf("%d: before its time: %q", i, got)
		}
		if got := next.at(from); got[0] != secretOf(letter) || !slices.Contains(got, set.at(now)[0]) {
			t.Errorf("%d: at its time: %q", i, got)
		}
		if got := next.at(from.Add(keep)); !slices.Equal(got, []string{secretOf(letter)}) {
			t.Errorf("%d: after all sessions: %q", i, got)
		}
		if _, err := next.rotated(secretOf("x"), now.Add(time.Minute), from, keep); !errors.Is(err, errRotating) {
			t.Errorf("%d: a rotation during another: %v", i, err)
		}
		set, now = next, now.Add(10*time.Hour)
	}
	// The first is retired by the time of a fifth.
	now = day0.Add(2*time.Minute + keep)
	set, err := set.rotated(secretOf("e"), now, now.Add(time.Minute), keep)
	if err != nil || len(set) != 4 || set[0].Secret != secretOf("b") {
		t.Errorf("a retired secret was not dropped: %v, %v", set, err)
	}
	for i := range maxGenerations {
		now = now.Add(time.Hour)
		if set, err = set.rotated(secretOf("f"), now, now, 1000*time.Hour); err != nil {
			if i < 2 || !errors.Is(err, errRotating) {
				t.Errorf("%d: %v", i, err)
			}
			return
		}
	}
	t.Error("the number of secrets has no bound")
}

func TestSecretSetStored(t *testing.T) {
	set, err := oneSecret(secretOf("a")).rotated(secretOf("b"), day0, day0.Add(time.Minute), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := set.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseSet(append(raw, " \n"...))
	if err != nil || len(got) != 2 || got[0].Secret != set[0].Secret || !got[0].Until.Equal(set[0].Until) ||
		got[1].Secret != set[1].Secret || !got[1].From.Equal(set[1].From) || !got[1].Until.IsZero() {
		t.Errorf("%s became %v, %v", raw, got, err)
	}
	old, err := parseSet([]byte(secretOf("a") + "\n"))
	if err != nil || !slices.Equal(old.at(day0), []string{secretOf("a")}) {
		t.Errorf("one line: %v, %v", old, err)
	}
	for name, text := range map[string]string{
		"empty object":   `{}`,
		"no secrets":     `{"secrets":[]}`,
		"half":           string(raw[:len(raw)/2]),
		"short":          `{"secrets":[{"secret":"short","from":"2031-03-04T05:06:07Z"}]}`,
		"member unknown": `{"secrets":[{"secret":"` + secretOf("a") + `","from":"2031-03-04T05:06:07Z"}],"more":1}`,
		"tail":           string(raw) + string(raw),
		"no time":        `{"secrets":[{"secret":"` + secretOf("a") + `","from":"yesterday"}]}`,
		"too many":       `{"secrets":[` + strings.Repeat(`{"secret":"`+secretOf("a")+`"},`, 99) + `{"secret":"` + secretOf("a") + `"}]}`,
	} {
		got, err := parseSet([]byte(text))
		if err == nil || !strings.Contains(err.Error(), "storage key caddyauth/secret holds") || !strings.Contains(err.Error(), "delete it") || strings.Contains(err.Error(), secretOf("a")) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}
