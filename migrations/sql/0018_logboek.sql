-- Logboek Dataverwerkingen (Logius): every call of productie as spans (OTLP) to an endpoint of the tenant's own. Sent from the
-- register by cursor, at least once; nobody on the way of a call knows of it.

-- Where a tenant's log goes. header and secret_sealed: how the endpoint knows who comes. key_sealed: the key of the pseudonyms,
-- for this destination alone; it goes with it, so that what lies there can be joined with nothing any more.
-- from_start: with all that is in the register, else from now on.
CREATE TABLE registry.logboek_destination (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  destination_id bigint GENERATED ALWAYS AS IDENTITY,
  url registry.text_line NOT NULL,
  header text NOT NULL DEFAULT 'authorization',
  secret_sealed bytea,
  has_secret boolean NOT NULL GENERATED ALWAYS AS (secret_sealed IS NOT NULL) STORED,
  key_sealed bytea,
  from_start boolean NOT NULL DEFAULT false,
  state text NOT NULL DEFAULT 'active',
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, destination_id),
  CONSTRAINT logboek_destination_url CHECK (url ~ '^https://[^/@?#[:space:]]+(/[^?#[:space:]]*)?$'),
  CONSTRAINT logboek_destination_header CHECK (header ~ '^(authorization|api-key|x-[a-z0-9-]{1,50})$'),
  CONSTRAINT logboek_destination_state CHECK (state IN ('active', 'ended')),
  CONSTRAINT logboek_destination_keys CHECK ((state = 'active') = (key_sealed IS NOT NULL) AND (state = 'active' OR secret_sealed IS NULL))
);
CREATE UNIQUE INDEX logboek_destination_once ON registry.logboek_destination (tenant_id) WHERE state = 'active';

-- How far each is. leaf: the next leaf of the tenant's tree; after_open: the last call without closing that was sent as such.
-- step: how many calls at a time; less after a failure, so that one thing that is not taken stands alone at last.
CREATE TABLE register.logboek_delivery (
  tenant_id bigint NOT NULL,
  destination_id bigint NOT NULL,
  leaf bigint NOT NULL,
  after_open uuid NOT NULL,
  step integer NOT NULL DEFAULT 64 CHECK (step BETWEEN 1 AND 1000),
  spans bigint NOT NULL DEFAULT 0,
  gone bigint NOT NULL DEFAULT 0,
  sent_at timestamptz,
  attempts integer NOT NULL DEFAULT 0,
  next_at timestamptz NOT NULL DEFAULT '-infinity',
  last_error text CHECK (last_error ~ '^[A-Za-z]{1,40}$'),
  PRIMARY KEY (tenant_id, destination_id)
) WITH (fillfactor = 70);

-- An ended destination stays ended: its keys are gone.
CREATE FUNCTION registry.hold_logboek() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  IF OLD.state = 'ended' THEN
    RAISE 'an ended destination is not changed' USING ERRCODE = 'check_violation', CONSTRAINT = 'logboek_destination_is_ended';
  END IF;
  RETURN NEW;
END $f$;
-- The place to begin is fixed in the transaction that makes the destination: nothing that comes after it is missed.
CREATE FUNCTION registry.begin_logboek() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  INSERT INTO register.logboek_delivery (tenant_id, destination_id, leaf, after_open)
  SELECT NEW.tenant_id, NEW.destination_id,
    CASE WHEN NEW.from_start THEN 0 ELSE COALESCE((SELECT t.size FROM register.tree t WHERE t.tenant_id = NEW.tenant_id), 0) END,
    CASE WHEN NEW.from_start THEN '00000000-0000-0000-0000-000000000000' ELSE register.uuid_floor(clock_timestamp()) END;
  RETURN NULL;
END $f$;
CREATE TRIGGER hold_logboek BEFORE UPDATE ON registry.logboek_destination FOR EACH ROW EXECUTE FUNCTION registry.hold_logboek();
CREATE TRIGGER raise_version BEFORE UPDATE ON registry.logboek_destination FOR EACH ROW EXECUTE FUNCTION registry.raise_version();
CREATE TRIGGER begin_logboek AFTER INSERT ON registry.logboek_destination FOR EACH ROW EXECUTE FUNCTION registry.begin_logboek();
CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON registry.logboek_destination FOR EACH ROW EXECUTE FUNCTION registry.note_change();

