-- History that nobody rewrites, blokkades in the history of whom they stop, bulk at the price of a statement, and secrets
-- that can be told apart.

-- Append-only, for its owner and for a superuser in a hurry too. Wijzigingen have no term (decision 0016): nothing ends them.
CREATE FUNCTION registry.keep_history() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  RAISE 'history is written once' USING ERRCODE = 'check_violation', CONSTRAINT = 'history_stands', TABLE = TG_TABLE_NAME;
END $f$;
CREATE TRIGGER keep_history BEFORE UPDATE OR DELETE OR TRUNCATE ON registry.wijziging FOR EACH STATEMENT EXECUTE FUNCTION registry.keep_history();
CREATE TRIGGER keep_history BEFORE UPDATE OR DELETE OR TRUNCATE ON registry.blokkade_history FOR EACH STATEMENT EXECUTE FUNCTION registry.keep_history();
-- What stood at a moment is the last wijziging of each row until then.
CREATE INDEX wijziging_by_at ON registry.wijziging (tenant_id, at);

-- HMAC of the secret under the identity keyring's `mac` of that version: tells whether another one is given. Null: not known.
ALTER TABLE registry.credential ADD COLUMN secret_digest bytea CONSTRAINT credential_digest_is_sha256 CHECK (octet_length(secret_digest) = 32),
  ADD COLUMN secret_digest_version integer,
  ADD CONSTRAINT credential_digest_has_version CHECK ((secret_digest IS NULL) = (secret_digest_version IS NULL));

