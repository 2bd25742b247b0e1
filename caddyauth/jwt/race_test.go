//go:build race

package jwt

// raceEnabled: under the race detector pools forget a part of what they are
// given, so that allocations tell nothing.
const raceEnabled = true
