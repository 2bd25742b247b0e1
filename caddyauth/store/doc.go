// Package store keeps what has to outlast a browser's cookie: users and their
// accounts, sessions, the tokens of sign-in links, passkeys, personal access
// tokens, and which sessions were ended.
//
// A [Driver] is one kind of store. [Conn] makes one dependable: it opens the
// driver when it is first needed, bounds how long it may take, and tells a store
// that is down from one that says no. [Vault] sees to it that neither session
// tokens nor the tokens of providers can be read in it. What a driver has to do is
// written at the methods of the small interfaces here, and the package storetest
// holds every driver to it.
package store
