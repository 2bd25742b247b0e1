-- What is known about sessions beyond what Auth.js keeps. Those with a token have
-- a row with it in the table of Auth.js, which says whose they are and when they
-- end; those without are only here.

CREATE TABLE caddyauth_authjs_sessions (
	id         text COLLATE "C" PRIMARY KEY,
	token      text UNIQUE, -- in the collation of theirs, so that an index of either finds it
	user_id    text COLLATE "C" NOT NULL,
	provider   text COLLATE "C" NOT NULL DEFAULT '',
	account    text NOT NULL DEFAULT '',
	expires    timestamptz,
	created    timestamptz,
	seen       timestamptz,
	user_agent text NOT NULL DEFAULT '',
	ip         text NOT NULL DEFAULT '',
	evidence   text
);

CREATE INDEX caddyauth_authjs_sessions_user ON caddyauth_authjs_sessions (user_id, id);
CREATE INDEX caddyauth_authjs_sessions_expires ON caddyauth_authjs_sessions (expires) WHERE expires IS NOT NULL;
