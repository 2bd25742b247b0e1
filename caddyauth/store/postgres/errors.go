package postgres

import (
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/caddyauth/gateway/caddyauth/store/internal/sqlstore"
)

const (
	codeReadOnly = "25006"
	codeProtocol = "08P01"
)

// meanings are those of PostgreSQL's error codes
// (https://www.postgresql.org/docs/current/errcodes-appendix.html).
var meanings = map[string]struct {
	kind  sqlstore.Kind
	words string
}{
	"23505":      {sqlstore.Conflict, ""},
	"23503":      {sqlstore.Orphan, ""},
	"40001":      {sqlstore.Busy, "other transactions are in the way"},
	"40P01":      {sqlstore.Busy, "other transactions are in the way"},
	"55P03":      {sqlstore.Other, "another transaction is in the way for too long"},
	"57014":      {sqlstore.Other, "the server took too long"},
	"57P01":      {sqlstore.Gone, "the server is being shut down"},
	"57P02":      {sqlstore.Gone, "the server has crashed"},
	"57P03":      {sqlstore.Other, "the server is starting or stopping"},
	"57P05":      {sqlstore.Gone, "the server has ended an idle connection"},
	"25P03":      {sqlstore.Gone, "the server has ended an idle transaction"},
	"53100":      {sqlstore.Other, "the server's disk is full"},
	"53300":      {sqlstore.Other, "the server has too many connections"},
	"28000":      {sqlstore.Other, "the server does not let this user in"},
	"28P01":      {sqlstore.Other, "wrong user or password"},
	"3D000":      {sqlstore.Other, "there is no such database"},
	"42501":      {sqlstore.Other, "the database user lacks a permission"},
	"42P01":      {sqlstore.Other, "a table is missing"},
	"42703":      {sqlstore.Other, "a table has other columns"},
	codeReadOnly: {sqlstore.Other, "the server is read-only"},
}

// judge tells what an error means.
func judge(err error) (sqlstore.Kind, string) {
	var refused *pgconn.PgError
	var connecting *pgconn.ConnectError
	var network net.Error
	switch {
	case errors.As(err, &refused):
		if refused.Code == codeProtocol && strings.Contains(refused.Message, "startup parameter") {
			return sqlstore.Other, "the connection pooler must ignore the startup parameters statement_timeout, lock_timeout and idle_in_transaction_session_timeout"
		}
		m := meanings[refused.Code]
		return m.kind, m.words
	case errors.As(err, &connecting):
		return sqlstore.Other, ""
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, pgconn.ErrConnClosed), errors.Is(err, net.ErrClosed),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &network):
		return sqlstore.Gone, "the connection was lost"
	}
	return sqlstore.Other, ""
}
