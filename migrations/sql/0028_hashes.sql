-- The hash of a row, made again from what stands in the row now. The stored hash is a column as any other: who alters a row and
-- leaves it alone is not seen by looking at it. The forms are those of `write` (0026); docs/register-format.md has them.
CREATE FUNCTION register.hash_of_opening(o register.opening, p_question_type text, p_zoekrubrieken text, p_rubrieken text) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE AS $f$
  SELECT pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.json_build_array('register/opening/1', o.tenant_id, o.id, o.writer_id, o.number,
    (extract(epoch FROM o.opened_at) * 1000000)::bigint, o.aansluiting_id, o.aansluiting_version, o.machtiging_id, o.machtiging_version, o.mandate_id,
    o.mandate_version, o.taaksysteem_tenant_id, o.taaksysteem_id, o.taaksysteem_version, o.acting_oin, o.afnemer_id, o.organisation_oin,
    o.certificate_oin, pg_catalog.encode(o.fingerprint, 'hex'), o.doelbinding, o.grondslag, o.ontvanger, o.verwerkingsactiviteit,
    o.refusal, o.api, o.operation, p_question_type, p_zoekrubrieken, p_rubrieken, o.trace_id, o.user_index, o.data_key_id,
    pg_catalog.encode(pg_catalog.sha256(o.sealed), 'hex'))::text, 'UTF8'))
$f$;
CREATE FUNCTION register.hash_of_closing(c register.closing, p_opening_hash bytea, p_persons_hash text) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE AS $f$
  SELECT pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.json_build_array('register/closing/1', c.tenant_id, c.id, c.writer_id, c.number,
    (extract(epoch FROM c.closed_at) * 1000000)::bigint, pg_catalog.encode(p_opening_hash, 'hex'), c.outcome, c.status, c.code, c.persons, c.unidentified,
    c.question_bytes, c.answer_bytes, c.token_us, c.upstream_us, c.total_us, p_persons_hash, c.data_key_id,
    pg_catalog.encode(pg_catalog.sha256(c.sealed), 'hex'))::text, 'UTF8'))
$f$;

-- What rows hash to, by tenant and id; a row that is not there is left out. Says nothing of what is in them. Persons are found by the
-- range of the ids, for which there is a small index: so ids that lie near each other are asked together.
CREATE FUNCTION register.rehash_openings(p_tenants bigint[], p_ids uuid[]) RETURNS TABLE (tenant_id bigint, id uuid, hash bytea, made bytea) LANGUAGE plpgsql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan SET jit = off AS $f$
#variable_conflict use_column
DECLARE
  v_low uuid := (SELECT i FROM unnest(p_ids) i ORDER BY i LIMIT 1);
  v_high uuid := (SELECT i FROM unnest(p_ids) i ORDER BY i DESC LIMIT 1);
BEGIN
  RETURN QUERY SELECT o.tenant_id, o.id, o.hash, register.hash_of_opening(o, COALESCE(o.question_type, q.question_type),
      COALESCE(o.zoekrubrieken, q.zoekrubrieken), COALESCE(o.rubrieken, q.rubrieken))
  FROM unnest(p_tenants, p_ids) w (tenant_id, id) JOIN register.opening o ON o.tenant_id = w.tenant_id AND o.id = w.id AND o.id BETWEEN v_low AND v_high
  LEFT JOIN register.question_shape q ON q.tenant_id = o.tenant_id AND q.question_shape_id = o.question_shape_id;
END $f$;
CREATE FUNCTION register.rehash_closings(p_tenants bigint[], p_ids uuid[]) RETURNS TABLE (tenant_id bigint, id uuid, hash bytea, made bytea) LANGUAGE plpgsql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan SET jit = off AS $f$
#variable_conflict use_column
DECLARE
  v_low uuid := (SELECT i FROM unnest(p_ids) i ORDER BY i LIMIT 1);
  v_high uuid := (SELECT i FROM unnest(p_ids) i ORDER BY i DESC LIMIT 1);
