-- Faults of a tenant's register, and what was answered to them, in its own history, and so leaves of its tree. Of a tenant that has an
-- auditor the operator only proposes an answer: the auditor consents, or refuses, and until then signing and destroying stand still.
CREATE TRIGGER note_change AFTER INSERT OR UPDATE ON register.seal_fault FOR EACH ROW EXECUTE FUNCTION registry.note_change();

CREATE TABLE register.fout_antwoord (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  antwoord_id bigint GENERATED ALWAYS AS IDENTITY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor registry.text_line NOT NULL CONSTRAINT fout_antwoord_is_somebodys CHECK (actor ~ '[[:graph:]]'),
  reason registry.text_line NOT NULL CONSTRAINT fout_antwoord_has_reason CHECK (reason ~ '[[:graph:]]'),
  -- The faults that stood when it was given: for later ones another answer is needed.
  faults bigint[] NOT NULL CONSTRAINT fout_antwoord_is_about_faults CHECK (cardinality(faults) > 0),
  state text NOT NULL DEFAULT 'open' CONSTRAINT fout_antwoord_state_known CHECK (state IN ('open', 'ingestemd', 'geweigerd')),
  decided_by registry.text_line,
  decided_at timestamptz,
  decision_reason registry.text_line,
  PRIMARY KEY (tenant_id, antwoord_id),
  CONSTRAINT fout_antwoord_is_decided_by_somebody CHECK ((state = 'open') = (decided_at IS NULL) AND (state = 'open') = (decided_by IS NULL)
    AND (state = 'open') = (decision_reason IS NULL))
);
CREATE UNIQUE INDEX fout_antwoord_once ON register.fout_antwoord (tenant_id) WHERE state = 'open';
CREATE TRIGGER note_change AFTER INSERT OR UPDATE ON register.fout_antwoord FOR EACH ROW EXECUTE FUNCTION registry.note_change();
ALTER TABLE register.fout_antwoord ENABLE ROW LEVEL SECURITY;
ALTER TABLE register.fout_antwoord FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_reads ON register.fout_antwoord FOR SELECT TO koppelpunt_owner USING (true);
CREATE POLICY owner_answers ON register.fout_antwoord FOR INSERT TO koppelpunt_owner WITH CHECK (true);
CREATE POLICY owner_decides ON register.fout_antwoord FOR UPDATE TO koppelpunt_owner USING (true);
CREATE POLICY sealer_reads ON register.fout_antwoord FOR SELECT TO koppelpunt_sealer USING (true);
CREATE POLICY tenants_scope ON register.fout_antwoord FOR SELECT TO koppelpunt_tenants USING (tenant_id = registry.scope());
CREATE POLICY inzage_scope ON register.fout_antwoord FOR SELECT TO koppelpunt_inzage USING (tenant_id = registry.scope());
GRANT SELECT ON register.fout_antwoord TO koppelpunt_sealer, koppelpunt_tenants, koppelpunt_inzage;

-- As 0006 has it, by the sealer's own name, and of one sort two hundred at most that nobody answered for: what is altered by the thousand
-- is not told by the thousand. `register verify` names them all.
CREATE OR REPLACE FUNCTION register.note_seal_fault(p_tenant bigint, p_code text, p_place text, p_halts boolean) RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  v_actor text := COALESCE(current_setting('koppelpunt.actor', true), '');
BEGIN
  PERFORM set_config('koppelpunt.actor', 'sealer', true);
  INSERT INTO register.seal_fault (tenant_id, code, place, halts)
  SELECT p_tenant, p_code, p_place, p_halts WHERE NOT EXISTS (SELECT 1 FROM register.seal_fault f
      WHERE f.tenant_id = p_tenant AND f.code = p_code AND f.place = p_place AND f.resolved_at IS NULL)
    AND (SELECT count(*) FROM register.seal_fault f WHERE f.tenant_id = p_tenant AND f.code = p_code AND f.resolved_at IS NULL) < 200;
  PERFORM set_config('koppelpunt.actor', v_actor, true);
  IF p_halts THEN
    UPDATE register.tree t SET halted_at = COALESCE(t.halted_at, clock_timestamp()) WHERE t.tenant_id = p_tenant;
  END IF;
