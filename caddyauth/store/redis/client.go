package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"go.uber.org/zap"
)

const (
	// timeout is how long connecting, sending, the answer, and the wait for a free
	// connection may take, each.
	timeout = time.Second
	// reload is how often a client asks a Cluster which node has what, besides
	// when it is told or something fails.
	reload = 10 * time.Second
)

// newClient returns a client that has not connected to anything. It does not
// retry: what may have been done is not done twice, see again.
func newClient(t target) (redis.UniversalClient, error) {
	config, err := tlsConfig(t)
	if err != nil {
		return nil, err
	}
	size := t.poolSize
	if size == 0 {
		size = min(max(10*runtime.GOMAXPROCS(0), 16), 64)
	}
	o := &redis.UniversalOptions{
		Addrs: t.addresses, DB: t.database, MasterName: t.master, TLSConfig: config,
		Username: t.user, Password: t.password,
		SentinelUsername: t.sentinelUser, SentinelPassword: t.sentinelPassword,

		DialTimeout: timeout, ReadTimeout: timeout, WriteTimeout: timeout, PoolTimeout: timeout,
		ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1,
		PoolSize: size, MaxActiveConns: size, PipelinePoolSize: -1,

		// Nothing is asked of the server beyond what is needed, which it may forbid.
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	switch t.kind {
	case cluster:
		c := o.Cluster()
		c.ClusterStateReloadInterval = reload
		c.DisableRoutingPolicies = true // all that is sent has a key
		return redis.NewClusterClient(c), nil
	case sentinel:
		return redis.NewFailoverClient(o.Failover()), nil
	}
	simple := o.Simple()
	simple.Network = t.network
	return redis.NewClient(simple), nil
}

// tlsConfig is nil for connections that are not encrypted. The files are read
// each time the store is opened.
func tlsConfig(t target) (*tls.Config, error) {
	if !t.encrypted {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12} // the name is that of the address
	if t.ca != "" {
		pem, err := os.ReadFile(t.ca)
		if err != nil {
			return nil, fmt.Errorf("redis: ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("redis: ca: %s has no certificates", t.ca)
		}
	}
	if t.cert != "" {
		pair, err := tls.LoadX509KeyPair(t.cert, t.key)
		if err != nil {
			return nil, fmt.Errorf("redis: cert and key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// inspect warns of what could make the server lose what it acknowledged. A server
// that does not want to tell is not asked again.
func (s *Store) inspect(ctx context.Context, log *zap.Logger) error {
	var c interface {
		Info(context.Context, ...string) *redis.StringCmd
	} = s.client
	if all, ok := s.client.(*redis.ClusterClient); ok {
		node, err := all.MasterForKey(ctx, s.prefix)
		if err != nil {
			return s.explain(err)
		}
		c = node
	}
	info, err := c.Info(ctx).Result()
	var refused redis.Error
	switch {
	case errors.As(err, &refused):
		return nil
	case err != nil:
		return s.explain(err)
	}
	said := make(map[string]string)
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		said[name] = value
	}
	if said["role"] == "slave" {
		return errors.New("redis: the server is a replica, which takes no writes")
	}
	if log == nil {
		return nil
	}
	if policy := said["maxmemory_policy"]; policy != "noeviction" && policy != "" && said["maxmemory"] != "0" {
		log.Warn("redis may forget sessions and revocations when its memory is full",
			zap.String("maxmemory_policy", policy), zap.String("advice", "set maxmemory-policy to noeviction"))
	}
	if said["aof_enabled"] == "0" {
		log.Warn("redis may lose what it acknowledged when it crashes",
			zap.String("advice", "set appendonly to yes"))
	}
	return nil
}
