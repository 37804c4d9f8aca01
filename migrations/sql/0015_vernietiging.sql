-- Destroying calls, in three steps that each look again: begin (the proof is written), destroy (some thousands of leaves a
-- transaction, only when the proof stands in a signed tree), and the end (the proof of what went).

-- Begins a destruction of one month and returns its number, that of one under way, or null when nothing can go. The proof
-- names the leaves whose rows are here and are what was sealed: what was lost or altered before stays a fault for ever.
-- PostgreSQL cannot know how many leaves a round holds and would compare each with each; a hash of them is made once.
CREATE FUNCTION register.begin_vernietiging(p_tenant bigint, p_maand date, p_backup_days integer, p_most integer, p_actor text) RETURNS bigint
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
  ), call AS MATERIALIZED (
    -- A call goes as a whole or not at all: a closing says the hash of its opening.
    SELECT w.id FROM whole w WHERE w.kind = 'opening' AND w.id <> ALL (v_held.ids) AND NOT register.is_within(w.id, v_held.lows, v_held.highs)
      AND NOT EXISTS (SELECT 1 FROM lost l WHERE l.id = w.id)
      AND NOT EXISTS (SELECT 1 FROM loose l WHERE l.id = w.id)
    ORDER BY w.id LIMIT least(greatest(p_most, 1), 125000)
  ), going AS MATERIALIZED (
    SELECT w.* FROM whole w JOIN call c ON c.id = w.id
  )
  SELECT (SELECT range_agg(int8range(g.leaf, g.leaf + 1)) FROM going g), (SELECT count(*) FROM going),
    (SELECT jsonb_object_agg(k.kind, k.writers) FROM (SELECT n.kind, jsonb_object_agg(n.writer_id, n.numbers::text) AS writers
      FROM (SELECT g.kind, g.writer_id, range_agg(int8range(g.number, g.number + 1)) AS numbers FROM going g GROUP BY 1, 2) n GROUP BY n.kind) k),
    (SELECT range_agg(int8range(l.leaf, l.leaf + 1)) FROM lost l)
  INTO v_leaves, v_rows, v_numbers, v_lost;

  -- A leaf without its row, that no proof names, is never made good by a later proof.
  v_lost := v_lost - COALESCE((SELECT range_agg(v.destroyed) FROM register.vernietiging v WHERE v.tenant_id = p_tenant AND v.period_from = v_from), '{}');
  IF v_lost <> '{}' THEN
    PERFORM register.note_seal_fault(p_tenant, 'row_vanished', 'before its term: leaves ' || left(v_lost::text, 400), false);
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

-- The leaf of a wijziging, when it stands in the tree as what it is; null when it was not sealed (yet).
CREATE FUNCTION register.leaf_of_wijziging(p_tenant bigint, p_wijziging bigint) RETURNS bigint LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $f$
  SELECT r.first + r.at FROM registry.wijziging w CROSS JOIN LATERAL (
    SELECT x.first, x.hashes, (position('\x03'::bytea || decode(lpad(to_hex(w.number), 32, '0'), 'hex') IN x.entries) - 1) / 17 AS at FROM register.leaf_run x
    WHERE x.tenant_id = p_tenant AND x.sealed_at >= w.at - interval '1 minute'
      AND position('\x03'::bytea || decode(lpad(to_hex(w.number), 32, '0'), 'hex') IN x.entries) % 17 = 1 ORDER BY x.first LIMIT 1) r
  WHERE w.tenant_id = p_tenant AND w.number = p_wijziging AND w.hash = registry.wijziging_hash(w)
    AND substring(r.hashes FROM r.at * 32 + 1 FOR 32) = sha256('\x00'::bytea || convert_to('wijziging:' || w.number || ':' || encode(w.hash, 'hex'), 'UTF8'))
$f$;

-- One step of a destruction: at most p_most leaves. Answers 'wacht' (its proof is not signed yet, or the tree is halted: who looks
-- into a fault must find what is there), 'bezig', or 'klaar'. Raises when the term does not allow it (any more).
CREATE FUNCTION register.destroy_rows(p_tenant bigint, p_number bigint, p_most integer) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $f$
DECLARE
  v_what register.vernietiging;
  v_stand register.vernietiging_stand;
  v_most integer := least(greatest(p_most, 1), 5000);
  v_floor uuid;
  v_ceiling uuid;
  v_lowest uuid;
  v_highest uuid;
  v_leaves bigint[];
  v_kinds integer[];
  v_ids uuid[];
  v_calls uuid[];
  v_kept int8multirange;
  v_held record;
  v_count bigint;
  v_keys uuid[];
