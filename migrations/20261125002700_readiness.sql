-- What readiness writes to prove that it can: one of a few rows, so that nodes do not wait for each other.
CREATE TABLE readiness_probes (
    lane smallint PRIMARY KEY,
    written_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

INSERT INTO readiness_probes (lane) SELECT generate_series(0, 15);
