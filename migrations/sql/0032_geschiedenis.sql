-- A history that holds nobody's data: of persons it keeps a keyed digest, whose key goes with the keys of the year. And a history of
-- what is of no tenant: the operator's own people, keys, IDPs and environments, with a tree of its own.

-- One key per tenant (0: none) and year, made when it is first needed and read by nobody: under it the same value has the same
-- digest within a year, so that a change shows as one, and no dictionary tells which value it was.
CREATE TABLE registry.history_key (
  tenant_id bigint NOT NULL,
  year smallint NOT NULL,
  key bytea NOT NULL CHECK (octet_length(key) = 32),
  PRIMARY KEY (tenant_id, year)
);
ALTER TABLE registry.history_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE registry.history_key FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_keeps ON registry.history_key TO koppelpunt_owner USING (true) WITH CHECK (true);

CREATE FUNCTION registry.digest_of(p_tenant bigint, p_what text) RETURNS text LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  v_year smallint := extract(year FROM now() AT TIME ZONE 'UTC');
  v_key bytea;
BEGIN
  SELECT k.key INTO v_key FROM registry.history_key k WHERE k.tenant_id = p_tenant AND k.year = v_year;
  IF NOT FOUND THEN
    -- Two version 4 UUIDs hold 244 bits of the system's randomness.
    INSERT INTO registry.history_key (tenant_id, year, key) VALUES (p_tenant, v_year, sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())))
    ON CONFLICT DO NOTHING;
    SELECT k.key INTO STRICT v_key FROM registry.history_key k WHERE k.tenant_id = p_tenant AND k.year = v_year;
  END IF;
  -- Keyed inside and outside, as HMAC is: what is known of one digest says nothing about a longer value.
  RETURN 'digest:' || encode(sha256(v_key || sha256(v_key || convert_to(p_what, 'UTF8'))), 'hex');
END $f$;

-- A row as the history keeps it: names, addresses and subjects of persons as their digest. What a voorstel says of them is in its body.
CREATE FUNCTION registry.without_persons(p_table text, p_row jsonb) RETURNS jsonb LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  v_tenant bigint := COALESCE((p_row ->> 'tenant_id')::bigint, 0);
  v_columns text[] := CASE p_table WHEN 'contact' THEN ARRAY['name', 'email', 'phone'] WHEN 'beheerder' THEN ARRAY['name', 'subject']
    WHEN 'voorstel' THEN CASE WHEN p_row ->> 'path' ~ '^/v1/(contacten|beheerders|configuratie)' THEN ARRAY['body', 'result'] ELSE ARRAY[]::text[] END ELSE ARRAY[]::text[] END;
  v_column text;
BEGIN
  FOREACH v_column IN ARRAY v_columns LOOP
    IF p_row ->> v_column IS NOT NULL THEN
      p_row := jsonb_set(p_row, ARRAY[v_column], to_jsonb(registry.digest_of(v_tenant, p_table || '/' || v_column || '/' || (p_row ->> v_column))));
    END IF;
  END LOOP;
  RETURN p_row;
END $f$;

-- The key of a year goes with the other keys of that year: from then on no digest of it can be made again, of no value.
CREATE FUNCTION registry.destroy_history_key() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  DELETE FROM registry.history_key k WHERE k.tenant_id = NEW.tenant_id AND k.year = NEW.year;
  RETURN NULL;
END $f$;
CREATE TRIGGER destroy_history_key AFTER UPDATE ON registry.tenant_key FOR EACH ROW WHEN (OLD.destroyed_at IS NULL AND NEW.destroyed_at IS NOT NULL)
  EXECUTE FUNCTION registry.destroy_history_key();

-- What is of no tenant. Numbers follow each other without gaps, in the order of commit, so that one that is taken away shows.
CREATE TABLE registry.operator_wijziging (
  number bigint PRIMARY KEY CHECK (number > 0),
  at timestamptz NOT NULL,
  actor registry.text_line NOT NULL CHECK (actor <> ''),
  action text NOT NULL CHECK (action IN ('insert', 'update', 'delete')),
  object text NOT NULL,
  before jsonb,
  after jsonb
);
CREATE TABLE registry.operator_checkpoint (
  size bigint PRIMARY KEY CHECK (size > 0),
  signed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  note text NOT NULL
);
CREATE TRIGGER keep_history BEFORE UPDATE OR DELETE OR TRUNCATE ON registry.operator_wijziging FOR EACH STATEMENT EXECUTE FUNCTION registry.keep_history();
CREATE TRIGGER keep_history BEFORE UPDATE OR DELETE OR TRUNCATE ON registry.operator_checkpoint FOR EACH STATEMENT EXECUTE FUNCTION registry.keep_history();
DO $f$
DECLARE
  v_table text;
