-- What a session was opened with: the id of a one-time code, or of a login that came to its last step. One opens one session,
-- however often it is tried and whatever Redis remembers of it.

ALTER TABLE sessions ADD COLUMN proof_id uuid;
CREATE UNIQUE INDEX sessions_proof_id_key ON sessions (proof_id) WHERE proof_id IS NOT NULL;

-- With what passwords were reset: a code or the token of a link resets one password once. Kept for longer than either is good.
CREATE TABLE password_resets (
    proof_id uuid PRIMARY KEY,
    user_id  bigint NOT NULL REFERENCES users (id),
    reset_at timestamptz NOT NULL
);
CREATE INDEX password_resets_reset_at ON password_resets (reset_at);
