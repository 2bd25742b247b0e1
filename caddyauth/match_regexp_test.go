package caddyauth_test

import (
	"net/http"
	"testing"
)

// A server that ignores the case of paths gets nothing that a regular expression
// closes, and only what is written opens.
func TestPATHRegexpCase(t *testing.T) {
	s := start(t, `
http://localhost:{PORT} {
	@adm path_regexp ^/A[d]m/
	@banned {
		path_regexp ^/Ban
		not path /ban/none
	}
	caddyauth {
		secret `+secret+`
		users `+usersFile(t)+`
		public
		private @adm
		deny @banned any
	}
	respond here
}
http://127.0.0.1:{PORT} {
	@large path_regexp ^/Large
	caddyauth {
		secret `+secret+`
		users `+usersFile(t)+`
		public @large
	}
	respond here
}
`)
	for path, want := range map[string]int{
		"/Adm/x": 401, "/adm/x": 401, "/ADM/x": 401, "/%41DM/x": 401, "/admx": 200,
		"/Ban": 403, "/BAN": 403, "/ban": 403, "/bAn/x": 403, "/x": 200,
	} {
		if a := s.program(path); a.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, a.Status, want)
		}
	}
	for path, want := range map[string]int{"/Large": http.StatusOK, "/LARGE": http.StatusUnauthorized, "/large": http.StatusUnauthorized} {
		if a := s.program(path, "Host: 127.0.0.1:"+s.Port); a.StatusCode != want {
			t.Errorf("open %s: %s, want %d", path, a.Status, want)
		}
	}
}
