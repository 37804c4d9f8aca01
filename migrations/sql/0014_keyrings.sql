-- Rotation of the keyrings: everything that names a version of one, and functions that move it to a newer version.
-- What is sealed to a tenant's year (data keys, inzageverzoeken) names no keyring: only the year's own key is moved.
GRANT USAGE ON SCHEMA registry TO koppelpunt_keys;

-- The version of the keyring that a sealed value names: byte 0 is the form, bytes 1 and 2 are the version.
CREATE FUNCTION registry.sealed_version(p_sealed bytea) RETURNS integer LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT CASE WHEN octet_length(p_sealed) >= 3 AND get_byte(p_sealed, 0) = 1 THEN get_byte(p_sealed, 1) * 256 + get_byte(p_sealed, 2) END
$$;

-- Row-level security binds the owner of these functions too.
CREATE POLICY owner_reads ON registry.credential FOR SELECT TO koppelpunt_owner USING (true);
CREATE POLICY owner_reseals ON registry.credential FOR UPDATE TO koppelpunt_owner USING (true);
CREATE POLICY owner_reads ON registry.tenant_key FOR SELECT TO koppelpunt_owner USING (true);
CREATE POLICY owner_reseals ON registry.tenant_key FOR UPDATE TO koppelpunt_owner USING (true);
CREATE POLICY owner_counts ON registry.taaksysteem_key FOR SELECT TO koppelpunt_owner USING (true);
CREATE POLICY owner_rehashes ON registry.taaksysteem_key FOR UPDATE TO koppelpunt_owner USING (true);
CREATE POLICY owner_reads ON registry.taaksysteem FOR SELECT TO koppelpunt_owner USING (true);
CREATE POLICY owner_reads ON registry.admin_key FOR SELECT TO koppelpunt_owner USING (true);
CREATE POLICY owner_rehashes ON registry.admin_key FOR UPDATE TO koppelpunt_owner USING (true);
CREATE POLICY owner_counts ON registry.answered_request FOR SELECT TO koppelpunt_owner USING (true);

-- Everything that is sealed to a keyring, each value with what it is bound to. A migration that adds a sealed column adds
-- it here and to reseal(); a test walks the catalogue for columns that are not here.
CREATE VIEW registry.sealed_value (name, keyring, tenant_id, number, purpose, context, sealed) AS
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
  FROM registry.tenant_key k WHERE k.private_key_sealed IS NOT NULL;

-- Hashes of secrets that still open something. A hash is keyed with the identity keyring and cannot be made again without
-- the secret: it moves when the secret is used, or goes when its term is over.
CREATE VIEW registry.keyed_hash (name, tenant_id, number, version, valid_until) AS
  SELECT 'taaksysteem_key.hash', k.tenant_id, k.key_id, k.hash_version, k.valid_until FROM registry.taaksysteem_key k
  WHERE k.hash IS NOT NULL AND k.state = 'active' AND k.valid_until > now()
  UNION ALL
  SELECT 'admin_key.hash', k.tenant_id, k.key_id, k.hash_version, k.valid_until FROM registry.admin_key k
  WHERE k.withdrawn_at IS NULL AND k.valid_until > now()
  UNION ALL
  SELECT 'answered_request.request_hash', a.tenant_id, NULL, a.hash_version, a.answered_at + interval '24 hours' FROM registry.answered_request a
  WHERE a.answered_at > now() - interval '24 hours';

