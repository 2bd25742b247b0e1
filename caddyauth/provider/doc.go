// Package provider signs people in: with OpenID Connect, with plain OAuth 2.0,
// or with a file of users.
//
// [New] turns a [Config] into a [Provider]. What a provider can do shows in
// the interface it satisfies: [OAuth] for everything that sends the browser
// away and takes it back with a code, [Credentials] for a form of ours.
// Presets for well-known services are data, see [Presets].
//
// The protocol work is done by golang.org/x/oauth2 and go-oidc. This package
// adds what they leave to their caller: pinned client authentication and
// signature algorithms, the audience and time rules of OpenID Connect Core
// 3.1.3.7, the issuer check of RFC 9207, bounded bodies, times and redirects,
// and keys and metadata that survive an identity provider's outage.
//
// Nothing here touches the network before the first sign-in.
package provider