-- Destinations with something to send, for a minute: whoever takes one sends, and says how it went. At least once, not once.
-- Those that waited longest first, so that none keeps another waiting.
CREATE FUNCTION register.take_logboek(p_most integer, p_open_after interval) RETURNS TABLE (tenant_id bigint, destination_id bigint, url text, header text,
  secret_sealed bytea, key_sealed bytea, leaf bigint, size bigint, after_open uuid, step integer, oin text, name text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH due AS MATERIALIZED (
    SELECT v.tenant_id, v.destination_id, d.url::text AS url, d.header, d.secret_sealed, d.key_sealed, v.leaf, COALESCE(t.size, 0) AS size, v.after_open,
      v.step, n.oin::text AS oin, n.name::text AS name
    FROM register.logboek_delivery v
    JOIN registry.logboek_destination d ON d.tenant_id = v.tenant_id AND d.destination_id = v.destination_id AND d.state = 'active'
    JOIN registry.tenant n ON n.tenant_id = v.tenant_id
    LEFT JOIN register.tree t ON t.tenant_id = v.tenant_id
    WHERE v.next_at <= clock_timestamp() AND (t.size > v.leaf OR EXISTS (SELECT FROM register.running r WHERE r.tenant_id = v.tenant_id
      AND r.id > v.after_open AND r.id < register.uuid_floor(clock_timestamp() - p_open_after)))
    ORDER BY v.next_at LIMIT p_most FOR UPDATE OF v SKIP LOCKED
  ), taken AS (
    UPDATE register.logboek_delivery v SET next_at = clock_timestamp() + interval '1 minute', attempts = v.attempts + 1
    FROM due WHERE v.tenant_id = due.tenant_id AND v.destination_id = due.destination_id
  )
  SELECT due.tenant_id, due.destination_id, due.url, due.header, due.secret_sealed, due.key_sealed, due.leaf, due.size, due.after_open, due.step,
    due.oin, due.name FROM due;
END $f$;

-- What went wrong, or how far it is now. Somebody else may have been faster: who was not at p_leaf changes nothing.
CREATE FUNCTION register.end_logboek(p_tenant bigint, p_destination bigint, p_from bigint, p_leaf bigint, p_after_open uuid, p_spans bigint, p_gone bigint,
  p_most integer, p_error text) RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  IF p_error IS NULL THEN
    UPDATE register.logboek_delivery v SET leaf = p_leaf, after_open = greatest(v.after_open, p_after_open), spans = v.spans + p_spans, gone = v.gone + p_gone,
      sent_at = clock_timestamp(), attempts = 0, next_at = clock_timestamp(), last_error = NULL, step = least(v.step * 2, p_most)
    WHERE v.tenant_id = p_tenant AND v.destination_id = p_destination AND v.leaf = p_from AND p_leaf >= v.leaf;
  ELSE
    UPDATE register.logboek_delivery v SET last_error = p_error, step = greatest(v.step / 2, 1),
      next_at = clock_timestamp() + least(interval '5 seconds' * power(2, least(v.attempts - 1, 10)), interval '15 minutes')
    WHERE v.tenant_id = p_tenant AND v.destination_id = p_destination AND v.leaf = p_from;
  END IF;
  RETURN FOUND;
END $f$;

-- What is exported of calls, and nothing else of them: no sealed bytes, no user, no source, no certificate. Only of the tenant whose
-- scope it is, and only as long as it has a destination. persons are the register's own indexes: they go no further than
-- the process that makes pseudonyms of them.
CREATE TYPE register.logboek_call AS (id uuid, opened_at timestamptz, closed_at timestamptz, refusal text, outcome text, status smallint, trace_id uuid,
  verwerkingsactiviteit text, doelbinding text, api text, operation text, acting_oin text, afnemer_id text, unidentified integer, persons uuid[]);

-- The policies are for the functions below alone: they put the setting on, and off again before they return.
CREATE POLICY owner_exports ON register.opening FOR SELECT TO koppelpunt_owner
  USING (tenant_id = registry.scope() AND current_setting('koppelpunt.logboek', true) = 'aan');
CREATE POLICY owner_exports ON register.closing FOR SELECT TO koppelpunt_owner
  USING (tenant_id = registry.scope() AND current_setting('koppelpunt.logboek', true) = 'aan');
CREATE POLICY owner_exports ON register.person FOR SELECT TO koppelpunt_owner
  USING (tenant_id = registry.scope() AND current_setting('koppelpunt.logboek', true) = 'aan');

-- The tenant of this scope, whose rows can be seen from here on; refused without a destination.
CREATE FUNCTION register.must_have_logboek() RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  v_tenant bigint := registry.scope();
BEGIN
  IF NOT EXISTS (SELECT FROM registry.logboek_destination d WHERE d.tenant_id = v_tenant AND d.state = 'active') THEN
    RAISE 'this tenant has no destination for its log' USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM set_config('koppelpunt.logboek', 'aan', true);
  RETURN v_tenant;
END $f$;

-- The calls that closed, and the openings among p_opened that were refused: they get no closing. The others come with theirs.
-- The bounds let PostgreSQL look in the months of these ids alone, so the plan is made for them each time.
CREATE FUNCTION register.logboek_calls(p_opened uuid[], p_closed uuid[], p_first uuid, p_last uuid) RETURNS SETOF register.logboek_call
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $f$
DECLARE
  v_tenant bigint := register.must_have_logboek();
BEGIN
  RETURN QUERY
  WITH person AS MATERIALIZED (
    SELECT p.id, array_agg(DISTINCT p.person) AS persons FROM register.person p
    WHERE p.tenant_id = v_tenant AND p.id BETWEEN p_first AND p_last AND p.id = ANY (p_closed) GROUP BY p.id
  )
  SELECT o.id, o.opened_at, c.closed_at, o.refusal, c.outcome, c.status, o.trace_id, o.verwerkingsactiviteit, o.doelbinding, o.api, o.operation,
    o.acting_oin, o.afnemer_id, c.unidentified, w.persons
  FROM register.closing c JOIN register.opening o ON o.tenant_id = c.tenant_id AND o.id = c.id AND o.id BETWEEN p_first AND p_last
  LEFT JOIN person w ON w.id = c.id
  WHERE c.tenant_id = v_tenant AND c.id BETWEEN p_first AND p_last AND c.id = ANY (p_closed)
  UNION ALL
  SELECT o.id, o.opened_at, NULL, o.refusal, NULL, NULL, o.trace_id, o.verwerkingsactiviteit, o.doelbinding, o.api, o.operation, o.acting_oin,
    o.afnemer_id, NULL, NULL
  FROM register.opening o WHERE o.tenant_id = v_tenant AND o.id BETWEEN p_first AND p_last AND o.id = ANY (p_opened) AND o.refusal IS NOT NULL;
  PERFORM set_config('koppelpunt.logboek', '', true);
END $f$;

-- Which of these calls have no opening any more: they were destroyed with proof, and are told as such.
CREATE FUNCTION register.logboek_gone(p_ids uuid[], p_first uuid, p_last uuid) RETURNS SETOF uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $f$
DECLARE
  v_tenant bigint := register.must_have_logboek();
BEGIN
  RETURN QUERY
  SELECT g.id FROM unnest(p_ids) g (id)
  LEFT JOIN (SELECT o.id FROM register.opening o WHERE o.tenant_id = v_tenant AND o.id BETWEEN p_first AND p_last AND o.id = ANY (p_ids)) o ON o.id = g.id
  WHERE o.id IS NULL;
  PERFORM set_config('koppelpunt.logboek', '', true);
END $f$;

-- Calls behind p_after that were let through longer ago than p_open_after and have no closing: uitkomst onbekend. Whom they were
-- about nobody knows.
CREATE FUNCTION register.logboek_open(p_after uuid, p_open_after interval, p_most integer) RETURNS SETOF register.logboek_call
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $f$
DECLARE
  v_tenant bigint := register.must_have_logboek();
BEGIN
  RETURN QUERY
  SELECT o.id, o.opened_at, NULL::timestamptz, o.refusal, NULL, NULL::smallint, o.trace_id, o.verwerkingsactiviteit, o.doelbinding, o.api, o.operation,
    o.acting_oin, o.afnemer_id, NULL::integer, NULL::uuid[]
  FROM (SELECT r.id FROM register.running r WHERE r.tenant_id = v_tenant AND r.id > p_after AND r.id < register.uuid_floor(clock_timestamp() - p_open_after)
    ORDER BY r.id LIMIT p_most) r
  JOIN LATERAL (SELECT * FROM register.opening o WHERE o.tenant_id = v_tenant AND o.id = r.id) o ON true ORDER BY o.id;
  PERFORM set_config('koppelpunt.logboek', '', true);
END $f$;

-- How each stands, for the alarm: how old the oldest row is that was not sent, and how many wait.
CREATE FUNCTION register.logboek_standing() RETURNS TABLE (tenant_id bigint, seconds double precision, leaves bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  SELECT v.tenant_id, CASE WHEN COALESCE(t.size, 0) <= v.leaf THEN 0 ELSE COALESCE(extract(epoch FROM clock_timestamp() - greatest(r.sealed_at, v.sent_at))::float, 0) END,
    greatest(COALESCE(t.size, 0) - v.leaf, 0)
  FROM register.logboek_delivery v
  JOIN registry.logboek_destination d ON d.tenant_id = v.tenant_id AND d.destination_id = v.destination_id AND d.state = 'active'
  LEFT JOIN register.tree t ON t.tenant_id = v.tenant_id
  LEFT JOIN LATERAL (SELECT x.sealed_at FROM register.leaf_run x WHERE x.tenant_id = v.tenant_id AND x.first <= v.leaf ORDER BY x.first DESC LIMIT 1) r ON true
$f$;

DO $$
DECLARE
  v_table regclass;
BEGIN
  FOREACH v_table IN ARRAY ARRAY['registry.logboek_destination', 'register.logboek_delivery']::regclass[] LOOP
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', v_table);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', v_table);
    EXECUTE format('CREATE POLICY owner_exports ON %s TO koppelpunt_owner USING (true) WITH CHECK (true)', v_table);
    EXECUTE format('CREATE POLICY tenants_scope ON %s TO koppelpunt_tenants USING (tenant_id = registry.scope()) WITH CHECK (tenant_id = registry.scope())', v_table);
  END LOOP;
END $$;
-- The process that shows and changes a destination never reads its secrets.
GRANT SELECT (tenant_id, destination_id, url, header, has_secret, from_start, state, version), INSERT (tenant_id, url, header, secret_sealed, key_sealed, from_start),
  UPDATE (url, header, secret_sealed, key_sealed, state) ON registry.logboek_destination TO koppelpunt_tenants;
GRANT SELECT ON register.logboek_delivery TO koppelpunt_tenants;

-- Their secrets are rotated with the keyring: as before, with two columns more.
CREATE OR REPLACE VIEW registry.sealed_value (name, keyring, tenant_id, number, purpose, context, sealed) AS
  SELECT 'certificate.key_sealed', 'identity', c.tenant_id, c.certificate_id, 'certificate-key',
    CASE WHEN c.made_inside THEN 'spki/' || encode(c.public_key_hash, 'hex') ELSE encode(c.fingerprint, 'hex') END, c.key_sealed
  FROM registry.certificate c WHERE c.key_sealed IS NOT NULL
  UNION ALL
  SELECT 'credential.secret_sealed', 'identity', r.tenant_id, r.credential_id, 'client-secret', r.tenant_id || '/' || r.client_id, r.secret_sealed
  FROM registry.credential r
  UNION ALL
  SELECT 'tenant_key.index_key_for_gateway', 'identity', k.tenant_id, k.year, 'index-key', k.tenant_id || '/' || k.year, k.index_key_for_gateway
  FROM registry.tenant_key k WHERE k.index_key_for_gateway IS NOT NULL
  UNION ALL
  SELECT 'tenant_key.index_key_for_register', 'register', k.tenant_id, k.year, 'index-key', k.tenant_id || '/' || k.year, k.index_key_for_register
  FROM registry.tenant_key k WHERE k.index_key_for_register IS NOT NULL
  UNION ALL
  SELECT 'tenant_key.private_key_sealed', 'register', k.tenant_id, k.year, 'tenant-key', k.tenant_id || '/' || k.year, k.private_key_sealed
  FROM registry.tenant_key k WHERE k.private_key_sealed IS NOT NULL
  UNION ALL
  SELECT 'logboek_destination.key_sealed', 'register', d.tenant_id, d.destination_id, 'logboek-key', d.tenant_id::text, d.key_sealed
  FROM registry.logboek_destination d WHERE d.key_sealed IS NOT NULL
  UNION ALL
  SELECT 'logboek_destination.secret_sealed', 'register', d.tenant_id, d.destination_id, 'logboek-secret', d.tenant_id::text, d.secret_sealed
  FROM registry.logboek_destination d WHERE d.secret_sealed IS NOT NULL;

CREATE OR REPLACE FUNCTION registry.reseal(p_name text, p_tenant_id bigint, p_number bigint, p_old bytea, p_new bytea) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  v_actor text := COALESCE(current_setting('koppelpunt.actor', true), '');
  v_done boolean := false;
BEGIN
  IF COALESCE(registry.sealed_version(p_new) <= registry.sealed_version(p_old), true) OR octet_length(p_new) <> octet_length(p_old) THEN
    RAISE 'a value is sealed anew to a newer version, and is as long as it was' USING ERRCODE = 'check_violation', CONSTRAINT = 'resealed_to_newer';
  END IF;
  PERFORM set_config('koppelpunt.actor', 'sleutelrotatie', true);
  CASE p_name
  WHEN 'certificate.key_sealed' THEN
    PERFORM FROM registry.certificate c WHERE c.tenant_id = p_tenant_id AND c.certificate_id = p_number AND c.key_sealed = p_old FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
      UPDATE registry.certificate c SET key_sealed = p_new WHERE c.tenant_id = p_tenant_id AND c.certificate_id = p_number AND c.key_sealed = p_old;
      v_done := FOUND;
    END IF;
  WHEN 'credential.secret_sealed' THEN
    PERFORM FROM registry.credential r WHERE r.tenant_id = p_tenant_id AND r.credential_id = p_number AND r.secret_sealed = p_old FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
      UPDATE registry.credential r SET secret_sealed = p_new WHERE r.tenant_id = p_tenant_id AND r.credential_id = p_number AND r.secret_sealed = p_old;
      v_done := FOUND;
      -- What was tried of this secret was tried: it is the same one.
      UPDATE registry.verbindingstest t SET secret_digest = sha256(p_new)
      WHERE t.tenant_id = p_tenant_id AND t.credential_id = p_number AND t.secret_digest = sha256(p_old);
    END IF;
  WHEN 'tenant_key.index_key_for_gateway', 'tenant_key.index_key_for_register', 'tenant_key.private_key_sealed' THEN
    PERFORM FROM registry.tenant_key k WHERE k.tenant_id = p_tenant_id AND k.year = p_number AND p_old = CASE p_name
      WHEN 'tenant_key.index_key_for_gateway' THEN k.index_key_for_gateway
      WHEN 'tenant_key.index_key_for_register' THEN k.index_key_for_register ELSE k.private_key_sealed END FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
      UPDATE registry.tenant_key k SET
        index_key_for_gateway = CASE p_name WHEN 'tenant_key.index_key_for_gateway' THEN p_new ELSE k.index_key_for_gateway END,
        index_key_for_register = CASE p_name WHEN 'tenant_key.index_key_for_register' THEN p_new ELSE k.index_key_for_register END,
        private_key_sealed = CASE p_name WHEN 'tenant_key.private_key_sealed' THEN p_new ELSE k.private_key_sealed END
      WHERE k.tenant_id = p_tenant_id AND k.year = p_number;
      v_done := FOUND;
    END IF;
  WHEN 'logboek_destination.key_sealed', 'logboek_destination.secret_sealed' THEN
    PERFORM FROM registry.logboek_destination d WHERE d.tenant_id = p_tenant_id AND d.destination_id = p_number
      AND p_old = CASE p_name WHEN 'logboek_destination.key_sealed' THEN d.key_sealed ELSE d.secret_sealed END FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
      UPDATE registry.logboek_destination d SET
        key_sealed = CASE p_name WHEN 'logboek_destination.key_sealed' THEN p_new ELSE d.key_sealed END,
        secret_sealed = CASE p_name WHEN 'logboek_destination.secret_sealed' THEN p_new ELSE d.secret_sealed END
      WHERE d.tenant_id = p_tenant_id AND d.destination_id = p_number;
      v_done := FOUND;
    END IF;
  ELSE
    RAISE 'nothing of this name is sealed' USING ERRCODE = 'invalid_parameter_value';
  END CASE;
  PERFORM set_config('koppelpunt.actor', v_actor, true);
  RETURN v_done;
END $f$;

REVOKE ALL ON FUNCTION registry.hold_logboek, registry.begin_logboek, register.take_logboek, register.end_logboek, register.must_have_logboek,
  register.logboek_calls, register.logboek_gone, register.logboek_open, register.logboek_standing FROM PUBLIC;
GRANT EXECUTE ON FUNCTION register.take_logboek, register.end_logboek, register.logboek_calls, register.logboek_gone, register.logboek_open,
  register.logboek_standing TO koppelpunt_inzage;
