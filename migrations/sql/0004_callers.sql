-- Callers that prove themselves otherwise than with a secret of this gateway: tokens of the tenant's own IDP, client
-- certificates, signed assertions; and which proofs a taaksysteem must give together.

-- A tenant's own OIDC provider. An issuer belongs to one tenant: that is how a token finds its tenant.
CREATE TABLE registry.idp (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  idp_id bigint GENERATED ALWAYS AS IDENTITY,
  name registry.text_line NOT NULL CHECK (name <> ''),
  issuer registry.text_line NOT NULL CHECK (issuer ~ '^https://[!-~]+$'),
  jwks_url registry.text_line NOT NULL CHECK (jwks_url ~ '^https://[!-~]+$'),
  audience registry.text_line NOT NULL CHECK (audience ~ '^[!-~]+$'),
  algorithms text[] NOT NULL DEFAULT ARRAY['RS256', 'PS256', 'ES256'] CHECK (cardinality(algorithms) > 0
    AND algorithms <@ ARRAY['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512']),
  clock_skew_seconds smallint NOT NULL DEFAULT 30 CHECK (clock_skew_seconds BETWEEN 0 AND 120),
  claim_taaksysteem registry.text_line NOT NULL DEFAULT 'azp' CHECK (claim_taaksysteem <> ''),
  claim_user registry.text_line CHECK (claim_user <> ''),
  claim_roles registry.text_line CHECK (claim_roles <> ''),
  claim_afnemer_id registry.text_line CHECK (claim_afnemer_id <> ''),
  state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'ended')),
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, idp_id)
);
CREATE UNIQUE INDEX idp_issuer_once ON registry.idp (issuer) WHERE state = 'active';
CREATE UNIQUE INDEX idp_name_once ON registry.idp (tenant_id, name) WHERE state = 'active';

-- Which proofs must come together, in each call. A call carries one bearer token: the gateway's own or an IDP's.
ALTER TABLE registry.taaksysteem ADD COLUMN requires text[] NOT NULL DEFAULT '{}'
  CHECK (requires <@ ARRAY['api-key', 'token', 'idp', 'certificate'] AND NOT requires @> ARRAY['token', 'idp']);

-- A key of whatever kind is a row of its own, so that the opening of each call checks it and its withdrawal ends it.
ALTER TABLE registry.taaksysteem_key
  ALTER COLUMN hash DROP NOT NULL,
  ALTER COLUMN hash_version DROP NOT NULL,
  ADD COLUMN idp_id bigint,
  ADD COLUMN idp_client registry.text_line CHECK (idp_client <> ''),
  ADD COLUMN thumbprint registry.sha256,
  ADD COLUMN oin registry.oin,
  ADD COLUMN jwks jsonb,
  DROP CONSTRAINT taaksysteem_key_kind_check,
  DROP CONSTRAINT taaksysteem_key_check,
  ADD CHECK (kind IN ('api-key', 'client-secret', 'private-key-jwt', 'idp', 'certificate')),
  ADD CHECK ((kind IN ('api-key', 'client-secret')) = (hash IS NOT NULL) AND (hash IS NULL) = (hash_version IS NULL)),
  ADD CHECK ((kind IN ('client-secret', 'private-key-jwt')) = (client_id IS NOT NULL)),
  ADD CHECK ((kind = 'private-key-jwt') = (jwks IS NOT NULL)),
  ADD CHECK ((kind = 'idp') = (idp_id IS NOT NULL) AND (idp_id IS NULL) = (idp_client IS NULL)),
  ADD CHECK ((kind = 'certificate') = (num_nonnulls(thumbprint, oin) = 1) AND num_nonnulls(thumbprint, oin) < 2),
  ADD FOREIGN KEY (tenant_id, idp_id) REFERENCES registry.idp;
-- One client of an IDP is one taaksysteem. A certificate may be several: then it proves nothing alone.
CREATE UNIQUE INDEX key_idp_client_once ON registry.taaksysteem_key (tenant_id, idp_id, idp_client) WHERE state = 'active';

