package caddyauth

import "time"

// SetRotation makes the rotations of configurations that are loaded from here on
// quick. It returns what undoes it.
func SetRotation(lead, reread, margin time.Duration) (undo func()) {
	before := defaultPacing
	defaultPacing = pacing{lead, reread, margin}
	return func() { defaultPacing = before }
}
