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
