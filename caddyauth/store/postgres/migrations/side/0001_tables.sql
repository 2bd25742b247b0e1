-- What stands beside any schema of users: ours, or one of Auth.js. User ids refer
-- to whichever it is.

CREATE TABLE caddyauth_authenticators (
	credential_id       text COLLATE "C" PRIMARY KEY,
	user_id             text COLLATE "C" NOT NULL,
	provider_account_id text NOT NULL,
	public_key          bytea,
	counter             bigint NOT NULL,
	device_type         text NOT NULL,
	backed_up           boolean NOT NULL,
	transports          text,
	name                text NOT NULL,
	flags               integer NOT NULL,
	aaguid              bytea,
	created             timestamptz,
	used                timestamptz,
	evidence            text
);

CREATE INDEX caddyauth_authenticators_user ON caddyauth_authenticators (user_id);

CREATE TABLE caddyauth_tokens (
	id       text COLLATE "C" PRIMARY KEY,
	user_id  text COLLATE "C" NOT NULL,
	hash     text COLLATE "C" NOT NULL UNIQUE,
	name     text NOT NULL,
	paths    text,
	methods  text,
	expires  timestamptz,
	created  timestamptz,
	used     timestamptz,
	evidence text
);

CREATE INDEX caddyauth_tokens_user ON caddyauth_tokens (user_id);
CREATE INDEX caddyauth_tokens_expires ON caddyauth_tokens (expires) WHERE expires IS NOT NULL;

CREATE TABLE caddyauth_revocations (
	kind    text COLLATE "C" NOT NULL,
	subject text COLLATE "C" NOT NULL,
	at      timestamptz,
	until   timestamptz,
	PRIMARY KEY (kind, subject)
);

CREATE INDEX caddyauth_revocations_until ON caddyauth_revocations (until);

CREATE TABLE caddyauth_locks (
	name  text COLLATE "C" PRIMARY KEY,
	owner text NOT NULL,
	until timestamptz NOT NULL
);
