package session_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/caddyauth/gateway/caddyauth/session"
	"github.com/caddyauth/gateway/caddyauth/store"
)

func TestCheckToken(t *testing.T) {
	noBrackets := func(patterns ...string) error {
		if slices.Contains(patterns, "/[") {
			return errors.New("no pattern")
		}
		return nil
	}
	letters := strings.Split("ABCDEFGHIJKLMNOPQRSTU", "") // 21
	for name, c := range map[string]struct {
		token store.Token
		field session.TokenField // that is wrong
	}{
		"plain":             {store.Token{Name: "a"}, ""},
		"long name":         {store.Token{Name: strings.Repeat("界", 100)}, ""},
		"joiners":           {store.Token{Name: "می\u200cخواهم 👩\u200d💻"}, ""},
		"all there can be":  {store.Token{Name: "a", Paths: slices.Repeat([]string{"/" + strings.Repeat("a", 255)}, 20), Methods: letters[:20]}, ""},
		"no name":           {store.Token{Name: " \t"}, session.TokenName},
		"too long a name":   {store.Token{Name: strings.Repeat("a", 101)}, session.TokenName},
		"line in a name":    {store.Token{Name: "a\nb"}, session.TokenName},
		"name backwards":    {store.Token{Name: "a\u202eb"}, session.TokenName},
		"no text":           {store.Token{Name: "a\xff"}, session.TokenName},
		"no path":           {store.Token{Name: "a", Paths: []string{"x"}}, session.TokenPaths},
		"empty path":        {store.Token{Name: "a", Paths: []string{""}}, session.TokenPaths},
		"long path":         {store.Token{Name: "a", Paths: []string{"/" + strings.Repeat("a", 256)}}, session.TokenPaths},
		"many paths":        {store.Token{Name: "a", Paths: slices.Repeat([]string{"/"}, 21)}, session.TokenPaths},
		"no pattern":        {store.Token{Name: "a", Paths: []string{"/", "/["}}, session.TokenPaths},
		"no method":         {store.Token{Name: "a", Methods: []string{"G3T"}}, session.TokenMethods},
		"empty method":      {store.Token{Name: "a", Methods: []string{""}}, session.TokenMethods},
		"dash":              {store.Token{Name: "a", Methods: []string{"-"}}, session.TokenMethods},
		"another dotless i": {store.Token{Name: "a", Methods: []string{"LıNK"}}, session.TokenMethods},
		"wide letters":      {store.Token{Name: "a", Methods: []string{"ＧＥＴ"}}, session.TokenMethods},
		"long method":       {store.Token{Name: "a", Methods: []string{strings.Repeat("A", 33)}}, session.TokenMethods},
		"many methods":      {store.Token{Name: "a", Methods: letters}, session.TokenMethods},
	} {
		err := session.CheckToken(&c.token, noBrackets)
		wrong, ok := errors.AsType[*session.TokenError](err)
		if ok != (c.field != "") || ok && wrong.Field != c.field || !ok && err != nil {
			t.Errorf("%s: %v, want what is wrong with %q", name, err, c.field)
		}
	}
	token := store.Token{Name: " CI ", Paths: []string{}, Methods: []string{"get", "GET", "propfind"}}
	if err := session.CheckToken(&token, nil); err != nil || token.Name != "CI" || token.Paths != nil || !slices.Equal(token.Methods, []string{"GET", "PROPFIND"}) {
		t.Errorf("%+v, %v", token, err)
	}
}

// Where providers are told apart, those of another site's users file are others.
func TestEvidenceWithin(t *testing.T) {
	e := session.Evidence{Provider: "credentials", Realm: "a"}
	for realm, want := range map[string]bool{"a": true, "b": false, "": false} {
		if got := e.Within(map[string]string{"credentials": realm}); got != want {
			t.Errorf("%q: %t", realm, got)
		}
	}
	if e := (session.Evidence{Provider: "gone"}); e.Within(map[string]string{"credentials": ""}) {
		t.Error("a provider that is not there")
	}
}
