-- What only the tenant itself gives and says: mandates, certificates that it lends, and whom it wants told. Not the operator, nor
-- whoever administers by a beheermandaat, which would outlive itself in what it gave. Ending what was given they may: that takes
-- nothing from the tenant. What is accepted as a voorstel is made by who accepts.
CREATE FUNCTION registry.hold_eigen() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  v_actor text := registry.actor();
BEGIN
  IF v_actor LIKE 'operator/%' OR v_actor ~ '^[a-z]+/[0-9]+ \(beheermandaat ' THEN
    IF TG_OP = 'UPDATE' AND to_jsonb(NEW) ->> 'withdrawn_at' IS NOT NULL
        AND to_jsonb(NEW) - ARRAY['withdrawn_at', 'version'] = to_jsonb(OLD) - ARRAY['withdrawn_at', 'version'] THEN
      RETURN NEW;
    END IF;
    RAISE 'only the tenant itself gives this' USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_of_tenant_itself', TABLE = TG_TABLE_NAME;
  END IF;
  RETURN NEW;
END $f$;
CREATE TRIGGER hold_eigen BEFORE INSERT OR UPDATE ON registry.mandate FOR EACH ROW EXECUTE FUNCTION registry.hold_eigen();
CREATE TRIGGER hold_eigen BEFORE INSERT OR UPDATE ON registry.certificate_lending FOR EACH ROW EXECUTE FUNCTION registry.hold_eigen();
CREATE TRIGGER hold_eigen BEFORE INSERT OR UPDATE ON registry.contact FOR EACH ROW EXECUTE FUNCTION registry.hold_eigen();

-- Where a delivery goes when its contact is told elsewhere by now, or nowhere: to where it was told. Gone when it has ended.
ALTER TABLE registry.bezorging ADD COLUMN email registry.text_line, ADD COLUMN webhook_url registry.text_line, ADD COLUMN webhook_key text, ADD COLUMN webhook_generation integer;
CREATE FUNCTION registry.forget_address() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  NEW.email := NULL; NEW.webhook_url := NULL; NEW.webhook_key := NULL; NEW.webhook_generation := NULL;
  RETURN NEW;
END $f$;
CREATE TRIGGER forget_address BEFORE UPDATE ON registry.bezorging FOR EACH ROW WHEN (NEW.state <> 'open') EXECUTE FUNCTION registry.forget_address();

-- What a contact was until it was changed or ended, until that was told there: nobody is silenced without hearing of it.
CREATE TABLE registry.former_contact (
  tenant_id bigint NOT NULL,
  contact_id bigint NOT NULL,
  version integer NOT NULL,
  kind text NOT NULL,
  ended boolean NOT NULL,
  email registry.text_line,
  webhook_url registry.text_line,
  webhook_key text,
  webhook_generation integer,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant_id, contact_id, version),
  FOREIGN KEY (tenant_id, contact_id) REFERENCES registry.contact
);
ALTER TABLE registry.former_contact ENABLE ROW LEVEL SECURITY;
ALTER TABLE registry.former_contact FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_tells ON registry.former_contact TO koppelpunt_owner USING (true) WITH CHECK (true);

-- What waited for the old place still goes there: in place of the new one when there is none, and as well when there is, for a
-- mistake may be what was mended.
CREATE FUNCTION registry.keep_former_contact() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  v_mail boolean := OLD.email IS NOT NULL AND (NEW.state <> 'active' OR NEW.email IS DISTINCT FROM OLD.email);
  v_webhook boolean := OLD.webhook_url IS NOT NULL AND (NEW.state <> 'active' OR NEW.webhook_url IS DISTINCT FROM OLD.webhook_url);
BEGIN
  IF NOT (v_mail OR v_webhook) THEN
    RETURN NULL;
  END IF;
  INSERT INTO registry.former_contact (tenant_id, contact_id, version, kind, ended, email, webhook_url, webhook_key, webhook_generation)
  VALUES (OLD.tenant_id, OLD.contact_id, NEW.version, OLD.kind, NEW.state <> 'active', CASE WHEN v_mail THEN OLD.email END,
    CASE WHEN v_webhook THEN OLD.webhook_url END, CASE WHEN v_webhook THEN OLD.webhook_key END, CASE WHEN v_webhook THEN OLD.webhook_generation END);
  INSERT INTO registry.bezorging (tenant_id, melding_id, contact_id, way, email, webhook_url, webhook_key, webhook_generation)
  SELECT b.tenant_id, b.melding_id, b.contact_id, b.way, CASE WHEN b.way = 'mail' THEN OLD.email END, CASE WHEN b.way = 'webhook' THEN OLD.webhook_url END,
    CASE WHEN b.way = 'webhook' THEN OLD.webhook_key END, CASE WHEN b.way = 'webhook' THEN OLD.webhook_generation END
  FROM registry.bezorging b WHERE b.tenant_id = OLD.tenant_id AND b.contact_id = OLD.contact_id AND b.state = 'open' AND b.email IS NULL AND b.webhook_url IS NULL
    AND ((v_mail AND b.way = 'mail') OR (v_webhook AND b.way = 'webhook'));
  RETURN NULL;
