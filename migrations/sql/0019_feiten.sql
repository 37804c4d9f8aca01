-- What there is to tell of: facts of the registry with their dates, of all tenants, without persons and without reasons that
-- people wrote. Which of them are told, and in which words, is not decided here.

-- Whom a block concerns: as the list of blokkades of the admin API has it.
CREATE FUNCTION registry.tenants_of_blokkade(p_kind text, p_value text) RETURNS SETOF bigint LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $f$
  SELECT t.tenant_id FROM registry.tenant t WHERE (p_kind = 'tenant' AND t.tenant_id::text = p_value) OR (p_kind = 'oin' AND t.oin = p_value)
    OR (p_kind = 'taaksysteem' AND t.tenant_id::text = split_part(p_value, '/', 1))
  UNION
  SELECT n.tenant_id FROM registry.afnemer n WHERE (p_kind = 'afnemer' AND n.afnemer_id = p_value) OR (p_kind = 'oin' AND n.oin = p_value)
  UNION
  SELECT c.tenant_id FROM registry.certificate c WHERE p_kind = 'certificate' AND encode(c.fingerprint, 'hex') = p_value
$f$;

-- What ends, and is in use. What was renewed does not count: nobody has to do anything about it.
CREATE FUNCTION registry.meldingsfeiten_einde(p_now timestamptz) RETURNS TABLE (tenant_id bigint, kind text, object text, occasion text, due_at timestamptz, facts jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  WITH day_of AS MATERIALIZED (
    SELECT g.*, g.valid_until::timestamp AT TIME ZONE 'Europe/Amsterdam' AS ends_at, g.grace_until::timestamp AT TIME ZONE 'Europe/Amsterdam' AS grace_ends_at
    FROM registry.agreement g WHERE g.withdrawn_at IS NULL AND g.valid_until IS NOT NULL AND NOT EXISTS (
      SELECT 1 FROM registry.agreement n WHERE n.tenant_id = g.tenant_id AND n.kind = g.kind AND n.agreement_id <> g.agreement_id AND n.withdrawn_at IS NULL
        AND (n.afnemer_id IS NULL OR n.afnemer_id = g.afnemer_id) AND n.products @> g.products AND n.signed_on <= g.valid_until
        AND (n.valid_until IS NULL OR n.valid_until > g.valid_until))
  ), fact AS (
    SELECT c.tenant_id, 'certificaat' AS kind, c.certificate_id::text AS object, c.not_after AS due_at, jsonb_build_object('nummer', c.certificate_id, 'oin', c.oin) AS facts
    FROM registry.certificate c WHERE c.state = 'active' OR (c.state IN ('staged', 'retiring') AND EXISTS (SELECT 1 FROM registry.aansluiting a
      WHERE a.certificate_tenant_id = c.tenant_id AND a.certificate_id = c.certificate_id AND a.state <> 'beeindigd'))
    UNION ALL
    SELECT DISTINCT a.tenant_id, 'certificaat_geleend', a.certificate_tenant_id || '/' || a.certificate_id, c.not_after, jsonb_build_object('oin', c.oin, 'houder', h.name)
    FROM registry.aansluiting a JOIN registry.certificate c ON c.tenant_id = a.certificate_tenant_id AND c.certificate_id = a.certificate_id
    JOIN registry.tenant h ON h.tenant_id = c.tenant_id WHERE a.holder_tenant_id <> a.tenant_id AND a.state <> 'beeindigd'
    UNION ALL
    SELECT r.tenant_id, 'geheim', r.credential_id::text, r.secret_valid_until, jsonb_build_object('nummer', r.credential_id, 'afnemer', r.afnemer_id, 'omgeving', r.environment)
    FROM registry.credential r WHERE r.state = 'active' OR (r.state IN ('staged', 'retiring') AND EXISTS (SELECT 1 FROM registry.aansluiting a
      WHERE a.tenant_id = r.tenant_id AND a.credential_id = r.credential_id AND a.state <> 'beeindigd'))
    UNION ALL
    SELECT g.tenant_id, 'overeenkomst', g.agreement_id::text, g.ends_at, jsonb_build_object('nummer', g.agreement_id, 'soort', g.kind, 'partij', g.party) FROM day_of g
    UNION ALL
    SELECT g.tenant_id, 'uitstel', g.agreement_id::text, g.grace_ends_at, jsonb_build_object('nummer', g.agreement_id, 'soort', g.kind, 'partij', g.party) FROM day_of g
    UNION ALL
    SELECT s.tenant_id, 'mandaat', m.tenant_id || '/' || m.mandate_id, m.valid_until, jsonb_build_object('nummer', m.mandate_id, 'van', g.name, 'aan', r.name)
    FROM registry.mandate m JOIN registry.tenant g ON g.tenant_id = m.tenant_id JOIN registry.tenant r ON r.tenant_id = m.to_tenant_id
    CROSS JOIN LATERAL (VALUES (m.tenant_id), (m.to_tenant_id)) s (tenant_id) WHERE m.withdrawn_at IS NULL
    UNION ALL
    SELECT m.tenant_id, 'machtiging', m.machtiging_id::text, m.valid_until, jsonb_build_object('nummer', m.machtiging_id)
    FROM registry.machtiging m JOIN registry.aansluiting a ON a.tenant_id = m.tenant_id AND a.aansluiting_id = m.aansluiting_id AND a.state <> 'beeindigd'
    WHERE m.withdrawn_at IS NULL
    UNION ALL
    SELECT x.tenant_id, 'uitzondering', x.exception_id::text, x.valid_until, jsonb_build_object('nummer', x.exception_id, 'afnemer', x.afnemer_id)
    FROM registry.certificate_exception x WHERE x.withdrawn_at IS NULL
    UNION ALL
    SELECT s.tenant_id, 'uitlening', l.tenant_id || '/' || l.lending_id, l.valid_until, jsonb_build_object('nummer', l.lending_id, 'van', g.name, 'aan', r.name)
    FROM registry.certificate_lending l JOIN registry.tenant g ON g.tenant_id = l.tenant_id JOIN registry.tenant r ON r.tenant_id = l.to_tenant_id
    CROSS JOIN LATERAL (SELECT DISTINCT v.tenant_id FROM (VALUES (l.tenant_id), (l.to_tenant_id)) v (tenant_id)) s WHERE l.withdrawn_at IS NULL
    UNION ALL
    SELECT b.tenant_id, 'beheermandaat', b.mandaat_id::text, b.valid_until, jsonb_build_object('nummer', b.mandaat_id, 'aan', COALESCE(r.name, 'de operator'))
    FROM registry.beheermandaat b LEFT JOIN registry.tenant r ON r.tenant_id = b.to_tenant_id WHERE b.withdrawn_at IS NULL
    UNION ALL
    SELECT b.tenant_id, 'autorisatiebesluit', b.besluit_id::text, b.end_date::timestamp AT TIME ZONE 'Europe/Amsterdam',
      jsonb_build_object('nummer', b.besluit_id, 'afnemer', b.afnemer_id)
    FROM registry.autorisatiebesluit b WHERE b.end_date IS NOT NULL AND NOT EXISTS (SELECT 1 FROM registry.autorisatiebesluit n WHERE n.tenant_id = b.tenant_id
      AND n.afnemer_id = b.afnemer_id AND n.medium = b.medium AND n.besluit_id <> b.besluit_id AND n.start_date <= b.end_date AND COALESCE(n.end_date, 'infinity') > b.end_date)
    UNION ALL
    SELECT a.tenant_id, 'aansluiting', a.aansluiting_id::text, a.valid_until, jsonb_build_object('nummer', a.aansluiting_id, 'afnemer', a.afnemer_id, 'omgeving', a.environment)
    FROM registry.aansluiting a WHERE a.state NOT IN ('concept', 'beeindigd')
  )
  SELECT f.tenant_id, f.kind, f.object, to_char(f.due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), f.due_at, f.facts
  FROM fact f JOIN registry.tenant t ON t.tenant_id = f.tenant_id AND t.state = 'active'
  WHERE f.due_at <= p_now + interval '91 days' AND f.due_at > p_now - interval '90 days'
$f$;

-- What happened in the last week, and what is the case now.
CREATE FUNCTION registry.meldingsfeiten_nu(p_now timestamptz) RETURNS TABLE (tenant_id bigint, kind text, object text, occasion text, at timestamptz, due_at timestamptz, facts jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  SELECT f.tenant_id, f.kind, f.object, f.occasion, f.at, f.due_at, f.facts FROM (
    SELECT b.tenant_id, CASE h.action WHEN 'blocked' THEN 'blokkade' ELSE 'blokkade_opgeheven' END AS kind, h.kind || '/' || h.value AS object, h.number::text AS occasion,
      h.at, NULL::timestamptz AS due_at, jsonb_build_object('soort', h.kind, 'waarde', h.value) AS facts
    FROM registry.blokkade_history h CROSS JOIN LATERAL registry.tenants_of_blokkade(h.kind, h.value) b (tenant_id) WHERE h.at > p_now - interval '7 days'
    UNION ALL
    SELECT c.tenant_id, 'certificaat_ingetrokken', c.certificate_id::text, '', c.retired_at, NULL, jsonb_build_object('nummer', c.certificate_id, 'oin', c.oin)
    FROM registry.certificate c WHERE c.state = 'revoked' AND c.retired_at > p_now - interval '7 days'
    UNION ALL
    SELECT c.tenant_id, 'sleutel_vernietigd', 'certificaat/' || c.certificate_id, '', c.key_destroyed_at, NULL, jsonb_build_object('wat', 'certificaat', 'nummer', c.certificate_id)
    FROM registry.certificate c WHERE c.key_destroyed_at > p_now - interval '7 days'
    UNION ALL
    SELECT k.tenant_id, 'sleutel_vernietigd', 'jaar/' || k.year, '', k.destroyed_at, NULL, jsonb_build_object('wat', 'jaar', 'nummer', k.year)
    FROM registry.tenant_key k WHERE k.destroyed_at > p_now - interval '7 days'
    UNION ALL
    SELECT s.tenant_id, 'rvig_weigert', s.aansluiting_id::text, (extract(epoch FROM s.seen_at) * 1000000)::bigint::text, s.seen_at, NULL,
      jsonb_build_object('nummer', s.aansluiting_id, 'afnemer', a.afnemer_id, 'omgeving', a.environment, 'soort', s.kind, 'status', s.status, 'code', s.code)
    FROM registry.rvig_stand s JOIN registry.aansluiting a ON a.tenant_id = s.tenant_id AND a.aansluiting_id = s.aansluiting_id
    UNION ALL
    SELECT m.tenant_id, 'rvig_hersteld', m.object, m.occasion, p_now, NULL, jsonb_build_object('nummer', m.object)
    FROM registry.melding m WHERE m.kind = 'rvig_weigert' AND m.raised_at > p_now - interval '180 days' AND NOT EXISTS (SELECT 1 FROM registry.rvig_stand s
      WHERE s.tenant_id = m.tenant_id AND s.aansluiting_id::text = m.object AND (extract(epoch FROM s.seen_at) * 1000000)::bigint::text = m.occasion)
    UNION ALL
    SELECT b.tenant_id, 'post_wacht', b.aansluiting_id::text, (extract(epoch FROM b.since) * 1000000)::bigint::text, b.since, b.since + interval '7 days',
      jsonb_build_object('nummer', b.aansluiting_id, 'afnemer', a.afnemer_id, 'omgeving', a.environment, 'aantal', b.waiting)
    FROM registry.postbus b JOIN registry.aansluiting a ON a.tenant_id = b.tenant_id AND a.aansluiting_id = b.aansluiting_id AND a.state <> 'beeindigd' WHERE b.waiting > 0
    UNION ALL
    SELECT b.tenant_id, 'postbus_ongezien', b.aansluiting_id::text, (extract(epoch FROM b.counted_at) * 1000000)::bigint::text, b.counted_at, b.counted_at + interval '7 days',
      jsonb_build_object('nummer', b.aansluiting_id, 'afnemer', a.afnemer_id, 'omgeving', a.environment)
    FROM registry.postbus b JOIN registry.aansluiting a ON a.tenant_id = b.tenant_id AND a.aansluiting_id = b.aansluiting_id AND a.state IN ('proef', 'productie')
    UNION ALL
    SELECT v.tenant_id, 'voorstel', v.voorstel_id::text, '', v.proposed_at, v.valid_until, jsonb_build_object('nummer', v.voorstel_id, 'wie', v.accepts)
    FROM registry.voorstel v WHERE v.state = 'open' AND v.valid_until > p_now
    UNION ALL
    SELECT v.tenant_id, 'voorstel_besloten', v.voorstel_id::text, '', v.decided_at, NULL, jsonb_build_object('nummer', v.voorstel_id, 'besluit', v.state)
    FROM registry.voorstel v WHERE v.state IN ('aanvaard', 'geweigerd') AND v.decided_at > p_now - interval '7 days'
    UNION ALL
    SELECT b.tenant_id, 'beheer_gegeven', b.mandaat_id::text, '', b.valid_from, b.valid_until, jsonb_build_object('nummer', b.mandaat_id, 'aan', COALESCE(r.name, 'de operator'))
    FROM registry.beheermandaat b LEFT JOIN registry.tenant r ON r.tenant_id = b.to_tenant_id WHERE b.withdrawn_at IS NULL AND b.valid_until > p_now
    UNION ALL
    SELECT b.tenant_id, 'beheer_beeindigd', b.mandaat_id::text, '', b.withdrawn_at, NULL, jsonb_build_object('nummer', b.mandaat_id, 'aan', COALESCE(r.name, 'de operator'))
    FROM registry.beheermandaat b LEFT JOIN registry.tenant r ON r.tenant_id = b.to_tenant_id WHERE b.withdrawn_at > p_now - interval '7 days'
  ) f JOIN registry.tenant t ON t.tenant_id = f.tenant_id AND t.state = 'active'
$f$;

-- How many readings of its register a tenant had, by day in the Netherlands, of the last four weeks; of the newest 5,000.
CREATE POLICY owner_counts ON register.reading FOR SELECT TO koppelpunt_owner USING (at > now() - interval '30 days');
CREATE FUNCTION register.lezingen_per_dag() RETURNS TABLE (tenant_id bigint, dag date, aantal bigint) LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $f$
  SELECT t.tenant_id, (r.at AT TIME ZONE 'Europe/Amsterdam')::date, count(*) FROM registry.tenant t
  CROSS JOIN LATERAL (SELECT x.at FROM register.reading x WHERE x.tenant_id = t.tenant_id ORDER BY x.number DESC LIMIT 5000) r
  WHERE t.state = 'active' AND r.at > now() - interval '29 days' GROUP BY 1, 2
$f$;

-- What of the register is a week past its term and not held by a stop: of all tenants, and of the scope's.
CREATE FUNCTION register.achterstand(p_tenant bigint) RETURNS TABLE (soort text, maand date) LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $f$
  SELECT p.soort, p.maand FROM register.plan_vernietiging(p_tenant, now() - interval '7 days') p
  WHERE p.held < p.rows AND EXISTS (SELECT 1 FROM register.months_to_destroy(p_tenant, now() - interval '7 days'))
$f$;
CREATE FUNCTION register.achterstanden() RETURNS TABLE (tenant_id bigint, soort text, maand date) LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $f$
  SELECT t.tenant_id, a.soort, a.maand FROM registry.tenant t CROSS JOIN LATERAL register.achterstand(t.tenant_id) a
$f$;
CREATE FUNCTION register.own_achterstand() RETURNS TABLE (soort text, maand date) LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $f$
  SELECT a.soort, a.maand FROM register.achterstand(registry.scope()) a
$f$;

-- The certificates that the scope's aansluitingen leave with: what is known of them, also where another tenant keeps them.
CREATE FUNCTION registry.certificate_standings() RETURNS TABLE (aansluiting_id bigint, certificate_id bigint, borrowed boolean, oin text, state text,
  not_after timestamptz, revocation text) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  SELECT a.aansluiting_id, c.certificate_id, c.tenant_id <> a.tenant_id, c.oin::text, c.state, c.not_after, c.revocation::text
  FROM registry.aansluiting a JOIN registry.certificate c ON c.tenant_id = a.certificate_tenant_id AND c.certificate_id = a.certificate_id
  WHERE a.tenant_id = registry.scope()
$f$;

REVOKE ALL ON FUNCTION registry.tenants_of_blokkade, registry.meldingsfeiten_einde, registry.meldingsfeiten_nu, register.lezingen_per_dag, register.achterstand,
  register.achterstanden, register.own_achterstand, registry.certificate_standings FROM PUBLIC;
GRANT EXECUTE ON FUNCTION registry.meldingsfeiten_einde, registry.meldingsfeiten_nu, register.lezingen_per_dag, register.achterstanden TO koppelpunt_sealer;
GRANT EXECUTE ON FUNCTION register.own_achterstand, registry.certificate_standings TO koppelpunt_tenants;
