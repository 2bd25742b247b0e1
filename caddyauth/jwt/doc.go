// Package jwt seals and opens the tokens NextAuth.js keeps in cookies, and
// reads the claims inside them.
//
// The tokens are JWEs in compact serialization (RFC 7516 section 7.1) under
// direct encryption, with a key derived from a shared secret by HKDF (RFC
// 5869). In dialect v4 their header is {"alg":"dir","enc":"A256GCM"}; in v5 it
// is {"alg":"dir","enc":"A256CBC-HS512","kid":...}, and tokens under A256GCM
// open as well. The session cookie, the check cookies (state, PKCE, nonce) and
// the notice cookie are all of this form; the salt of the derivation keeps one
// from passing for another.
//
// Opening and scanning lie on the path of every request, so both work without
// reflection and without building a tree: [Ring.OpenString] yields the claims
// as one string, and [Members] hands out substrings of it.
package jwt
