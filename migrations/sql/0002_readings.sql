-- Who read the register, and why. Append-only by grant: time, number and transaction are the database's own.
-- subjects: the person index of each year that was searched, so that a person's readings can be found without a number.
CREATE TABLE register.reading (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  number bigint GENERATED ALWAYS AS IDENTITY,
  tx xid8 NOT NULL DEFAULT pg_current_xact_id(),
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor registry.text_line NOT NULL CHECK (actor <> ''),
  reason registry.text_line NOT NULL CHECK (reason ~ '[[:graph:]]'),
  kind text NOT NULL CHECK (kind IN ('zoekvraag', 'regels')),
  subjects uuid[] NOT NULL DEFAULT '{}',
  ids uuid[] NOT NULL DEFAULT '{}',
  period_from timestamptz,
  period_until timestamptz,
  contents boolean NOT NULL,
  PRIMARY KEY (tenant_id, number),
  CHECK (period_from < period_until)
);
ALTER TABLE register.reading ENABLE ROW LEVEL SECURITY;
ALTER TABLE register.reading FORCE ROW LEVEL SECURITY;
CREATE POLICY inzage_scope ON register.reading FOR SELECT TO koppelpunt_inzage USING (tenant_id = registry.scope());
CREATE POLICY inzage_records ON register.reading FOR INSERT TO koppelpunt_inzage WITH CHECK (tenant_id = registry.scope());
GRANT SELECT, INSERT (tenant_id, actor, reason, kind, subjects, ids, period_from, period_until, contents) ON register.reading TO koppelpunt_inzage;

-- The record of a reading is what lets it be read: it must be named, recent, and of another transaction than this one.
-- A row that another transaction wrote is visible only when that one has committed: the record cannot be rolled back.
CREATE FUNCTION register.reading_is_recorded() RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT EXISTS (SELECT 1 FROM register.reading r WHERE r.tenant_id = registry.scope()
    AND r.number = NULLIF(current_setting('koppelpunt.reading', true), '')::bigint
    AND r.at > now() - interval '1 hour' AND r.tx IS DISTINCT FROM pg_current_xact_id_if_assigned())
$$;
REVOKE ALL ON FUNCTION register.reading_is_recorded FROM PUBLIC;
GRANT EXECUTE ON FUNCTION register.reading_is_recorded TO koppelpunt_inzage;
-- As a subselect it is asked once per statement, not once per row.
ALTER POLICY inzage_scope ON register.opening USING (tenant_id = registry.scope() AND (SELECT register.reading_is_recorded()));
ALTER POLICY inzage_scope ON register.closing USING (tenant_id = registry.scope() AND (SELECT register.reading_is_recorded()));
ALTER POLICY inzage_scope ON register.person USING (tenant_id = registry.scope() AND (SELECT register.reading_is_recorded()));

-- Whose block it is: null for the operator's. A tenant's beheerder cannot release what the operator blocked.
ALTER TABLE registry.blokkade ADD COLUMN by_tenant_id bigint REFERENCES registry.tenant DEFAULT registry.scope();

-- The sealer warns of certificates that end: when, never what.
CREATE POLICY sealer_expiry ON registry.certificate FOR SELECT TO koppelpunt_sealer USING (state IN ('staged', 'active', 'retiring'));
GRANT SELECT (tenant_id, certificate_id, state, not_after) ON registry.certificate TO koppelpunt_sealer;

-- An operator's admin key can be withdrawn too; nothing else of it can be changed.
CREATE POLICY tenants_withdraws_operator_key ON registry.admin_key FOR UPDATE TO koppelpunt_tenants USING (tenant_id IS NULL) WITH CHECK (tenant_id IS NULL);
REVOKE UPDATE ON registry.admin_key FROM koppelpunt_tenants;
GRANT UPDATE (withdrawn_at) ON registry.admin_key TO koppelpunt_tenants;
