package provider

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// realm condenses what makes a provider the same one wherever its id is used
// into a word that sessions can carry.
func realm(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:6])
}
