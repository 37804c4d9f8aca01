-- What the aansluitpatronen need to be rules: agreements with dates, exceptions to the certificate rule, consent to a
-- choice by header, header profiles, and which installation serves an environment.

-- The rule stands as it stood: a certificate is that of one organisation (letter of 27 March 2026). What an exception
-- allows is that an aansluiting leaves with the certificate of another one, that of its holder.
ALTER TABLE registry.tenant ADD UNIQUE (tenant_id, kind);
ALTER TABLE registry.afnemer ADD UNIQUE (tenant_id, afnemer_id, oin, kind);

-- The holder of a certificate (tenant_id) lets another tenant's aansluitingen leave with it, and ends that when it wants.
CREATE TABLE registry.certificate_lending (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  lending_id bigint GENERATED ALWAYS AS IDENTITY,
  to_tenant_id bigint NOT NULL REFERENCES registry.tenant (tenant_id),
  reason registry.text_line NOT NULL CHECK (reason ~ '[[:graph:]]'),
  valid_from timestamptz NOT NULL DEFAULT now(),
  valid_until timestamptz NOT NULL DEFAULT 'infinity',
  withdrawn_at timestamptz,
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, lending_id),
  UNIQUE (tenant_id, lending_id, to_tenant_id)
);

-- Explicit, dated and reasoned, and never for a gemeente: neither the afnemer nor its tenant, now or by a later change,
-- because both kinds are part of what is referred to.
CREATE TABLE registry.certificate_exception (
  tenant_id bigint NOT NULL,
  exception_id bigint GENERATED ALWAYS AS IDENTITY,
  tenant_kind text NOT NULL CHECK (tenant_kind <> 'gemeente'),
  afnemer_id registry.afnemer_id NOT NULL,
  organisation_oin registry.oin NOT NULL,
  afnemer_kind text NOT NULL CHECK (afnemer_kind <> 'gemeente'),
  holder_tenant_id bigint NOT NULL,
  holder_oin registry.oin NOT NULL,
  lending_id bigint NOT NULL,
  reason registry.text_line NOT NULL CHECK (reason ~ '[[:graph:]]'),
  article registry.text_line NOT NULL CHECK (article ~ '[[:graph:]]'),
  granted_by registry.text_line NOT NULL CHECK (granted_by ~ '[[:graph:]]'),
  valid_from timestamptz NOT NULL DEFAULT now() CHECK (isfinite(valid_from)),
  valid_until timestamptz NOT NULL CHECK (isfinite(valid_until)),
  withdrawn_at timestamptz,
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, exception_id),
  UNIQUE (tenant_id, exception_id, afnemer_id, organisation_oin, holder_tenant_id, holder_oin),
  FOREIGN KEY (tenant_id, tenant_kind) REFERENCES registry.tenant (tenant_id, kind),
  FOREIGN KEY (tenant_id, afnemer_id, organisation_oin, afnemer_kind) REFERENCES registry.afnemer (tenant_id, afnemer_id, oin, kind),
  FOREIGN KEY (holder_tenant_id, lending_id, tenant_id) REFERENCES registry.certificate_lending (tenant_id, lending_id, to_tenant_id),
  CHECK (valid_from < valid_until)
);

-- Without an exception the certificate is the organisation's own, in its own tenant; with one it is the holder's.
ALTER TABLE registry.aansluiting
  ADD COLUMN exception_id bigint,
  ADD COLUMN holder_tenant_id bigint,
  ADD COLUMN holder_oin registry.oin,
  ADD COLUMN certificate_tenant_id bigint GENERATED ALWAYS AS (COALESCE(holder_tenant_id, tenant_id)) STORED,
  ADD COLUMN certificate_oin registry.oin GENERATED ALWAYS AS (COALESCE(holder_oin, organisation_oin)) STORED,
  ADD CHECK ((exception_id IS NULL) = (holder_tenant_id IS NULL) AND (exception_id IS NULL) = (holder_oin IS NULL)),
  DROP CONSTRAINT aansluiting_tenant_id_certificate_id_organisation_oin_fkey,
  ADD FOREIGN KEY (certificate_tenant_id, certificate_id, certificate_oin) REFERENCES registry.certificate (tenant_id, certificate_id, organisation_oin),
  ADD FOREIGN KEY (tenant_id, exception_id, afnemer_id, organisation_oin, holder_tenant_id, holder_oin)
    REFERENCES registry.certificate_exception (tenant_id, exception_id, afnemer_id, organisation_oin, holder_tenant_id, holder_oin);
CREATE INDEX aansluiting_of_certificate ON registry.aansluiting (certificate_tenant_id, certificate_id, environment);

