-- bcrypt's cost of a stored hash, whatever scheme it was made under. What a refusal costs is made up to the highest.
CREATE FUNCTION password_cost(hash text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN substring(hash FROM '\$2[aby]\$([0-9]{2})\$')::integer;
-- Answers which cost is the highest that is computed.
CREATE INDEX users_password_cost ON users (password_cost(password_hash))
    WHERE password_cost(password_hash) BETWEEN 4 AND 16;
