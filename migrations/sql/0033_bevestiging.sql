-- Any beheerder may register any AfnemerID with any OIN, and then nobody else can. So of an afnemer that is another organisation
-- than its tenant the operator confirms that the tenant serves it, before anything of it goes to productie. What the operator
-- registers itself (by the command line) is confirmed by that; what stood here before is as it was.
ALTER TABLE registry.afnemer ADD COLUMN confirmed_by registry.text_line DEFAULT 'voor deze regel gold', ADD COLUMN confirmation registry.text_line;
ALTER TABLE registry.afnemer ALTER COLUMN confirmed_by DROP DEFAULT;

CREATE FUNCTION registry.hold_confirmation() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  v_actor text := registry.actor();
  v_is_tenants boolean := v_actor ~ '^(beheerder|auditor)/';
BEGIN
  IF TG_OP = 'INSERT' THEN
    NEW.confirmed_by := CASE WHEN NOT v_is_tenants THEN COALESCE(NEW.confirmed_by, v_actor) END;
    NEW.confirmation := CASE WHEN NOT v_is_tenants THEN NEW.confirmation END;
  ELSIF v_is_tenants AND (NEW.confirmed_by, NEW.confirmation, NEW.oin) IS DISTINCT FROM (OLD.confirmed_by, OLD.confirmation, OLD.oin) THEN
    RAISE 'the operator confirms an afnemer' USING ERRCODE = 'check_violation', CONSTRAINT = 'afnemer_is_confirmed_by_operator', TABLE = 'afnemer';
  END IF;
  RETURN NEW;
END $f$;
CREATE TRIGGER hold_confirmation BEFORE INSERT OR UPDATE ON registry.afnemer FOR EACH ROW EXECUTE FUNCTION registry.hold_confirmation();

CREATE FUNCTION registry.hold_unconfirmed() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  IF EXISTS (SELECT 1 FROM registry.environment e WHERE e.name = NEW.environment AND e.kind = 'productie')
      AND EXISTS (SELECT 1 FROM registry.afnemer f JOIN registry.tenant t ON t.tenant_id = f.tenant_id
        WHERE f.tenant_id = NEW.tenant_id AND f.afnemer_id = NEW.afnemer_id AND f.oin <> t.oin AND f.confirmed_by IS NULL) THEN
    RAISE 'the operator has not confirmed this afnemer' USING ERRCODE = 'check_violation', CONSTRAINT = 'aansluiting_afnemer_is_confirmed', TABLE = 'aansluiting';
  END IF;
  RETURN NEW;
END $f$;
CREATE TRIGGER hold_unconfirmed_new BEFORE INSERT ON registry.aansluiting FOR EACH ROW WHEN (NEW.state = 'productie') EXECUTE FUNCTION registry.hold_unconfirmed();
CREATE TRIGGER hold_unconfirmed BEFORE UPDATE ON registry.aansluiting FOR EACH ROW
  WHEN (NEW.state = 'productie' AND (OLD.state <> 'productie' OR OLD.environment <> NEW.environment OR OLD.afnemer_id <> NEW.afnemer_id)) EXECUTE FUNCTION registry.hold_unconfirmed();
REVOKE ALL ON FUNCTION registry.hold_confirmation, registry.hold_unconfirmed FROM PUBLIC;
