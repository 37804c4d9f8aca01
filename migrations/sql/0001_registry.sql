-- The registry: who the afnemers are, what they connect with, and who may use it.
-- `tenant_id` leads every key; row-level security is forced below (0001_grants.sql).
CREATE SCHEMA registry AUTHORIZATION koppelpunt_owner;
GRANT USAGE ON SCHEMA registry TO koppelpunt_writer, koppelpunt_gateway, koppelpunt_tenants, koppelpunt_inzage, koppelpunt_sealer;

-- OIN: 20 positions, prefix (8) + number (9) + suffix (3).
CREATE DOMAIN registry.oin AS text CHECK (VALUE ~ '^000000[0-9]{2}[0-9A-Z]{9}000$');
-- AfnemerID: the number of the autorisatiebesluit (table 35), six digits with leading zeros.
CREATE DOMAIN registry.afnemer_id AS text CHECK (VALUE ~ '^[0-9]{6}$');
CREATE DOMAIN registry.sha256 AS bytea CHECK (octet_length(VALUE) = 32);
CREATE DOMAIN registry.text_line AS text CHECK (length(VALUE) <= 500 AND VALUE !~ '[[:cntrl:]]');

CREATE TABLE registry.environment (
  name text PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9-]{0,30}$'),
  kind text NOT NULL CHECK (kind IN ('proef', 'productie'))
);
INSERT INTO registry.environment VALUES ('proef', 'proef'), ('productie', 'productie');

CREATE TABLE registry.tenant (
  tenant_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  oin registry.oin NOT NULL UNIQUE,
  name registry.text_line NOT NULL,
  kind text NOT NULL CHECK (kind IN ('gemeente', 'overheidsorgaan', 'derde', 'samenwerkingsverband', 'leverancier')),
  record_content text NOT NULL DEFAULT 'whole' CHECK (record_content IN ('whole', 'rubrieken')),
  retention_years smallint NOT NULL DEFAULT 20 CHECK (retention_years BETWEEN 1 AND 100),
  state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'ended')),
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- One key pair per tenant and year: the gateway seals to the public half. The private half is sealed to the register
-- keyring; the index key (HMAC of BSN and user) once to the identity keyring (gateway) and once to the register keyring.
CREATE TABLE registry.tenant_key (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  year smallint NOT NULL CHECK (year BETWEEN 2020 AND 2200),
  public_key bytea NOT NULL CHECK (octet_length(public_key) = 32),
  private_key_sealed bytea,
  index_key_for_gateway bytea,
  index_key_for_register bytea,
  created_at timestamptz NOT NULL DEFAULT now(),
  destroyed_at timestamptz,
  PRIMARY KEY (tenant_id, year),
  CHECK ((destroyed_at IS NULL) = (private_key_sealed IS NOT NULL AND index_key_for_gateway IS NOT NULL AND index_key_for_register IS NOT NULL))
);

CREATE TABLE registry.afnemer (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  afnemer_id registry.afnemer_id NOT NULL UNIQUE,
  oin registry.oin NOT NULL,
  name registry.text_line NOT NULL,
  kind text NOT NULL CHECK (kind IN ('gemeente', 'overheidsorgaan', 'derde', 'samenwerkingsverband')),
  gemeentecode text CHECK (gemeentecode ~ '^[0-9]{4}$'),
  mailbox_id text CHECK (mailbox_id ~ '^[0-9]{1,12}$'),
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, afnemer_id),
  UNIQUE (tenant_id, afnemer_id, oin),
  -- A gemeente always has its code, nobody else ever has one: RvIG skips field checks for a token that carries one.
  CHECK ((kind = 'gemeente') = (gemeentecode IS NOT NULL))
);

