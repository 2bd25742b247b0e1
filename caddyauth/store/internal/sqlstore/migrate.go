package sqlstore

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// Schema is a set of tables that belong together and what made them: files named
// 0001_name.sql and so on, each of which takes the tables one version further.
type Schema struct {
	Name  string
	Files fs.FS
}

const createVersions = `
CREATE TABLE IF NOT EXISTS caddyauth_schema (
	name    text PRIMARY KEY,
	version integer NOT NULL
)`

// Migrate brings schemas to the versions that this program knows. Of several
// programs that do so at once, one does it and the others wait. Schemas of newer
// programs are refused.
func (db *DB) Migrate(ctx context.Context, schemas ...Schema) error {
	steps := make([][]string, len(schemas))
	for i, s := range schemas {
		var err error
		if steps[i], err = s.steps(); err != nil {
			return err
		}
	}
	// Whoever may not create tables can use them when they are there.
	if have, err := versions(ctx, db); err == nil {
		current := true
		for i, s := range schemas {
			if have[s.Name] > len(steps[i]) {
				return db.Explain(ctx, newer(s.Name, have[s.Name], len(steps[i])))
			}
			current = current && have[s.Name] == len(steps[i])
		}
		if current {
			return nil
		}
	}
	// The time that changing tables takes is not the time that a call may take.
	unhurried := &DB{dialect: db.dialect, read: db.read, write: db.write}
	unhurried.dialect.Timeout = 0
	return unhurried.Tx(ctx, func(ctx context.Context, tx *Tx) error {
		return db.migrate(ctx, tx, schemas, steps)
	})
}

func (db *DB) migrate(ctx context.Context, tx *Tx, schemas []Schema, steps [][]string) error {
	if db.dialect.Serialize != "" {
		if err := tx.Script(ctx, db.dialect.Serialize); err != nil {
			return err
		}
	}
	if err := tx.Script(ctx, createVersions); err != nil {
		return err
	}
	have, err := versions(ctx, tx)
	if err != nil {
		return err
	}
	for i, s := range schemas {
		from := have[s.Name]
		if from > len(steps[i]) {
			return newer(s.Name, from, len(steps[i]))
		}
		for n, step := range steps[i][from:] {
			if err := tx.Script(ctx, step); err != nil {
				return fmt.Errorf("schema %q, version %d: %w", s.Name, from+n+1, err)
			}
		}
		const keep = `INSERT INTO caddyauth_schema (name, version) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET version = excluded.version`
		if err := tx.Insert(ctx, keep, s.Name, int64(len(steps[i]))); err != nil {
			return err
		}
	}
	return nil
}

func newer(name string, have, know int) error {
	return fmt.Errorf("the tables of schema %q have version %d, and this program knows versions up to %d only: "+
		"a newer one has changed them, so use that one, or another database", name, have, know)
}

// versions are those that the tables in the database have.
func versions(ctx context.Context, q Querier) (map[string]int, error) {
	type version struct {
		name string
		n    int
	}
	list, err := Many(ctx, q, func(row Row, v *version) error { return row.Scan(&v.name, &v.n) },
		"SELECT name, version FROM caddyauth_schema")
	have := make(map[string]int)
	for _, v := range list {
		have[v.name] = v.n
	}
	return have, err
}

// steps are the contents of the files in their order, which must have no gaps.
func (s Schema) steps() ([]string, error) {
	names, err := fs.Glob(s.Files, "*.sql") // sorted
	if err != nil {
		return nil, err
	}
	var steps []string
	for i, name := range names {
		number, _, _ := strings.Cut(path.Base(name), "_")
		if n, err := strconv.Atoi(number); err != nil || n != i+1 || len(number) != 4 {
			return nil, fmt.Errorf("schema %q: %s is not version %d", s.Name, name, i+1)
		}
		b, err := fs.ReadFile(s.Files, name)
		if err != nil {
			return nil, err
		}
		steps = append(steps, string(b))
	}
	if len(steps) == 0 {
		return nil, fmt.Errorf("schema %q: no files", s.Name)
	}
	return steps, nil
}