END $f$;
CREATE TRIGGER keep_former_contact AFTER UPDATE ON registry.contact FOR EACH ROW EXECUTE FUNCTION registry.keep_former_contact();

CREATE FUNCTION registry.meldingsfeiten_contact() RETURNS TABLE (tenant_id bigint, kind text, object text, occasion text, at timestamptz, due_at timestamptz, facts jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  SELECT f.tenant_id, CASE WHEN f.ended THEN 'contact_beeindigd' ELSE 'contact_gewijzigd' END, f.contact_id::text, f.version::text, f.at, NULL::timestamptz,
    jsonb_build_object('nummer', f.contact_id, 'soort', f.kind) FROM registry.former_contact f
$f$;

-- The melding of it goes to where the contact was told as well, and then nobody needs that address any more.
CREATE FUNCTION registry.tell_former_contact() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  INSERT INTO registry.bezorging (tenant_id, melding_id, contact_id, way, email, webhook_url, webhook_key, webhook_generation)
  SELECT f.tenant_id, NEW.melding_id, f.contact_id, w.way, CASE WHEN w.way = 'mail' THEN f.email END, CASE WHEN w.way = 'webhook' THEN f.webhook_url END,
    CASE WHEN w.way = 'webhook' THEN f.webhook_key END, CASE WHEN w.way = 'webhook' THEN f.webhook_generation END
  FROM registry.former_contact f CROSS JOIN LATERAL (SELECT 'mail' AS way WHERE f.email IS NOT NULL UNION ALL SELECT 'webhook' WHERE f.webhook_url IS NOT NULL) w
  WHERE f.tenant_id = NEW.tenant_id AND f.contact_id::text = NEW.object AND f.version::text = NEW.occasion;
  DELETE FROM registry.former_contact f WHERE f.tenant_id = NEW.tenant_id AND f.contact_id::text = NEW.object AND f.version::text = NEW.occasion;
  RETURN NULL;
END $f$;
CREATE TRIGGER tell_former_contact AFTER INSERT ON registry.melding FOR EACH ROW WHEN (NEW.kind IN ('contact_gewijzigd', 'contact_beeindigd'))
  EXECUTE FUNCTION registry.tell_former_contact();

-- As 0019 has it, and a delivery that has an address of its own goes there.
CREATE OR REPLACE FUNCTION registry.take_bezorgingen(p_way text, p_most integer) RETURNS TABLE (tenant_id bigint, bezorging_id bigint, melding_id bigint, way text, attempts integer,
  contact_id bigint, email text, webhook_url text, webhook_key text, webhook_generation integer, oin text, tenant_name text, kind text, object text,
  threshold text, subject text, words text, due_at timestamptz, raised_at timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
#variable_conflict use_column
BEGIN
  UPDATE registry.bezorging b SET state = 'vervallen', ended_at = clock_timestamp() FROM registry.contact c
  WHERE b.state = 'open' AND b.way = p_way AND c.tenant_id = b.tenant_id AND c.contact_id = b.contact_id AND b.email IS NULL AND b.webhook_url IS NULL
    AND (c.state <> 'active' OR (b.way = 'mail' AND c.email IS NULL) OR (b.way = 'webhook' AND c.webhook_url IS NULL));
  RETURN QUERY
  WITH due AS MATERIALIZED (
    SELECT b.tenant_id, b.bezorging_id FROM registry.bezorging b WHERE b.state = 'open' AND b.way = p_way AND b.next_at <= clock_timestamp()
    ORDER BY b.next_at LIMIT p_most FOR UPDATE SKIP LOCKED
  ), taken AS (
    UPDATE registry.bezorging b SET next_at = clock_timestamp() + interval '2 minutes', attempts = b.attempts + 1
    FROM due WHERE b.tenant_id = due.tenant_id AND b.bezorging_id = due.bezorging_id RETURNING b.*
  )
  SELECT b.tenant_id, b.bezorging_id, b.melding_id, b.way, b.attempts, b.contact_id, COALESCE(b.email, c.email)::text,
    COALESCE(b.webhook_url, c.webhook_url)::text, COALESCE(b.webhook_key, c.webhook_key), COALESCE(b.webhook_generation, c.webhook_generation),
    t.oin::text, t.name::text, m.kind, m.object, m.threshold, m.subject::text, m.words, m.due_at, m.raised_at
  FROM taken b JOIN registry.melding m ON m.tenant_id = b.tenant_id AND m.melding_id = b.melding_id
  JOIN registry.tenant t ON t.tenant_id = b.tenant_id LEFT JOIN registry.contact c ON c.tenant_id = b.tenant_id AND c.contact_id = b.contact_id;
END $f$;

-- How much a block stops now: of all tenants, in numbers alone. The same things as `register.write` looks at.
CREATE FUNCTION registry.hit_by_blokkade(p_kind text, p_value text, OUT tenants bigint, OUT aansluitingen bigint, OUT taaksystemen bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  WITH aansluiting AS (
    SELECT a.tenant_id FROM registry.aansluiting a JOIN registry.tenant t ON t.tenant_id = a.tenant_id AND t.state = 'active'
    LEFT JOIN registry.certificate c ON c.tenant_id = a.certificate_tenant_id AND c.certificate_id = a.certificate_id
    WHERE a.state <> 'beeindigd' AND (p_kind, p_value) IN (('tenant', a.tenant_id::text), ('tenant', a.holder_tenant_id::text), ('afnemer', a.afnemer_id),
      ('oin', a.organisation_oin), ('oin', c.oin), ('oin', t.oin), ('certificate', encode(c.fingerprint, 'hex')))
  ), taaksysteem AS (
    SELECT s.tenant_id FROM registry.taaksysteem s JOIN registry.tenant t ON t.tenant_id = s.tenant_id AND t.state = 'active'
    WHERE s.state = 'active' AND (p_kind, p_value) IN (('tenant', s.tenant_id::text), ('oin', t.oin), ('taaksysteem', s.tenant_id || '/' || s.taaksysteem_id))
  ), itself AS (
    SELECT t.tenant_id FROM registry.tenant t WHERE t.state = 'active' AND (p_kind, p_value) IN (('tenant', t.tenant_id::text), ('oin', t.oin))
    UNION SELECT tenant_id FROM aansluiting UNION SELECT tenant_id FROM taaksysteem
  )
  SELECT (SELECT count(*) FROM itself), (SELECT count(*) FROM aansluiting), (SELECT count(*) FROM taaksysteem)
$f$;

-- As 0020 has it, and an OIN is proved by nobody: to others than its own tenant the history tells that it is blocked, not why and by whom.
CREATE OR REPLACE FUNCTION registry.note_blokkade() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  v_kind text := COALESCE(NEW.kind, OLD.kind);
  v_value text := COALESCE(NEW.value, OLD.value);
  v_reason text := COALESCE(NULLIF(current_setting('koppelpunt.reason', true), ''), NEW.reason, OLD.reason);
  v_actor text := COALESCE(NULLIF(current_setting('koppelpunt.actor', true), ''), NEW.blocked_by, session_user);
BEGIN
  INSERT INTO registry.blokkade_history (kind, value, action, reason, actor)
  VALUES (v_kind, v_value, CASE WHEN TG_OP = 'DELETE' THEN 'released' ELSE 'blocked' END, v_reason, v_actor);
  INSERT INTO registry.wijziging (tenant_id, actor, action, object, before, after)
  SELECT t.tenant_id, CASE WHEN o.own THEN v_actor ELSE 'blokkade' END, lower(TG_OP), 'blokkade',
    CASE WHEN TG_OP <> 'INSERT' THEN jsonb_build_object('tenant_id', t.tenant_id) || to_jsonb(OLD) - o.hidden
      || CASE WHEN TG_OP = 'DELETE' AND o.own THEN jsonb_build_object('released_for', v_reason) ELSE '{}' END END,
    CASE WHEN TG_OP <> 'DELETE' THEN jsonb_build_object('tenant_id', t.tenant_id) || to_jsonb(NEW) - o.hidden END
  FROM registry.tenants_of_blokkade(v_kind, v_value) t (tenant_id)
  JOIN registry.tenant n ON n.tenant_id = t.tenant_id
  CROSS JOIN LATERAL (SELECT v_kind <> 'oin' OR n.oin = v_value AS own) w
  CROSS JOIN LATERAL (SELECT w.own, CASE WHEN w.own THEN ARRAY[]::text[] ELSE ARRAY['reason', 'blocked_by', 'by_tenant_id'] END AS hidden) o;
  PERFORM pg_notify('koppelpunt_registry', 'blokkade');
  RETURN NULL;
END $f$;

REVOKE ALL ON FUNCTION registry.hold_eigen, registry.forget_address, registry.keep_former_contact, registry.meldingsfeiten_contact, registry.tell_former_contact,
  registry.hit_by_blokkade FROM PUBLIC;
GRANT EXECUTE ON FUNCTION registry.meldingsfeiten_contact TO koppelpunt_sealer;
GRANT EXECUTE ON FUNCTION registry.hit_by_blokkade TO koppelpunt_tenants;
