package lyingop

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

// grant is what somebody has agreed to at the OP.
type grant struct {
	request  url.Values // the authorization request
	spent    bool       // the code was redeemed
	refresh  string     // the refresh token that is good
	authTime time.Time
}

// authorize signs the same person in at once, and sends the browser back.
func (op *OP) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.Form
	if uri := q.Get("request_uri"); uri != "" {
		pushed := op.pushed[uri]
		if pushed == nil || pushed.Get("client_id") != q.Get("client_id") {
			http.Error(w, "unknown request_uri", http.StatusBadRequest)
			return
		}
		delete(op.pushed, uri)
		q = pushed
	} else if op.PushedOnly {
		http.Error(w, "the request was not pushed", http.StatusBadRequest)
		return
	}
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || back.Host == "" || q.Get("client_id") != op.ClientID || q.Get("response_type") != "code" {
		http.Error(w, "bad authorization request", http.StatusBadRequest)
		return
	}
	answer := url.Values{}
	switch method := q.Get("code_challenge_method"); {
	case q.Get("prompt") == "none":
		answer.Set("error", "login_required")
		answer.Set("error_description", "nobody is signed in at the <provider>")
	case q.Has("code_challenge") && method != "S256":
		answer.Set("error", "invalid_request")
	default:
		code := op.secret("code")
		op.grants[code] = &grant{request: q, authTime: op.Now()}
		answer.Set("code", code)
	}
	if q.Has("state") {
		answer.Set("state", q.Get("state"))
	}
	if op.metadata()["authorization_response_iss_parameter_supported"] == true {
		answer.Set("iss", op.URL)
	}
	if op.Callback != nil {
		op.Callback(answer)
	}
	if q.Get("response_mode") == "form_post" {
		_ = formPost.Execute(w, map[string]any{"URL": back.String(), "Values": answer})
		return
	}
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// formPost is the page of OAuth 2.0 Form Post Response Mode, section 4.
var formPost = template.Must(template.New("").Parse(`<!doctype html><title>Back</title>
<body onload="document.forms[0].submit()"><form method="post" action="{{.URL}}">
{{range $name, $values := .Values}}{{range $values}}<input type="hidden" name="{{$name}}" value="{{.}}">
{{end}}{{end}}</form></body>`))

// push takes an authorization request from the client itself (RFC 9126).
func (op *OP) push(w http.ResponseWriter, r *http.Request) {
	if !op.authenticated(w, r) {
		return
	}
	request := maps.Clone(r.PostForm)
	for _, name := range []string{"client_assertion", "client_assertion_type", "client_secret"} {
		delete(request, name)
	}
	request.Set("client_id", op.ClientID)
	uri := "urn:ietf:params:oauth:request_uri:" + op.secret("request")
	op.pushed[uri] = request
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(map[string]any{"request_uri": uri, "expires_in": 60})
}

// secret returns another one of a kind: the first access token is leak-access-1.
func (op *OP) secret(kind string) string {
	op.issued[kind]++
	return fmt.Sprintf("%s%s-%d", Leak, kind, op.issued[kind])
}

func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": code})
}

func (op *OP) token(w http.ResponseWriter, r *http.Request) {
	if !op.authenticated(w, r) {
		return
	}
	var g *grant
	refresh := r.PostForm.Get("grant_type") == "refresh_token"
	switch {
	case op.Nonce != "":
		g = &grant{request: url.Values{"nonce": {op.Nonce}}}
	case refresh:
		g = op.refreshable(r.PostForm)
	case r.PostForm.Get("grant_type") == "authorization_code":
		g = op.redeemable(r.PostForm)
	default:
		refuse(w, http.StatusBadRequest, "unsupported_grant_type")
		return
	}
	if g == nil {
		refuse(w, http.StatusBadRequest, "invalid_grant")
		return
	}
	access := op.Access
	if access == "" {
		access = op.secret("access")
	}
	m := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": int(op.Lifetime / time.Second)}
	if op.Nonce == "" {
		for token, other := range op.access {
			if other == g {
				delete(op.access, token)
			}
		}
		op.access[access] = g
		g.refresh = op.secret("refresh")
		op.grants[g.refresh] = g
		m["refresh_token"] = g.refresh
	}
	if g.request.Get("scope") == "" || slices.Contains(strings.Fields(g.request.Get("scope")), "openid") {
		m["id_token"] = op.idToken(g, refresh)
	}
	if op.Response != nil {
		op.Response(m)
	}
	WriteJSON(w, m)
}

// redeemable returns the grant of a code, once. A second time takes back what was
// given out for the first (RFC 6749, section 4.1.2).
func (op *OP) redeemable(form url.Values) *grant {
	g := op.grants[form.Get("code")]
	if g == nil {
		return nil
	}
	if g.spent {
		g.refresh = ""
		maps.DeleteFunc(op.access, func(_ string, other *grant) bool { return other == g })
		return nil
	}
	g.spent = true
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	switch challenge := g.request.Get("code_challenge"); {
	case form.Get("redirect_uri") != g.request.Get("redirect_uri"):
		return nil
	case challenge != "" && challenge != Base64(sum[:]), challenge == "" && form.Has("code_verifier"):
		return nil
	}
	return g
}

