// Package lyingop is an OpenID Provider for tests that tells the truth, and lies
// when told to.
//
// As it comes it keeps to the standards more strictly than most: a code is good
// once, for the redirect URI and the PKCE challenge of its authorization request;
// client and secret must be right; a refresh token is replaced each time, and one
// that was replaced is refused. [OP.Behave] makes it misbehave in a way that has a
// name, such as that of a module of the OpenID Foundation's conformance suite, and
// the fields of [OP] in any other way.
//
// Every secret that it gives out begins with [Leak], so that a test can look for
// them where they must not be.
package lyingop
