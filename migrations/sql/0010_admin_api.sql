-- What the admin API stands on: answers that a repeated request gets again, mandates that are asked for, and the steps
-- of an aansluiting on its way to productie.

-- What a POST with an Idempotency-Key was answered, for a day. Nothing secret is in it: the request is a keyed digest, and
-- of an answer that showed a secret only is kept that it did. tenant_id 0 is the operator's own: it has no tenant.
CREATE TABLE registry.answered_request (
  tenant_id bigint NOT NULL,
  actor registry.text_line NOT NULL CHECK (actor <> ''),
  key_digest registry.sha256 NOT NULL,
  request_hash registry.sha256 NOT NULL,
  hash_version integer NOT NULL,
  status smallint NOT NULL CHECK (status BETWEEN 200 AND 299),
  headers jsonb NOT NULL CHECK (jsonb_typeof(headers) = 'object'),
  body bytea,
  showed_secret boolean NOT NULL,
  answered_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, actor, key_digest),
  CHECK (NOT showed_secret OR body IS NULL)
);
CREATE INDEX ON registry.answered_request (answered_at);
ALTER TABLE registry.answered_request ENABLE ROW LEVEL SECURITY;
ALTER TABLE registry.answered_request FORCE ROW LEVEL SECURITY;
CREATE POLICY tenants_scope ON registry.answered_request FOR SELECT TO koppelpunt_tenants
  USING (tenant_id = COALESCE(registry.scope(), 0) AND answered_at > now() - interval '24 hours');
CREATE POLICY tenants_answers ON registry.answered_request FOR INSERT TO koppelpunt_tenants WITH CHECK (tenant_id = COALESCE(registry.scope(), 0));
CREATE POLICY owner_forgets ON registry.answered_request TO koppelpunt_owner USING (answered_at <= now() - interval '24 hours');
GRANT SELECT ON registry.answered_request TO koppelpunt_tenants;
GRANT INSERT (tenant_id, actor, key_digest, request_hash, hash_version, status, headers, body, showed_secret) ON registry.answered_request TO koppelpunt_tenants;
-- Of all tenants: one that asks nothing more has nothing left here either. The policy keeps what is younger than a day.
CREATE FUNCTION registry.forget_answered_requests() RETURNS bigint LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  WITH old AS (SELECT a.ctid FROM registry.answered_request a WHERE a.answered_at <= now() - interval '24 hours' LIMIT 1000 FOR UPDATE SKIP LOCKED),
  gone AS (DELETE FROM registry.answered_request a USING old WHERE a.ctid = old.ctid RETURNING 1) SELECT count(*) FROM gone
$f$;

-- A mandate that another tenant asks for. It lies with the afnemer's tenant (tenant_id), in whose history it stands; that
-- tenant alone grants or refuses it, who asked may take it back.
CREATE TABLE registry.mandate_request (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  request_id bigint GENERATED ALWAYS AS IDENTITY,
  to_tenant_id bigint NOT NULL REFERENCES registry.tenant (tenant_id),
  reason registry.text_line NOT NULL CHECK (reason ~ '[[:graph:]]'),
  header_choice boolean NOT NULL DEFAULT false,
  valid_until timestamptz CHECK (isfinite(valid_until)),
  asked_by registry.text_line NOT NULL CHECK (asked_by <> ''),
  asked_at timestamptz NOT NULL DEFAULT now(),
  state text NOT NULL DEFAULT 'asked' CHECK (state IN ('asked', 'granted', 'refused', 'withdrawn')),
  decided_by registry.text_line,
  decided_at timestamptz,
  mandate_id bigint,
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, request_id),
  FOREIGN KEY (tenant_id, mandate_id, to_tenant_id) REFERENCES registry.mandate (tenant_id, mandate_id, to_tenant_id),
  CONSTRAINT mandate_request_of_another CHECK (to_tenant_id <> tenant_id),
  CONSTRAINT mandate_request_granted CHECK ((state = 'granted') = (mandate_id IS NOT NULL)),
  CONSTRAINT mandate_request_decided CHECK ((state = 'asked') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL))
);
CREATE UNIQUE INDEX mandate_request_once ON registry.mandate_request (tenant_id, to_tenant_id) WHERE state = 'asked';

