package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/caddyauth/gateway/caddyauth/store/internal/sqlstore"
)

const (
	// callTimeout is how long a call may take. The server gives up a little later,
	// so that it does not go on for nobody.
	callTimeout      = 2500 * time.Millisecond
	statementTimeout = "3s"
	lockTimeout      = "2s"
	// idleTimeout is how long a transaction may wait for us: a node that hangs must
	// not keep rows locked for others.
	idleTimeout = "5s"
	// connections is how many there are at most, besides one for each watcher.
	// The parameter pool_max_conns of the address changes it.
	connections = 10
)

// database is a pool of connections.
type database struct {
	*sqlstore.DB
	pool  *pgxpool.Pool
	reset atomic.Int64 // when all connections were last given up, in Unix nanoseconds

	closing context.Context // done when Close is called
	close   context.CancelFunc
}

// connect makes the pool. It asks nothing of the server yet.
func connect(dsn string) (*database, error) {
	config, err := configure(dsn)
	if err != nil {
		return nil, err
	}
	d := new(database)
	d.closing, d.close = context.WithCancel(context.Background())
	config.ConnConfig.OnPgError = d.onError
	if d.pool, err = pgxpool.NewWithConfig(d.closing, config); err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	db := sql.OpenDB(connector{stdlib.GetPoolConnector(d.pool)})
	db.SetMaxIdleConns(-1) // the pool keeps them
	d.DB = sqlstore.NewDB(db, db, sqlstore.Dialect{
		Name:      "postgres",
		Time:      func(t time.Time) any { return t },
		Now:       "clock_timestamp()",
		Later:     "clock_timestamp() + $3::bigint * interval '1 microsecond'",
		Share:     " FOR KEY SHARE",
		Skip:      " FOR UPDATE SKIP LOCKED",
		Serialize: serialize,
		Timeout:   callTimeout,
		Judge:     judge,
		Lost:      d.lost,
	})
	return d, nil
}

// serialize keeps other migrations out, for as long as it takes. The number is
// any that nobody else uses.
const serialize = `SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0;
	SELECT pg_advisory_xact_lock(7161373263450301299)`

// Close closes the pool and ends those who watch.
func (d *database) Close() error {
	d.close()
	err := d.DB.Close()
	d.pool.Close()
	return err
}

// onError looks at what servers say. One that is read-only was the primary before
// a failover, and a connection to it will not be good for anything again; the
// next one finds the server that is the primary now.
func (d *database) onError(_ *pgconn.PgConn, err *pgconn.PgError) bool {
	if err.Code == codeReadOnly {
		d.lost(false)
	}
	return !strings.EqualFold(err.Severity, "FATAL") // pgx closes the connection then
}

// lost gives up all connections: when one was cut, others most likely were, and
// when nothing comes back, a firewall or a failover may have swallowed the rest
// as well. Many may notice at once, and a server that is only slow must not be
// flooded with new connections, so it is done once in a while.
func (d *database) lost(timeout bool) {
	pause := 50 * time.Millisecond
	if timeout {
		pause = 5 * time.Second
	}
	last, now := d.reset.Load(), time.Now().UnixNano()
	if now-last >= int64(pause) && d.reset.CompareAndSwap(last, now) {
		d.pool.Reset()
	}
}

// configure reads an address and adds our defaults. Errors do not tell the
// password.
func configure(dsn string) (*pgxpool.Config, error) {
	dsn, err := resolve(dsn, literally)
	if err != nil {
		return nil, err
	}
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		// The message is: cannot parse `address`: what is wrong with it
		words := err.Error()
		if i := strings.LastIndex(words, "`: "); i >= 0 {
			words = words[i+len("`: "):]
		}
		return nil, fmt.Errorf("postgres: address: %s", words)
	}
	if !strings.Contains(dsn, "pool_max_conns=") { // in a value, the = is escaped
		config.MaxConns = connections
	}
	config.PingTimeout = time.Second // of a connection that has been idle for a second
	conn := config.ConnConfig
	for name, value := range map[string]string{
		"application_name": "caddyauth", "statement_timeout": statementTimeout, "lock_timeout": lockTimeout,
		"idle_in_transaction_session_timeout": idleTimeout,
	} {
		if _, ok := conn.RuntimeParams[name]; !ok {
			conn.RuntimeParams[name] = value
		}
	}
	if conn.ConnectTimeout == 0 {
		// It is that of one host. A call has to get to another one in time.
		conn.ConnectTimeout = callTimeout
		// The same host is there again for an attempt without TLS.
		if slices.ContainsFunc(conn.Fallbacks, func(f *pgconn.FallbackConfig) bool { return f.Host != conn.Host || f.Port != conn.Port }) {
			conn.ConnectTimeout = time.Second
		}
	}
	return config, nil
}

// connector makes connections.
type connector struct{ driver.Connector }

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, oneLine{err}
	}
	return conn, nil
}

// oneLine is an error of pgx about a connection, which has a line for each
// attempt.
type oneLine struct{ error }

func (e oneLine) Error() string { return strings.Join(strings.Fields(e.error.Error()), " ") }
func (e oneLine) Unwrap() error { return e.error }
