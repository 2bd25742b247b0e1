package sqlite

import (
	"errors"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/caddyauth/gateway/caddyauth/store/internal/sqlstore"
)

// judge tells what a result code means (https://www.sqlite.org/rescode.html).
func judge(err error) (sqlstore.Kind, string) {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return sqlstore.Other, ""
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return sqlstore.Conflict, ""
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return sqlstore.Orphan, ""
	}
	// The low byte is the primary code.
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return sqlstore.Busy, "another process has kept the file locked for too long"
	case sqlite3.SQLITE_READONLY:
		return sqlstore.Other, "the file or its directory cannot be written to"
	case sqlite3.SQLITE_FULL:
		return sqlstore.Other, "there is no space left for it"
	case sqlite3.SQLITE_NOTADB:
		return sqlstore.Other, "this is no SQLite database"
	case sqlite3.SQLITE_CORRUPT:
		return sqlstore.Other, "the file is damaged: put a backup in its place"
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH:
		return sqlstore.Other, "the file cannot be opened"
	case sqlite3.SQLITE_IOERR:
		return sqlstore.Other, "reading or writing the file failed"
	}
	return sqlstore.Other, ""
}
