-- Whether nothing of a register is left: no row, no record, no key, and no destruction under way.
CREATE FUNCTION register.is_gone(p_tenant bigint) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $f$
  SELECT NOT EXISTS (SELECT 1 FROM register.months_to_destroy(p_tenant, 'infinity'))
    AND NOT EXISTS (SELECT 1 FROM register.vernietiging v WHERE v.tenant_id = p_tenant AND v.finished_at IS NULL)
$f$;
REVOKE ALL ON FUNCTION register.is_gone FROM PUBLIC;
GRANT EXECUTE ON FUNCTION register.is_gone TO koppelpunt_inzage;

-- As 0015 has it, by two persons.
CREATE OR REPLACE FUNCTION register.end_is_confirmed(p_tenant bigint) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $f$
  SELECT COALESCE((SELECT s.kind IN ('meebevestigd', 'voltooid') FROM register.contracteinde_stap s WHERE s.tenant_id = p_tenant ORDER BY s.number DESC LIMIT 1), false)
    AND EXISTS (SELECT 1 FROM registry.tenant t WHERE t.tenant_id = p_tenant AND t.state = 'ended')
$f$;

-- As 0025 has it, and the second word counts as the first.
CREATE OR REPLACE FUNCTION register.hold_tenant() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  IF (NEW.retention_years < OLD.retention_years OR (OLD.record_content = 'whole' AND NEW.record_content <> 'whole') OR (OLD.kind = 'gemeente' AND NEW.kind <> 'gemeente'))
      AND registry.actor() !~ '^auditor/[0-9]+ \(voorstel [0-9]+'
      AND EXISTS (SELECT 1 FROM register.opening o WHERE o.tenant_id = OLD.tenant_id) THEN
    RAISE 'a register is weakened by two: who asks, and an auditor who accepts'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'tenant_register_weakened_by_two', TABLE = 'tenant';
  END IF;
  IF OLD.state = 'ended' AND NEW.state <> 'ended' AND EXISTS (SELECT 1 FROM register.contracteinde_stap s
      WHERE s.tenant_id = OLD.tenant_id AND s.kind IN ('bevestigd', 'meebevestigd', 'voltooid')
        AND NOT EXISTS (SELECT 1 FROM register.contracteinde_stap l WHERE l.tenant_id = s.tenant_id AND l.kind = 'ingetrokken' AND l.number > s.number)) THEN
    RAISE 'this tenant gave its register up' USING ERRCODE = 'check_violation', CONSTRAINT = 'tenant_register_given_up', TABLE = 'tenant';
  END IF;
  RETURN NEW;
END $f$;