BEGIN
  RETURN QUERY
  WITH line AS MATERIALIZED (
    SELECT p.tenant_id, p.id, (p.person::text || '/' || p.message_id) COLLATE "C" AS line FROM register.person p WHERE p.id BETWEEN v_low AND v_high
  ), persons AS MATERIALIZED (
    SELECT l.tenant_id, l.id, encode(sha256(convert_to(json_agg(l.line ORDER BY l.line)::text, 'UTF8')), 'hex') AS hash FROM line l GROUP BY l.tenant_id, l.id
  )
  SELECT c.tenant_id, c.id, c.hash, register.hash_of_closing(c, o.hash, p.hash)
  FROM unnest(p_tenants, p_ids) w (tenant_id, id) JOIN register.closing c ON c.tenant_id = w.tenant_id AND c.id = w.id AND c.id BETWEEN v_low AND v_high
  LEFT JOIN register.opening o ON o.tenant_id = w.tenant_id AND o.id = w.id AND o.id BETWEEN v_low AND v_high
  LEFT JOIN persons p ON p.tenant_id = c.tenant_id AND p.id = c.id;
END $f$;
CREATE FUNCTION register.rehash_wijzigingen(p_tenants bigint[], p_numbers bigint[]) RETURNS TABLE (tenant_id bigint, number bigint, hash bytea, made bytea)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan SET jit = off AS $f$
#variable_conflict use_column
BEGIN
  RETURN QUERY SELECT x.tenant_id, x.number, x.hash, registry.wijziging_hash(x) FROM unnest(p_tenants, p_numbers) w (tenant_id, number)
  JOIN registry.wijziging x ON x.tenant_id = w.tenant_id AND x.number = w.number;
END $f$;
REVOKE ALL ON FUNCTION register.hash_of_opening, register.hash_of_closing, register.rehash_openings, register.rehash_closings, register.rehash_wijzigingen FROM PUBLIC;
GRANT EXECUTE ON FUNCTION register.rehash_openings, register.rehash_closings, register.rehash_wijzigingen TO koppelpunt_sealer;

-- Where a fault of these leaves is: whole, or by its beginning and a digest, so that another set is another place.
CREATE FUNCTION register.place_of_leaves(p_leaves int8multirange) RETURNS text LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $f$
  SELECT 'before its term: leaves ' || CASE WHEN length(p_leaves::text) <= 400 THEN p_leaves::text
    ELSE left(p_leaves::text, 400) || '… ' || left(encode(sha256(convert_to(p_leaves::text, 'UTF8')), 'hex'), 16) END
$f$;
REVOKE ALL ON FUNCTION register.place_of_leaves FROM PUBLIC;

