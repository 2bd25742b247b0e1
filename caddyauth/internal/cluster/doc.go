// Package cluster tests several Caddys that share a store. It has nothing but
// tests.
package cluster