-- How many values name which version. version null: a value of no known form, which no keyring opens.
CREATE FUNCTION registry.key_versions() RETURNS TABLE (keyring text, name text, kind text, version integer, count bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  SELECT v.keyring, v.name, 'sealed', registry.sealed_version(v.sealed), count(*) FROM registry.sealed_value v GROUP BY 1, 2, 4
  UNION ALL
  SELECT 'identity', h.name, 'hash', h.version, count(*) FROM registry.keyed_hash h GROUP BY 2, 4
$f$;

-- Which hashes are not on a version yet: whose they are, so that who rotates can say who must use, or renew, which key.
CREATE FUNCTION registry.hashes_not_on(p_version integer, p_most integer) RETURNS TABLE (name text, oin text, number bigint, taaksysteem text, version integer, valid_until timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  SELECT h.name, t.oin::text, h.number, s.name::text, h.version, h.valid_until FROM registry.keyed_hash h
  LEFT JOIN registry.tenant t ON t.tenant_id = h.tenant_id
  LEFT JOIN registry.taaksysteem_key k ON h.name = 'taaksysteem_key.hash' AND k.tenant_id = h.tenant_id AND k.key_id = h.number
  LEFT JOIN registry.taaksysteem s ON s.tenant_id = k.tenant_id AND s.taaksysteem_id = k.taaksysteem_id
  WHERE h.version <> p_version AND h.number IS NOT NULL ORDER BY h.name, h.tenant_id, h.number LIMIT p_most
$f$;

-- Values behind (p_name, p_tenant_id, p_number) that are sealed to an older version than p_version, in that order.
CREATE FUNCTION registry.sealed_before(p_keyring text, p_version integer, p_name text, p_tenant_id bigint, p_number bigint, p_most integer)
RETURNS TABLE (name text, tenant_id bigint, number bigint, purpose text, context text, sealed bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  SELECT v.name, v.tenant_id, v.number, v.purpose, v.context, v.sealed FROM registry.sealed_value v
  WHERE v.keyring = p_keyring AND registry.sealed_version(v.sealed) < p_version AND (v.name, v.tenant_id, v.number) > (p_name, p_tenant_id, p_number)
  ORDER BY v.name, v.tenant_id, v.number LIMIT p_most
$f$;

-- Exchanges one value for the same one under a newer version, if it is still what the rotation opened. A row that another
-- transaction holds is passed by: the rotation comes back for it. False: nothing was exchanged.
CREATE FUNCTION registry.reseal(p_name text, p_tenant_id bigint, p_number bigint, p_old bytea, p_new bytea) RETURNS boolean
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
  ELSE
    RAISE 'nothing of this name is sealed' USING ERRCODE = 'invalid_parameter_value';
  END CASE;
  PERFORM set_config('koppelpunt.actor', v_actor, true);
  RETURN v_done;
END $f$;

-- A secret was just used, and its hash is of an older version: from now on it is that of the newer. Only who knows the old
-- hash moves it. Nothing else of the key changes, so that who may call with it is what it was.
CREATE FUNCTION registry.rehash(p_name text, p_number bigint, p_old bytea, p_new bytea, p_version integer) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  v_actor text := COALESCE(current_setting('koppelpunt.actor', true), '');
  v_done boolean;
BEGIN
  PERFORM set_config('koppelpunt.actor', 'sleutelrotatie', true);
  CASE p_name
  WHEN 'taaksysteem_key.hash' THEN
    UPDATE registry.taaksysteem_key k SET hash = p_new, hash_version = p_version
    WHERE k.key_id = p_number AND k.hash = p_old AND k.hash_version < p_version AND k.state = 'active';
  WHEN 'admin_key.hash' THEN
    UPDATE registry.admin_key k SET hash = p_new, hash_version = p_version
    WHERE k.key_id = p_number AND k.hash = p_old AND k.hash_version < p_version AND k.withdrawn_at IS NULL;
  ELSE
    RAISE 'nothing of this name is a hash' USING ERRCODE = 'invalid_parameter_value';
  END CASE;
  v_done := FOUND;
  PERFORM set_config('koppelpunt.actor', v_actor, true);
  RETURN v_done;
END $f$;

-- Each process moves what is used at it, and nothing else.
CREATE FUNCTION registry.rehash_taaksysteem_key(p_key_id bigint, p_old bytea, p_new bytea, p_version integer) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  SELECT registry.rehash('taaksysteem_key.hash', p_key_id, p_old, p_new, p_version)
$f$;
CREATE FUNCTION registry.rehash_admin_key(p_key_id bigint, p_old bytea, p_new bytea, p_version integer) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  SELECT registry.rehash('admin_key.hash', p_key_id, p_old, p_new, p_version)
$f$;

REVOKE ALL ON FUNCTION registry.sealed_version, registry.key_versions, registry.hashes_not_on, registry.sealed_before, registry.reseal,
  registry.rehash, registry.rehash_taaksysteem_key, registry.rehash_admin_key FROM PUBLIC;
GRANT EXECUTE ON FUNCTION registry.key_versions, registry.hashes_not_on, registry.sealed_before, registry.reseal TO koppelpunt_keys;
GRANT EXECUTE ON FUNCTION registry.rehash_taaksysteem_key TO koppelpunt_gateway;
GRANT EXECUTE ON FUNCTION registry.rehash_admin_key TO koppelpunt_tenants;
