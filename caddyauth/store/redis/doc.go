// Package redis keeps everything in Redis or Valkey: one server, one that
// Sentinel watches, or a Cluster. It adds the module caddyauth.stores.redis to
// Caddy.
//
// # URLs
//
//	redis://[[user]:password@]host[:port][/database]
//	unix://[[user]:password@]/path/of.sock[?db=database]
//	redis+sentinel://[[user]:password@]host[:port][,...]/master[/database]
//	redis+cluster://[[user]:password@]host[:port][,...]
//
// With rediss instead of redis, connections are encrypted. After a question mark
// may follow, separated by ampersands:
//
//	prefix             begins all keys; default "caddyauth:"
//	pool_size          how many connections there may be; default 10 for each
//	                   processor, but at least 16 and at most 64
//	ca                 file of the certificate authorities to trust instead of
//	                   the system's
//	cert, key          files of the client's certificate and key
//	sentinel_user,     what the sentinels want to know, if they do
//	sentinel_password
//
// What comes before the last @ is user and password, so only a percent sign
// before two hexadecimal digits, and a colon in the user's name, have to be
// written as %25 and %3A. An @ further on is %40.
//
// # What the server needs
//
// Redis keeps in memory what it acknowledges. With "appendonly yes" and
// "appendfsync always" it is on the disk as well by then. With "appendfsync
// everysec" it is faster, but a crash or power failure can lose what was
// acknowledged in the last two seconds, also that a session was ended. With
// replicas, "min-replicas-to-write 1" bounds what a failover can lose. If the
// memory is bounded, it must be by "maxmemory-policy noeviction": any other lets
// Redis forget sessions, and what was revoked. [Open] logs a warning if nothing is
// written to the disk, or something may be forgotten.
//
// A user that is nobody else's needs these rights:
//
//	ACL SETUSER name on >password ~caddyauth:* &caddyauth:* +@all -@dangerous +info
//
// In a Cluster, every node needs the user, and the patterns are ~{caddyauth}:* and
// &{caddyauth}:*.
//
// # Cluster
//
// Nearly every step touches several keys, and must be done as a whole or not at
// all. A Cluster can do so only within one of its slots, so all keys have the
// same hash tag there: the prefix, without a colon at its end, is in braces. A
// Cluster therefore keeps the store alive when nodes fail, but one node has all
// of it. While that slot is moved to another node, calls fail.
//
// # Time
//
// What expires is judged by the times that callers give. Redis removes it too,
// but later: a session that nobody extends is gone one hour after its end at the
// earliest.
package redis
