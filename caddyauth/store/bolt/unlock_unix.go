//go:build unix && !solaris && !aix

package bolt

import (
	"os"
	"syscall"
)

// unlock lets others have a file that bbolt has locked and cannot unlock. Closing
// it is not enough while a part of it is mapped into memory.
func unlock(f *os.File) {
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
	_ = f.Close()
}
