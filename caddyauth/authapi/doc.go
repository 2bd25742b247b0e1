// Package authapi answers the REST API of NextAuth.js in either of its dialects:
// signing in and out, the session, the CSRF token, the providers, and the pages
// between.
//
// It is an http.Handler's worth of net/http and knows no web server. [New]
// makes an [API] from providers, a session manager and secrets; [API.Serve]
// answers one request below the base path of a [Site]. Statuses, headers,
// cookies and bodies are those that next-auth 4.24 sends or, in dialect v5,
// those of @auth/core 0.41, so their clients and backends notice no difference;
// where safety asks for another answer, the comment at that place says so.
//
// The routes are the same for both. What the dialects do differently is a table
// with a column for each, and so is what becomes of a failure.
//
// NextAuth's callbacks and events are hooks of [Options]: callbacks shape
// sign-ins, redirects, tokens and sessions, events tell what happened and may
// refuse a sign-in. Traffic to the site itself renews sessions with [API.Renew].
//
// Every response forbids caching. Nothing that a client or an identity provider
// sends ends in a status of 500, except the error page for "Configuration",
// which has that status by contract.
package authapi
