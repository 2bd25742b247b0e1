package nearest

import "testing"

func TestWord(t *testing.T) {
	known := []string{"allow", "deny", "github", "gitlab", "google", "keycloak", "oidc", "oauth2", "api"}
	for written, want := range map[string]string{
		"gihub":     "github", // a letter lost
		"gtihub":    "github", // neighbors swapped
		"githubb":   "github",
		"alow":      "allow",
		"goggle":    "google",
		"keycloack": "keycloak",
		"oidc":      "oidc",
		"gitla":     "gitlab",
		"oath2":     "oauth2",
		"facebook":  "",
		"a":         "",
		"":          "",
		"xyz":       "",
		"ap":        "", // half of a two-letter word would be a wild guess
	} {
		if got := Word(written, known); got != want {
			t.Errorf("Word(%q) = %q, want %q", written, got, want)
		}
	}
}

func TestWordPrefersTheCloser(t *testing.T) {
	if got := Word("issuerr", []string{"issued", "issuer"}); got != "issuer" {
		t.Errorf("got %q", got)
	}
	if got := Word("anything", nil); got != "" {
		t.Errorf("got %q from no words", got)
	}
}