-- Who does it stands in the row whatever the statement says, and only the side that may does it: the scope says which.
CREATE FUNCTION registry.hold_mandate_request() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_actor text := COALESCE(NULLIF(current_setting('koppelpunt.actor', true), ''), session_user);
BEGIN
  IF TG_OP = 'INSERT' THEN
    NEW.state := 'asked'; NEW.asked_by := v_actor; NEW.decided_by := NULL; NEW.decided_at := NULL; NEW.mandate_id := NULL;
    RETURN NEW;
  END IF;
  IF OLD.state <> 'asked' OR NEW.state = 'asked'
      OR (NEW.tenant_id, NEW.to_tenant_id, NEW.reason, NEW.header_choice, NEW.asked_by, NEW.asked_at) IS DISTINCT FROM
         (OLD.tenant_id, OLD.to_tenant_id, OLD.reason, OLD.header_choice, OLD.asked_by, OLD.asked_at)
      OR (NEW.state = 'withdrawn') <> (registry.scope() = OLD.to_tenant_id) THEN
    RAISE 'a mandate is decided on once: granted or refused by whom it was asked of, or taken back by who asked'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'mandate_request_stands', TABLE = 'mandate_request';
  END IF;
  NEW.decided_by := v_actor;
  NEW.decided_at := now();
  RETURN NEW;
END $$;
CREATE TRIGGER hold_mandate_request BEFORE INSERT OR UPDATE ON registry.mandate_request FOR EACH ROW EXECUTE FUNCTION registry.hold_mandate_request();
CREATE POLICY asker_asks ON registry.mandate_request FOR INSERT TO koppelpunt_tenants WITH CHECK (to_tenant_id = registry.scope());
CREATE POLICY asker_sees ON registry.mandate_request FOR SELECT TO koppelpunt_tenants USING (to_tenant_id = registry.scope());
CREATE POLICY asker_withdraws ON registry.mandate_request FOR UPDATE TO koppelpunt_tenants USING (to_tenant_id = registry.scope()) WITH CHECK (state = 'withdrawn');
CREATE POLICY giver_sees ON registry.mandate_request FOR SELECT TO koppelpunt_tenants USING (tenant_id = registry.scope());
CREATE POLICY giver_decides ON registry.mandate_request FOR UPDATE TO koppelpunt_tenants USING (tenant_id = registry.scope()) WITH CHECK (state IN ('granted', 'refused'));
-- Who may act for another sees what it may: the mandate and the machtigingen of its own taaksystemen, and nothing beside.
CREATE POLICY mandated_sees ON registry.mandate FOR SELECT TO koppelpunt_tenants USING (to_tenant_id = registry.scope());
CREATE POLICY mandated_sees ON registry.machtiging FOR SELECT TO koppelpunt_tenants USING (taaksysteem_tenant_id = registry.scope());

-- The steps of RvIG's stappenplan that nobody can read off the registry: the tenant says when each was done.
CREATE TABLE registry.aansluiting_stap (
  tenant_id bigint NOT NULL,
  aansluiting_id bigint NOT NULL,
  step text NOT NULL CHECK (step IN ('autorisatiebesluit', 'certificaat_naar_rvig', 'inloggegevens_ontvangen', 'proef_getest', 'productie_akkoord')),
  done_on date NOT NULL CHECK (isfinite(done_on)),
  note registry.text_line,
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, aansluiting_id, step),
  FOREIGN KEY (tenant_id, aansluiting_id) REFERENCES registry.aansluiting
);
CREATE POLICY tenants_scope ON registry.aansluiting_stap TO koppelpunt_tenants USING (tenant_id = registry.scope()) WITH CHECK (tenant_id = registry.scope());

DO $$
DECLARE
  v_table text;
BEGIN
  FOREACH v_table IN ARRAY ARRAY['mandate_request', 'aansluiting_stap'] LOOP
    EXECUTE format('ALTER TABLE registry.%I ENABLE ROW LEVEL SECURITY', v_table);
    EXECUTE format('ALTER TABLE registry.%I FORCE ROW LEVEL SECURITY', v_table);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON registry.%I TO koppelpunt_tenants', v_table);
    EXECUTE format('CREATE TRIGGER raise_version BEFORE UPDATE ON registry.%I FOR EACH ROW EXECUTE FUNCTION registry.raise_version()', v_table);
    EXECUTE format('CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON registry.%I FOR EACH ROW EXECUTE FUNCTION registry.note_change()', v_table);
  END LOOP;
END $$;
-- A step that was entered wrongly may go; what it said stays in the history.
GRANT DELETE ON registry.aansluiting_stap TO koppelpunt_tenants;
REVOKE ALL ON FUNCTION registry.forget_answered_requests, registry.hold_mandate_request FROM PUBLIC;
GRANT EXECUTE ON FUNCTION registry.forget_answered_requests TO koppelpunt_tenants;