BEGIN
  PERFORM register.enter_vernietiging(p_tenant);
  SELECT * INTO v_what FROM register.vernietiging v WHERE v.tenant_id = p_tenant AND v.number = p_number;
  IF NOT FOUND OR v_what.soort <> 'protocolregels' THEN
    RAISE 'there is no such destruction' USING ERRCODE = 'no_data_found';
  ELSIF v_what.finished_at IS NOT NULL THEN
    RETURN 'klaar';
  ELSIF register.destruction_ground(p_tenant, 'protocolregels', v_what.period_until) IS NULL THEN
    RAISE 'the term of this month has not passed' USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  SELECT * INTO v_stand FROM register.vernietiging_stand s WHERE s.tenant_id = p_tenant AND s.number = p_number FOR UPDATE;
  IF v_stand.proof_leaf IS NULL THEN
    v_stand.proof_leaf := register.leaf_of_wijziging(p_tenant, v_stand.wijziging);
    UPDATE register.vernietiging_stand s SET proof_leaf = v_stand.proof_leaf WHERE s.tenant_id = p_tenant AND s.number = p_number;
  END IF;
  IF v_stand.proof_leaf IS NULL OR NOT EXISTS (SELECT 1 FROM register.checkpoint c WHERE c.tenant_id = p_tenant AND c.size > v_stand.proof_leaf)
      OR EXISTS (SELECT 1 FROM register.tree t WHERE t.tenant_id = p_tenant AND t.halted_at IS NOT NULL) THEN
    RETURN 'wacht';
  END IF;

  v_floor := register.uuid_floor(v_what.period_from);
  v_ceiling := register.uuid_floor(v_what.period_until);
  WITH piece AS (
    SELECT p.low, p.high, sum(p.high - p.low) OVER (ORDER BY p.low) - (p.high - p.low) AS before
    FROM (SELECT greatest(lower(r), v_stand.next_leaf) AS low, upper(r) AS high FROM unnest(v_what.leaves) r WHERE upper(r) > v_stand.next_leaf) p
  ), wanted AS (
    SELECT g AS leaf FROM piece, generate_series(piece.low, least(piece.high, piece.low + v_most - piece.before::bigint) - 1) g WHERE piece.before < v_most
  ), entry AS (
    SELECT w.leaf, substring(r.entries FROM ((w.leaf - r.first) * 17)::integer + 1 FOR 17) AS e FROM wanted w CROSS JOIN LATERAL (
      SELECT x.first, x.entries FROM register.leaf_run x WHERE x.tenant_id = p_tenant AND x.first <= w.leaf ORDER BY x.first DESC LIMIT 1) r
  ), taken AS (
    SELECT e.leaf, CASE WHEN octet_length(e.e) = 17 THEN get_byte(e.e, 0) END AS kind,
      CASE WHEN octet_length(e.e) = 17 THEN encode(substring(e.e FROM 2), 'hex')::uuid END AS id FROM entry e
  )
  -- Only what carries a time of the month whose term was looked at, whatever the proof says.
  SELECT array_agg(t.leaf), array_agg(t.kind), array_agg(t.id) INTO v_leaves, v_kinds, v_ids
  FROM taken t WHERE t.kind IN (1, 2) AND t.id >= v_floor AND t.id < v_ceiling;
  IF v_leaves IS NULL THEN
    PERFORM register.finish_vernietiging(v_what, v_stand);
    RETURN 'klaar';
  END IF;
  SELECT i INTO v_lowest FROM unnest(v_ids) i ORDER BY i LIMIT 1;
  SELECT i INTO v_highest FROM unnest(v_ids) i ORDER BY i DESC LIMIT 1;
  v_held := register.held_calls(p_tenant, v_floor, v_ceiling);
  -- At the leaf of its opening a call goes, with its closing and persons. A closing that still stands at its own leaf was kept.
  SELECT COALESCE(array_agg(t.id) FILTER (WHERE t.goes AND t.kind = 1), '{}'), COALESCE(range_agg(int8range(t.leaf, t.leaf + 1)) FILTER (WHERE NOT t.goes), '{}')
  INTO v_calls, v_kept
  FROM (SELECT u.leaf, u.kind, u.id, CASE u.kind
      WHEN 1 THEN u.id <> ALL (v_held.ids) AND NOT register.is_within(u.id, v_held.lows, v_held.highs)
      ELSE u.id = ANY (o.ids) OR NOT EXISTS (SELECT 1 FROM register.closing c
        WHERE c.tenant_id = p_tenant AND c.id = u.id AND c.id >= v_floor AND c.id < v_ceiling) END AS goes
    FROM unnest(v_leaves, v_kinds, v_ids) u (leaf, kind, id),
      (SELECT ARRAY(SELECT w.id FROM unnest(v_kinds, v_ids) w (kind, id) WHERE w.kind = 1 AND w.id <> ALL (v_held.ids)
        AND NOT register.is_within(w.id, v_held.lows, v_held.highs)) AS ids) o) t;

  DELETE FROM register.person p WHERE p.tenant_id = p_tenant AND p.id = ANY (v_calls) AND p.id BETWEEN v_lowest AND v_highest;
  GET DIAGNOSTICS v_count = ROW_COUNT;
  v_stand.persons := v_stand.persons + v_count;
  WITH gone AS (DELETE FROM register.closing c WHERE c.tenant_id = p_tenant AND c.id = ANY (v_calls) AND c.id BETWEEN v_lowest AND v_highest RETURNING c.data_key_id)
  SELECT count(*), array_agg(DISTINCT g.data_key_id) INTO v_count, v_keys FROM gone g;
  v_stand.closings := v_stand.closings + v_count;
  v_stand.data_key_ids := v_stand.data_key_ids || v_keys;
  WITH gone AS (DELETE FROM register.opening o WHERE o.tenant_id = p_tenant AND o.id = ANY (v_calls) AND o.id BETWEEN v_lowest AND v_highest RETURNING o.data_key_id)
  SELECT count(*), array_agg(DISTINCT g.data_key_id) INTO v_count, v_keys FROM gone g;
  v_stand.openings := v_stand.openings + v_count;
  v_stand.data_key_ids := v_stand.data_key_ids || v_keys;
  DELETE FROM register.running r WHERE r.tenant_id = p_tenant AND r.id = ANY (v_calls);
  UPDATE register.vernietiging_stand s SET next_leaf = (SELECT max(l) + 1 FROM unnest(v_leaves) l), kept = v_stand.kept + v_kept, openings = v_stand.openings,
    closings = v_stand.closings, persons = v_stand.persons, data_key_ids = ARRAY(SELECT DISTINCT k FROM unnest(v_stand.data_key_ids) k WHERE k IS NOT NULL)
  WHERE s.tenant_id = p_tenant AND s.number = p_number;
  RETURN 'bezig';