-- A certificate serves exactly one afnemer organisation (letter of 27 March 2026): by its OIN, by fingerprint and by
-- public key. A renewal has a new key pair (PKIoverheid), so a public key is never seen twice.
CREATE TABLE registry.certificate (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  certificate_id bigint GENERATED ALWAYS AS IDENTITY,
  organisation_oin registry.oin NOT NULL,
  oin registry.oin NOT NULL,
  fingerprint registry.sha256 UNIQUE,
  public_key_hash registry.sha256 NOT NULL UNIQUE,
  chain_pem text,
  key_sealed bytea,
  not_before timestamptz,
  not_after timestamptz,
  state text NOT NULL CHECK (state IN ('requested', 'staged', 'active', 'retiring', 'retired', 'revoked')),
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, certificate_id),
  UNIQUE (tenant_id, certificate_id, organisation_oin),
  CHECK (oin = organisation_oin),
  CHECK (state = 'requested' OR (fingerprint IS NOT NULL AND chain_pem IS NOT NULL AND not_before < not_after)),
  CHECK (state IN ('retired', 'revoked') OR key_sealed IS NOT NULL)
);

CREATE TABLE registry.credential (
  tenant_id bigint NOT NULL,
  credential_id bigint GENERATED ALWAYS AS IDENTITY,
  afnemer_id registry.afnemer_id NOT NULL,
  environment text NOT NULL REFERENCES registry.environment,
  account text NOT NULL DEFAULT '',
  client_id text NOT NULL CHECK (client_id ~ '^[[:graph:]]{1,200}$'),
  secret_sealed bytea NOT NULL,
  authentication text NOT NULL DEFAULT 'body' CHECK (authentication IN ('body', 'basic')),
  state text NOT NULL DEFAULT 'active' CHECK (state IN ('staged', 'active', 'retiring', 'retired')),
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, credential_id),
  UNIQUE (tenant_id, credential_id, afnemer_id, environment),
  FOREIGN KEY (tenant_id, afnemer_id) REFERENCES registry.afnemer
);

CREATE TABLE registry.aansluiting (
  tenant_id bigint NOT NULL,
  aansluiting_id bigint GENERATED ALWAYS AS IDENTITY,
  afnemer_id registry.afnemer_id NOT NULL,
  organisation_oin registry.oin NOT NULL,
  environment text NOT NULL REFERENCES registry.environment,
  pattern text NOT NULL CHECK (pattern IN ('standaard', 'saas', 'delegatie', 'gezamenlijk-personeel', 'koppelpunt')),
  certificate_id bigint,
  credential_id bigint,
  state text NOT NULL DEFAULT 'concept' CHECK (state IN ('concept', 'proef', 'productie', 'geblokkeerd', 'beeindigd')),
  scope_template text,
  resource_server text,
  valid_from timestamptz NOT NULL DEFAULT '-infinity',
  valid_until timestamptz NOT NULL DEFAULT 'infinity',
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, aansluiting_id),
  FOREIGN KEY (tenant_id, afnemer_id, organisation_oin) REFERENCES registry.afnemer (tenant_id, afnemer_id, oin),
  FOREIGN KEY (tenant_id, certificate_id, organisation_oin) REFERENCES registry.certificate (tenant_id, certificate_id, organisation_oin),
  FOREIGN KEY (tenant_id, credential_id, afnemer_id, environment) REFERENCES registry.credential (tenant_id, credential_id, afnemer_id, environment),
  CHECK (state IN ('concept', 'beeindigd') OR (certificate_id IS NOT NULL AND credential_id IS NOT NULL))
);
CREATE UNIQUE INDEX aansluiting_once ON registry.aansluiting (tenant_id, afnemer_id, environment, pattern) WHERE state <> 'beeindigd';

