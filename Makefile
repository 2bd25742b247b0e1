# Everything that one does in this repository. `make` alone lists it.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

# Without the databases that Caddy's own certificate authority could use: they
# take longer to compile than everything else here.
export GOFLAGS := $(GOFLAGS) -tags=nobadger,nomysql,nopgx

# What is below testdata is left out of ./...
packages := ./... ./testdata/demo/upstream ./testdata/interop/ours/...
staticcheck := honnef.co/go/tools/cmd/staticcheck@v0.7.0

# How long `make fuzz` stays with each target.
FUZZTIME ?= 30s

# Runs the tests of a folder below testdata; one that is skipped is a failure.
define npm-test
	@mkdir -p .run
	cd testdata/$(1)
	export CADDY_BIN="$(CURDIR)/.run/caddy" UPSTREAM_BIN="$(CURDIR)/.run/upstream" MAILSINK_BIN="$(CURDIR)/.run/mailsink"
	timeout 900 npm test -- --test-reporter=spec 2>&1 | tee "$(CURDIR)/.run/$(1).log"
	! grep -E '^(#|ℹ) (skipped|todo|cancelled) [1-9]' "$(CURDIR)/.run/$(1).log"
endef

.PHONY: help run build test test-go test-interop test-conformance test-e2e test-more test-gate test-stores test-ops test-nextjs lint bench fuzz clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Caddy writes its log to the terminal, so the address is told once it listens.
run: .run/caddy ## Start Caddyfile.example on this computer; Ctrl-C ends it
	@address=$$(grep -om1 'http://localhost:[0-9]*' Caddyfile.example)
	@( for _ in {1..150}; do
	@    sleep 0.2
	@    kill -0 $$$$ 2>/dev/null || exit 0
	@    if (: < "/dev/tcp/127.0.0.1/$${address##*:}") 2>/dev/null; then
	@      printf '\n  caddyauth is running.  Open  %s\n  Ctrl-C ends it.\n\n' "$$address"
	@      exit 0
	@    fi
	@  done ) &
	@export XDG_DATA_HOME="$(CURDIR)/.run/data" XDG_CONFIG_HOME="$(CURDIR)/.run/config"
	@exec .run/caddy run --config Caddyfile.example --adapter caddyfile

build: ## Build ./caddy from xcaddy.json, as for a real site
	go run ./cmd/build -o caddy

test: ## Set up what the tests need and run everything but what takes long
	.ci/setup
	$(MAKE) lint test-go test-interop test-conformance test-e2e

# A skipped test fails this run; `go test ./...` alone says what it skips.
test-go: ## Run the Go tests with the race detector
	CADDYAUTH_FULL=1 go test -race -shuffle=on -vet=off -timeout=15m -json $(packages) | go run ./caddyauth/internal/testreq/report

test-interop: ## Let NextAuth and Auth.js read the tokens that are sealed here, and share databases
	$(call npm-test,interop)

test-conformance: .run/caddy .run/mailsink ## Compare caddyauth with the real next-auth 4 and Auth.js
	$(call npm-test,conformance)

test-e2e: .run/caddy .run/upstream .run/mailsink ## Run the browser tests
	$(call npm-test,e2e)

test-more: ## Run what takes longer: hostile paths, failing stores and nodes, more providers, Next.js applications, fuzzing
	.ci/setup more
	$(MAKE) test-gate test-stores test-ops test-nextjs fuzz

test-gate: ## Send a million hostile request targets to generated rules
	CADDYAUTH_FULL=1 CADDYAUTH_MORE=1 go test -count=1 -timeout=2h -v -run='^TestGateProperty$$' ./caddyauth

test-stores: ## Kill stores fifty times while they write, and run every cluster of nodes
	CADDYAUTH_FULL=1 CADDYAUTH_MORE=1 go test -count=1 -timeout=40m -v -run='Crash|Cluster' ./caddyauth/store/... ./caddyauth/internal/cluster

test-ops: ## Sign in with the identity providers that Debian has packages of
	CADDYAUTH_FULL=1 CADDYAUTH_MORE=1 go test -count=1 -timeout=10m -v -run='^TestMore' ./caddyauth

test-nextjs: .run/caddy ## Build Next.js applications and run them behind the gate
	$(call npm-test,nextjs)

lint: ## Check formatting, go vet and staticcheck (staticcheck.conf)
	unformatted=$$(gofmt -s -l caddyauth cmd testdata/demo testdata/interop/ours)
	if [ -n "$$unformatted" ]; then echo "not formatted (gofmt -s -w):"; echo "$$unformatted"; exit 1; fi
	go vet $(packages)
	go run $(staticcheck) $(packages)

bench: ## Measure the gate, and caddyauth beside a plain Caddy under load
	.ci/setup bench
	go test -run='^$$' -bench=. -benchmem ./caddyauth/store/bolt ./caddyauth/store/sqlite ./caddyauth/store/postgres ./caddyauth/store/redis
	go test -run='^$$' -bench=. -benchmem ./caddyauth/jwt ./caddyauth/cookie ./caddyauth/session ./caddyauth/gate ./caddyauth
	go run ./cmd/bench

fuzz: ## Fuzz each target for FUZZTIME (30s)
	@mkdir -p .run
	for package in $$(go list ./...); do
	  for target in $$(go test -list '^Fuzz' "$$package" | grep '^Fuzz' || true); do
	    # At the end of its time go test may call the deadline itself an error. A
	    # failure of the target names the failing input.
	    go test -run='^$$' -fuzz="^$$target$$" -fuzztime=$(FUZZTIME) "$$package" 2>&1 | tee .run/fuzz.log ||
	      { grep -qx ' *context deadline exceeded' .run/fuzz.log && ! grep -qE 'Failing input|panic|_test.go:' .run/fuzz.log; }
	  done
	done

clean: ## Remove what the other targets have made
	rm -rf .run caddy testdata/*/node_modules testdata/e2e/screenshots testdata/nextjs/*/node_modules testdata/nextjs/*/.next

# The go command knows best what has to be built again.
.PHONY: .run/caddy .run/upstream .run/mailsink
.run/caddy:
	go build -o $@ ./cmd/caddy
.run/upstream:
	go build -o $@ ./testdata/demo/upstream
.run/mailsink:
	go build -o $@ ./caddyauth/internal/testsmtp/mailsink

.ONESHELL:
