-- Keys that sign access tokens, beside the first one, which is the configured secret. Every node reads them on an interval.
CREATE TABLE signing_keys (
    kid         text PRIMARY KEY CHECK (char_length(kid) BETWEEN 16 AND 64),
    algorithm   text NOT NULL CHECK (algorithm IN ('HS256', 'EdDSA', 'ES256')),
    -- The secret or the private key, sealed to this kid.
    sealed_key  text NOT NULL CHECK (sealed_key <> ''),
    -- What others verify with; a secret has nothing to publish.
    public_jwk  jsonb,
    created_at  timestamptz NOT NULL,
    -- When it begins to sign. It verifies from its creation.
    active_from timestamptz NOT NULL,
    -- Since when it does nothing any more, on the word of an operator.
    retired_at  timestamptz,
    CHECK (active_from >= created_at),
    CHECK (retired_at >= created_at),
    CHECK ((algorithm = 'HS256') = (public_jwk IS NULL)),
    CHECK (public_jwk IS NULL OR (public_jwk ->> 'kid' = kid AND NOT public_jwk ? 'd'))
);