-- As 0015 has it, and a row counts as what was sealed only when what it says still hashes to it, not when its column of the hash says
-- so. A call that was altered does not go: nothing may be destroyed of a tenant before someone looked at what was done to it.
-- PostgreSQL cannot know how many leaves a round holds and would compare each with each; a hash of them is made once.
CREATE OR REPLACE FUNCTION register.begin_vernietiging(p_tenant bigint, p_maand date, p_backup_days integer, p_most integer, p_actor text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET enable_nestloop = off SET jit = off AS $f$
DECLARE
  v_from timestamptz := date_trunc('month', p_maand::timestamp);
  v_until timestamptz := date_trunc('month', p_maand::timestamp) + interval '1 month';
  v_floor uuid := register.uuid_floor(v_from);
  v_ceiling uuid := register.uuid_floor(v_until);
  v_ground text;
  v_held record;
  v_leaves int8multirange;
  v_numbers jsonb;
  v_rows bigint;
  v_lost int8multirange;
  v_altered int8multirange;
  v_number bigint;
BEGIN
  PERFORM register.enter_vernietiging(p_tenant);
  v_ground := register.destruction_ground(p_tenant, 'protocolregels', v_until);
  IF v_ground IS NULL THEN
    RAISE 'the term of this month has not passed' USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  SELECT v.number INTO v_number FROM register.vernietiging v WHERE v.tenant_id = p_tenant AND v.period_from = v_from AND v.finished_at IS NULL;
  IF FOUND THEN
    RETURN v_number;
  END IF;
  v_held := register.held_calls(p_tenant, v_floor, v_ceiling);

  WITH run AS MATERIALIZED (
    -- Copied once, so that each leaf is cut from memory.
    SELECT r.first, r.count, r.entries || ''::bytea AS entries, r.hashes || ''::bytea AS hashes FROM register.leaf_run r
    WHERE r.tenant_id = p_tenant AND r.lowest < v_ceiling AND r.sealed_at >= v_from - interval '2 minutes'
  ), leaf AS MATERIALIZED (
    SELECT e.leaf, e.kind, e.id, e.hash FROM run r CROSS JOIN LATERAL (
      SELECT r.first + g AS leaf, get_byte(r.entries, g * 17) AS kind, encode(substring(r.entries FROM g * 17 + 2 FOR 16), 'hex')::uuid AS id,
        substring(r.hashes FROM g * 32 + 1 FOR 32) AS hash FROM generate_series(0, r.count - 1) g) e
    WHERE e.kind IN (1, 2) AND e.id >= v_floor AND e.id < v_ceiling
  ), found AS MATERIALIZED (
    SELECT l.leaf, 'opening' AS kind, o.id, o.writer_id, o.number, o.hash, l.hash AS sealed_as FROM leaf l
    JOIN register.opening o ON o.tenant_id = p_tenant AND o.id = l.id AND o.id >= v_floor AND o.id < v_ceiling WHERE l.kind = 1
    UNION ALL
    SELECT l.leaf, 'closing', c.id, c.writer_id, c.number, c.hash, l.hash FROM leaf l
    JOIN register.closing c ON c.tenant_id = p_tenant AND c.id = l.id AND c.id >= v_floor AND c.id < v_ceiling WHERE l.kind = 2
  ), whole AS MATERIALIZED (
    SELECT f.leaf, f.kind, f.id, f.writer_id, f.number FROM found f
    WHERE f.sealed_as = sha256('\x00'::bytea || convert_to(f.kind || ':' || f.id || ':' || encode(f.hash, 'hex'), 'UTF8'))
  ), lost AS MATERIALIZED (
    SELECT l.leaf, l.id FROM leaf l WHERE NOT EXISTS (SELECT 1 FROM whole w WHERE w.leaf = l.leaf)
  ), loose AS MATERIALIZED (
    SELECT c.id FROM register.closing c WHERE c.tenant_id = p_tenant AND c.id >= v_floor AND c.id < v_ceiling
      AND NOT EXISTS (SELECT 1 FROM whole w WHERE w.kind = 'closing' AND w.id = c.id)
  ), wanted AS MATERIALIZED (
    -- A call goes as a whole or not at all: a closing says the hash of its opening.
    SELECT w.id FROM whole w WHERE w.kind = 'opening' AND w.id <> ALL (v_held.ids) AND NOT register.is_within(w.id, v_held.lows, v_held.highs)
      AND NOT EXISTS (SELECT 1 FROM lost l WHERE l.id = w.id)
      AND NOT EXISTS (SELECT 1 FROM loose l WHERE l.id = w.id)
    ORDER BY w.id LIMIT least(greatest(p_most, 1), 125000)
  ), line AS MATERIALIZED (
    SELECT p.id, (p.person::text || '/' || p.message_id) COLLATE "C" AS line FROM register.person p JOIN wanted w ON w.id = p.id
    WHERE p.tenant_id = p_tenant AND p.id >= v_floor AND p.id < v_ceiling
  ), persons AS MATERIALIZED (
    SELECT l.id, encode(sha256(convert_to(json_agg(l.line ORDER BY l.line)::text, 'UTF8')), 'hex') AS hash FROM line l GROUP BY l.id
  ), altered AS MATERIALIZED (
    SELECT x.id, x.kind FROM (
      SELECT o.id, 'opening' AS kind, o.hash = register.hash_of_opening(o, COALESCE(o.question_type, q.question_type),
        COALESCE(o.zoekrubrieken, q.zoekrubrieken), COALESCE(o.rubrieken, q.rubrieken)) AS holds
      FROM wanted w JOIN register.opening o ON o.tenant_id = p_tenant AND o.id = w.id AND o.id >= v_floor AND o.id < v_ceiling
      LEFT JOIN register.question_shape q ON q.tenant_id = p_tenant AND q.question_shape_id = o.question_shape_id
      UNION ALL
      SELECT c.id, 'closing', c.hash = register.hash_of_closing(c, o.hash, p.hash) FROM wanted w
      JOIN register.closing c ON c.tenant_id = p_tenant AND c.id = w.id AND c.id >= v_floor AND c.id < v_ceiling
      LEFT JOIN register.opening o ON o.tenant_id = p_tenant AND o.id = w.id AND o.id >= v_floor AND o.id < v_ceiling LEFT JOIN persons p ON p.id = c.id
    ) x WHERE x.holds IS NOT TRUE
  ), going AS MATERIALIZED (
    SELECT w.* FROM whole w JOIN wanted c ON c.id = w.id WHERE NOT EXISTS (SELECT 1 FROM altered a WHERE a.id = w.id)
  )
  SELECT (SELECT range_agg(int8range(g.leaf, g.leaf + 1)) FROM going g), (SELECT count(*) FROM going),
    (SELECT jsonb_object_agg(k.kind, k.writers) FROM (SELECT n.kind, jsonb_object_agg(n.writer_id, n.numbers::text) AS writers
      FROM (SELECT g.kind, g.writer_id, range_agg(int8range(g.number, g.number + 1)) AS numbers FROM going g GROUP BY 1, 2) n GROUP BY n.kind) k),
    (SELECT range_agg(int8range(l.leaf, l.leaf + 1)) FROM lost l),
    (SELECT range_agg(int8range(w.leaf, w.leaf + 1)) FROM whole w JOIN altered a ON a.id = w.id AND a.kind = w.kind)
  INTO v_leaves, v_rows, v_numbers, v_lost, v_altered;

  -- A leaf without its row, that no proof names, is never made good by a later proof.
  v_lost := v_lost - COALESCE((SELECT range_agg(v.destroyed) FROM register.vernietiging v WHERE v.tenant_id = p_tenant AND v.period_from = v_from), '{}');
  IF v_lost <> '{}' AND NOT register.is_answered(p_tenant, 'row_vanished', register.place_of_leaves(v_lost)) THEN
    PERFORM register.note_seal_fault(p_tenant, 'row_vanished', register.place_of_leaves(v_lost), false);
  END IF;
  -- Halts the signing, and with it every destruction, until it was answered for; what was answered for is not told again.
  IF v_altered <> '{}' AND NOT register.is_answered(p_tenant, 'row_altered', register.place_of_leaves(v_altered)) THEN
    PERFORM register.note_seal_fault(p_tenant, 'row_altered', register.place_of_leaves(v_altered), true);
  END IF;
  IF v_rows = 0 THEN
    RETURN NULL;
  END IF;
  PERFORM set_config('koppelpunt.actor', p_actor, true);
  INSERT INTO register.vernietiging (tenant_id, actor, ground, retention_years, soort, period_from, period_until, rows, leaves, numbers, backup_days)
  SELECT p_tenant, p_actor, v_ground, register.bewaarjaren('protocolregels', t.kind, t.retention_years), 'protocolregels', v_from, v_until, v_rows, v_leaves,
    v_numbers, p_backup_days FROM registry.tenant t WHERE t.tenant_id = p_tenant
  RETURNING number INTO v_number;
  INSERT INTO register.vernietiging_stand (tenant_id, number, wijziging)
  SELECT p_tenant, v_number, max(w.number) FROM registry.wijziging w WHERE w.tenant_id = p_tenant AND w.object = 'vernietiging' AND w.tx = pg_current_xact_id();
  RETURN v_number;
END $f$;
