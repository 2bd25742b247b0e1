// Package caddyauth is a Caddy HTTP handler that signs people in. It serves
// the REST API of NextAuth.js and lets every other request of a site through
// only after a look at the session.
//
// This package is the only one that knows Caddy: it reads configuration,
// builds the parts and connects them. The rules live in package gate, the API
// in package authapi, sessions in package session and providers in package
// provider, all of them usable without Caddy.
package caddyauth
