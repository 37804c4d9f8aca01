-- An afnemer and a header profile can be ended, for good: never while something uses it, and nothing new uses it afterwards. What
-- stood with it stays as it was. A release that knows no state makes what is active, and ends nothing.
ALTER TABLE registry.afnemer ADD COLUMN state text NOT NULL DEFAULT 'active' CONSTRAINT afnemer_state CHECK (state IN ('active', 'ended'));
ALTER TABLE registry.header_profile ADD COLUMN state text NOT NULL DEFAULT 'active' CONSTRAINT header_profile_state CHECK (state IN ('active', 'ended'));

-- One who ends (its row is locked by then) and one who begins to use wait for each other by that row alone: whoever comes second
-- sees what the first did, and neither waits for a second lock.
CREATE FUNCTION registry.hold_afnemer_end() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  IF OLD.state = 'ended' THEN
    RAISE 'an ended afnemer is not changed' USING ERRCODE = 'check_violation', CONSTRAINT = 'afnemer_is_ended', TABLE = 'afnemer';
  END IF;
  IF NEW.state = 'ended' THEN
    IF EXISTS (SELECT 1 FROM registry.aansluiting a WHERE a.tenant_id = NEW.tenant_id AND a.afnemer_id = NEW.afnemer_id AND a.state <> 'beeindigd') THEN
      RAISE 'an aansluiting uses this afnemer' USING ERRCODE = 'check_violation', CONSTRAINT = 'afnemer_is_used', TABLE = 'afnemer';
    END IF;
  END IF;
  RETURN NEW;
END $f$;
CREATE FUNCTION registry.hold_afnemer_use() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  IF 'ended' = (SELECT f.state FROM registry.afnemer f WHERE f.tenant_id = NEW.tenant_id AND f.afnemer_id = NEW.afnemer_id FOR SHARE) THEN
    RAISE 'this afnemer has ended' USING ERRCODE = 'check_violation', CONSTRAINT = 'aansluiting_afnemer_is_active', TABLE = 'aansluiting';
  END IF;
  RETURN NEW;
END $f$;
CREATE FUNCTION registry.hold_header_profile_end() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  IF OLD.state = 'ended' THEN
    RAISE 'an ended header profile is not changed' USING ERRCODE = 'check_violation', CONSTRAINT = 'header_profile_is_ended', TABLE = 'header_profile';
  END IF;
  IF NEW.state = 'ended' THEN
    IF EXISTS (SELECT 1 FROM registry.taaksysteem s WHERE s.tenant_id = NEW.tenant_id AND s.header_profile = NEW.name AND s.state = 'active') THEN
      RAISE 'a taaksysteem uses this header profile' USING ERRCODE = 'check_violation', CONSTRAINT = 'header_profile_is_used', TABLE = 'header_profile';
    END IF;
  END IF;
  RETURN NEW;
END $f$;
CREATE FUNCTION registry.hold_header_profile_use() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  IF 'ended' = (SELECT h.state FROM registry.header_profile h WHERE h.tenant_id = NEW.tenant_id AND h.name = NEW.header_profile FOR SHARE) THEN
    RAISE 'this header profile has ended' USING ERRCODE = 'check_violation', CONSTRAINT = 'taaksysteem_header_profile_is_active', TABLE = 'taaksysteem';
  END IF;
  RETURN NEW;
END $f$;
CREATE TRIGGER hold_afnemer_end BEFORE UPDATE ON registry.afnemer FOR EACH ROW EXECUTE FUNCTION registry.hold_afnemer_end();
CREATE TRIGGER hold_afnemer_use_new BEFORE INSERT ON registry.aansluiting FOR EACH ROW WHEN (NEW.state <> 'beeindigd') EXECUTE FUNCTION registry.hold_afnemer_use();
CREATE TRIGGER hold_afnemer_use BEFORE UPDATE ON registry.aansluiting FOR EACH ROW
  WHEN (NEW.state <> 'beeindigd' AND (OLD.state = 'beeindigd' OR OLD.afnemer_id <> NEW.afnemer_id)) EXECUTE FUNCTION registry.hold_afnemer_use();
CREATE TRIGGER hold_header_profile_end BEFORE UPDATE ON registry.header_profile FOR EACH ROW EXECUTE FUNCTION registry.hold_header_profile_end();
CREATE TRIGGER hold_header_profile_use_new BEFORE INSERT ON registry.taaksysteem FOR EACH ROW WHEN (NEW.header_profile <> 'none') EXECUTE FUNCTION registry.hold_header_profile_use();
CREATE TRIGGER hold_header_profile_use BEFORE UPDATE ON registry.taaksysteem FOR EACH ROW
  WHEN (NEW.header_profile <> 'none' AND NEW.state = 'active' AND (OLD.header_profile <> NEW.header_profile OR OLD.state <> 'active'))
  EXECUTE FUNCTION registry.hold_header_profile_use();
REVOKE ALL ON FUNCTION registry.hold_afnemer_end, registry.hold_afnemer_use, registry.hold_header_profile_end, registry.hold_header_profile_use FROM PUBLIC;
