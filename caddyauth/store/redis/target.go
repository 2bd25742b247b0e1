package redis

import (
	"strconv"
	"strings"
)

// DefaultPrefix begins all keys where the URL says nothing else.
const DefaultPrefix = "caddyauth:"

type kind int

const (
	single kind = iota
	sentinel
	cluster
)

// target is what a URL says.
type target struct {
	kind      kind
	network   string // "tcp" or "unix"
	addresses []string
	encrypted bool

	user, password string
	// master is the name that the sentinels know it by.
	master   string
	database int

	prefix                         string
	poolSize                       int
	ca, cert, key                  string
	sentinelUser, sentinelPassword string
}

// schemes are how URLs begin.
var schemes = map[string]target{
	"redis":           {kind: single, network: "tcp"},
	"rediss":          {kind: single, network: "tcp", encrypted: true},
	"unix":            {kind: single, network: "unix"},
	"redis+sentinel":  {kind: sentinel, network: "tcp"},
	"rediss+sentinel": {kind: sentinel, network: "tcp", encrypted: true},
	"redis+cluster":   {kind: cluster, network: "tcp"},
	"rediss+cluster":  {kind: cluster, network: "tcp", encrypted: true},
}

// keyPrefix begins all keys of the store, with a hash tag for a Cluster.
func (t *target) keyPrefix() string {
	name := strings.TrimSuffix(t.prefix, ":")
	if t.kind == cluster {
		name = "{" + name + "}"
	}
	return name + ":"
}

// String is the URL without its passwords and files.
func (t *target) String() string {
	var b strings.Builder
	for scheme, like := range schemes {
		if like.kind == t.kind && like.network == t.network && like.encrypted == t.encrypted {
			b.WriteString(scheme + "://")
		}
	}
	if t.user != "" {
		b.WriteString(t.user + "@")
	}
	b.WriteString(strings.Join(t.addresses, ","))
	if t.kind == sentinel {
		b.WriteString("/" + t.master)
	}
	if t.database != 0 {
		b.WriteString("/" + strconv.Itoa(t.database))
	}
	return b.String() + "?prefix=" + t.prefix
}

// consistent tells what does not fit together.
func (t *target) consistent() error {
	switch {
	case t.prefix == "" || strings.Trim(t.prefix, ":") == "" || len(t.prefix) > 64 || strings.ContainsAny(t.prefix, "{}"):
		return errPrefix
	case t.poolSize < 0 || t.poolSize > 1000:
		return errPoolSize
	case (t.cert == "") != (t.key == ""):
		return errKeyPair
	case !t.encrypted && (t.ca != "" || t.cert != ""):
		return errFiles
	case t.kind != sentinel && t.sentinelPassword != "", t.sentinelUser != "" && t.sentinelPassword == "":
		return errSentinel
	}
	return nil
}