CREATE FUNCTION registry.without_secrets(p_row jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $f$
  SELECT p_row - ARRAY['key_sealed', 'secret_sealed', 'hash', 'private_key_sealed', 'index_key_for_gateway', 'index_key_for_register', 'secret_digest',
    'secret_digest_version']
$f$;

CREATE OR REPLACE FUNCTION registry.note_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  v_before jsonb := CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE registry.without_secrets(to_jsonb(OLD)) END;
  v_after jsonb := CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE registry.without_secrets(to_jsonb(NEW)) END;
  v_tenant_id bigint := COALESCE(v_after ->> 'tenant_id', v_before ->> 'tenant_id')::bigint;
BEGIN
  IF v_tenant_id IS NOT NULL THEN
    INSERT INTO registry.wijziging (tenant_id, actor, action, object, before, after)
    VALUES (v_tenant_id, COALESCE(NULLIF(current_setting('koppelpunt.actor', true), ''), session_user), lower(TG_OP), TG_TABLE_NAME, v_before, v_after);
  END IF;
  PERFORM pg_notify('koppelpunt_registry', COALESCE(v_tenant_id::text, '*'));
  -- A machtiging of another tenant's taaksysteem concerns that tenant's part of the snapshot too.
  IF TG_TABLE_NAME = 'machtiging' THEN
    PERFORM pg_notify('koppelpunt_registry', COALESCE(v_after ->> 'taaksysteem_tenant_id', v_before ->> 'taaksysteem_tenant_id'));
  END IF;
  RETURN NULL;
END $f$;

-- The same for all rows of a statement at once. TG_ARGV names the primary key, by which what was and what is are one row; a row
-- whose key itself changed is one that went and one that came. Every row of these tables has a tenant.
CREATE FUNCTION registry.note_rows() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  v_actor text := COALESCE(NULLIF(current_setting('koppelpunt.actor', true), ''), session_user);
  v_key text[] := TG_ARGV[:];
  v_told text;
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO registry.wijziging (tenant_id, actor, action, object, before, after)
    SELECT n.tenant_id, v_actor, 'insert', TG_TABLE_NAME, NULL, registry.without_secrets(to_jsonb(n)) FROM new_rows n;
    FOR v_told IN SELECT DISTINCT n.tenant_id FROM new_rows n LOOP
      PERFORM pg_notify('koppelpunt_registry', v_told);
    END LOOP;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO registry.wijziging (tenant_id, actor, action, object, before, after)
    SELECT o.tenant_id, v_actor, 'delete', TG_TABLE_NAME, registry.without_secrets(to_jsonb(o)), NULL FROM old_rows o;
    FOR v_told IN SELECT DISTINCT o.tenant_id FROM old_rows o LOOP
      PERFORM pg_notify('koppelpunt_registry', v_told);
    END LOOP;
  ELSE
    INSERT INTO registry.wijziging (tenant_id, actor, action, object, before, after)
    SELECT COALESCE(n.tenant_id, o.tenant_id), v_actor, CASE WHEN o.tenant_id IS NULL THEN 'insert' WHEN n.tenant_id IS NULL THEN 'delete' ELSE 'update' END,
      TG_TABLE_NAME, o.row, n.row
    FROM (SELECT t.tenant_id, registry.without_secrets(to_jsonb(t)) AS row, (SELECT array_agg(to_jsonb(t) -> k) FROM unnest(v_key) k) AS key FROM old_rows t) o
    FULL JOIN (SELECT t.tenant_id, registry.without_secrets(to_jsonb(t)) AS row, (SELECT array_agg(to_jsonb(t) -> k) FROM unnest(v_key) k) AS key FROM new_rows t) n
      ON o.key = n.key;
    FOR v_told IN SELECT t.tenant_id FROM old_rows t UNION SELECT t.tenant_id FROM new_rows t LOOP
      PERFORM pg_notify('koppelpunt_registry', v_told);
    END LOOP;
  END IF;
  -- A machtiging of another tenant's taaksysteem concerns that tenant's part of the snapshot too.
  IF TG_TABLE_NAME = 'machtiging' THEN
    IF TG_OP <> 'INSERT' THEN
      FOR v_told IN SELECT DISTINCT to_jsonb(o) ->> 'taaksysteem_tenant_id' FROM old_rows o LOOP
        PERFORM pg_notify('koppelpunt_registry', v_told);
      END LOOP;
    END IF;
    IF TG_OP <> 'DELETE' THEN
      FOR v_told IN SELECT DISTINCT to_jsonb(n) ->> 'taaksysteem_tenant_id' FROM new_rows n LOOP
        PERFORM pg_notify('koppelpunt_registry', v_told);
      END LOOP;
    END IF;
  END IF;
  RETURN NULL;
END $f$;

DO $f$
DECLARE
  v_table text;
  v_key text;
BEGIN
  FOREACH v_table IN ARRAY ARRAY['afnemer', 'credential', 'aansluiting', 'taaksysteem', 'taaksysteem_key', 'machtiging', 'autorisatiebesluit'] LOOP
    SELECT string_agg(quote_literal(a.attname), ', ' ORDER BY a.attnum) INTO STRICT v_key FROM pg_index i
      JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey) WHERE i.indrelid = ('registry.' || v_table)::regclass AND i.indisprimary;
    EXECUTE format('DROP TRIGGER note_change ON registry.%I', v_table);
    EXECUTE format('CREATE TRIGGER note_inserts AFTER INSERT ON registry.%I REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION registry.note_rows(%s)', v_table, v_key);
    EXECUTE format('CREATE TRIGGER note_updates AFTER UPDATE ON registry.%I REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION registry.note_rows(%s)', v_table, v_key);
    EXECUTE format('CREATE TRIGGER note_deletes AFTER DELETE ON registry.%I REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION registry.note_rows(%s)', v_table, v_key);
  END LOOP;
END $f$;

-- A blokkade stands in the history of whom it stops.
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
  SELECT t.tenant_id, v_actor, lower(TG_OP), 'blokkade',
    CASE WHEN TG_OP <> 'INSERT' THEN jsonb_build_object('tenant_id', t.tenant_id) || to_jsonb(OLD) || CASE WHEN TG_OP = 'DELETE' THEN jsonb_build_object('released_for', v_reason) ELSE '{}' END END,
    CASE WHEN TG_OP <> 'DELETE' THEN jsonb_build_object('tenant_id', t.tenant_id) || to_jsonb(NEW) END
  FROM registry.tenants_of_blokkade(v_kind, v_value) t (tenant_id);
  PERFORM pg_notify('koppelpunt_registry', 'blokkade');
  RETURN NULL;
END $f$;

REVOKE ALL ON FUNCTION registry.keep_history, registry.without_secrets, registry.note_rows FROM PUBLIC;
-- An export looks at the rows as the history would keep them.
GRANT EXECUTE ON FUNCTION registry.without_secrets TO koppelpunt_tenants;
