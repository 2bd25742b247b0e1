// Package authapi answers the REST API of NextAuth.js (dialect v4): signing in
// and out, the session, the CSRF token, the providers, and the pages between.
//
// It is an http.Handler's worth of net/http and knows no web server. [New]
// makes an [API] from providers, a session manager and secrets; [API.Serve]
// answers one request below the base path of a [Site]. Statuses, headers,
// cookies and bodies are those that next-auth 4.24 sends, so its clients and
// backends notice no difference; where safety asks for another answer, the
// comment at that place says so.
//
// Every response forbids caching. Nothing that a client or an identity provider
// sends ends in a status of 500, except the error page for "Configuration",
// which has that status by contract.
package authapi
