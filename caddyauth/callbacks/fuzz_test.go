package callbacks

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// FuzzCompile: whatever is written, there is a program that ends, or an error
// with a place in the expression and one line of text.
func FuzzCompile(f *testing.F) {
	f.Fuzz(func(t *testing.T, expr string) {
		step := Step{Name: "x", Expr: expr}
		err := Check(JWT, step)
		var ce *CompileError
		switch {
		case err == nil:
			runAnything(t, step)
			return
		case !errors.As(err, &ce) || ce.Message == "" || strings.Contains(ce.Message, "ERROR: <input>"):
			t.Fatalf("%q: %#v", expr, err)
		case expr == "":
			return
		}
		lines := strings.Split(expr, "\n")
		if ce.Line < 1 || ce.Line > len(lines) || ce.Column < 1 || ce.Column > utf8.RuneCountInString(lines[ce.Line-1])+1 {
			t.Errorf("%q: %s is at %d:%d", expr, ce.Message, ce.Line, ce.Column)
		}
	})
}

func runAnything(t *testing.T, step Step) {
	s := must(t, Config{JWT: []Step{step}})
	in := everything
	in.Session = `[[{"a":{}}],null,1.5]`
	start := time.Now()
	out, keep, _ := s.JWT(t.Context(), `{"sub":"9","roles":["a","b"]}`, in)
	if took := time.Since(start); took > slow {
		t.Errorf("%q took %v", step.Expr, took)
	}
	if !keep || !json.Valid([]byte(out)) {
		t.Errorf("%q made %q, %v", step.Expr, out, keep)
	}
}

// FuzzSession compares with what encoding/json makes of the same: values of any
// JSON set at any path of any body.
func FuzzSession(f *testing.F) {
	f.Fuzz(func(t *testing.T, body, path, value string) {
		step := Step{Name: path, Expr: `newSession`}
		if Check(Session, step) != nil {
			return
		}
		s := must(t, Config{Session: []Step{step}})
		out, err := s.Session(t.Context(), []byte(body), SessionInput{NewSession: value})
		if err != nil {
			if string(out) != body {
				t.Errorf("failed and changed %q to %q", body, out)
			}
			return
		}
		var want, set any = decode(t, body), map[string]any{}
		if value != "" {
			set = decode(t, value)
		}
		if !assign(want.(map[string]any), strings.Split(path, "."), set) {
			t.Fatalf("set %s in %s", path, body)
		}
		if got := decode(t, string(out)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s of %s in %s\ngot  %s\nwant %v", path, value, body, out, want)
		}
		checkOrder(t, body, string(out))
	})
}

// decode reads JSON as JavaScript does.
func decode(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&v); err != nil && !errors.As(err, new(*json.UnmarshalTypeError)) {
		t.Fatalf("%q: %v", text, err)
	}
	return v
}

// assign is what a session step does.
func assign(o map[string]any, path []string, v any) bool {
	if len(path) == 1 {
		if o[path[0]] = v; v == nil {
			delete(o, path[0])
		}
		return true
	}
	child, there := o[path[0]]
	if !there {
		if v == nil {
			return true
		}
		child = map[string]any{}
		o[path[0]] = child
	}
	m, ok := child.(map[string]any)
	return ok && assign(m, path[1:], v)
}

// checkOrder finds the names of before in after, in the same order but for one.
func checkOrder(t *testing.T, before, after string) {
	t.Helper()
	a, b := names(before), names(after)
	a = slices.DeleteFunc(a, func(name string) bool { return !slices.Contains(b, name) })
	if len(a) > len(b) || !slices.Equal(a, b[:len(a)]) {
		t.Errorf("%q became %q", a, b)
	}
}

func names(object string) (names []string) {
	o, err := newObject(object)
	if err != nil {
		return nil
	}
	for _, m := range o.members {
		names = append(names, m.name)
	}
	return names
}

// FuzzJSON: what comes from JSON goes back to JSON that means the same, and
// then stays as it is.
func FuzzJSON(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		v, err := parseJSON(text)
		if err != nil {
			return
		}
		if !json.Valid([]byte(text)) {
			t.Fatalf("%q is not JSON", text)
		}
		once, err := toJSON(fromJSON(v))
		if err != nil {
			return // beyond a float, or too large
		}
		var a, b any
		if json.Unmarshal([]byte(text), &a) == nil && (json.Unmarshal([]byte(once.Raw()), &b) != nil || !reflect.DeepEqual(a, b)) {
			t.Errorf("%q became %q", text, once.Raw())
		}
		if twice, err := toJSON(fromJSON(once)); err != nil || !bytes.Equal([]byte(twice.Raw()), []byte(once.Raw())) {
			t.Errorf("%q became %q, %v", once.Raw(), twice.Raw(), err)
		}
	})
}
