// Package guard has no code, only tests of the module as a whole: which package
// may import which, what a build of Caddy gains by this plugin, and what the
// sources must not contain.
package guard
