package bolt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"go.etcd.io/bbolt"
	bberrors "go.etcd.io/bbolt/errors"
)

const (
	// lockTimeout is how long Open waits for another process to let go of the
	// file: one that is being replaced is about to.
	lockTimeout = 2 * time.Second
	lockRetry   = 50 * time.Millisecond

	// minSize is that of the first file that bbolt makes: four pages.
	minSize = 4 * 4096
	// allocSize is by how much the file grows.
	allocSize = 1 << 20
)

// openFile opens a file as soon as nobody else has it.
func openFile(ctx context.Context, path string) (*file, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("bolt: %w", err)
	}
	for end := time.Now().Add(lockTimeout); ; {
		f, err := tryOpen(path, true)
		if !errors.Is(err, ErrLocked) {
			return f, err
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("%w; another caddy, most likely: several can share a store of another kind", err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", err, ctx.Err())
		case <-time.After(lockRetry):
		}
	}
}

// tryOpen opens a file unless somebody else has it. It makes a store of one that
// is missing or empty if it may.
func tryOpen(path string, create bool) (*file, error) {
	had, err := os.Stat(path)
	fresh := errors.Is(err, fs.ErrNotExist)
	if err == nil && had.Mode().IsRegular() && had.Size() < minSize && !(create && had.Size() == 0) {
		return nil, fmt.Errorf("%w: it has %d bytes: %s", ErrDamaged, had.Size(), path)
	}
	f := &file{path: path}
	if err := f.open(); err != nil {
		return nil, f.explain(err)
	}
	err, panicked := guard(f.prepare)
	if err == nil && fresh {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		f.broken.Store(panicked)
		_ = f.close()
		return nil, f.explain(err)
	}
	return f, nil
}

// open has bbolt open the file, and explains why it does not.
func (f *file) open() error {
	options := &bbolt.Options{
		// One attempt: bbolt knows no context.
		Timeout:      time.Millisecond,
		FreelistType: bbolt.FreelistMapType,
		NoStatistics: true,
		OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
			f.os, err = os.OpenFile(name, flag, mode)
			return f.os, err
		},
	}
	// Whoever reads has to wait while a larger part of the file is mapped into
	// memory, so that should be seldom. Windows makes the file that large.
	if strconv.IntSize == 64 && runtime.GOOS != "windows" {
		options.InitialMmapSize = 256 << 20
	}
	err, panicked := guard(func() (err error) {
		f.db, err = bbolt.Open(f.path, 0o600, options)
		return err
	})
	switch {
	case err == nil:
		f.db.AllocSize = allocSize
		return nil
	case panicked:
		unlock(f.os)
		return err
	case errors.Is(err, bberrors.ErrTimeout):
		return fmt.Errorf("%w: %s", ErrLocked, f.path)
	case errors.Is(err, bberrors.ErrInvalid), errors.Is(err, bberrors.ErrVersionMismatch), errors.Is(err, bberrors.ErrChecksum):
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return fmt.Errorf("bolt: opening %s: %w", f.path, err)
}

// syncFolder makes the name of a new file outlast a crash of the machine.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // has no such thing
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// prepare makes the buckets of a new file and looks whether an old one is ours.
func (f *file) prepare() (err error) {
	if f.info, err = f.os.Stat(); err != nil {
		return err
	}
	fresh := false
	err = f.db.View(func(tx *bbolt.Tx) error {
		f.last = tx.ID()
		// A file that was cut short would be noticed by whoever reads its end.
		if size := tx.Size(); size > f.info.Size() {
			return fmt.Errorf("%w: it has %d bytes of %d", ErrDamaged, f.info.Size(), size)
		}
		first, _ := tx.Cursor().First()
		if fresh = first == nil; fresh {
			return nil
		}
		version, err := schema(tx)
		if err != nil {
			return err
		}
		if version > schemaVersion {
			return fmt.Errorf("%w: %s has schema %d, this one knows %d", ErrNewer, f.path, version, schemaVersion)
		}
		return nil
	})
	if err != nil || !fresh {
		return err
	}
	return f.update(func(tx *bbolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return tx.Bucket(meta).Put(schemaKey, strconv.AppendInt(nil, schemaVersion, 10))
	})
}

// schema returns the version of what is in the file.
func schema(tx *bbolt.Tx) (int, error) {
	for _, name := range buckets {
		if tx.Bucket(name) == nil {
			return 0, fmt.Errorf("%w: it has no bucket %q", ErrDamaged, name)
		}
	}
	version, err := strconv.Atoi(string(tx.Bucket(meta).Get(schemaKey)))
	if err != nil || version < 1 {
		return 0, fmt.Errorf("%w: it has no schema version", ErrDamaged)
	}
	return version, nil
}
