package bolt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime/debug"
	"sync/atomic"

	"go.etcd.io/bbolt"
	bberrors "go.etcd.io/bbolt/errors"
)

// file is a file that is open.
type file struct {
	path string
	db   *bbolt.DB
	os   *os.File
	info os.FileInfo
	// last is the last transaction that wrote. Only the writer looks at it.
	last int
	// broken says that bbolt must not be called any more: it may have its locks
	// still, or has another idea of what is in the file than the file itself.
	broken atomic.Bool
}

// view reads.
func (f *file) view(do func(*bbolt.Tx) error) error {
	if f.broken.Load() {
		return f.explain(ErrDamaged)
	}
	begun := false
	err, panicked := guard(func() error {
		return f.db.View(func(tx *bbolt.Tx) error {
			begun = true
			return do(tx)
		})
	})
	if panicked && !begun {
		f.broken.Store(true)
	}
	return f.explain(err)
}

// update writes. Only the writer calls it.
func (f *file) update(do func(*bbolt.Tx) error) error {
	err, panicked := guard(func() error {
		return f.db.Update(func(tx *bbolt.Tx) error {
			// Somebody may have copied another file over this one. bbolt knows
			// which pages are free in the old one.
			if tx.ID() != f.last+1 {
				f.broken.Store(true)
				return ErrMoved
			}
			return do(tx)
		})
	})
	switch {
	case panicked:
		f.broken.Store(true)
	case err == nil:
		f.last++
	}
	return f.explain(err)
}

// explain adds the path to what a person has to look into.
func (f *file) explain(err error) error {
	if errors.Is(err, ErrDamaged) || errors.Is(err, ErrMoved) {
		return fmt.Errorf("%w: %s", err, f.path)
	}
	return err
}

// guard turns what bbolt does with pages that make no sense into an error. It
// panics at some, and reads where the file has no bytes at others, which would
// end the process.
func guard(f func() error) (err error, panicked bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err, panicked = fmt.Errorf("%w: %v", ErrDamaged, p), true
		}
	}()
	return f(), false
}

// moved tells if the path does not lead to the file any more; missing, if it
// leads nowhere.
func (f *file) moved() (missing bool, err error) {
	now, err := os.Stat(f.path)
	if missing = errors.Is(err, fs.ErrNotExist); missing || err == nil && !os.SameFile(now, f.info) {
		err = f.explain(ErrMoved)
	}
	return missing, err
}

// close lets others open the file. It waits for whoever reads.
func (f *file) close() error {
	if !f.broken.Load() {
		err, panicked := guard(f.db.Close)
		if !panicked {
			return err
		}
	}
	unlock(f.os)
	return nil
}

// isClosed reports whether an error is that of a file that was closed.
func isClosed(err error) bool { return errors.Is(err, bberrors.ErrDatabaseNotOpen) }