-- An opening checks one key of its caller. A call may rest on several (API key and certificate), and on an IDP: when one of
-- them changes its state, the taaksysteem gets a new version, so that whoever was let in by it must be let in anew.
CREATE FUNCTION registry.renew_taaksysteem() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE registry.taaksysteem t SET version = t.version WHERE t.tenant_id = NEW.tenant_id AND t.taaksysteem_id IN (
    SELECT k.taaksysteem_id FROM registry.taaksysteem_key k WHERE k.tenant_id = NEW.tenant_id
      AND CASE TG_TABLE_NAME WHEN 'idp' THEN k.state = 'active' AND k.idp_id = (to_jsonb(NEW) ->> 'idp_id')::bigint
        ELSE k.key_id = (to_jsonb(NEW) ->> 'key_id')::bigint END);
  RETURN NULL;
END $$;
CREATE TRIGGER renew_taaksysteem AFTER UPDATE ON registry.taaksysteem_key FOR EACH ROW
  WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION registry.renew_taaksysteem();
CREATE TRIGGER renew_taaksysteem AFTER UPDATE ON registry.idp FOR EACH ROW EXECUTE FUNCTION registry.renew_taaksysteem();
CREATE TRIGGER raise_version BEFORE UPDATE ON registry.idp FOR EACH ROW EXECUTE FUNCTION registry.raise_version();
CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON registry.idp FOR EACH ROW EXECUTE FUNCTION registry.note_change();

ALTER TABLE registry.idp ENABLE ROW LEVEL SECURITY;
ALTER TABLE registry.idp FORCE ROW LEVEL SECURITY;
CREATE POLICY tenants_scope ON registry.idp TO koppelpunt_tenants USING (tenant_id = registry.scope()) WITH CHECK (tenant_id = registry.scope());
CREATE POLICY gateway_reads ON registry.idp FOR SELECT TO koppelpunt_gateway USING (true);
GRANT SELECT, INSERT, UPDATE ON registry.idp TO koppelpunt_tenants;
GRANT SELECT ON registry.idp TO koppelpunt_gateway;
REVOKE ALL ON FUNCTION registry.renew_taaksysteem FROM PUBLIC;

-- Which client assertions were used (RFC 7523, 3: jti). Only the digest is kept, until the assertion has ended.
-- Nobody reads or writes the table but through these functions: one says who was first, one forgets what has ended.
CREATE SCHEMA auth AUTHORIZATION koppelpunt_owner;
GRANT USAGE ON SCHEMA auth TO koppelpunt_gateway, koppelpunt_sealer;
CREATE TABLE auth.used_jti (
  tenant_id bigint NOT NULL,
  key_id bigint NOT NULL,
  jti registry.sha256 NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, key_id, jti)
);
CREATE INDEX ON auth.used_jti (expires_at);
ALTER TABLE auth.used_jti ENABLE ROW LEVEL SECURITY;
ALTER TABLE auth.used_jti FORCE ROW LEVEL SECURITY;
CREATE POLICY owner_uses ON auth.used_jti TO koppelpunt_owner USING (true) WITH CHECK (true);

-- Two at once: the second waits for the first to commit, and then finds its row. In any isolation: a unique index decides.
CREATE FUNCTION auth.use_jti(p_tenant_id bigint, p_key_id bigint, p_jti bytea, p_expires_at timestamptz) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  WITH used AS (
    INSERT INTO auth.used_jti (tenant_id, key_id, jti, expires_at) VALUES (p_tenant_id, p_key_id, p_jti, p_expires_at)
    ON CONFLICT DO NOTHING RETURNING true)
  SELECT EXISTS (SELECT 1 FROM used)
$f$;
-- Ten minutes after its end, as clocks differ.
CREATE FUNCTION auth.forget_jtis() RETURNS bigint LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  WITH gone AS (DELETE FROM auth.used_jti WHERE expires_at < now() - interval '10 minutes' RETURNING 1) SELECT count(*) FROM gone
$f$;
REVOKE ALL ON FUNCTION auth.use_jti, auth.forget_jtis FROM PUBLIC;
GRANT EXECUTE ON FUNCTION auth.use_jti TO koppelpunt_gateway;
GRANT EXECUTE ON FUNCTION auth.forget_jtis TO koppelpunt_sealer;
