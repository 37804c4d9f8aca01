-- What weakens a register that holds calls: keeping them shorter, keeping less of them, or being no gemeente any more, whose term is
-- twenty years. It takes two: who asks, and an auditor who accepts. Before the first call it is how a register is set up.
-- And a tenant whose auditor gave its register up comes back only when that word is taken back: else calls of after it would go too.
CREATE FUNCTION register.hold_tenant() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  IF (NEW.retention_years < OLD.retention_years OR (OLD.record_content = 'whole' AND NEW.record_content <> 'whole') OR (OLD.kind = 'gemeente' AND NEW.kind <> 'gemeente'))
      AND registry.actor() !~ '^auditor/[0-9]+ \(voorstel [0-9]+'
      AND EXISTS (SELECT 1 FROM register.opening o WHERE o.tenant_id = OLD.tenant_id) THEN
    RAISE 'a register is weakened by two: who asks, and an auditor who accepts'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'tenant_register_weakened_by_two', TABLE = 'tenant';
  END IF;
  IF OLD.state = 'ended' AND NEW.state <> 'ended' AND (SELECT s.kind IN ('bevestigd', 'voltooid') FROM register.contracteinde_stap s
      WHERE s.tenant_id = OLD.tenant_id ORDER BY s.number DESC LIMIT 1) THEN
    RAISE 'this tenant gave its register up' USING ERRCODE = 'check_violation', CONSTRAINT = 'tenant_register_given_up', TABLE = 'tenant';
  END IF;
  RETURN NEW;
END $f$;
REVOKE ALL ON FUNCTION register.hold_tenant FROM PUBLIC;
GRANT EXECUTE ON FUNCTION register.hold_tenant TO koppelpunt_owner;

-- As 0015 has it, and at the end of a contract everything is held that the archive does not hold which was received and confirmed:
-- calls that were sealed after it was made. Those go when they have had their term, or with an archive that holds them.
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
    SELECT o.id FROM stop s JOIN register.opening o ON o.tenant_id = p_tenant AND o.id >= s.low AND o.id < s.high AND o.refusal IS NULL
      AND NOT EXISTS (SELECT 1 FROM register.closing c WHERE c.tenant_id = p_tenant AND c.id = o.id) WHERE s.subjects IS NOT NULL
    UNION
    SELECT c.id FROM stop s JOIN register.closing c ON c.tenant_id = p_tenant AND c.id >= s.low AND c.id < s.high AND c.unidentified > 0
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