CREATE TABLE registry.taaksysteem (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  taaksysteem_id bigint GENERATED ALWAYS AS IDENTITY,
  name registry.text_line NOT NULL,
  environment text NOT NULL REFERENCES registry.environment,
  -- The aansluiting of a taaksysteem that names none. Explicit, or absent: counting machtigingen never decides.
  vaste_aansluiting_tenant_id bigint,
  vaste_aansluiting_id bigint,
  state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'ended')),
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, taaksysteem_id),
  FOREIGN KEY (vaste_aansluiting_tenant_id, vaste_aansluiting_id) REFERENCES registry.aansluiting,
  CHECK ((vaste_aansluiting_tenant_id IS NULL) = (vaste_aansluiting_id IS NULL))
);

-- What a taaksysteem proves itself with: an API key or a gateway client-ID with its secret; only a keyed hash is kept.
CREATE TABLE registry.taaksysteem_key (
  tenant_id bigint NOT NULL,
  key_id bigint GENERATED ALWAYS AS IDENTITY,
  taaksysteem_id bigint NOT NULL,
  kind text NOT NULL CHECK (kind IN ('api-key', 'client-secret')),
  client_id text UNIQUE CHECK (client_id ~ '^[[:graph:]]{1,200}$'),
  hash registry.sha256 NOT NULL UNIQUE,
  hash_version integer NOT NULL,
  valid_from timestamptz NOT NULL DEFAULT now(),
  valid_until timestamptz NOT NULL DEFAULT 'infinity',
  state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'withdrawn')),
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, key_id),
  FOREIGN KEY (tenant_id, taaksysteem_id) REFERENCES registry.taaksysteem,
  CHECK ((kind = 'client-secret') = (client_id IS NOT NULL))
);

-- The afnemer's tenant (tenant_id) lets a taaksysteem of another tenant act for it, and ends that when it wants.
CREATE TABLE registry.mandate (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  mandate_id bigint GENERATED ALWAYS AS IDENTITY,
  to_tenant_id bigint NOT NULL REFERENCES registry.tenant (tenant_id),
  reason registry.text_line NOT NULL,
  valid_from timestamptz NOT NULL DEFAULT now(),
  valid_until timestamptz NOT NULL DEFAULT 'infinity',
  withdrawn_at timestamptz,
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, mandate_id),
  UNIQUE (tenant_id, mandate_id, to_tenant_id),
  CHECK (to_tenant_id <> tenant_id)
);

CREATE TABLE registry.machtiging (
  tenant_id bigint NOT NULL,
  machtiging_id bigint GENERATED ALWAYS AS IDENTITY,
  aansluiting_id bigint NOT NULL,
  taaksysteem_tenant_id bigint NOT NULL,
  taaksysteem_id bigint NOT NULL,
  mandate_id bigint,
  doelbinding registry.text_line NOT NULL,
  grondslag registry.text_line NOT NULL,
  ontvanger registry.text_line NOT NULL,
  verwerkingsactiviteit registry.text_line NOT NULL,
  rights jsonb NOT NULL,
  valid_from timestamptz NOT NULL DEFAULT now(),
  valid_until timestamptz NOT NULL DEFAULT 'infinity',
  withdrawn_at timestamptz,
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, machtiging_id),
  FOREIGN KEY (tenant_id, aansluiting_id) REFERENCES registry.aansluiting,
  FOREIGN KEY (taaksysteem_tenant_id, taaksysteem_id) REFERENCES registry.taaksysteem (tenant_id, taaksysteem_id),
  FOREIGN KEY (tenant_id, mandate_id, taaksysteem_tenant_id) REFERENCES registry.mandate (tenant_id, mandate_id, to_tenant_id),
  -- Another tenant's taaksysteem needs a mandate; an own one has none.
  CHECK ((taaksysteem_tenant_id = tenant_id) = (mandate_id IS NULL))
);
CREATE INDEX machtiging_of_taaksysteem ON registry.machtiging (taaksysteem_tenant_id, taaksysteem_id);