BEGIN
  FOREACH v_table IN ARRAY ARRAY['operator_wijziging', 'operator_checkpoint'] LOOP
    EXECUTE format('ALTER TABLE registry.%I ENABLE ROW LEVEL SECURITY', v_table);
    EXECUTE format('ALTER TABLE registry.%I FORCE ROW LEVEL SECURITY', v_table);
    EXECUTE format('CREATE POLICY owner_reads ON registry.%I FOR SELECT TO koppelpunt_owner USING (true)', v_table);
    EXECUTE format('CREATE POLICY owner_adds ON registry.%I FOR INSERT TO koppelpunt_owner WITH CHECK (true)', v_table);
    -- The operator's alone: in the scope of a tenant nothing of it shows.
    EXECUTE format('CREATE POLICY operator_reads ON registry.%I FOR SELECT TO koppelpunt_tenants USING (registry.scope() IS NULL)', v_table);
    EXECUTE format('GRANT SELECT ON registry.%I TO koppelpunt_tenants', v_table);
  END LOOP;
END $f$;
CREATE POLICY sealer_reads ON registry.operator_checkpoint FOR SELECT TO koppelpunt_sealer USING (true);
GRANT SELECT ON registry.operator_checkpoint TO koppelpunt_sealer;

CREATE FUNCTION registry.note_operator(p_actor text, p_action text, p_object text, p_before jsonb, p_after jsonb) RETURNS void LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  -- One at a time until its transaction ends: the number after the last one that stands.
  PERFORM pg_advisory_xact_lock(hashtextextended('koppelpunt/operator_wijziging', 0));
  INSERT INTO registry.operator_wijziging (number, at, actor, action, object, before, after)
  SELECT COALESCE(max(w.number), 0) + 1, clock_timestamp(), p_actor, p_action, p_object, p_before, p_after FROM registry.operator_wijziging w;
END $f$;

-- The leaves as the rows are now, hashed anew each time: an altered row makes another tree than the one that was signed.
CREATE FUNCTION registry.operator_leaves() RETURNS TABLE (number bigint, hash bytea) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  SELECT w.number, sha256(convert_to(json_build_array('registry/operatorwijziging/1', w.number, (extract(epoch FROM w.at) * 1000000)::bigint,
    w.actor::text, w.action, w.object, w.before::text, w.after::text)::text, 'UTF8'))
  FROM registry.operator_wijziging w ORDER BY w.number
$f$;
CREATE FUNCTION registry.operator_size() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  SELECT count(*) FROM registry.operator_wijziging
$f$;
CREATE FUNCTION registry.keep_operator_checkpoint(p_size bigint, p_note text) RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  IF EXISTS (SELECT 1 FROM registry.operator_checkpoint c WHERE c.size >= p_size) OR p_size > registry.operator_size() THEN
    RAISE 'this checkpoint does not fit behind the last' USING ERRCODE = 'serialization_failure';
  END IF;
  INSERT INTO registry.operator_checkpoint (size, note) VALUES (p_size, p_note);
END $f$;

CREATE OR REPLACE FUNCTION registry.note_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  v_before jsonb := CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE registry.without_persons(TG_TABLE_NAME, registry.without_secrets(to_jsonb(OLD))) END;
  v_after jsonb := CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE registry.without_persons(TG_TABLE_NAME, registry.without_secrets(to_jsonb(NEW))) END;
  v_tenant_id bigint := COALESCE(v_after ->> 'tenant_id', v_before ->> 'tenant_id')::bigint;
  v_actor text := COALESCE(NULLIF(current_setting('koppelpunt.actor', true), ''), session_user);
BEGIN
  IF v_tenant_id IS NOT NULL THEN
    INSERT INTO registry.wijziging (tenant_id, actor, action, object, before, after)
    VALUES (v_tenant_id, v_actor, lower(TG_OP), TG_TABLE_NAME, v_before, v_after);
  ELSE
    PERFORM registry.note_operator(v_actor, lower(TG_OP), TG_TABLE_NAME, v_before, v_after);
  END IF;
  PERFORM pg_notify('koppelpunt_registry', COALESCE(v_tenant_id::text, '*'));
  -- A machtiging of another tenant's taaksysteem concerns that tenant's part of the snapshot too.
  IF TG_TABLE_NAME = 'machtiging' THEN
    PERFORM pg_notify('koppelpunt_registry', COALESCE(v_after ->> 'taaksysteem_tenant_id', v_before ->> 'taaksysteem_tenant_id'));
  END IF;
  RETURN NULL;
END $f$;
-- Where RvIG is, and which roots are trusted there, is the operator's too.
CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON registry.environment FOR EACH ROW EXECUTE FUNCTION registry.note_change();

REVOKE ALL ON FUNCTION registry.digest_of, registry.without_persons, registry.destroy_history_key, registry.note_operator, registry.operator_leaves,
  registry.operator_size, registry.keep_operator_checkpoint FROM PUBLIC;
GRANT EXECUTE ON FUNCTION registry.operator_leaves, registry.operator_size, registry.keep_operator_checkpoint TO koppelpunt_sealer;
