package limit

import (
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// maxAccount is how much of a name counts. Longer names are nobody's, and must
// not cost more to fold than to refuse.
const maxAccount = 256

// AccountKey names an account whatever the spelling: case, full-width letters
// and composed or decomposed accents do not open another bucket.
func AccountKey(name string) string {
	if len(name) > maxAccount {
		name = name[:maxAccount]
	}
	// Folding can undo normalization, so that comes last too.
	return norm.NFKC.String(cases.Fold().String(norm.NFKC.String(name)))
}
