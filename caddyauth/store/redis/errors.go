package redis

import (
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// meanings say in plain words what servers answer with a code or sentence.
var meanings = []struct{ code, text string }{
	{"NOAUTH", "the server wants a password"},
	{"WRONGPASS", "the server does not accept the user or the password"},
	{"ERR invalid password", "the server does not accept the password"},
	{"ERR AUTH", "the server does not accept the user or the password"},
	{"NOPERM", "the user lacks a right on the server"},
	{"READONLY", "the server is a replica, which takes no writes"},
	{"LOADING", "the server is still loading its data"},
	{"MASTERDOWN", "the server is a replica that has lost its master"},
	{"NOREPLICAS", "the server has too few replicas to take writes"},
	{"OOM", "the server's memory is full"},
	{"MISCONF", "the server cannot save its data and takes no writes"},
	{"BUSY", "the server is busy with a script"},
	{"CLUSTERDOWN", "the cluster is down"},
	{"TRYAGAIN", "the cluster is moving the store to another node"},
	{"ERR Script attempted to access a non local key", "the cluster is moving the store to another node"},
	{"CROSSSLOT", "the server is part of a cluster, whose URL begins with redis+cluster://"},
	{"MOVED", "the server is part of a cluster, whose URL begins with redis+cluster://"},
	{"ERR This instance has cluster support disabled", "the server is no cluster, so its URL begins with redis://"},
	{"ERR DB index", "the server has no such database"},
	{"ERR max number of clients", "the server has too many clients"},
	{"ERR unknown command", "the server does not know the command; if it is a sentinel, its URL begins with redis+sentinel://"},
}

// explain makes an error of go-redis one for people.
func (s *Store) explain(err error) error {
	return s.target.conceal(explain(err))
}

func explain(err error) error {
	if errors.Is(err, redis.ErrPoolTimeout) {
		return fmt.Errorf("redis: all connections are busy: %w", err)
	}
	var answer redis.Error
	if !errors.As(err, &answer) {
		return fmt.Errorf("redis: %w", err)
	}
	for _, m := range meanings {
		// Servers before Redis 7 put an error of a script into one of their own.
		if said := answer.Error(); strings.HasPrefix(said, m.code) || strings.Contains(said, ": -"+m.code) {
			return fmt.Errorf("redis: %s: %w", m.text, err)
		}
	}
	return fmt.Errorf("redis: %w", err)
}

// conceal returns an error without the passwords. Servers repeat commands that
// they do not know, and they need not be Redis.
func (t *target) conceal(err error) error {
	text := err.Error()
	for _, secret := range []string{t.password, t.sentinelPassword} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	if text == err.Error() {
		return err
	}
	return &concealed{text, err}
}

// concealed is an error that can be recognized, but not unwrapped and shown.
type concealed struct {
	text string
	err  error
}

// Error implements error.
func (c *concealed) Error() string { return c.text }

// Is lets errors.Is look inside.
func (c *concealed) Is(target error) bool { return errors.Is(c.err, target) }
