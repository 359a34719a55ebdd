-- First passwords of officers, administrators and auditors: an invitation, or a password that works for some days only.

-- Who is invited has no password yet, and cannot sign in.
ALTER TABLE users
    DROP CONSTRAINT users_check2,
    ADD CONSTRAINT users_staff_has_contact
        CHECK (role NOT IN ('nodal_officer', 'admin', 'auditor') OR (email IS NOT NULL AND employee_id IS NOT NULL)),
    -- Until when the password works, where somebody else chose it; NULL once its owner did.
    ADD COLUMN password_temporary_until timestamptz,
    ADD CONSTRAINT users_temporary_password CHECK (password_temporary_until IS NULL OR password_hash IS NOT NULL);

-- The one invitation of a user that is good: a new one replaces it, accepting it removes it.
CREATE TABLE invitations (
    user_id    bigint PRIMARY KEY REFERENCES users (id),
    token_hash bytea NOT NULL UNIQUE CHECK (octet_length(token_hash) = 32),
    -- Where the token was sent. With another address in the account, the token is worthless.
    email      text NOT NULL,
    invited_by bigint NOT NULL REFERENCES users (id),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CHECK (expires_at > created_at)
);
