-- The whole life of a certificate: a request with its key made inside, the moment of its end, activations that can be
-- rolled back, revocation lists, and the destruction of keys that nothing may leave with any more.
ALTER TABLE registry.certificate
  -- The request (PKCS#10) and whether its key was made inside. Such a key is sealed before a certificate exists, so it is
  -- bound to its public key instead of to the fingerprint.
  ADD COLUMN csr_pem text,
  ADD COLUMN made_inside boolean NOT NULL DEFAULT false,
  -- Since when nothing may leave with it. Kept by trigger: whoever may change the state cannot choose the moment.
  ADD COLUMN retired_at timestamptz,
  ADD COLUMN key_destroyed_at timestamptz,
  ADD COLUMN revocation registry.text_line,
  -- A request that is given up ends without ever having been a certificate.
  DROP CONSTRAINT certificate_check1,
  ADD CONSTRAINT certificate_is_whole CHECK (state IN ('requested', 'retired') OR (fingerprint IS NOT NULL AND chain_pem IS NOT NULL AND not_before < not_after)),
  ADD CONSTRAINT certificate_request CHECK (state <> 'requested' OR fingerprint IS NULL),
  ADD CONSTRAINT certificate_key_destroyed CHECK (key_destroyed_at IS NULL OR (key_sealed IS NULL AND retired_at IS NOT NULL));

-- The sealer works for all tenants through the functions below, which look at every condition again.
CREATE POLICY owner_reads ON registry.certificate FOR SELECT TO koppelpunt_owner USING (true);
CREATE POLICY owner_ends ON registry.certificate FOR UPDATE TO koppelpunt_owner USING (true);
CREATE POLICY owner_reads ON registry.aansluiting FOR SELECT TO koppelpunt_owner USING (true);

CREATE FUNCTION registry.keep_certificate() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND OLD.state IN ('retired', 'revoked') AND NEW.state <> OLD.state THEN
    RAISE 'a retired or revoked certificate never comes back' USING ERRCODE = 'check_violation', CONSTRAINT = 'certificate_never_comes_back';
  END IF;
  IF TG_OP = 'UPDATE' AND OLD.state <> 'requested' AND (NEW.state = 'requested' OR NEW.fingerprint IS DISTINCT FROM OLD.fingerprint) THEN
    RAISE 'a certificate is never exchanged for another' USING ERRCODE = 'check_violation', CONSTRAINT = 'certificate_stays_itself';
  END IF;
  NEW.retired_at := CASE WHEN TG_OP = 'UPDATE' AND OLD.retired_at IS NOT NULL THEN OLD.retired_at
                         WHEN NEW.state IN ('retired', 'revoked') THEN now() END;
  RETURN NEW;
END $$;
REVOKE ALL ON FUNCTION registry.keep_certificate FROM PUBLIC;
CREATE TRIGGER keep_certificate BEFORE INSERT OR UPDATE ON registry.certificate FOR EACH ROW EXECUTE FUNCTION registry.keep_certificate();
-- What had ended before this was kept: its thirty days begin now.
UPDATE registry.certificate SET state = state WHERE state IN ('retired', 'revoked');

-- Nobody exchanges a key: what may change is what becomes known of a request, and the state.
REVOKE UPDATE ON registry.certificate FROM koppelpunt_tenants;
GRANT UPDATE (state, fingerprint, chain_pem, not_before, not_after, revocation) ON registry.certificate TO koppelpunt_tenants;

-- Which aansluiting was given which certificate in the place of which, so that one step takes it back.
CREATE TABLE registry.certificate_activation (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  activation_id bigint GENERATED ALWAYS AS IDENTITY,
  certificate_id bigint NOT NULL,
  aansluiting_id bigint NOT NULL,
  previous_certificate_id bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  rolled_back_at timestamptz,
  PRIMARY KEY (tenant_id, activation_id),
  FOREIGN KEY (tenant_id, certificate_id) REFERENCES registry.certificate,
  FOREIGN KEY (tenant_id, previous_certificate_id) REFERENCES registry.certificate,
  FOREIGN KEY (tenant_id, aansluiting_id) REFERENCES registry.aansluiting,
  CHECK (previous_certificate_id <> certificate_id)
);
CREATE INDEX activation_of_certificate ON registry.certificate_activation (tenant_id, certificate_id);
ALTER TABLE registry.certificate_activation ENABLE ROW LEVEL SECURITY;
ALTER TABLE registry.certificate_activation FORCE ROW LEVEL SECURITY;
CREATE POLICY tenants_scope ON registry.certificate_activation TO koppelpunt_tenants USING (tenant_id = registry.scope()) WITH CHECK (tenant_id = registry.scope());
GRANT SELECT, INSERT (tenant_id, certificate_id, aansluiting_id, previous_certificate_id), UPDATE (rolled_back_at) ON registry.certificate_activation TO koppelpunt_tenants;

-- Revocation lists as their CAs signed them: public, of no tenant. Every reader checks the signature again.
-- issuer: SHA-256 over the CA's name and public key, both in DER. A list that could not be fetched yet has no der.
CREATE TABLE registry.crl (
  issuer registry.sha256 NOT NULL,
  url text NOT NULL CHECK (url ~ '^https?://[[:graph:]]+$' AND length(url) <= 2000),
  der bytea CHECK (octet_length(der) <= 16777216),
  this_update timestamptz,
  next_update timestamptz CHECK (next_update > this_update),
  fetched_at timestamptz,
  due_at timestamptz NOT NULL DEFAULT now(),
  failures integer NOT NULL DEFAULT 0,
  fault text CHECK (fault ~ '^[a-z_]{1,40}$'),
  wanted_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (issuer, url),
  CHECK ((der IS NULL) = (this_update IS NULL) AND (der IS NULL) = (next_update IS NULL) AND (der IS NULL) = (fetched_at IS NULL))
);
GRANT SELECT, INSERT, UPDATE, DELETE ON registry.crl TO koppelpunt_sealer;
GRANT SELECT ON registry.crl TO koppelpunt_gateway, koppelpunt_tenants;

CREATE FUNCTION registry.note_crl() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pg_notify('koppelpunt_registry', 'crl');
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION registry.note_crl FROM PUBLIC;
CREATE TRIGGER note_crl AFTER UPDATE OF der ON registry.crl FOR EACH ROW WHEN (NEW.der IS DISTINCT FROM OLD.der) EXECUTE FUNCTION registry.note_crl();
CREATE TRIGGER note_new_crl AFTER INSERT ON registry.crl FOR EACH ROW WHEN (NEW.der IS NOT NULL) EXECUTE FUNCTION registry.note_crl();

-- What the sealer looks up in revocation lists: the chains that may leave or are about to. A chain is shown at every
-- connection and is no secret; the key, the fingerprint and everything else of the row stay unreadable for it.
CREATE FUNCTION registry.certificate_chains() RETURNS TABLE (tenant_id bigint, certificate_id bigint, version integer, chain_pem text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT c.tenant_id, c.certificate_id, c.version, c.chain_pem FROM registry.certificate c
  WHERE c.state IN ('staged', 'active', 'retiring') AND c.chain_pem IS NOT NULL
$$;

-- A certificate that its CA revoked: from this commit on no opening is let through with it, on any replica. What it can do
-- is to stop; what was stopped never comes back. True when it was this call that stopped it.
CREATE FUNCTION registry.revoke_certificate(p_tenant_id bigint, p_certificate_id bigint, p_says text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM set_config('koppelpunt.actor', 'sealer', true);
  UPDATE registry.certificate c SET state = 'revoked', revocation = p_says
  WHERE c.tenant_id = p_tenant_id AND c.certificate_id = p_certificate_id AND c.state IN ('staged', 'active', 'retiring');
  RETURN FOUND;
END $$;

-- Keys of certificates that ended thirty days ago or longer. The history of their tenants says when; a backup that holds
-- them goes by its own term.
CREATE FUNCTION registry.destroy_retired_keys() RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_destroyed bigint;
BEGIN
  PERFORM set_config('koppelpunt.actor', 'sealer', true);
  UPDATE registry.certificate c SET key_sealed = NULL, key_destroyed_at = now()
  WHERE c.key_sealed IS NOT NULL AND c.state IN ('retired', 'revoked') AND c.retired_at <= now() - interval '30 days';
  GET DIAGNOSTICS v_destroyed = ROW_COUNT;
  RETURN v_destroyed;
END $$;

-- How many aansluitingen use a certificate of this scope's tenant, those of who borrows it included.
CREATE FUNCTION registry.certificate_uses(p_certificate_id bigint) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT count(*) FROM registry.aansluiting a
  WHERE a.certificate_tenant_id = registry.scope() AND a.certificate_id = p_certificate_id AND a.state <> 'beeindigd'
$$;
REVOKE ALL ON FUNCTION registry.certificate_chains, registry.revoke_certificate, registry.destroy_retired_keys, registry.certificate_uses FROM PUBLIC;
GRANT EXECUTE ON FUNCTION registry.certificate_chains, registry.revoke_certificate, registry.destroy_retired_keys TO koppelpunt_sealer;
GRANT EXECUTE ON FUNCTION registry.certificate_uses TO koppelpunt_tenants;
