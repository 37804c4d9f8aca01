-- Partitions are made by LIKE and ATTACH, which take no lock that stalls an opening (CREATE … PARTITION OF does).
-- Nothing is granted on a partition: row-level security of the parent is the only way in.
CREATE FUNCTION register.ensure_partitions(p_until date) RETURNS integer LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  v_schema text;
  v_table text;
  v_step interval;
  v_from timestamptz;
  v_name text;
  v_made integer := 0;
BEGIN
  FOREACH v_schema IN ARRAY ARRAY['register', 'proef'] LOOP
    FOREACH v_table IN ARRAY ARRAY['opening', 'closing', 'person'] LOOP
      v_step := CASE v_table WHEN 'person' THEN interval '1 year' ELSE interval '1 month' END;
      v_from := date_trunc(CASE v_table WHEN 'person' THEN 'year' ELSE 'month' END, (now() - interval '1 day') AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
      WHILE v_from <= p_until::timestamp AT TIME ZONE 'UTC' LOOP
        v_name := v_table || '_' || to_char(v_from AT TIME ZONE 'UTC', CASE v_table WHEN 'person' THEN 'YYYY' ELSE 'YYYYMM' END);
        IF to_regclass(format('%I.%I', v_schema, v_name)) IS NULL THEN
          EXECUTE format('CREATE TABLE %I.%I (LIKE %I.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS, CONSTRAINT bounds CHECK (id >= %L AND id < %L))',
            v_schema, v_name, v_schema, v_table, register.uuid_floor(v_from), register.uuid_floor(((v_from AT TIME ZONE 'UTC') + v_step) AT TIME ZONE 'UTC'));
          EXECUTE format('ALTER TABLE %I.%I ATTACH PARTITION %I.%I FOR VALUES FROM (%L) TO (%L)', v_schema, v_table, v_schema, v_name,
            register.uuid_floor(v_from), register.uuid_floor(((v_from AT TIME ZONE 'UTC') + v_step) AT TIME ZONE 'UTC'));
          EXECUTE format('ALTER TABLE %I.%I DROP CONSTRAINT bounds', v_schema, v_name);
          v_made := v_made + 1;
        END IF;
        v_from := ((v_from AT TIME ZONE 'UTC') + v_step) AT TIME ZONE 'UTC';
      END LOOP;
    END LOOP;
  END LOOP;
  RETURN v_made;
END $f$;
REVOKE ALL ON FUNCTION register.ensure_partitions FROM PUBLIC;
GRANT EXECUTE ON FUNCTION register.ensure_partitions TO koppelpunt_sealer;

-- Forgets which messages were fetched when RvIG no longer has them (it keeps post for 7 days).
CREATE FUNCTION register.forget_fetched_messages() RETURNS bigint LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  WITH a AS (DELETE FROM register.fetched_message WHERE fetched_at < now() - interval '10 days' RETURNING 1),
       b AS (DELETE FROM proef.fetched_message WHERE fetched_at < now() - interval '10 days' RETURNING 1)
  SELECT (SELECT count(*) FROM a) + (SELECT count(*) FROM b)
$f$;
-- Calls that were let through and have no closing: uitkomst onbekend. Without any personal data.
CREATE FUNCTION register.orphans(p_older_than interval) RETURNS TABLE (kind text, tenant_id bigint, id uuid, writer_id integer, aansluiting_id bigint, opened_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  SELECT 'productie', r.tenant_id, r.id, r.writer_id, r.aansluiting_id, r.opened_at FROM register.running r WHERE r.opened_at < now() - p_older_than
  UNION ALL
  SELECT 'proef', r.tenant_id, r.id, r.writer_id, r.aansluiting_id, r.opened_at FROM proef.running r WHERE r.opened_at < now() - p_older_than
$f$;
REVOKE ALL ON FUNCTION register.forget_fetched_messages, register.orphans FROM PUBLIC;
GRANT EXECUTE ON FUNCTION register.forget_fetched_messages, register.orphans TO koppelpunt_sealer;
