-- A row that was written before its month had a partition lies in the default one, and PostgreSQL then refuses to make
-- that month's partition. The function moves such rows. While it does, the default partition is detached, so the rule that
-- nothing is deleted from the log never has an exception.
CREATE OR REPLACE FUNCTION ensure_audit_partitions(from_day date, months integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    first date := date_trunc('month', from_day);
    begins timestamptz;
    ends   timestamptz;
    part   text;
    made   integer := 0;
    stray  boolean;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('civiclens.audit_partitions'));
    FOR n IN REVERSE months .. 0 LOOP
        begins := (first + make_interval(months => n))::timestamp AT TIME ZONE 'UTC';
        ends := (first + make_interval(months => n + 1))::timestamp AT TIME ZONE 'UTC';
        part := 'audit_log_' || to_char(first + make_interval(months => n), 'YYYY_MM');
        CONTINUE WHEN to_regclass(part) IS NOT NULL;
        -- Nothing may be written between the look and the move.
        LOCK TABLE audit_log IN ACCESS EXCLUSIVE MODE;
        SELECT EXISTS (SELECT FROM audit_log_default WHERE created_at >= begins AND created_at < ends) INTO stray;
        IF stray THEN
            ALTER TABLE audit_log DETACH PARTITION audit_log_default;
        END IF;
        EXECUTE format('CREATE TABLE %I PARTITION OF audit_log FOR VALUES FROM (%L) TO (%L)', part, begins, ends);
        EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()',
                       part || '_no_truncate', part);
        IF stray THEN
            EXECUTE format('WITH moved AS (DELETE FROM audit_log_default WHERE created_at >= $1 AND created_at < $2
                                           RETURNING *)
                            INSERT INTO %I OVERRIDING SYSTEM VALUE SELECT * FROM moved', part) USING begins, ends;
            ALTER TABLE audit_log ATTACH PARTITION audit_log_default DEFAULT;
        END IF;
        made := made + 1;
    END LOOP;
    RETURN made;
END;
$$;
