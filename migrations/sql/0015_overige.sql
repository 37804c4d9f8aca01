-- What is destroyed beside calls: records about the use of the register, keys of whole years, and the register of proef.

-- Records of one kind and month, at most p_most in one transaction with their proof; returns how many. While any stop stands
-- none of them goes: they may tell what the stop is about.
CREATE FUNCTION register.destroy_records(p_tenant bigint, p_soort text, p_maand date, p_backup_days integer, p_most integer, p_actor text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $f$
DECLARE
  v_from timestamptz := date_trunc('month', p_maand::timestamp);
  v_until timestamptz := date_trunc('month', p_maand::timestamp) + interval '1 month';
  v_most integer := least(greatest(p_most, 1), 5000);
  v_ground text;
  v_numbers bigint[];
BEGIN
  PERFORM register.enter_vernietiging(p_tenant);
  IF p_soort NOT IN ('lezingen', 'inzageverzoeken', 'steekproeven') THEN
    RAISE 'there is no such kind of record' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  v_ground := register.destruction_ground(p_tenant, p_soort, v_until);
  IF v_ground IS NULL THEN
    RAISE 'the term of this month has not passed' USING ERRCODE = 'object_not_in_prerequisite_state';
  ELSIF EXISTS (SELECT 1 FROM register.stops_of(p_tenant)) THEN
    RETURN 0;
  END IF;
  IF p_soort = 'lezingen' THEN
    v_numbers := ARRAY(SELECT r.number FROM register.reading r WHERE r.tenant_id = p_tenant AND r.at >= v_from AND r.at < v_until ORDER BY r.number LIMIT v_most);
    DELETE FROM register.reading r WHERE r.tenant_id = p_tenant AND r.number = ANY (v_numbers);
  ELSIF p_soort = 'inzageverzoeken' THEN
    -- A request that was worked on later is kept as long as its last step.
    v_numbers := ARRAY(SELECT v.inzageverzoek_id FROM register.inzageverzoek v WHERE v.tenant_id = p_tenant AND v.at >= v_from AND v.at < v_until
      AND (v_ground = 'contracteinde' OR NOT EXISTS (SELECT 1 FROM register.inzageverzoek_stap s WHERE s.tenant_id = p_tenant
        AND s.inzageverzoek_id = v.inzageverzoek_id AND s.at >= now() - make_interval(years => register.bewaarjaren(p_soort, '', 0::smallint))))
      ORDER BY v.inzageverzoek_id LIMIT v_most);
    DELETE FROM register.inzageverzoek_stap s WHERE s.tenant_id = p_tenant AND s.inzageverzoek_id = ANY (v_numbers);
    DELETE FROM register.inzageverzoek v WHERE v.tenant_id = p_tenant AND v.inzageverzoek_id = ANY (v_numbers);
  ELSE
    v_numbers := ARRAY(SELECT s.steekproef_id FROM register.steekproef s WHERE s.tenant_id = p_tenant AND s.at >= v_from AND s.at < v_until
      ORDER BY s.steekproef_id LIMIT v_most);
    DELETE FROM register.steekproef_oordeel o WHERE o.tenant_id = p_tenant AND o.steekproef_id = ANY (v_numbers);
    DELETE FROM register.steekproef s WHERE s.tenant_id = p_tenant AND s.steekproef_id = ANY (v_numbers);
  END IF;
  IF cardinality(v_numbers) > 0 THEN
    PERFORM set_config('koppelpunt.actor', p_actor, true);
    INSERT INTO register.vernietiging (tenant_id, actor, ground, retention_years, soort, period_from, period_until, rows, backup_days, finished_at, backups_until)
    SELECT p_tenant, p_actor, v_ground, register.bewaarjaren(p_soort, '', 0::smallint), p_soort, v_from, v_until, cardinality(v_numbers), p_backup_days,
      clock_timestamp(), clock_timestamp() + make_interval(days => p_backup_days);
  END IF;
  RETURN cardinality(v_numbers);
END $f$;

-- The key of a year, when its term has passed and nothing needs it any more: no call (of productie or proef), no request that is
-- sealed to it, no stop over any day of it. True when it was destroyed now.
CREATE FUNCTION register.destroy_year_key(p_tenant bigint, p_year integer, p_backup_days integer, p_actor text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $f$
DECLARE
  v_from timestamptz := make_timestamptz(p_year, 1, 1, 0, 0, 0);
  v_until timestamptz := make_timestamptz(p_year + 1, 1, 1, 0, 0, 0);
  -- A call that began at the end of a year may be closed under the key of the next, and the other way about.
  v_floor uuid := register.uuid_floor(v_from - interval '1 day');
  v_ceiling uuid := register.uuid_floor(v_until + interval '1 day');
  v_ground text;
  v_public_key bytea;
  v_data_keys bigint;
BEGIN
  PERFORM register.enter_vernietiging(p_tenant);
  v_ground := register.destruction_ground(p_tenant, 'jaarsleutel', v_until);
  IF v_ground IS NULL THEN
    RAISE 'the term of this year has not passed' USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  SELECT k.public_key INTO v_public_key FROM registry.tenant_key k WHERE k.tenant_id = p_tenant AND k.year = p_year AND k.destroyed_at IS NULL;
  IF NOT FOUND OR EXISTS (SELECT 1 FROM register.stops_of(p_tenant) s WHERE s.low < v_ceiling AND s.high > v_floor)
      OR EXISTS (SELECT 1 FROM register.vernietiging v WHERE v.tenant_id = p_tenant AND v.finished_at IS NULL AND v.period_from < v_until AND v.period_until > v_from)
      OR EXISTS (SELECT 1 FROM register.inzageverzoek v WHERE v.tenant_id = p_tenant AND v.year = p_year) THEN
    RETURN false;
  END IF;
  IF EXISTS (SELECT 1 FROM register.opening o JOIN register.data_key d ON d.tenant_id = p_tenant AND d.data_key_id = o.data_key_id AND d.year = p_year
        WHERE o.tenant_id = p_tenant AND o.id >= v_floor AND o.id < v_ceiling)
      OR EXISTS (SELECT 1 FROM register.closing c JOIN register.data_key d ON d.tenant_id = p_tenant AND d.data_key_id = c.data_key_id AND d.year = p_year
        WHERE c.tenant_id = p_tenant AND c.id >= v_floor AND c.id < v_ceiling)
      OR EXISTS (SELECT 1 FROM register.opening o WHERE o.tenant_id = p_tenant AND o.id >= register.uuid_floor(v_from) AND o.id < register.uuid_floor(v_until))
      OR EXISTS (SELECT 1 FROM register.closing c WHERE c.tenant_id = p_tenant AND c.id >= register.uuid_floor(v_from) AND c.id < register.uuid_floor(v_until))
      OR (v_ground = 'bewaartermijn' AND EXISTS (SELECT 1 FROM proef.opening o WHERE o.tenant_id = p_tenant AND o.id >= v_floor AND o.id < v_ceiling)) THEN
    RETURN false;
  END IF;
  WITH gone AS (DELETE FROM register.data_key d WHERE d.tenant_id = p_tenant AND d.year = p_year RETURNING 1) SELECT count(*) INTO v_data_keys FROM gone;
  DELETE FROM proef.data_key d WHERE d.tenant_id = p_tenant AND d.year = p_year;
  PERFORM set_config('koppelpunt.actor', p_actor, true);
  UPDATE registry.tenant_key k SET private_key_sealed = NULL, index_key_for_gateway = NULL, index_key_for_register = NULL, destroyed_at = clock_timestamp()
  WHERE k.tenant_id = p_tenant AND k.year = p_year;
  INSERT INTO register.vernietiging (tenant_id, actor, ground, retention_years, soort, period_from, period_until, rows, public_key_sha256, backup_days,
    data_keys, finished_at, backups_until)
  SELECT p_tenant, p_actor, v_ground, register.bewaarjaren('jaarsleutel', t.kind, t.retention_years), 'jaarsleutel', v_from, v_until, 1,
    encode(sha256(v_public_key), 'hex'), p_backup_days, v_data_keys, clock_timestamp(), clock_timestamp() + make_interval(days => p_backup_days)
  FROM registry.tenant t WHERE t.tenant_id = p_tenant;
  RETURN true;
END $f$;

-- What was destroyed counts as destroyed when the last backup that can hold it has expired.
CREATE FUNCTION register.confirm_vernietigingen() RETURNS bigint LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  WITH sure AS (UPDATE register.vernietiging v SET definitief_at = now() WHERE v.definitief_at IS NULL AND v.backups_until <= now() RETURNING 1)
  SELECT count(*) FROM sure
$f$;

-- The register of proef: 90 days, whatever a tenant's term, and under no stop: it holds no one who exists. Returns the rows that went.
CREATE FUNCTION register.forget_proef(p_tenant bigint, p_most integer) RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  v_until uuid := register.uuid_floor(now() - interval '90 days');
  v_ids uuid[];
  v_count bigint;
  v_total bigint := 0;
  v_keys uuid[];
  v_more uuid[];
BEGIN
  v_ids := ARRAY(SELECT x.id FROM (
    (SELECT o.id FROM proef.opening o WHERE o.tenant_id = p_tenant AND o.id < v_until ORDER BY o.id LIMIT least(greatest(p_most, 1), 5000)) UNION
    (SELECT c.id FROM proef.closing c WHERE c.tenant_id = p_tenant AND c.id < v_until ORDER BY c.id LIMIT least(greatest(p_most, 1), 5000)) UNION
    (SELECT p.id FROM proef.person p WHERE p.tenant_id = p_tenant AND p.id < v_until LIMIT least(greatest(p_most, 1), 5000))) x ORDER BY x.id LIMIT least(greatest(p_most, 1), 5000));
  IF cardinality(v_ids) = 0 THEN
    RETURN 0;
  END IF;
  DELETE FROM proef.person p WHERE p.tenant_id = p_tenant AND p.id = ANY (v_ids) AND p.id < v_until;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  v_total := v_total + v_count;
  WITH gone AS (DELETE FROM proef.closing c WHERE c.tenant_id = p_tenant AND c.id = ANY (v_ids) AND c.id < v_until RETURNING c.data_key_id)
  SELECT count(*), array_agg(DISTINCT g.data_key_id) INTO v_count, v_keys FROM gone g;
  v_total := v_total + v_count;
  WITH gone AS (DELETE FROM proef.opening o WHERE o.tenant_id = p_tenant AND o.id = ANY (v_ids) AND o.id < v_until RETURNING o.data_key_id)
  SELECT count(*), array_agg(DISTINCT g.data_key_id) INTO v_count, v_more FROM gone g;
  v_total := v_total + v_count;
  DELETE FROM proef.running r WHERE r.tenant_id = p_tenant AND r.id = ANY (v_ids);
  DELETE FROM proef.data_key d WHERE d.tenant_id = p_tenant AND d.data_key_id = ANY (v_keys || v_more)
    AND NOT EXISTS (SELECT 1 FROM proef.opening o WHERE o.tenant_id = d.tenant_id AND o.data_key_id = d.data_key_id
      AND o.id < register.uuid_floor(now() - interval '89 days'))
    AND NOT EXISTS (SELECT 1 FROM proef.closing c WHERE c.tenant_id = d.tenant_id AND c.data_key_id = d.data_key_id
      AND c.id < register.uuid_floor(now() - interval '89 days'));
  RETURN v_total;
END $f$;

REVOKE ALL ON FUNCTION register.destroy_records, register.destroy_year_key, register.confirm_vernietigingen, register.forget_proef FROM PUBLIC;
GRANT EXECUTE ON FUNCTION register.destroy_records, register.destroy_year_key, register.confirm_vernietigingen, register.forget_proef TO koppelpunt_sealer;
