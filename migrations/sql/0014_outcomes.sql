-- Calls whose outcome nobody here knows, each with its cause. No personal data: numbers, times and codes.
--   loopt_nog           its writer's session lives, and it began a short while ago
--   blijft_open         its writer's session lives, and no call takes so long
--   database_herstart   PostgreSQL started (or failed over) after it began: every session ended
--   schrijver_verloren  its writer's session is over: the gateway crashed, was killed, or lost its connection
--   rvig_antwoordt_niet it was sent, and no answer came (closed, without a status): RvIG may have answered and recorded it
CREATE FUNCTION register.living_writers() RETURNS TABLE (kind text, writer_id integer) LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $f$
  SELECT CASE l.classid WHEN 19266 THEN 'productie' ELSE 'proef' END, l.objid::integer FROM pg_locks l
  WHERE l.locktype = 'advisory' AND l.classid IN (19266, 19267) AND l.objsubid = 2 AND l.granted
    AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
$f$;

CREATE FUNCTION register.cause_of(p_opened_at timestamptz, p_lives boolean) RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $f$
  SELECT CASE WHEN p_lives AND p_opened_at > now() - interval '10 minutes' THEN 'loopt_nog' WHEN p_lives THEN 'blijft_open'
    WHEN pg_postmaster_start_time() > p_opened_at THEN 'database_herstart' ELSE 'schrijver_verloren' END
$f$;

-- Of all tenants, for the sealer: as register.orphans, with the cause and the gateway that began it.
CREATE FUNCTION register.calls_without_closing(p_older_than interval) RETURNS TABLE (kind text, tenant_id bigint, id uuid, writer_id integer,
  aansluiting_id bigint, opened_at timestamptz, instance text, cause text) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  WITH living AS MATERIALIZED (SELECT v.kind, v.writer_id FROM register.living_writers() v),
  open_call AS (
    SELECT 'productie' AS kind, r.tenant_id, r.id, r.writer_id, r.aansluiting_id, r.opened_at, w.instance
    FROM register.running r LEFT JOIN register.writer w ON w.writer_id = r.writer_id WHERE r.opened_at < now() - p_older_than
    UNION ALL
    SELECT 'proef', r.tenant_id, r.id, r.writer_id, r.aansluiting_id, r.opened_at, w.instance
    FROM proef.running r LEFT JOIN proef.writer w ON w.writer_id = r.writer_id WHERE r.opened_at < now() - p_older_than)
  SELECT o.kind, o.tenant_id, o.id, o.writer_id, o.aansluiting_id, o.opened_at, o.instance, register.cause_of(o.opened_at, v.writer_id IS NOT NULL)
  FROM open_call o LEFT JOIN living v ON v.kind = o.kind AND v.writer_id = o.writer_id
$f$;

-- What was sent and not answered is found without reading every closing.
CREATE INDEX closing_unanswered ON register.closing (tenant_id, id) WHERE outcome = 'niet_beantwoord' AND status IS NULL;
CREATE POLICY owner_reports ON register.closing FOR SELECT TO koppelpunt_owner USING (outcome = 'niet_beantwoord' AND status IS NULL);

-- Of this scope's tenant, newest first. Without a scope: nothing. ended_at is null for a call without closing.
CREATE FUNCTION register.unknown_outcomes(p_from uuid, p_before uuid, p_most integer) RETURNS TABLE (id uuid, opened_at timestamptz, ended_at timestamptz,
  writer_id integer, instance text, cause text, code text) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  WITH living AS MATERIALIZED (SELECT v.writer_id FROM register.living_writers() v WHERE v.kind = 'productie'),
  found AS (
    (SELECT r.id, r.opened_at, NULL::timestamptz AS ended_at, r.writer_id, register.cause_of(r.opened_at, v.writer_id IS NOT NULL) AS cause, NULL::text AS code
     FROM register.running r LEFT JOIN living v ON v.writer_id = r.writer_id
     WHERE r.tenant_id = registry.scope() AND r.id >= p_from AND r.id < p_before ORDER BY r.id DESC LIMIT p_most)
    UNION ALL
    (SELECT c.id, to_timestamp((('x' || lpad(left(replace(c.id::text, '-', ''), 12), 16, '0'))::bit(64)::bigint) / 1000.0), c.closed_at, c.writer_id,
      'rvig_antwoordt_niet', c.code
     FROM register.closing c WHERE c.tenant_id = registry.scope() AND c.outcome = 'niet_beantwoord' AND c.status IS NULL AND c.id >= p_from AND c.id < p_before
     ORDER BY c.id DESC LIMIT p_most))
  SELECT f.id, f.opened_at, f.ended_at, f.writer_id, w.instance, f.cause, f.code FROM found f LEFT JOIN register.writer w ON w.writer_id = f.writer_id
  ORDER BY f.id DESC LIMIT p_most
$f$;

-- The causes of calls without closing that a reading found, of this scope's tenant.
CREATE FUNCTION register.causes_of(p_ids uuid[]) RETURNS TABLE (id uuid, cause text) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  WITH living AS MATERIALIZED (SELECT v.writer_id FROM register.living_writers() v WHERE v.kind = 'productie')
  SELECT r.id, register.cause_of(r.opened_at, v.writer_id IS NOT NULL) FROM register.running r LEFT JOIN living v ON v.writer_id = r.writer_id
  WHERE r.tenant_id = registry.scope() AND r.id = ANY (p_ids)
$f$;

REVOKE ALL ON FUNCTION register.living_writers, register.cause_of, register.calls_without_closing, register.unknown_outcomes, register.causes_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION register.calls_without_closing TO koppelpunt_sealer;
GRANT EXECUTE ON FUNCTION register.unknown_outcomes, register.causes_of TO koppelpunt_inzage;
