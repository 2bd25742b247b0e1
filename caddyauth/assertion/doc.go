// Package assertion signs who a request comes from, for the server behind: a
// short-lived JWT (RFC 7519) in a header field of each request. Unlike plain
// headers it can be checked by a server that others can reach as well.
//
// Its keys are derived from the site's secrets and the day. All instances with
// the same secret have the same keys without telling each other, and a key that
// leaks is of no use two days later.
package assertion
