// Package testdb starts real database servers for tests: on ports of 127.0.0.1,
// in directories of their own, and gone when the test is.
package testdb
