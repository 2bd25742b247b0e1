// Package nearest finds the word that somebody probably meant.
package nearest

// Word returns the known word closest to the one written, "" if none is close
// enough to be worth a guess. Of equally close ones the first listed wins.
//
// Close means at most two edits, and fewer than half of the written word's
// letters, so that a short word does not suggest an unrelated one.
func Word(written string, known []string) string {
	best, limit := "", min(2, (len(written)-1)/2)
	for _, k := range known {
		if d := distance(written, k, limit); d <= limit && (best == "" || d < limit) {
			best, limit = k, d
		}
	}
	return best
}

// distance counts insertions, deletions, replacements and swaps of neighbors
// (optimal string alignment). Beyond the limit it returns any number above it.
func distance(a, b string, limit int) int {
	if d := len(a) - len(b); d > limit || -d > limit {
		return limit + 1
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, before
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
