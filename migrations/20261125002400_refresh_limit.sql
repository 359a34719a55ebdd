-- How often a session was refreshed since when: a session is refreshed so many times an hour.
ALTER TABLE sessions
    ADD COLUMN refreshes integer NOT NULL DEFAULT 0 CHECK (refreshes >= 0),
    ADD COLUMN refreshes_since timestamptz;
