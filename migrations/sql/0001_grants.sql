-- Row-level security, enabled and forced on every table with a tenant_id, and the fewest grants.
-- The scope of a transaction is set with set_config('koppelpunt.tenant_id', …, true); without one nothing is visible.
CREATE FUNCTION registry.scope() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  SELECT NULLIF(current_setting('koppelpunt.tenant_id', true), '')::bigint
$$;

DO $$
DECLARE
  v_table regclass;
BEGIN
  FOR v_table IN
    SELECT c.oid::regclass FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
    WHERE c.relnamespace IN ('registry'::regnamespace, 'register'::regnamespace, 'proef'::regnamespace) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  LOOP
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', v_table);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', v_table);
    EXECUTE format('CREATE POLICY tenants_scope ON %s TO koppelpunt_tenants USING (tenant_id = registry.scope()) WITH CHECK (tenant_id = registry.scope())', v_table);
  END LOOP;
  -- The writing function joins the registry for all tenants; it is the only code that works as this role.
  FOREACH v_table IN ARRAY ARRAY['registry.tenant', 'registry.certificate', 'registry.credential', 'registry.aansluiting', 'registry.taaksysteem',
      'registry.taaksysteem_key', 'registry.mandate', 'registry.machtiging']::regclass[] LOOP
    EXECUTE format('CREATE POLICY writer_reads ON %s FOR SELECT TO koppelpunt_writer USING (true)', v_table);
    EXECUTE format('GRANT SELECT ON %s TO koppelpunt_writer', v_table);
  END LOOP;
  -- The gateway reads the registry of all tenants: it serves them all. It has no right on the register at all.
  FOREACH v_table IN ARRAY ARRAY['registry.tenant', 'registry.afnemer', 'registry.certificate', 'registry.credential', 'registry.aansluiting',
      'registry.taaksysteem', 'registry.taaksysteem_key', 'registry.mandate', 'registry.machtiging']::regclass[] LOOP
    EXECUTE format('CREATE POLICY gateway_reads ON %s FOR SELECT TO koppelpunt_gateway USING (true)', v_table);
    EXECUTE format('GRANT SELECT ON %s TO koppelpunt_gateway', v_table);
  END LOOP;
  FOREACH v_table IN ARRAY ARRAY['register.opening', 'register.closing', 'register.person', 'register.running', 'register.fetched_message', 'register.data_key',
      'proef.opening', 'proef.closing', 'proef.person', 'proef.running', 'proef.fetched_message', 'proef.data_key']::regclass[] LOOP
    EXECUTE format('CREATE POLICY writer_writes ON %s FOR INSERT TO koppelpunt_writer WITH CHECK (true)', v_table);
    EXECUTE format('GRANT INSERT ON %s TO koppelpunt_writer', v_table);
  END LOOP;
  FOREACH v_table IN ARRAY ARRAY['register.running', 'register.fetched_message', 'register.data_key', 'proef.running', 'proef.fetched_message', 'proef.data_key']::regclass[] LOOP
    EXECUTE format('CREATE POLICY writer_reads ON %s FOR SELECT TO koppelpunt_writer USING (true)', v_table);
    EXECUTE format('GRANT SELECT ON %s TO koppelpunt_writer', v_table);
  END LOOP;
  FOREACH v_table IN ARRAY ARRAY['register.running', 'proef.running']::regclass[] LOOP
    EXECUTE format('CREATE POLICY writer_ends ON %s FOR DELETE TO koppelpunt_writer USING (true)', v_table);
    EXECUTE format('GRANT DELETE ON %s TO koppelpunt_writer', v_table);
    EXECUTE format('CREATE POLICY owner_reports ON %s FOR SELECT TO koppelpunt_owner USING (true)', v_table);
  END LOOP;
  FOREACH v_table IN ARRAY ARRAY['register.fetched_message', 'proef.fetched_message']::regclass[] LOOP
    EXECUTE format('CREATE POLICY owner_forgets ON %s TO koppelpunt_owner USING (fetched_at < now() - interval ''10 days'')', v_table);
  END LOOP;
  -- Reading the register: role inzage, one tenant's scope, productie only.
  FOREACH v_table IN ARRAY ARRAY['register.opening', 'register.closing', 'register.person', 'register.running', 'register.data_key',
      'registry.tenant', 'registry.afnemer', 'registry.taaksysteem', 'registry.machtiging', 'registry.tenant_key']::regclass[] LOOP
    EXECUTE format('CREATE POLICY inzage_scope ON %s FOR SELECT TO koppelpunt_inzage USING (tenant_id = registry.scope())', v_table);
    EXECUTE format('GRANT SELECT ON %s TO koppelpunt_inzage', v_table);
  END LOOP;
  -- Sealing: hashes and counters of all tenants, nothing else.
  FOREACH v_table IN ARRAY ARRAY['register.opening', 'register.closing', 'proef.opening', 'proef.closing']::regclass[] LOOP
    EXECUTE format('CREATE POLICY sealer_hashes ON %s FOR SELECT TO koppelpunt_sealer USING (true)', v_table);
    EXECUTE format('GRANT SELECT (tenant_id, id, writer_id, number, tx, hash) ON %s TO koppelpunt_sealer', v_table);
  END LOOP;
