-- Append-only records. The database itself refuses to change them, whoever asks.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END;
$$;

CREATE TABLE role_history (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id    bigint NOT NULL REFERENCES users (id),
    old_role   text,
    new_role   text NOT NULL,
    changed_by bigint REFERENCES users (id),
    reason     text CHECK (char_length(reason) <= 1000),
    automatic  boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL
);
CREATE INDEX role_history_of_user ON role_history (user_id, id);
CREATE TRIGGER role_history_append_only BEFORE UPDATE OR DELETE ON role_history
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER role_history_no_truncate BEFORE TRUNCATE ON role_history
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A month to a partition, so that an expired one can be archived and dropped whole.
CREATE TABLE audit_log (
    id            bigint GENERATED ALWAYS AS IDENTITY,
    created_at    timestamptz NOT NULL,
    action        text NOT NULL,
    actor_id      bigint,
    user_id       bigint,
    resource_type text,
    resource_id   text,
    ip_address    inet,
    user_agent    text,
    request_id    text,
    details       jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
-- By person, by action, newest first.
CREATE INDEX audit_log_by_user ON audit_log (user_id, id DESC) WHERE user_id IS NOT NULL;
CREATE INDEX audit_log_by_action ON audit_log (action, id DESC);
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Rows outside every partition land here rather than being lost.
CREATE TABLE audit_log_default PARTITION OF audit_log DEFAULT;
CREATE TRIGGER audit_log_default_no_truncate BEFORE TRUNCATE ON audit_log_default
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Makes the partitions of the month of `from_day` and of the `months` that follow. Safe to call at any time, also by two
-- at once; answers how many it made.
CREATE FUNCTION ensure_audit_partitions(from_day date, months integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    first date := date_trunc('month', from_day);
    part  text;
    made  integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('civiclens.audit_partitions'));
    FOR n IN 0 .. months LOOP
        part := 'audit_log_' || to_char(first + make_interval(months => n), 'YYYY_MM');
        IF to_regclass(part) IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF audit_log FOR VALUES FROM (%L) TO (%L)', part,
                           (first + make_interval(months => n))::timestamp AT TIME ZONE 'UTC',
                           (first + make_interval(months => n + 1))::timestamp AT TIME ZONE 'UTC');
            EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()',
                           part || '_no_truncate', part);
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END;
$$;