END $f$;

-- Whether somebody can read this tenant's register now, and so be asked.
CREATE FUNCTION registry.has_auditor(p_tenant bigint) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  SELECT EXISTS (SELECT 1 FROM registry.admin_key k WHERE k.tenant_id = p_tenant AND k.role = 'auditor' AND k.withdrawn_at IS NULL AND k.valid_until > now())
    OR EXISTS (SELECT 1 FROM registry.beheerder b WHERE b.tenant_id = p_tenant AND b.role = 'auditor' AND b.withdrawn_at IS NULL AND b.valid_until > now())
$f$;

CREATE FUNCTION register.close_seal_faults(p_tenant bigint, p_faults bigint[], p_actor text, p_reason text) RETURNS integer LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  v_closed integer;
BEGIN
  UPDATE register.seal_fault f SET resolved_at = clock_timestamp(), resolved_by = p_actor, reason = p_reason
  WHERE f.tenant_id = p_tenant AND f.number = ANY (p_faults) AND f.resolved_at IS NULL;
  GET DIAGNOSTICS v_closed = ROW_COUNT;
  -- What halts and came since, halts still.
  UPDATE register.tree t SET halted_at = NULL WHERE t.tenant_id = p_tenant AND t.halted_at IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM register.seal_fault f WHERE f.tenant_id = p_tenant AND f.halts AND f.resolved_at IS NULL);
  RETURN v_closed;
END $f$;

-- As 0006 has it where nobody can be asked. Otherwise nothing is resolved (0): the answer waits for the auditor.
CREATE OR REPLACE FUNCTION register.resolve_seal_faults(p_tenant bigint, p_actor text, p_reason text) RETURNS integer LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  v_faults bigint[] := ARRAY(SELECT f.number FROM register.seal_fault f WHERE f.tenant_id = p_tenant AND f.resolved_at IS NULL ORDER BY f.number);
BEGIN
  IF COALESCE(p_actor !~ '[[:graph:]]' OR p_reason !~ '[[:graph:]]', true) THEN
    RAISE 'who resolves a fault says who it is and why' USING ERRCODE = 'invalid_parameter_value';
  ELSIF cardinality(v_faults) = 0 THEN
    -- A tree that halted for what was noted already stands still for nothing any more.
    UPDATE register.tree t SET halted_at = NULL WHERE t.tenant_id = p_tenant AND t.halted_at IS NOT NULL;
    RETURN 0;
  END IF;
  PERFORM set_config('koppelpunt.actor', p_actor, true);
  IF registry.has_auditor(p_tenant) THEN
    UPDATE register.fout_antwoord a SET state = 'geweigerd', decided_at = clock_timestamp(), decided_by = p_actor, decision_reason = 'vervangen door een later antwoord'
    WHERE a.tenant_id = p_tenant AND a.state = 'open';
    INSERT INTO register.fout_antwoord (tenant_id, actor, reason, faults) VALUES (p_tenant, p_actor, p_reason, v_faults);
    RETURN 0;
  END IF;
  RETURN register.close_seal_faults(p_tenant, v_faults, p_actor, p_reason);
END $f$;

-- The auditor's word about an answer, inside its scope. Returns how many faults it closed; null when there is no such open answer.
CREATE FUNCTION register.decide_fout_antwoord(p_antwoord bigint, p_state text, p_reason text) RETURNS integer LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  v_answer register.fout_antwoord;
BEGIN
  IF registry.actor() !~ '^auditor/[0-9]+$' THEN
    RAISE 'the auditor of the tenant itself consents' USING ERRCODE = 'insufficient_privilege';
  END IF;
  UPDATE register.fout_antwoord a SET state = p_state, decided_at = clock_timestamp(), decided_by = registry.actor(), decision_reason = p_reason
  WHERE a.tenant_id = registry.scope() AND a.antwoord_id = p_antwoord AND a.state = 'open' RETURNING a.* INTO v_answer;
  IF NOT FOUND THEN
    RETURN NULL;
  ELSIF registry.person_of(v_answer.actor) = registry.person_of(v_answer.decided_by) THEN
    RAISE 'another than who answered consents' USING ERRCODE = 'insufficient_privilege';
  ELSIF p_state <> 'ingestemd' THEN
    RETURN 0;
  END IF;
  RETURN register.close_seal_faults(v_answer.tenant_id, v_answer.faults, v_answer.actor, v_answer.reason);