END $$;

-- The gateway has the index keys of this year (and of a call that began in the last one), nothing older.
CREATE POLICY gateway_current ON registry.tenant_key FOR SELECT TO koppelpunt_gateway USING (
  year BETWEEN extract(year FROM (now() - interval '1 day') AT TIME ZONE 'UTC') AND extract(year FROM (now() + interval '1 day') AT TIME ZONE 'UTC'));
GRANT SELECT (tenant_id, year, public_key, index_key_for_gateway, destroyed_at) ON registry.tenant_key TO koppelpunt_gateway;
CREATE POLICY owner_notes ON registry.wijziging FOR INSERT TO koppelpunt_owner WITH CHECK (true);

GRANT SELECT ON registry.environment TO koppelpunt_writer, koppelpunt_gateway, koppelpunt_tenants, koppelpunt_inzage, koppelpunt_sealer;
GRANT INSERT ON registry.environment TO koppelpunt_tenants;
GRANT SELECT ON registry.blokkade TO koppelpunt_writer, koppelpunt_gateway, koppelpunt_tenants;
GRANT INSERT, DELETE ON registry.blokkade TO koppelpunt_tenants;
GRANT SELECT ON registry.blokkade_history TO koppelpunt_tenants;
GRANT INSERT ON register.writer, proef.writer TO koppelpunt_writer;
GRANT SELECT ON register.writer, proef.writer TO koppelpunt_writer;

GRANT SELECT, INSERT, UPDATE ON registry.tenant, registry.afnemer, registry.certificate, registry.credential, registry.aansluiting, registry.taaksysteem,
  registry.taaksysteem_key, registry.mandate, registry.machtiging, registry.admin_key, registry.tenant_key TO koppelpunt_tenants;
GRANT SELECT ON registry.wijziging TO koppelpunt_tenants;
-- Tenants are listed by the operator, and administrators are recognised before their tenant is known.
CREATE POLICY tenants_lists ON registry.tenant FOR SELECT TO koppelpunt_tenants USING (true);
CREATE POLICY tenants_creates ON registry.tenant FOR INSERT TO koppelpunt_tenants WITH CHECK (true);
CREATE POLICY tenants_recognises ON registry.admin_key FOR SELECT TO koppelpunt_tenants USING (true);
CREATE POLICY tenants_operator_key ON registry.admin_key FOR INSERT TO koppelpunt_tenants WITH CHECK (tenant_id IS NULL);

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA registry, register, proef FROM PUBLIC;
GRANT EXECUTE ON FUNCTION registry.scope TO koppelpunt_tenants, koppelpunt_inzage;
GRANT EXECUTE ON FUNCTION register.uuid_floor TO koppelpunt_writer, koppelpunt_tenants, koppelpunt_inzage, koppelpunt_sealer;
GRANT EXECUTE ON FUNCTION register.begin_writer, register.running_of, register.write, proef.begin_writer, proef.running_of, proef.write TO koppelpunt_gateway;