// refreshable returns the grant of a refresh token. One that was replaced is
// taken for a theft, as RFC 9700, section 4.14.2, has it.
func (op *OP) refreshable(form url.Values) *grant {
	token := form.Get("refresh_token")
	g := op.grants[token]
	switch {
	case g == nil || op.Refuses:
		return nil
	case g.refresh != token:
		g.refresh = ""
		return nil
	}
	return g
}

// endSession sends the browser back from signing out (OpenID Connect RP-Initiated
// Logout 1.0, section 3).
func (op *OP) endSession(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back := url.Values{"state": q["state"]}
	if op.Return != nil {
		op.Return(back)
	}
	http.Redirect(w, r, q.Get("post_logout_redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

// revoke takes back what a refresh token is of, if it is one (RFC 7009, section
// 2.2).
func (op *OP) revoke(w http.ResponseWriter, r *http.Request) {
	if !op.authenticated(w, r) {
		return
	}
	if g := op.grants[r.PostForm.Get("token")]; g != nil {
		g.refresh = ""
		maps.DeleteFunc(op.access, func(_ string, other *grant) bool { return other == g })
	}
}

func (op *OP) idToken(g *grant, refresh bool) string {
	payload := op.Payload
	if payload == "" {
		c := map[string]any{"iss": op.URL, "sub": Subject, "aud": op.ClientID, "iat": op.Now().Unix(), "exp": op.Now().Unix() + 300}
		if nonce := g.request.Get("nonce"); nonce != "" {
			c["nonce"] = nonce
		}
		if g.request.Has("max_age") {
			c["auth_time"] = g.authTime.Unix()
		}
		if !op.Scoped {
			maps.Copy(c, map[string]any{"name": Name, "email": Email, "email_verified": true})
		}
		if op.Claims != nil {
			op.Claims(c)
		}
		if refresh && op.Refreshed != nil {
			op.Refreshed(c)
		}
		maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
		payload = string(mustJSON(c))
	}
	raw := op.Key.Sign(payload, op.Header)
	if op.RawToken != nil {
		raw = op.RawToken(raw)
	}
	return raw
}

// scopeClaims are the claims of OpenID Connect Core, section 5.4, as far as a
// Person here has them.
var scopeClaims = map[string][]string{
	"profile": {"name", "preferred_username", "picture"},
	"email":   {"email", "email_verified"},
	"address": {"address"},
	"phone":   {"phone_number"},
}

func (op *OP) userinfo(w http.ResponseWriter, r *http.Request) {
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	g := op.access[bearer]
	if op.Nonce != "" {
		g = &grant{}
	}
	if g == nil {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		http.Error(w, "no such token", http.StatusUnauthorized)
		return
	}
	claims := maps.Clone(op.Person)
	if op.Scoped {
		allowed := []string{"sub"}
		for scope := range strings.FieldsSeq(g.request.Get("scope")) {
			allowed = append(allowed, scopeClaims[scope]...)
		}
		maps.DeleteFunc(claims, func(name string, _ any) bool { return !slices.Contains(allowed, name) })
	}
	if !op.SignedUserinfo {
		WriteJSON(w, claims)
		return
	}
	claims["iss"], claims["aud"] = op.URL, op.ClientID
	w.Header().Set("Content-Type", "application/jwt")
	_, _ = w.Write([]byte(op.Key.Sign(string(mustJSON(claims)), nil)))
}

// authenticated reports whether a request is the client's, and answers it if not.
func (op *OP) authenticated(w http.ResponseWriter, r *http.Request) bool {
	ok := false
	user, password, basic := r.BasicAuth()
	user, _ = url.QueryUnescape(user)
	password, _ = url.QueryUnescape(password)
	form := r.PostForm
	switch {
	case op.ClientAuth == "private_key_jwt":
		ok = !basic && !form.Has("client_secret") && op.assertion(form)
	case op.ClientSecret == "":
		ok = true
	case basic && op.ClientAuth != "post":
		// Two ways at once are one too many (RFC 6749, section 2.3).
		ok = user == op.ClientID && password == op.ClientSecret && !form.Has("client_secret")
	case !basic && op.ClientAuth != "basic":
		ok = form.Get("client_id") == op.ClientID && form.Get("client_secret") == op.ClientSecret
	}
	if !ok {
		refuse(w, http.StatusUnauthorized, "invalid_client")
	}
	return ok
}

// assertion verifies private_key_jwt (OpenID Connect Core, section 9).
func (op *OP) assertion(form url.Values) bool {
	if form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		return false
	}
	jws, err := jose.ParseSigned(form.Get("client_assertion"), []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA})
	if err != nil {
		return false
	}
	payload, err := jws.Verify(op.ClientKey)
	if err != nil {
		return false
	}
	var claims struct {
		Iss, Sub, JTI string
		Aud           any
		Exp           int64
	}
	if json.Unmarshal(payload, &claims) != nil || claims.JTI == "" || op.jtis[claims.JTI] {
		return false
	}
	op.jtis[claims.JTI] = true
	if list, ok := claims.Aud.([]any); ok && len(list) == 1 {
		claims.Aud = list[0]
	}
	return claims.Iss == op.ClientID && claims.Sub == op.ClientID && claims.Exp > op.Now().Unix() &&
		(claims.Aud == op.URL || claims.Aud == op.URL+Token)
}
