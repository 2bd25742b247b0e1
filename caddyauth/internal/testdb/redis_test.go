package testdb

import (
	"strings"
	"testing"
)

func TestRedis(t *testing.T) {
	s := Redis(t, "maxmemory", "100mb", "appendfsync", "always")
	if got := s.Do("INFO", "memory"); !strings.Contains(got, "maxmemory:104857600\r\n") {
		t.Errorf("the settings are not in force: %s", got)
	}
	s.Do("SET", "k", "v")
	for name, end := range map[string]func(){"stop": s.Stop, "kill": s.Kill} {
		end()
		if _, err := askRedis(s.Port, "PING"); err == nil {
			t.Errorf("%s: the server still answers", name)
		}
		end() // there is nothing left to end
		s.Start()
		if got := s.Do("GET", "k"); got != "v" {
			t.Errorf("%s: k is %q afterwards", name, got)
		}
	}
}

func TestRedisCluster(t *testing.T) {
	c := StartRedisCluster(t, true)
	for _, key := range []string{"a", "b", "c", "{caddyauth}:x"} {
		master, replica := c.Owner(key)
		master.Do("SET", key, "v")
		if id := master.Do("CLUSTER", "MYID"); !strings.Contains(replica.Do("CLUSTER", "NODES"), "myself,slave "+id) {
			t.Errorf("%d is no replica of %d", replica.Port, master.Port)
		}
	}
}

func TestRedisSentinel(t *testing.T) {
	s := StartRedisSentinel(t)
	s.Master.Do("SET", "k", "v")
	await(t, "the replica has the key", func() bool { return s.Replica.Do("EXISTS", "k") == "1" })
	s.Master.Kill()
	await(t, "the replica takes over", s.Replica.Leads)
	if got := s.Replica.Do("GET", "k"); got != "v" {
		t.Errorf("k is %q", got)
	}
}
