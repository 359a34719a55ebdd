-- Refresh rotation and the ends of sessions.
ALTER TABLE sessions
    -- With the server's key, what refresh tokens are made of and judged by. A new seed makes all earlier ones worthless.
    ADD COLUMN refresh_seed       bytea NOT NULL
        DEFAULT decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex')
        CHECK (octet_length(refresh_seed) = 32),
    -- The generation of the newest refresh token. It was not used yet; the one before it was.
    ADD COLUMN refresh_generation integer NOT NULL DEFAULT 0 CHECK (refresh_generation >= 0),
    -- The session ends after so long without a request; NULL: only at `expires_at`.
    ADD COLUMN idle_seconds       integer CHECK (idle_seconds > 0),
    ADD COLUMN device_hash        bytea CHECK (octet_length(device_hash) = 32),
    -- Written by releases before this one only; a later release drops it.
    ALTER COLUMN refresh_token_hash DROP NOT NULL;
-- The history of one user, newest first.
CREATE INDEX sessions_of_user ON sessions (user_id, id DESC);
-- Sessions that may have been idle for too long: those of officers, by default.
CREATE INDEX sessions_idle ON sessions (last_activity) WHERE revoked_at IS NULL AND idle_seconds IS NOT NULL;
-- What the clean-up removes.
CREATE INDEX sessions_expired ON sessions (expires_at);
