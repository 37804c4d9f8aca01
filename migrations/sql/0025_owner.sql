-- Whether two actors of the history are one person, and nothing about who that is.
CREATE FUNCTION registry.is_same_person(p_one text, p_other text) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  SELECT registry.person_of(p_one) = registry.person_of(p_other)
$f$;
REVOKE ALL ON FUNCTION registry.is_same_person FROM PUBLIC;
GRANT EXECUTE ON FUNCTION registry.is_same_person TO koppelpunt_inzage;
GRANT EXECUTE ON FUNCTION registry.actor TO koppelpunt_vernietiger;

-- Another than who asked must lift a stop: another person, whatever names both have here. Somebody may have a token and a key.
CREATE OR REPLACE FUNCTION register.check_stop_stap() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  v_last register.vernietigingsstop_stap;
BEGIN
  PERFORM pg_advisory_xact_lock(19270, (NEW.tenant_id % 2147483647)::integer);
  SELECT * INTO v_last FROM register.vernietigingsstop_stap s WHERE s.tenant_id = NEW.tenant_id AND s.stop_id = NEW.stop_id ORDER BY s.number DESC LIMIT 1;
  IF v_last.kind = 'opgeheven' THEN
    RAISE 'this stop was lifted already' USING ERRCODE = 'object_not_in_prerequisite_state';
  ELSIF NEW.kind = 'opheffing_gevraagd' AND v_last.kind IS NOT DISTINCT FROM 'opheffing_gevraagd' THEN
    RAISE 'that it be lifted was asked already' USING ERRCODE = 'object_not_in_prerequisite_state';
  ELSIF NEW.kind <> 'opheffing_gevraagd' AND v_last.kind IS DISTINCT FROM 'opheffing_gevraagd' THEN
    RAISE 'nobody asked that this stop be lifted' USING ERRCODE = 'object_not_in_prerequisite_state';
  ELSIF NEW.kind = 'opgeheven' AND registry.is_same_person(v_last.actor, NEW.actor) THEN
    RAISE 'another than who asked must lift a stop' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $f$;

-- As 0011 has it, but who may not grant is who acts by a mandate, and not who accepts what was asked by one.
CREATE OR REPLACE FUNCTION registry.hold_policy() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_actor text := registry.actor();
  v_weak boolean := NEW.protocol_note = 'no' OR NEW.inzage = 'refused';
BEGIN
  IF TG_OP = 'INSERT' THEN
    NEW.policy_requested_by := CASE WHEN v_weak THEN v_actor END;
    NEW.policy_granted_by := NULL;
    NEW.policy_version := NULL;
    RETURN NEW;
  END IF;
  IF (NEW.protocol_note, NEW.protocol_note_article, NEW.inzage, NEW.inzage_article)
      IS DISTINCT FROM (OLD.protocol_note, OLD.protocol_note_article, OLD.inzage, OLD.inzage_article)
    OR (v_weak AND (NEW.aansluiting_id, NEW.taaksysteem_tenant_id, NEW.taaksysteem_id, NEW.doelbinding, NEW.grondslag, NEW.ontvanger, NEW.rights)
      IS DISTINCT FROM (OLD.aansluiting_id, OLD.taaksysteem_tenant_id, OLD.taaksysteem_id, OLD.doelbinding, OLD.grondslag, OLD.ontvanger, OLD.rights)) THEN
    RAISE 'what the register may leave out is asked with the machtiging and not changed' USING ERRCODE = 'check_violation', CONSTRAINT = 'machtiging_policy_stands', TABLE = 'machtiging';
  END IF;
  NEW.policy_requested_by := OLD.policy_requested_by;
  NEW.policy_version := OLD.policy_version;
  IF NEW.policy_granted_by IS DISTINCT FROM OLD.policy_granted_by THEN
    IF NOT v_weak OR OLD.policy_granted_by IS NOT NULL OR OLD.withdrawn_at IS NOT NULL OR v_actor LIKE 'operator/%' OR v_actor ~ '^[a-z]+/[0-9]+ \(beheermandaat '
        OR registry.person_of(v_actor) = registry.person_of(OLD.policy_requested_by) THEN
      RAISE 'what the register may leave out is granted once, by another than who asked' USING ERRCODE = 'check_violation', CONSTRAINT = 'machtiging_policy_is_granted', TABLE = 'machtiging';
    END IF;
    NEW.policy_granted_by := v_actor;
    NEW.policy_version := OLD.version + 1;
  END IF;
  RETURN NEW;
END $$;

-- The sealer says who it is when it asks for a destruction, and it is nobody: no person is made to have destroyed anything.
ALTER TABLE register.vernietiging ADD CONSTRAINT vernietiging_is_nobodys CHECK (actor !~ '^(operator|beheerder|auditor)/');
