-- Times are microseconds since 1970. Lists are JSON. Empty text stands for none,
-- except where a column may be NULL.

CREATE TABLE caddyauth_users (
	id             TEXT PRIMARY KEY,
	name           TEXT NOT NULL,
	email          TEXT NOT NULL,
	image          TEXT NOT NULL,
	email_verified INTEGER
) STRICT;

CREATE UNIQUE INDEX caddyauth_users_email ON caddyauth_users (email) WHERE email <> '';

CREATE TABLE caddyauth_accounts (
	provider            TEXT NOT NULL,
	provider_account_id TEXT NOT NULL,
	user_id             TEXT NOT NULL REFERENCES caddyauth_users (id) ON DELETE CASCADE,
	type                TEXT NOT NULL,
	access_token        TEXT NOT NULL,
	refresh_token       TEXT NOT NULL,
	id_token            TEXT NOT NULL,
	token_type          TEXT NOT NULL,
	scope               TEXT NOT NULL,
	session_state       TEXT NOT NULL,
	expires_at          INTEGER NOT NULL,
	PRIMARY KEY (provider, provider_account_id)
) STRICT;

CREATE INDEX caddyauth_accounts_user ON caddyauth_accounts (user_id);

CREATE TABLE caddyauth_sessions (
	id         TEXT PRIMARY KEY,
	token      TEXT NOT NULL,
	user_id    TEXT NOT NULL REFERENCES caddyauth_users (id) ON DELETE CASCADE,
	provider   TEXT NOT NULL,
	account    TEXT NOT NULL,
	expires    INTEGER,
	created    INTEGER,
	seen       INTEGER,
	user_agent TEXT NOT NULL,
	ip         TEXT NOT NULL,
	evidence   TEXT
) STRICT;

CREATE UNIQUE INDEX caddyauth_sessions_token ON caddyauth_sessions (token) WHERE token <> '';
CREATE INDEX caddyauth_sessions_user ON caddyauth_sessions (user_id, id);
CREATE INDEX caddyauth_sessions_expires ON caddyauth_sessions (expires);

CREATE TABLE caddyauth_verification_tokens (
	identifier TEXT NOT NULL,
	token      TEXT NOT NULL,
	expires    INTEGER,
	PRIMARY KEY (identifier, token)
) STRICT;

CREATE INDEX caddyauth_verification_tokens_expires ON caddyauth_verification_tokens (expires);

CREATE TABLE caddyauth_authenticators (
	credential_id       TEXT PRIMARY KEY,
	user_id             TEXT NOT NULL,
	provider_account_id TEXT NOT NULL,
	public_key          BLOB,
	counter             INTEGER NOT NULL,
	device_type         TEXT NOT NULL,
	backed_up           INTEGER NOT NULL,
	transports          TEXT,
	name                TEXT NOT NULL,
	flags               INTEGER NOT NULL,
	aaguid              BLOB,
	created             INTEGER,
	used                INTEGER,
	evidence            TEXT
) STRICT;

CREATE INDEX caddyauth_authenticators_user ON caddyauth_authenticators (user_id);

CREATE TABLE caddyauth_tokens (
	id       TEXT PRIMARY KEY,
	user_id  TEXT NOT NULL,
	hash     TEXT NOT NULL UNIQUE,
	name     TEXT NOT NULL,
	paths    TEXT,
	methods  TEXT,
	expires  INTEGER,
	created  INTEGER,
	used     INTEGER,
	evidence TEXT
) STRICT;

CREATE INDEX caddyauth_tokens_user ON caddyauth_tokens (user_id);
CREATE INDEX caddyauth_tokens_expires ON caddyauth_tokens (expires) WHERE expires IS NOT NULL;

-- Whoever watches has heard everything up to a seq. AUTOINCREMENT never gives
-- out a number twice, also when the row that had it is gone.
CREATE TABLE caddyauth_revocations (
	seq     INTEGER PRIMARY KEY AUTOINCREMENT,
	kind    TEXT NOT NULL,
	subject TEXT NOT NULL,
	at      INTEGER,
	until   INTEGER,
	UNIQUE (kind, subject)
) STRICT;

CREATE INDEX caddyauth_revocations_until ON caddyauth_revocations (until);

CREATE TABLE caddyauth_locks (
	name  TEXT PRIMARY KEY,
	owner TEXT NOT NULL,
	until INTEGER NOT NULL
) STRICT;
