//go:build !unix || solaris || aix

package bolt

import "os"

// unlock lets others have a file that bbolt has locked and cannot unlock.
func unlock(f *os.File) { _ = f.Close() }
