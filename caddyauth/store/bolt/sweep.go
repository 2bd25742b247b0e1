package bolt

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"go.etcd.io/bbolt"
)

// sweepPage is how many rows are looked at in one transaction: nobody has to
// wait for a sweep.
const sweepPage = 1000

// mayExpire is what all rows have in common that can expire. It takes a third of
// the time to decode.
type mayExpire struct {
	Expires time.Time `json:"expires"`
	Until   time.Time `json:"until"`
}

// Sweep implements [store.Driver]. It looks at every row that can expire, some
// 100,000 in a second.
func (s *Store) Sweep(ctx context.Context, now time.Time) error {
	expired := func(v []byte) (bool, error) {
		var r mayExpire
		if err := json.Unmarshal(v, &r); err != nil {
			return false, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		end := r.Expires
		if end.IsZero() {
			end = r.Until
		}
		return !end.IsZero() && !end.After(now), nil
	}
	for _, kind := range []struct {
		bucket []byte
		drop   func(*bbolt.Tx, []byte) error
	}{
		{sessions, dropSession}, {links, dropFrom(links)}, {tokens, dropToken}, {revocations, dropFrom(revocations)},
	} {
		if err := s.sweep(ctx, kind.bucket, expired, kind.drop); err != nil {
			return err
		}
	}
	return nil
}

func dropFrom(bucket []byte) func(*bbolt.Tx, []byte) error {
	return func(tx *bbolt.Tx, k []byte) error { return tx.Bucket(bucket).Delete(k) }
}

// sweep removes from one bucket what has expired.
func (s *Store) sweep(ctx context.Context, bucket []byte, expired func([]byte) (bool, error), drop func(*bbolt.Tx, []byte) error) error {
	var next []byte // where to go on; nil at the beginning and at the end
	for {
		var found [][]byte
		err := s.view(ctx, func(tx *bbolt.Tx) error {
			c := tx.Bucket(bucket).Cursor()
			k, v := c.Seek(next)
			for range sweepPage {
				if k == nil {
					break
				}
				over, err := expired(v)
				if err != nil {
					return err
				}
				if over {
					found = append(found, bytes.Clone(k))
				}
				k, v = c.Next()
			}
			next = bytes.Clone(k)
			return nil
		})
		if err != nil {
			return err
		}
		if err := s.drop(ctx, bucket, found, expired, drop); err != nil || next == nil {
			return err
		}
	}
}

// drop removes those that have expired still: some may have been extended since.
func (s *Store) drop(ctx context.Context, bucket []byte, keys [][]byte, expired func([]byte) (bool, error), drop func(*bbolt.Tx, []byte) error) error {
	if len(keys) == 0 {
		return nil
	}
	return s.update(ctx, func(tx *bbolt.Tx) error {
		for _, k := range keys {
			v := tx.Bucket(bucket).Get(k)
			if v == nil {
				continue
			}
			over, err := expired(v)
			if err == nil && over {
				err = drop(tx, k)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}
