-- What sign-in needs beyond a phone: token epochs, devices, second factors.
ALTER TABLE users
    ADD COLUMN password_changed_at timestamptz,
    -- Access tokens carry the epoch they were made in; those of earlier epochs open nothing. A role change, a suspension and
    -- a new password begin another one.
    ADD COLUMN token_epoch         integer NOT NULL DEFAULT 0 CHECK (token_epoch >= 0),
    ADD COLUMN tokens_revoked_at   timestamptz;
-- What every node re-reads: whose epoch changed last.
CREATE INDEX users_tokens_revoked ON users (tokens_revoked_at) WHERE tokens_revoked_at IS NOT NULL;

-- Devices from which somebody signed in. The hash is keyed; what was hashed is the client's own id, or what its browser
-- calls itself.
CREATE TABLE known_devices (
    user_id     bigint NOT NULL REFERENCES users (id),
    device_hash bytea NOT NULL CHECK (octet_length(device_hash) = 32),
    label       text CHECK (char_length(label) <= 128),
    first_seen  timestamptz NOT NULL,
    last_seen   timestamptz NOT NULL,
    PRIMARY KEY (user_id, device_hash)
);

-- The second factor in force. A step of TOTP is accepted once: only a later one than `last_step` passes.
CREATE TABLE two_factors (
    user_id       bigint PRIMARY KEY REFERENCES users (id),
    method        text NOT NULL CHECK (method IN ('totp', 'sms')),
    sealed_secret text,
    last_step     bigint NOT NULL DEFAULT 0,
    confirmed_at  timestamptz NOT NULL,
    CHECK ((method = 'totp') = (sealed_secret IS NOT NULL))
);

-- A second factor that is being set up. The one in force stays until this one is confirmed.
CREATE TABLE two_factor_enrolments (
    user_id       bigint PRIMARY KEY REFERENCES users (id),
    method        text NOT NULL CHECK (method IN ('totp', 'sms')),
    sealed_secret text,
    started_at    timestamptz NOT NULL,
    CHECK ((method = 'totp') = (sealed_secret IS NOT NULL))
);

CREATE TABLE backup_codes (
    user_id    bigint NOT NULL REFERENCES users (id),
    code_hash  bytea NOT NULL CHECK (octet_length(code_hash) = 32),
    created_at timestamptz NOT NULL,
    used_at    timestamptz,
    PRIMARY KEY (user_id, code_hash)
);
