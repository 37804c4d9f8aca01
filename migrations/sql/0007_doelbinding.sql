-- What a machtiging demands of a call, and what the register may leave out of it.
-- add_bsn: burgerservicenummer is asked of RvIG for the register when the caller did not ask it, and taken out again.
-- leave_out_geheimhouding: persons with geheimhouding are not passed on; only of disclosures to derden (Wet BRP 3.3, 3.6, 3.9).
-- protocol_note 'no' (Besluit BRP 42) and inzage 'refused' (Besluit BRP 46) weaken the register: somebody asks, somebody else
-- grants, and only then it holds, from version policy_version on. So an opening's own machtiging_version says which held.
ALTER TABLE registry.machtiging
  ADD COLUMN conditions jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(conditions) = 'object'),
  ADD COLUMN add_bsn boolean NOT NULL DEFAULT false,
  ADD COLUMN leave_out_geheimhouding boolean NOT NULL DEFAULT false,
  ADD COLUMN protocol_note text NOT NULL DEFAULT 'yes' CHECK (protocol_note IN ('yes', 'no')),
  ADD COLUMN protocol_note_article registry.text_line,
  ADD COLUMN inzage text NOT NULL DEFAULT 'shown' CHECK (inzage IN ('shown', 'refused')),
  ADD COLUMN inzage_article registry.text_line,
  ADD COLUMN policy_requested_by registry.text_line,
  ADD COLUMN policy_granted_by registry.text_line,
  ADD COLUMN policy_version integer,
  ADD CONSTRAINT machtiging_leaves_out_for_derden CHECK (NOT leave_out_geheimhouding OR grondslag ~ '^[^0-9]*3\.(3|6|9)([^0-9]|$)'),
  ADD CONSTRAINT machtiging_note_has_article CHECK ((protocol_note = 'no') = (protocol_note_article IS NOT NULL)),
  ADD CONSTRAINT machtiging_inzage_has_article CHECK ((inzage = 'refused') = (inzage_article IS NOT NULL)),
  ADD CONSTRAINT machtiging_policy_is_asked CHECK ((protocol_note = 'no' OR inzage = 'refused') = (policy_requested_by IS NOT NULL)),
  ADD CONSTRAINT machtiging_policy_is_granted CHECK ((policy_granted_by IS NULL) = (policy_version IS NULL)
    AND (policy_granted_by IS NULL OR policy_granted_by <> policy_requested_by));

-- Who asks and who grants is who does it, whatever the statement says. What was asked is never reworded, and what was
-- granted stays as it is: for anything else the machtiging is withdrawn and another one made.
-- Runs before raise_version (triggers go by name), so the version of this change is the old one plus one.
CREATE FUNCTION registry.hold_policy() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_actor text := COALESCE(NULLIF(current_setting('koppelpunt.actor', true), ''), session_user);
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
    IF NOT v_weak OR OLD.policy_granted_by IS NOT NULL OR OLD.withdrawn_at IS NOT NULL OR v_actor = OLD.policy_requested_by THEN
      RAISE 'what the register may leave out is granted once, by another than who asked' USING ERRCODE = 'check_violation', CONSTRAINT = 'machtiging_policy_is_granted', TABLE = 'machtiging';
    END IF;
    NEW.policy_granted_by := v_actor;
    NEW.policy_version := OLD.version + 1;
  END IF;
  RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION registry.hold_policy FROM PUBLIC;
CREATE TRIGGER hold_policy BEFORE INSERT OR UPDATE ON registry.machtiging FOR EACH ROW EXECUTE FUNCTION registry.hold_policy();

-- How many calls of a day (in the Netherlands) have been handed out, for machtigingen that have a daily quota: one row each.
CREATE TABLE registry.quota_day (
  tenant_id bigint NOT NULL,
  machtiging_id bigint NOT NULL,
  day date NOT NULL,
  taken integer NOT NULL CHECK (taken >= 0),
  PRIMARY KEY (tenant_id, machtiging_id)
) WITH (fillfactor = 50);
ALTER TABLE registry.quota_day ENABLE ROW LEVEL SECURITY;
ALTER TABLE registry.quota_day FORCE ROW LEVEL SECURITY;
CREATE POLICY writer_counts ON registry.quota_day TO koppelpunt_writer USING (true) WITH CHECK (true);
CREATE POLICY tenants_scope ON registry.quota_day FOR SELECT TO koppelpunt_tenants USING (tenant_id = registry.scope());
GRANT SELECT, INSERT, UPDATE ON registry.quota_day TO koppelpunt_writer;
GRANT SELECT ON registry.quota_day TO koppelpunt_tenants;
