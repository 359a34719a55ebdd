-- When a session proved the second factor in force; NULL: never, or that factor is gone. `auth_time` is its last proof of any
-- kind.
ALTER TABLE sessions ADD COLUMN factor_time timestamptz;
