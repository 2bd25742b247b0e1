-- Empty text stands for none, except where a column may be NULL. The collation
-- "C" orders ids byte by byte in every database.

CREATE TABLE caddyauth_users (
	id             text COLLATE "C" PRIMARY KEY,
	name           text NOT NULL,
	email          text COLLATE "C" NOT NULL,
	image          text NOT NULL,
	email_verified timestamptz
);

CREATE UNIQUE INDEX caddyauth_users_email ON caddyauth_users (email) WHERE email <> '';

CREATE TABLE caddyauth_accounts (
	provider            text COLLATE "C" NOT NULL,
	provider_account_id text COLLATE "C" NOT NULL,
	user_id             text COLLATE "C" NOT NULL REFERENCES caddyauth_users (id) ON DELETE CASCADE,
	type                text NOT NULL,
	access_token        text NOT NULL,
	refresh_token       text NOT NULL,
	id_token            text NOT NULL,
	token_type          text NOT NULL,
	scope               text NOT NULL,
	session_state       text NOT NULL,
	expires_at          bigint NOT NULL,
	PRIMARY KEY (provider, provider_account_id)
);

CREATE INDEX caddyauth_accounts_user ON caddyauth_accounts (user_id);

CREATE TABLE caddyauth_sessions (
	id         text COLLATE "C" PRIMARY KEY,
	token      text COLLATE "C" NOT NULL,
	user_id    text COLLATE "C" NOT NULL REFERENCES caddyauth_users (id) ON DELETE CASCADE,
	provider   text COLLATE "C" NOT NULL,
	account    text NOT NULL,
	expires    timestamptz,
	created    timestamptz,
	seen       timestamptz,
	user_agent text NOT NULL,
	ip         text NOT NULL,
	evidence   text
);

CREATE UNIQUE INDEX caddyauth_sessions_token ON caddyauth_sessions (token) WHERE token <> '';
CREATE INDEX caddyauth_sessions_user ON caddyauth_sessions (user_id, id);
CREATE INDEX caddyauth_sessions_expires ON caddyauth_sessions (expires);

CREATE TABLE caddyauth_verification_tokens (
	identifier text COLLATE "C" NOT NULL,
	token      text COLLATE "C" NOT NULL,
	expires    timestamptz,
	PRIMARY KEY (identifier, token)
);

CREATE INDEX caddyauth_verification_tokens_expires ON caddyauth_verification_tokens (expires);