-- Active blocks only. value: tenant id, AfnemerID, OIN, fingerprint in hex, or 'tenant id/taaksysteem id'.
CREATE TABLE registry.blokkade (
  kind text NOT NULL CHECK (kind IN ('tenant', 'afnemer', 'oin', 'certificate', 'taaksysteem')),
  value text NOT NULL CHECK (value ~ '^[0-9A-Za-z/]{1,80}$'),
  reason registry.text_line NOT NULL,
  blocked_by registry.text_line NOT NULL,
  blocked_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (kind, value)
);
CREATE TABLE registry.blokkade_history (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL,
  value text NOT NULL,
  action text NOT NULL CHECK (action IN ('blocked', 'released')),
  reason registry.text_line NOT NULL,
  actor registry.text_line NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Who changed what; append-only by grant. Secrets are never in it.
CREATE TABLE registry.wijziging (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  number bigint GENERATED ALWAYS AS IDENTITY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor registry.text_line NOT NULL,
  action text NOT NULL CHECK (action IN ('insert', 'update', 'delete')),
  object text NOT NULL,
  before jsonb,
  after jsonb,
  PRIMARY KEY (tenant_id, number)
);

-- Keys of administrators for the first start and for machines; tenant_id is null for the operator's.
CREATE TABLE registry.admin_key (
  tenant_id bigint REFERENCES registry.tenant,
  key_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  role text NOT NULL CHECK (role IN ('operator', 'beheerder', 'auditor')),
  name registry.text_line NOT NULL,
  hash registry.sha256 NOT NULL UNIQUE,
  hash_version integer NOT NULL,
  valid_until timestamptz NOT NULL,
  withdrawn_at timestamptz,
  version integer NOT NULL DEFAULT 1,
  CHECK ((role = 'operator') = (tenant_id IS NULL))
);

-- Version, history and notice of every change, for every table that has them.
CREATE FUNCTION registry.raise_version() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  NEW.version := OLD.version + 1;
  RETURN NEW;
END $$;

-- Runs as its owner, so that nobody needs a right to write history and nobody can write it otherwise.
CREATE FUNCTION registry.note_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_secret text[] := ARRAY['key_sealed', 'secret_sealed', 'hash', 'private_key_sealed', 'index_key_for_gateway', 'index_key_for_register'];
  v_before jsonb := CASE WHEN TG_OP = 'INSERT' THEN NULL ELSE to_jsonb(OLD) - v_secret END;
  v_after jsonb := CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE to_jsonb(NEW) - v_secret END;
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
END $$;

DO $$
DECLARE
  v_table text;
BEGIN
  FOREACH v_table IN ARRAY ARRAY['tenant', 'afnemer', 'certificate', 'credential', 'aansluiting', 'taaksysteem', 'taaksysteem_key',
                                 'mandate', 'machtiging', 'admin_key', 'tenant_key'] LOOP
    IF v_table <> 'tenant_key' THEN
      EXECUTE format('CREATE TRIGGER raise_version BEFORE UPDATE ON registry.%I FOR EACH ROW EXECUTE FUNCTION registry.raise_version()', v_table);
    END IF;
    EXECUTE format('CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON registry.%I FOR EACH ROW EXECUTE FUNCTION registry.note_change()', v_table);
  END LOOP;
END $$;

CREATE FUNCTION registry.note_blokkade() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO registry.blokkade_history (kind, value, action, reason, actor)
  SELECT COALESCE(NEW.kind, OLD.kind), COALESCE(NEW.value, OLD.value), CASE WHEN TG_OP = 'DELETE' THEN 'released' ELSE 'blocked' END,
         COALESCE(NULLIF(current_setting('koppelpunt.reason', true), ''), NEW.reason, OLD.reason),
         COALESCE(NULLIF(current_setting('koppelpunt.actor', true), ''), NEW.blocked_by, session_user);
  PERFORM pg_notify('koppelpunt_registry', 'blokkade');
  RETURN NULL;
END $$;
CREATE TRIGGER note_blokkade AFTER INSERT OR UPDATE OR DELETE ON registry.blokkade FOR EACH ROW EXECUTE FUNCTION registry.note_blokkade();
