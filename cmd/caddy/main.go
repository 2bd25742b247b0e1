// Command caddy is Caddy with caddyauth and its leaf modules, as xcaddy would
// build it. It serves the demo and the tests; sites build their own with xcaddy,
// without the development provider.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	// What a plain Caddy has.
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddyauth/gateway/caddyauth"
	_ "github.com/caddyauth/gateway/caddyauth/provider/devidp"
	_ "github.com/caddyauth/gateway/caddyauth/provider/webauthn"
	_ "github.com/caddyauth/gateway/caddyauth/store/postgres"
	_ "github.com/caddyauth/gateway/caddyauth/store/redis"
	_ "github.com/caddyauth/gateway/caddyauth/store/sqlite"
)

func main() { caddycmd.Main() }
