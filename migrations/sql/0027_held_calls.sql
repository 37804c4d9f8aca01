-- As 0025 has it, and a stop for a person holds everything of which the register cannot say without opening it that it was not about
-- that person: refused attempts, and closings that name nobody (sent and not answered, not sent, answered without a person).
CREATE OR REPLACE FUNCTION register.held_calls(p_tenant bigint, p_floor uuid, p_ceiling uuid, OUT ids uuid[], OUT lows uuid[], OUT highs uuid[]) LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $f$
  WITH stop AS MATERIALIZED (SELECT s.subjects, greatest(s.low, p_floor) AS low, least(s.high, p_ceiling) AS high FROM register.stops_of(p_tenant) s
    WHERE s.low < p_ceiling AND s.high > p_floor),
  archive AS MATERIALIZED (SELECT s.tree_size AS size FROM register.contracteinde_stap s WHERE s.tenant_id = p_tenant AND s.kind = 'geexporteerd'
    AND register.destruction_ground(p_tenant, 'protocolregels', register.time_of(p_ceiling)) = 'contracteinde' ORDER BY s.number DESC LIMIT 1),
  single AS (
    SELECT p.id FROM stop s JOIN register.person p ON p.tenant_id = p_tenant AND p.person = ANY (s.subjects) AND p.id >= s.low AND p.id < s.high
    WHERE s.subjects IS NOT NULL
    UNION
    SELECT o.id FROM stop s JOIN register.opening o ON o.tenant_id = p_tenant AND o.id >= s.low AND o.id < s.high
      AND NOT EXISTS (SELECT 1 FROM register.closing c WHERE c.tenant_id = p_tenant AND c.id = o.id) WHERE s.subjects IS NOT NULL
    UNION
    SELECT c.id FROM stop s JOIN register.closing c ON c.tenant_id = p_tenant AND c.id >= s.low AND c.id < s.high AND (c.unidentified > 0 OR c.persons = 0)
    WHERE s.subjects IS NOT NULL
    UNION
    SELECT e.id FROM archive a CROSS JOIN LATERAL (
      SELECT encode(substring(r.entries FROM g * 17 + 2 FOR 16), 'hex')::uuid AS id FROM register.leaf_run r CROSS JOIN generate_series(0, r.count - 1) g
      WHERE r.tenant_id = p_tenant AND r.first >= COALESCE((SELECT x.first FROM register.leaf_run x WHERE x.tenant_id = p_tenant AND x.first <= a.size
          ORDER BY x.first DESC LIMIT 1), 0)
        AND r.first + g >= a.size AND get_byte(r.entries, g * 17) IN (1, 2)) e WHERE e.id >= p_floor AND e.id < p_ceiling
  )
  SELECT ARRAY(SELECT id FROM single), ARRAY(SELECT low FROM stop WHERE subjects IS NULL ORDER BY low, high),
    ARRAY(SELECT high FROM stop WHERE subjects IS NULL ORDER BY low, high)
$f$;
