// Package bearer judges access tokens: JWTs that authorization servers have
// signed for an API (RFC 9068), which come in the Authorization field of a
// request (RFC 6750) and stand in for a session there.
package bearer
