package testdb

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// RedisCluster is a Redis Cluster of three masters, on ports of 127.0.0.1.
type RedisCluster struct {
	// URL names two of the nodes, as "store redis" takes it.
	URL string
	// Masters are the nodes that share the slots. Replicas has one of each, if
	// there are any.
	Masters, Replicas []*RedisServer
}

// clusterSlots is how many slots all clusters have.
const clusterSlots = 16384

// StartRedisCluster starts a cluster, which the end of the test ends.
func StartRedisCluster(t testing.TB, replicas bool, settings ...string) *RedisCluster {
	t.Helper()
	c := new(RedisCluster)
	buses := make(map[*RedisServer]string)
	node := func() *RedisServer {
		bus := strconv.Itoa(freePort(t))
		s := Redis(t, append([]string{
			"cluster-enabled", "yes", "cluster-port", bus, "cluster-node-timeout", "1000",
			"cluster-replica-validity-factor", "0",
		}, settings...)...)
		buses[s] = bus
		return s
	}
	const masters = 3
	for i := range masters {
		s := node()
		c.Masters = append(c.Masters, s)
		s.Do("CLUSTER", "ADDSLOTSRANGE", i*clusterSlots/masters, (i+1)*clusterSlots/masters-1)
		s.Do("CLUSTER", "SET-CONFIG-EPOCH", i+1)
	}
	for range c.Masters {
		if replicas {
			c.Replicas = append(c.Replicas, node())
		}
	}
	c.URL = fmt.Sprintf("redis+cluster://%s,%s", loopback(c.Masters[0].Port), loopback(c.Masters[1].Port))

	first, all := c.Masters[0], append(c.Masters[1:masters:masters], c.Replicas...)
	for _, s := range all {
		s.Do("CLUSTER", "MEET", "127.0.0.1", first.Port, buses[first])
	}
	for _, s := range append(all, first) {
		await(t, "the cluster knows itself", func() bool {
			info := s.Do("CLUSTER", "INFO")
			return strings.Contains(info, "cluster_state:ok") &&
				strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d", len(all)+1))
		})
	}
	for i, s := range c.Replicas {
		s.Do("CLUSTER", "REPLICATE", c.Masters[i].Do("CLUSTER", "MYID"))
	}
	for _, s := range c.Replicas {
		awaitReplica(t, s)
	}
	return c
}

// Owner returns the master that has a key, and its replica, if there is one.
func (c *RedisCluster) Owner(key string) (master, replica *RedisServer) {
	slot, err := strconv.Atoi(c.Masters[0].Do("CLUSTER", "KEYSLOT", key))
	fatal(c.Masters[0].t, err)
	var i int
	for slot >= (i+1)*clusterSlots/len(c.Masters) {
		i++
	}
	if i < len(c.Replicas) {
		replica = c.Replicas[i]
	}
	return c.Masters[i], replica
}

// RedisSentinel is a master, its replica, and one sentinel that watches them.
type RedisSentinel struct {
	// URL is that of the sentinel, as "store redis" takes it. The master's name is
	// "main".
	URL string
	// Master and Replica are what they were at the start.
	Master, Replica *RedisServer
}

// StartRedisSentinel starts the three, which the end of the test ends. The
// sentinel makes the replica the master about two seconds after the master is gone.
func StartRedisSentinel(t testing.TB) *RedisSentinel {
	t.Helper()
	s := &RedisSentinel{Master: Redis(t)}
	s.Replica = Redis(t, "replicaof", "127.0.0.1 "+strconv.Itoa(s.Master.Port))
	awaitReplica(t, s.Replica)

	port := freePort(t)
	s.URL = "redis+sentinel://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) + "/main"
	p := startRedis(t, redisFile(t, "sentinel.conf",
		"port "+strconv.Itoa(port), "bind 127.0.0.1",
		"sentinel monitor main 127.0.0.1 "+strconv.Itoa(s.Master.Port)+" 1",
		"sentinel down-after-milliseconds main 1000",
		"sentinel failover-timeout main 5000",
	), "--sentinel")
	t.Cleanup(p.kill)
	awaitRedis(t, p, port)
	await(t, "the sentinel knows the replica", func() bool {
		info, err := askRedis(port, "INFO", "sentinel")
		return err == nil && strings.Contains(info, "slaves=1")
	})
	return s
}

// awaitReplica waits until a replica has what its master has.
func awaitReplica(t testing.TB, s *RedisServer) {
	t.Helper()
	await(t, "the replica follows its master", func() bool {
		return strings.Contains(s.Do("INFO", "replication"), "master_link_status:up")
	})
}

func await(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for range 600 {
		if cond() {
			return
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatalf("not within 15 seconds: %s", what)
}