-- What an organisation agreed on, with whom, and until when; dates are days in the Netherlands, valid_until the first day
-- after it. grace_until: until when an agreement whose time is over stops nothing yet, by whom and why.
CREATE TABLE registry.agreement (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  agreement_id bigint GENERATED ALWAYS AS IDENTITY,
  kind text NOT NULL CHECK (kind IN ('contract', 'verwerkersovereenkomst', 'convenant', 'aanvullende_autorisatie')),
  afnemer_id registry.afnemer_id,
  party registry.text_line NOT NULL CHECK (party ~ '[[:graph:]]'),
  reference registry.text_line NOT NULL DEFAULT '',
  products text[] NOT NULL DEFAULT '{}' CHECK (products <@ ARRAY['adressering', 'gezag', 'leeftijd'] AND array_position(products, NULL) IS NULL),
  signed_on date NOT NULL CHECK (isfinite(signed_on)),
  valid_until date CHECK (isfinite(valid_until) AND valid_until > signed_on),
  grace_until date CHECK (isfinite(grace_until) AND grace_until >= valid_until),
  grace_reason registry.text_line,
  withdrawn_at timestamptz,
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, agreement_id),
  FOREIGN KEY (tenant_id, afnemer_id) REFERENCES registry.afnemer,
  CHECK ((kind = 'aanvullende_autorisatie') = (cardinality(products) > 0)),
  CHECK ((grace_until IS NULL) = (grace_reason IS NULL) AND (grace_until IS NULL OR valid_until IS NOT NULL))
);

-- An own profile: which header says what. Those that the product knows by name are in its code; their names stay theirs.
CREATE TABLE registry.header_profile (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,59}$' AND name NOT IN ('iconnect', '2secure', 'centric', 'amsterdam', 'nlx', 'none')),
  headers jsonb NOT NULL,
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, name)
);
ALTER TABLE registry.taaksysteem
  ADD COLUMN header_profile text NOT NULL DEFAULT 'none',
  ADD COLUMN own_header_profile text GENERATED ALWAYS AS (
    CASE WHEN header_profile NOT IN ('iconnect', '2secure', 'centric', 'amsterdam', 'nlx', 'none') THEN header_profile END) STORED,
  ADD FOREIGN KEY (tenant_id, own_header_profile) REFERENCES registry.header_profile;

-- Whether a taaksysteem of the other tenant may say by a header alone that it asks for this one.
ALTER TABLE registry.mandate ADD COLUMN header_choice boolean NOT NULL DEFAULT false;

-- Which installation serves an environment: separate installations for test and production never share a certificate.
ALTER TABLE registry.environment ADD COLUMN installation text NOT NULL DEFAULT 'koppelpunt' CHECK (installation ~ '^[a-z0-9][a-z0-9-]{0,59}$');
GRANT UPDATE (installation) ON registry.environment TO koppelpunt_tenants;

DO $$
DECLARE
  v_table text;
BEGIN
  FOREACH v_table IN ARRAY ARRAY['certificate_lending', 'certificate_exception', 'agreement', 'header_profile'] LOOP
    EXECUTE format('ALTER TABLE registry.%I ENABLE ROW LEVEL SECURITY', v_table);
    EXECUTE format('ALTER TABLE registry.%I FORCE ROW LEVEL SECURITY', v_table);
    EXECUTE format('CREATE POLICY tenants_scope ON registry.%I TO koppelpunt_tenants USING (tenant_id = registry.scope()) WITH CHECK (tenant_id = registry.scope())', v_table);
    EXECUTE format('CREATE POLICY gateway_reads ON registry.%I FOR SELECT TO koppelpunt_gateway USING (true)', v_table);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON registry.%I TO koppelpunt_tenants', v_table);
    EXECUTE format('GRANT SELECT ON registry.%I TO koppelpunt_gateway', v_table);
    EXECUTE format('CREATE TRIGGER raise_version BEFORE UPDATE ON registry.%I FOR EACH ROW EXECUTE FUNCTION registry.raise_version()', v_table);
    EXECUTE format('CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON registry.%I FOR EACH ROW EXECUTE FUNCTION registry.note_change()', v_table);
  END LOOP;
  FOREACH v_table IN ARRAY ARRAY['certificate_lending', 'certificate_exception'] LOOP
    EXECUTE format('CREATE POLICY writer_reads ON registry.%I FOR SELECT TO koppelpunt_writer USING (true)', v_table);
    EXECUTE format('GRANT SELECT ON registry.%I TO koppelpunt_writer', v_table);
  END LOOP;
END $$;
-- Who borrows sees what was lent to it, and nothing of the certificate.
CREATE POLICY borrower_reads ON registry.certificate_lending FOR SELECT TO koppelpunt_tenants USING (to_tenant_id = registry.scope());
CREATE POLICY owner_notifies ON registry.certificate_lending FOR SELECT TO koppelpunt_owner USING (true);

-- What happens to a certificate or its lending concerns the borrowers' part of the snapshot too.
CREATE FUNCTION registry.note_borrowers() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pg_notify('koppelpunt_registry', l.to_tenant_id::text)
  FROM (SELECT DISTINCT to_tenant_id FROM registry.certificate_lending WHERE tenant_id = NEW.tenant_id) l;
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION registry.note_borrowers FROM PUBLIC;
CREATE TRIGGER note_borrowers AFTER UPDATE ON registry.certificate FOR EACH ROW EXECUTE FUNCTION registry.note_borrowers();
CREATE TRIGGER note_borrowers AFTER UPDATE ON registry.certificate_lending FOR EACH ROW EXECUTE FUNCTION registry.note_borrowers();
