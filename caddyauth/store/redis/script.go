package redis

import (
	"context"
	"crypto/sha1"
	"embed"
	"encoding/hex"
	"errors"
	"io"
	"syscall"

	"github.com/redis/go-redis/v9"

	"github.com/caddyauth/gateway/caddyauth/store"
)

//go:embed lua/*.lua
var luaFiles embed.FS

// script is one atomic step.
type script struct {
	source, hash string
	// repeatable says that running it twice does what running it once does.
	repeatable bool
}

var (
	luaOpen  = repeatable("open")
	luaPing  = repeatable("ping")
	luaRow   = repeatable("row")
	luaList  = repeatable("list")
	luaSweep = repeatable("remove", "sweep")

	luaCreate = once("create")
	luaUpdate = once("update")
	luaDelete = repeatable("remove", "delete")

	luaCreateUser    = once("create_user")
	luaUpdateUser    = once("update_user")
	luaDeleteUser    = repeatable("remove", "delete_user")
	luaUserByEmail   = repeatable("user_by_email")
	luaUserByAccount = repeatable("user_by_account")

	luaCreateSession      = once("own_session", "create_session")
	luaExtendSession      = once("own_session", "extend_session")
	luaDeleteUserSessions = once("remove", "delete_user_sessions")
	luaListSessions       = repeatable("list_sessions")
	luaSessionByID        = repeatable("session_by_id")
	luaSessionByToken     = repeatable("session_by_token")

	luaCreateLink = once("create_link")
	luaUseLink    = once("use_link")

	luaTokenByHash = repeatable("token_by_hash")

	luaRevoke      = repeatable("revoke")
	luaRevocations = repeatable("revocations")

	luaLock   = repeatable("lock")
	luaUnlock = repeatable("unlock")
)

func repeatable(names ...string) *script {
	sc := once(names...)
	sc.repeatable = true
	return sc
}

// once puts a script together. Its files are part of the program: one that is
// missing cannot go unnoticed.
func once(names ...string) *script {
	var source []byte
	for _, name := range append([]string{"common"}, names...) {
		part, err := luaFiles.ReadFile("lua/" + name + ".lua")
		if err != nil {
			panic(err)
		}
		source = append(source, part...)
	}
	sum := sha1.Sum(source) // Redis names scripts so
	return &script{source: string(source), hash: hex.EncodeToString(sum[:])}
}

// find runs a script that returns nothing if there is no such thing, which is
// ErrNotFound.
func (s *Store) find(ctx context.Context, sc *script, args ...any) (any, error) {
	v, err := s.eval(ctx, sc, args...)
	if errors.Is(err, redis.Nil) {
		return nil, store.ErrNotFound
	}
	return v, err
}

// eval runs a script and returns what it does: a string, an int64, or a list of
// these.
func (s *Store) eval(ctx context.Context, sc *script, args ...any) (any, error) {
	select {
	case <-s.closed:
		return nil, errClosed
	default:
	}
	v, err := s.run(ctx, sc, args)
	if err != nil && ctx.Err() == nil && again(sc, err) {
		v, err = s.run(ctx, sc, args)
	}
	if err == nil || errors.Is(err, redis.Nil) {
		return v, err
	}
	if c, ok := s.client.(*redis.ClusterClient); ok {
		// Another node may have what this one had. The client would ask only once
		// a minute.
		c.ReloadState(ctx)
	}
	return nil, s.explain(err)
}

// again tells whether a script should be run a second time: if the server did
// nothing, as a master that has become a replica, or if the connection broke and
// it does not matter what the server did.
func again(sc *script, err error) bool {
	if redis.IsReadOnlyError(err) {
		return true // go-redis has closed the connection: the next one leads to the new master
	}
	return sc.repeatable && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE))
}

// run sends a script to the server.
//
// Scripts make up the names of most of their keys, which is fine where all keys
// have one hash tag. But while a Cluster moves their slot, some are on one node
// and some on another, and a node that does not find a key cannot know that it is
// elsewhere. It knows if a command names two keys and lacks one of them: then it
// answers TRYAGAIN. So each script is given a key that is always there and one
// that never is, the mere prefix.
// https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#multi-keys-operations
func (s *Store) run(ctx context.Context, sc *script, args []any) (any, error) {
	words := make([]any, 0, 5+len(args))
	words = append(words, "evalsha", sc.hash, 2, s.keys[0], s.keys[1])
	words = append(words, args...)
	v, err := s.send(ctx, words)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		// The server was started since, or is another.
		words[0], words[1] = "eval", sc.source
		v, err = s.send(ctx, words)
	}
	return v, err
}

func (s *Store) send(ctx context.Context, words []any) (any, error) {
	cmd := command{redis.NewCmd(ctx, words...)}
	if err := s.client.Process(ctx, cmd); err != nil {
		return nil, err
	}
	return cmd.Result()
}

// command is one that go-redis sends once. It would repeat those of a connection
// that broke, and what a token was used for would be told that there is none.
type command struct{ *redis.Cmd }

// NoRetry overrides that of redis.Cmd.
func (command) NoRetry() bool { return true }

// do runs a script that answers how it went.
func (s *Store) do(ctx context.Context, sc *script, args ...any) error {
	v, err := s.eval(ctx, sc, args...)
	if err != nil {
		return err
	}
	switch v {
	case "ok":
		return nil
	case "missing":
		return store.ErrNotFound
	case "conflict":
		return store.ErrConflict
	}
	return errReply
}
