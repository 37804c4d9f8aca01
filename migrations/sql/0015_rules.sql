-- What may be destroyed, and what is due. These functions decide; nobody outside hands them a term, a clock or a ground.

-- One step at a time per tenant, and always on what is committed now: a stop that stands before a step begins is seen by it.
CREATE FUNCTION register.enter_vernietiging(p_tenant bigint) RETURNS void LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE 'the register is destroyed in READ COMMITTED only' USING ERRCODE = 'invalid_transaction_state';
  END IF;
  PERFORM pg_advisory_xact_lock(19270, (p_tenant % 2147483647)::integer);
END $f$;

-- The years that a kind of record is kept. Calls: by the tenant's own term, of a gemeente never less than twenty (a citizen may
-- ask about twenty years, Wet BRP 3.22). What tells of the use of the register itself: five years, in which claims lapse (BW 3:310).
CREATE FUNCTION register.bewaarjaren(p_soort text, p_kind text, p_years smallint) RETURNS integer LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $f$
  SELECT CASE WHEN p_soort NOT IN ('protocolregels', 'jaarsleutel') THEN 5 WHEN p_kind = 'gemeente' THEN greatest(p_years::integer, 20) ELSE p_years END
$f$;

CREATE FUNCTION register.end_is_confirmed(p_tenant bigint) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $f$
  SELECT COALESCE((SELECT s.kind IN ('bevestigd', 'voltooid') FROM register.contracteinde_stap s WHERE s.tenant_id = p_tenant ORDER BY s.number DESC LIMIT 1), false)
    AND EXISTS (SELECT 1 FROM registry.tenant t WHERE t.tenant_id = p_tenant AND t.state = 'ended')
$f$;

-- On which ground records of a kind, of a time that ended at p_until, may go now; null when they may not.
CREATE FUNCTION register.destruction_ground(p_tenant bigint, p_soort text, p_until timestamptz) RETURNS text LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $f$
  SELECT CASE WHEN p_until + make_interval(years => register.bewaarjaren(p_soort, t.kind, t.retention_years)) <= now() THEN 'bewaartermijn'
    WHEN register.end_is_confirmed(p_tenant) THEN 'contracteinde' END
  FROM registry.tenant t WHERE t.tenant_id = p_tenant
$f$;

CREATE FUNCTION register.stops_of(p_tenant bigint) RETURNS TABLE (subjects uuid[], low uuid, high uuid) LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $f$
  SELECT s.subjects, register.uuid_floor(greatest(s.period_from, '1970-01-01Z')), register.uuid_floor(least(s.period_until, '9999-01-01Z'))
  FROM register.vernietigingsstop s WHERE s.tenant_id = p_tenant AND NOT EXISTS (SELECT 1 FROM register.vernietigingsstop_stap l
    WHERE l.tenant_id = s.tenant_id AND l.stop_id = s.stop_id AND l.kind = 'opgeheven')
$f$;

-- What stops hold of the calls between two ids: stretches, and single calls. Of a stop for a person are held the calls that
-- name it, and those of which nobody can say whom they were about: without closing, or with persons without a number.
CREATE FUNCTION register.held_calls(p_tenant bigint, p_floor uuid, p_ceiling uuid, OUT ids uuid[], OUT lows uuid[], OUT highs uuid[]) LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $f$
  WITH stop AS MATERIALIZED (SELECT s.subjects, greatest(s.low, p_floor) AS low, least(s.high, p_ceiling) AS high FROM register.stops_of(p_tenant) s
    WHERE s.low < p_ceiling AND s.high > p_floor),
  single AS (
    SELECT p.id FROM stop s JOIN register.person p ON p.tenant_id = p_tenant AND p.person = ANY (s.subjects) AND p.id >= s.low AND p.id < s.high
    WHERE s.subjects IS NOT NULL
    UNION
    SELECT o.id FROM stop s JOIN register.opening o ON o.tenant_id = p_tenant AND o.id >= s.low AND o.id < s.high AND o.refusal IS NULL
      AND NOT EXISTS (SELECT 1 FROM register.closing c WHERE c.tenant_id = p_tenant AND c.id = o.id) WHERE s.subjects IS NOT NULL
    UNION
    SELECT c.id FROM stop s JOIN register.closing c ON c.tenant_id = p_tenant AND c.id >= s.low AND c.id < s.high AND c.unidentified > 0
    WHERE s.subjects IS NOT NULL
  )
  SELECT ARRAY(SELECT id FROM single), ARRAY(SELECT low FROM stop WHERE subjects IS NULL ORDER BY low, high),
    ARRAY(SELECT high FROM stop WHERE subjects IS NULL ORDER BY low, high)
