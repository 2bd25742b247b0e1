// Package cookie names, reads and writes the cookies of the NextAuth.js REST
// API the way Node does.
//
// net/http gets in the way of that: it does not percent-decode values, drops
// bytes from the ones it writes, trims names, and gives up on a request with
// thousands of cookies. This package works on the raw header lines instead,
// compares names byte by byte, and writes what encodeURIComponent and the npm
// package "cookie" write.
package cookie
