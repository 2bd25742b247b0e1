// Package callbacks lets a site shape sign-ins, redirects, tokens and sessions
// with NextAuth's callbacks, written as expressions of the Common Expression
// Language (https://cel.dev).
//
// Every expression sees the same variables. What does not apply where it runs,
// such as the profile while a session is read, is an empty map, "" or false:
//
//	user, account, profile   who signs in, how, and what the provider told
//	email, credentials       maps, for the providers of these kinds
//	token                    the claims of the session's token
//	session                  in a session expression the body so far, in a jwt
//	                         expression what the update of a session brought
//	newSession, trigger      what an update brought; "signIn", "signUp", "update"
//	isNewUser                a bool
//	url, baseUrl             strings, in a redirect expression
//	request                  method, host, path, query, headers, ip
//	now                      the time of the request
//
// So the way to write about what may be absent is user.?role, which leaves the
// claim as it is, user.?role.orValue("guest") and has(user.role).
//
// Besides CEL's standard library there are optional values and the extensions
// strings, lists and sets. Whole numbers of JSON are ints, others are doubles,
// and both compare with each other.
//
// Expressions are compiled once. An evaluation is bounded: one that would cost
// too much ends in an error.
package callbacks