$f$;
CREATE FUNCTION register.is_within(p_id uuid, p_lows uuid[], p_highs uuid[]) RETURNS boolean LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $f$
  SELECT EXISTS (SELECT 1 FROM unnest(p_lows, p_highs) u (low, high) WHERE p_id >= u.low AND p_id < u.high)
$f$;

-- The moment that a UUIDv7 carries.
CREATE FUNCTION register.time_of(p_id uuid) RETURNS timestamptz LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $f$
  SELECT to_timestamp((('x' || left(replace(p_id::text, '-', ''), 12))::bit(48)::bigint) / 1000.0)
$f$;

-- What of a tenant is due before p_horizon, by kind and month (by year: keys). Cheap: it looks whether there is one row.
CREATE FUNCTION register.months_to_destroy(p_tenant bigint, p_horizon timestamptz) RETURNS TABLE (soort text, maand date, due_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $f$
  WITH t AS MATERIALIZED (SELECT n.kind, n.retention_years, register.end_is_confirmed(p_tenant) AS ended FROM registry.tenant n WHERE n.tenant_id = p_tenant),
  first AS MATERIALIZED (SELECT least((SELECT o.id FROM register.opening o WHERE o.tenant_id = p_tenant ORDER BY o.id LIMIT 1),
    (SELECT c.id FROM register.closing c WHERE c.tenant_id = p_tenant ORDER BY c.id LIMIT 1)) AS id),
  months AS (
    SELECT 'protocolregels' AS soort, m AS low, m + interval '1 month' AS high FROM first, generate_series(date_trunc('month', register.time_of(first.id)),
      now() + interval '1 month', interval '1 month') m
    WHERE EXISTS (SELECT 1 FROM register.opening o WHERE o.tenant_id = p_tenant AND o.id >= register.uuid_floor(m) AND o.id < register.uuid_floor(m + interval '1 month'))
      OR EXISTS (SELECT 1 FROM register.closing c WHERE c.tenant_id = p_tenant AND c.id >= register.uuid_floor(m) AND c.id < register.uuid_floor(m + interval '1 month'))
    UNION ALL
    SELECT DISTINCT 'lezingen', date_trunc('month', r.at), date_trunc('month', r.at) + interval '1 month'
    FROM (SELECT x.at FROM register.reading x WHERE x.tenant_id = p_tenant ORDER BY x.number LIMIT 50000) r
    UNION ALL
    SELECT DISTINCT 'inzageverzoeken', date_trunc('month', v.at), date_trunc('month', v.at) + interval '1 month' FROM register.inzageverzoek v WHERE v.tenant_id = p_tenant
    UNION ALL
    SELECT DISTINCT 'steekproeven', date_trunc('month', s.at), date_trunc('month', s.at) + interval '1 month' FROM register.steekproef s WHERE s.tenant_id = p_tenant
    UNION ALL
    SELECT 'jaarsleutel', make_timestamptz(k.year, 1, 1, 0, 0, 0), make_timestamptz(k.year + 1, 1, 1, 0, 0, 0) FROM registry.tenant_key k
    WHERE k.tenant_id = p_tenant AND k.destroyed_at IS NULL
  )
  SELECT m.soort, m.low::date, d.due_at FROM months m, t, LATERAL (SELECT CASE WHEN t.ended THEN least(now(), m.high) ELSE
    m.high + make_interval(years => register.bewaarjaren(m.soort, t.kind, t.retention_years)) END AS due_at) d
  WHERE d.due_at <= p_horizon ORDER BY m.soort = 'jaarsleutel', m.low, m.soort
$f$;

-- The same with how much it is, and how much of it is held. rows counts openings and closings, or records of another kind.
CREATE FUNCTION register.plan_vernietiging(p_tenant bigint, p_horizon timestamptz)
RETURNS TABLE (soort text, maand date, due_at timestamptz, rows bigint, openings bigint, closings bigint, persons bigint, held bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $f$
#variable_conflict use_column
DECLARE
  v_floor uuid;
  v_ceiling uuid;
  v_held record;
  v_stops boolean := EXISTS (SELECT 1 FROM register.stops_of(p_tenant));
BEGIN
  FOR soort, maand, due_at IN SELECT m.soort, m.maand, m.due_at FROM register.months_to_destroy(p_tenant, p_horizon) m LOOP
    v_floor := register.uuid_floor(maand::timestamptz);
    v_ceiling := register.uuid_floor((maand + CASE soort WHEN 'jaarsleutel' THEN interval '1 year' ELSE interval '1 month' END)::timestamptz);
    openings := 0; closings := 0; persons := 0;
    IF soort = 'protocolregels' THEN
      v_held := register.held_calls(p_tenant, v_floor, v_ceiling);
      SELECT count(*), count(*) FILTER (WHERE o.id = ANY (v_held.ids) OR register.is_within(o.id, v_held.lows, v_held.highs)) INTO openings, held
      FROM register.opening o WHERE o.tenant_id = p_tenant AND o.id >= v_floor AND o.id < v_ceiling;
      SELECT count(*), COALESCE(sum(c.persons), 0), held + count(*) FILTER (WHERE c.id = ANY (v_held.ids) OR register.is_within(c.id, v_held.lows, v_held.highs))
      INTO closings, persons, held FROM register.closing c WHERE c.tenant_id = p_tenant AND c.id >= v_floor AND c.id < v_ceiling;
      rows := openings + closings;
    ELSIF soort = 'jaarsleutel' THEN
      rows := 1;
      held := EXISTS (SELECT 1 FROM register.stops_of(p_tenant) s WHERE s.low < v_ceiling AND s.high > v_floor)::integer;
    ELSE
      rows := CASE soort
        WHEN 'lezingen' THEN (SELECT count(*) FROM register.reading r WHERE r.tenant_id = p_tenant AND r.at >= maand AND r.at < maand + interval '1 month')
        WHEN 'inzageverzoeken' THEN (SELECT count(*) FROM register.inzageverzoek v WHERE v.tenant_id = p_tenant AND v.at >= maand AND v.at < maand + interval '1 month')
        ELSE (SELECT count(*) FROM register.steekproef s WHERE s.tenant_id = p_tenant AND s.at >= maand AND s.at < maand + interval '1 month') END;
      held := CASE WHEN v_stops THEN rows ELSE 0 END;
    END IF;
    RETURN NEXT;
  END LOOP;
END $f$;
CREATE FUNCTION register.plan_own_vernietiging(p_horizon timestamptz)
RETURNS TABLE (soort text, maand date, due_at timestamptz, rows bigint, openings bigint, closings bigint, persons bigint, held bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  SELECT * FROM register.plan_vernietiging(registry.scope(), p_horizon)
$f$;

REVOKE ALL ON FUNCTION register.enter_vernietiging, register.bewaarjaren, register.end_is_confirmed, register.destruction_ground, register.stops_of,
  register.held_calls, register.is_within, register.time_of, register.months_to_destroy, register.plan_vernietiging, register.plan_own_vernietiging FROM PUBLIC;
GRANT EXECUTE ON FUNCTION register.months_to_destroy, register.plan_vernietiging TO koppelpunt_sealer;
GRANT EXECUTE ON FUNCTION register.plan_own_vernietiging TO koppelpunt_inzage;