END $f$;

-- The proof of what went. Data keys go with the last row that they open: not before all that is free of the month has gone,
-- and not when a call of around it still has them. What is left here goes with the key of its year.
CREATE FUNCTION register.finish_vernietiging(p_what register.vernietiging, p_stand register.vernietiging_stand) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $f$
DECLARE
  v_floor uuid := register.uuid_floor(p_what.period_from - interval '1 day');
  v_ceiling uuid := register.uuid_floor(p_what.period_until + interval '1 day');
  v_data_keys bigint := 0;
BEGIN
  IF cardinality(p_stand.data_key_ids) > 0 THEN
    WITH used AS MATERIALIZED (
      SELECT o.data_key_id FROM register.opening o WHERE o.tenant_id = p_what.tenant_id AND o.id >= v_floor AND o.id < v_ceiling
      UNION
      SELECT c.data_key_id FROM register.closing c WHERE c.tenant_id = p_what.tenant_id AND c.id >= v_floor AND c.id < v_ceiling
    ), gone AS (
      DELETE FROM register.data_key d WHERE d.tenant_id = p_what.tenant_id AND d.data_key_id = ANY (p_stand.data_key_ids)
        AND NOT EXISTS (SELECT 1 FROM used u WHERE u.data_key_id = d.data_key_id) RETURNING 1
    )
    SELECT count(*) INTO v_data_keys FROM gone;
  END IF;
  PERFORM set_config('koppelpunt.actor', p_what.actor, true);
  UPDATE register.vernietiging v SET finished_at = clock_timestamp(), openings = p_stand.openings, closings = p_stand.closings, persons = p_stand.persons,
    data_keys = v_data_keys, destroyed = v.leaves - p_stand.kept, backups_until = clock_timestamp() + make_interval(days => v.backup_days)
  WHERE v.tenant_id = p_what.tenant_id AND v.number = p_what.number;
  DELETE FROM register.vernietiging_stand s WHERE s.tenant_id = p_what.tenant_id AND s.number = p_what.number;
END $f$;

-- The proofs that say that the row of this leaf may be gone, as the history has them: wijziging and hash.
CREATE FUNCTION register.proofs_of_destruction(p_tenant bigint, p_leaf bigint) RETURNS TABLE (wijziging bigint, hash bytea, leaf bigint) LANGUAGE sql STABLE
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  SELECT w.number, w.hash, register.leaf_of_wijziging(p_tenant, w.number) FROM registry.wijziging w
  WHERE w.tenant_id = p_tenant AND w.object = 'vernietiging' AND w.action = 'insert' AND (w.after ->> 'leaves')::int8multirange @> p_leaf
    AND w.hash = registry.wijziging_hash(w)
$f$;

REVOKE ALL ON FUNCTION register.begin_vernietiging, register.leaf_of_wijziging, register.destroy_rows, register.finish_vernietiging,
  register.proofs_of_destruction FROM PUBLIC;
GRANT EXECUTE ON FUNCTION register.begin_vernietiging, register.destroy_rows, register.proofs_of_destruction TO koppelpunt_sealer;