END $f$;

REVOKE ALL ON FUNCTION registry.has_auditor, register.close_seal_faults, register.decide_fout_antwoord FROM PUBLIC;
GRANT EXECUTE ON FUNCTION register.decide_fout_antwoord TO koppelpunt_tenants;

-- The end of a contract: confirmed by an auditor, and confirmed again by another person of the tenant's own. What was begun is not taken
-- back, and it is complete when nothing is left.
ALTER TABLE register.contracteinde_stap DROP CONSTRAINT contracteinde_stap_kind_check, DROP CONSTRAINT contracteinde_stap_check;
ALTER TABLE register.contracteinde_stap
  ADD CONSTRAINT contracteinde_stap_kind_check CHECK (kind IN ('begonnen', 'geexporteerd', 'ontvangen', 'bevestigd', 'meebevestigd', 'ingetrokken', 'voltooid')),
  ADD CONSTRAINT contracteinde_stap_check CHECK ((kind IN ('geexporteerd', 'ontvangen', 'bevestigd', 'meebevestigd')) = (digest IS NOT NULL));
CREATE OR REPLACE FUNCTION register.check_contracteinde_stap() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  v_last register.contracteinde_stap;
  v_may text[];
BEGIN
  PERFORM pg_advisory_xact_lock(19270, (NEW.tenant_id % 2147483647)::integer);
  SELECT * INTO v_last FROM register.contracteinde_stap s WHERE s.tenant_id = NEW.tenant_id ORDER BY s.number DESC LIMIT 1;
  v_may := CASE COALESCE(v_last.kind, 'ingetrokken')
    WHEN 'ingetrokken' THEN ARRAY['begonnen']
    WHEN 'begonnen' THEN ARRAY['geexporteerd', 'ingetrokken']
    WHEN 'geexporteerd' THEN ARRAY['geexporteerd', 'ontvangen', 'ingetrokken']
    WHEN 'ontvangen' THEN ARRAY['geexporteerd', 'bevestigd', 'ingetrokken']
    WHEN 'bevestigd' THEN ARRAY['meebevestigd', 'ingetrokken']
    -- What the archive does not hold stays; it goes with an archive that does.
    WHEN 'meebevestigd' THEN ARRAY['voltooid', 'ingetrokken', 'geexporteerd']
    ELSE ARRAY[]::text[] END;
  IF NEW.kind <> ALL (v_may) THEN
    RAISE 'this step does not follow the last' USING ERRCODE = 'object_not_in_prerequisite_state';
  ELSIF NEW.kind IN ('ontvangen', 'bevestigd', 'meebevestigd') AND NEW.digest <> v_last.digest THEN
    RAISE 'this is another archive than the one that was exported' USING ERRCODE = 'object_not_in_prerequisite_state';
  ELSIF NEW.kind = 'bevestigd' AND NEW.actor !~ '^auditor/[0-9]+$' THEN
    RAISE 'the auditor of the tenant itself confirms' USING ERRCODE = 'insufficient_privilege';
  ELSIF NEW.kind = 'meebevestigd' AND (NEW.actor !~ '^(auditor|beheerder)/[0-9]+$' OR registry.is_same_person(v_last.actor, NEW.actor)) THEN
    RAISE 'another auditor, or a beheerder of the tenant itself, confirms too' USING ERRCODE = 'insufficient_privilege';
  ELSIF NEW.kind = 'ingetrokken' AND EXISTS (SELECT 1 FROM register.vernietiging v WHERE v.tenant_id = NEW.tenant_id AND v.ground = 'contracteinde'
      AND v.begun_at >= v_last.at) AND v_last.kind = 'meebevestigd' THEN
    RAISE 'what is being destroyed is not taken back: a stop holds what is left' USING ERRCODE = 'object_not_in_prerequisite_state';
  ELSIF NEW.kind = 'voltooid' AND NOT register.is_gone(NEW.tenant_id) THEN
    RAISE 'something of this register is left' USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  RETURN NEW;
END $f$;
