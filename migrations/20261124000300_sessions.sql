-- Sessions. PostgreSQL is the truth about them; Redis and the memory of each node are short cuts.
CREATE TABLE sessions (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id            bigint NOT NULL REFERENCES users (id),
    refresh_token_hash bytea NOT NULL UNIQUE CHECK (octet_length(refresh_token_hash) = 32),
    login_method       text NOT NULL,
    amr                text[] NOT NULL,
    device             text,
    user_agent         text,
    ip_address         inet NOT NULL,
    auth_time          timestamptz NOT NULL,
    created_at         timestamptz NOT NULL,
    last_activity      timestamptz NOT NULL,
    -- The end that no refresh can move.
    expires_at         timestamptz NOT NULL,
    -- Until when an access token of this session may be in use: how long a revocation must be remembered.
    access_until       timestamptz NOT NULL,
    revoked_at         timestamptz,
    revoked_reason     text,
    CHECK (expires_at > created_at),
    CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL))
);
-- The live sessions of one user.
CREATE INDEX sessions_live ON sessions (user_id, created_at) WHERE revoked_at IS NULL;
-- What every node re-reads: the latest revocations.
CREATE INDEX sessions_revoked ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;
