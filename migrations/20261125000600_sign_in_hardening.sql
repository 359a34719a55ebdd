-- What a review of sign-in asked for.

-- An address that nobody proved is nobody's: it may stand in several profiles and lets nobody in. Proven ones, and those that
-- an administrator entered for staff, belong to one account.
DROP INDEX users_email_key;
CREATE UNIQUE INDEX users_email_key ON users (lower(email))
    WHERE email IS NOT NULL AND (email_verified OR role IN ('nodal_officer', 'admin', 'auditor'));

-- Until when a token of an earlier epoch may be in use, whatever the lives of tokens are by then.
ALTER TABLE users ADD COLUMN tokens_until timestamptz;
DROP INDEX users_tokens_revoked;
CREATE INDEX users_tokens_until ON users (tokens_until) WHERE tokens_until IS NOT NULL;

-- Whether the session was opened by somebody who needs a password for it. A change of role across that line ends it.
ALTER TABLE sessions ADD COLUMN is_staff boolean NOT NULL DEFAULT false;
-- What a node reads at its start: the ends that an access token may outlive.
CREATE INDEX sessions_revoked_access ON sessions (access_until) WHERE revoked_at IS NOT NULL;
