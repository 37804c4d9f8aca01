-- Retention: what was destroyed and on which ground, what may not be destroyed, and how a contract ends.
-- Every row of these tables becomes a wijziging, and so a leaf of its tenant's own tree: what says that rows are gone is
-- itself sealed, signed and delivered before the first of them goes.
GRANT USAGE ON SCHEMA registry, register, proef TO koppelpunt_vernietiger;

-- A stop: what may not be destroyed. Of everything, of a period, or of the calls about a person (as the index of each year).
-- Who is known only by index is known only up to today: the keys of later years do not exist yet.
CREATE TABLE register.vernietigingsstop (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  stop_id bigint GENERATED ALWAYS AS IDENTITY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor registry.text_line NOT NULL CHECK (actor <> ''),
  reason registry.text_line NOT NULL CHECK (reason ~ '[[:graph:]]'),
  period_from timestamptz NOT NULL DEFAULT '-infinity',
  period_until timestamptz NOT NULL DEFAULT 'infinity',
  subjects uuid[],
  PRIMARY KEY (tenant_id, stop_id),
  CHECK (period_from < period_until),
  CHECK (subjects IS NULL OR (cardinality(subjects) > 0 AND period_until <= at + interval '1 day'))
);
-- Lifting takes two: who asks and, another, who grants. A stop of which the last step is not 'opgeheven' stands.
CREATE TABLE register.vernietigingsstop_stap (
  tenant_id bigint NOT NULL,
  stop_id bigint NOT NULL,
  number bigint GENERATED ALWAYS AS IDENTITY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor registry.text_line NOT NULL CHECK (actor <> ''),
  kind text NOT NULL CHECK (kind IN ('opheffing_gevraagd', 'geweigerd', 'opgeheven')),
  reason registry.text_line NOT NULL CHECK (reason ~ '[[:graph:]]'),
  PRIMARY KEY (tenant_id, stop_id, number),
  FOREIGN KEY (tenant_id, stop_id) REFERENCES register.vernietigingsstop
);

-- The proof of one destruction. leaves: the leaves whose rows are to go; destroyed: those whose rows went. numbers: which
-- numbers of each writer they had. An export, or a register, in which a row is gone that no proof names, has a fault.
CREATE TABLE register.vernietiging (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  number bigint GENERATED ALWAYS AS IDENTITY,
  begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor registry.text_line NOT NULL CHECK (actor <> ''),
  ground text NOT NULL CHECK (ground IN ('bewaartermijn', 'contracteinde')),
  retention_years smallint NOT NULL,
  soort text NOT NULL CHECK (soort IN ('protocolregels', 'lezingen', 'inzageverzoeken', 'steekproeven', 'jaarsleutel')),
  period_from timestamptz NOT NULL,
  period_until timestamptz NOT NULL,
  rows bigint NOT NULL CHECK (rows > 0),
  leaves int8multirange NOT NULL DEFAULT '{}',
  numbers jsonb NOT NULL DEFAULT '{}',
  public_key_sha256 text,
  backup_days smallint NOT NULL CHECK (backup_days BETWEEN 0 AND 3660),
  finished_at timestamptz,
  openings bigint,
  closings bigint,
  persons bigint,
  data_keys bigint,
  destroyed int8multirange,
  -- Until then a backup may hold what was destroyed; definitief_at says that the day has passed.
  backups_until timestamptz,
  definitief_at timestamptz,
  PRIMARY KEY (tenant_id, number),
  CHECK (period_from < period_until),
  CHECK ((soort = 'protocolregels') = (leaves <> '{}')),
  CHECK ((soort = 'jaarsleutel') = (public_key_sha256 IS NOT NULL)),
  CHECK ((finished_at IS NULL) = (backups_until IS NULL)),
  CHECK (definitief_at >= backups_until)
);
-- One destruction of calls at a time per tenant and month: it is finished before the next begins.
CREATE UNIQUE INDEX vernietiging_under_way ON register.vernietiging (tenant_id, period_from) WHERE finished_at IS NULL;
-- How far a destruction is: no part of the proof, and gone with its end.
CREATE TABLE register.vernietiging_stand (
  tenant_id bigint NOT NULL,
  number bigint NOT NULL,
  wijziging bigint NOT NULL,
  proof_leaf bigint,
  next_leaf bigint NOT NULL DEFAULT 0,
  kept int8multirange NOT NULL DEFAULT '{}',
  openings bigint NOT NULL DEFAULT 0,
  closings bigint NOT NULL DEFAULT 0,
  persons bigint NOT NULL DEFAULT 0,
  data_key_ids uuid[] NOT NULL DEFAULT '{}',
  PRIMARY KEY (tenant_id, number),
  FOREIGN KEY (tenant_id, number) REFERENCES register.vernietiging
) WITH (fillfactor = 50);

-- How a contract ends, step by step. Without 'bevestigd' by the tenant's own auditor nothing is destroyed before its term.
CREATE TABLE register.contracteinde_stap (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  number bigint GENERATED ALWAYS AS IDENTITY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor registry.text_line NOT NULL CHECK (actor <> ''),
  kind text NOT NULL CHECK (kind IN ('begonnen', 'geexporteerd', 'ontvangen', 'bevestigd', 'ingetrokken', 'voltooid')),
  -- SHA-256 of the archive, and up to which size of the tree it goes.
  digest registry.sha256,
  tree_size bigint,
  note registry.text_line,
  PRIMARY KEY (tenant_id, number),
  CHECK ((kind IN ('geexporteerd', 'ontvangen', 'bevestigd')) = (digest IS NOT NULL)),
  CHECK ((kind = 'geexporteerd') = (tree_size IS NOT NULL)),
  CHECK (kind <> 'ontvangen' OR note ~ '[[:graph:]]')
);

-- Whoever sets a stop waits for the step of a destruction that is under way, and no step begins before the stop stands.
CREATE FUNCTION register.wait_for_vernietiging() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  PERFORM pg_advisory_xact_lock(19270, (NEW.tenant_id % 2147483647)::integer);
  RETURN NEW;
END $f$;
CREATE TRIGGER wait_for_vernietiging BEFORE INSERT ON register.vernietigingsstop FOR EACH ROW EXECUTE FUNCTION register.wait_for_vernietiging();

CREATE FUNCTION register.check_stop_stap() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  v_last register.vernietigingsstop_stap;
BEGIN
  PERFORM pg_advisory_xact_lock(19270, (NEW.tenant_id % 2147483647)::integer);
  SELECT * INTO v_last FROM register.vernietigingsstop_stap s WHERE s.tenant_id = NEW.tenant_id AND s.stop_id = NEW.stop_id ORDER BY s.number DESC LIMIT 1;
  IF v_last.kind = 'opgeheven' THEN
    RAISE 'this stop was lifted already' USING ERRCODE = 'object_not_in_prerequisite_state';
  ELSIF NEW.kind = 'opheffing_gevraagd' AND v_last.kind IS NOT DISTINCT FROM 'opheffing_gevraagd' THEN
    RAISE 'that it be lifted was asked already' USING ERRCODE = 'object_not_in_prerequisite_state';
  ELSIF NEW.kind <> 'opheffing_gevraagd' AND v_last.kind IS DISTINCT FROM 'opheffing_gevraagd' THEN
    RAISE 'nobody asked that this stop be lifted' USING ERRCODE = 'object_not_in_prerequisite_state';
  ELSIF NEW.kind = 'opgeheven' AND v_last.actor = NEW.actor THEN
    RAISE 'another than who asked must lift a stop' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $f$;
CREATE TRIGGER check_stop_stap BEFORE INSERT ON register.vernietigingsstop_stap FOR EACH ROW EXECUTE FUNCTION register.check_stop_stap();

-- begonnen → geexporteerd → ontvangen → bevestigd → voltooid. Back by 'ingetrokken' as long as nothing was destroyed, and a
-- new export begins anew. Receipt and confirmation are of the archive that was exported last.
CREATE FUNCTION register.check_contracteinde_stap() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  v_last register.contracteinde_stap;
  v_may text[];
BEGIN
  PERFORM pg_advisory_xact_lock(19270, (NEW.tenant_id % 2147483647)::integer);
  SELECT * INTO v_last FROM register.contracteinde_stap s WHERE s.tenant_id = NEW.tenant_id ORDER BY s.number DESC LIMIT 1;
  v_may := CASE COALESCE(v_last.kind, 'ingetrokken')
    WHEN 'ingetrokken' THEN ARRAY['begonnen']
    WHEN 'begonnen' THEN ARRAY['geexporteerd', 'ingetrokken']
    WHEN 'geexporteerd' THEN ARRAY['geexporteerd', 'ontvangen', 'ingetrokken']
    WHEN 'ontvangen' THEN ARRAY['geexporteerd', 'bevestigd', 'ingetrokken']
    WHEN 'bevestigd' THEN ARRAY['voltooid', 'ingetrokken']
    ELSE ARRAY[]::text[] END;
  IF NEW.kind <> ALL (v_may) THEN
    RAISE 'this step does not follow the last' USING ERRCODE = 'object_not_in_prerequisite_state';
  ELSIF NEW.kind IN ('ontvangen', 'bevestigd') AND NEW.digest <> v_last.digest THEN
    RAISE 'this is another archive than the one that was exported' USING ERRCODE = 'object_not_in_prerequisite_state';
  ELSIF NEW.kind = 'bevestigd' AND NEW.actor !~ '^auditor/' THEN
    RAISE 'the auditor of the tenant itself confirms' USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END $f$;
CREATE TRIGGER check_contracteinde_stap BEFORE INSERT ON register.contracteinde_stap FOR EACH ROW EXECUTE FUNCTION register.check_contracteinde_stap();

CREATE TRIGGER note_change AFTER INSERT ON register.vernietigingsstop FOR EACH ROW EXECUTE FUNCTION registry.note_change();
CREATE TRIGGER note_change AFTER INSERT ON register.vernietigingsstop_stap FOR EACH ROW EXECUTE FUNCTION registry.note_change();
CREATE TRIGGER note_change AFTER INSERT ON register.contracteinde_stap FOR EACH ROW EXECUTE FUNCTION registry.note_change();
CREATE TRIGGER note_change AFTER INSERT OR UPDATE ON register.vernietiging FOR EACH ROW EXECUTE FUNCTION registry.note_change();
CREATE INDEX wijziging_of_vernietiging ON registry.wijziging (tenant_id, number) WHERE object = 'vernietiging';
-- Which rounds of sealing hold the calls of a month.
CREATE INDEX ON register.leaf_run USING brin (lowest, sealed_at) WITH (pages_per_range = 16, autosummarize = on);

DO $$
DECLARE
  v_table regclass;
BEGIN
  FOREACH v_table IN ARRAY ARRAY['register.vernietigingsstop', 'register.vernietigingsstop_stap', 'register.vernietiging', 'register.vernietiging_stand',
      'register.contracteinde_stap']::regclass[] LOOP
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', v_table);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', v_table);
    EXECUTE format('CREATE POLICY vernietiger_reads ON %s FOR SELECT TO koppelpunt_vernietiger USING (true)', v_table);
    EXECUTE format('GRANT SELECT ON %s TO koppelpunt_vernietiger', v_table);
  END LOOP;
  FOREACH v_table IN ARRAY ARRAY['register.vernietigingsstop', 'register.vernietigingsstop_stap', 'register.vernietiging', 'register.contracteinde_stap']::regclass[] LOOP
    EXECUTE format('CREATE POLICY inzage_scope ON %s FOR SELECT TO koppelpunt_inzage USING (tenant_id = registry.scope())', v_table);
    EXECUTE format('GRANT SELECT ON %s TO koppelpunt_inzage', v_table);
    EXECUTE format('CREATE POLICY sealer_reads ON %s FOR SELECT TO koppelpunt_sealer USING (true)', v_table);
    EXECUTE format('GRANT SELECT ON %s TO koppelpunt_sealer', v_table);
  END LOOP;
  FOREACH v_table IN ARRAY ARRAY['register.vernietigingsstop', 'register.vernietigingsstop_stap', 'register.contracteinde_stap']::regclass[] LOOP
    EXECUTE format('CREATE POLICY inzage_records ON %s FOR INSERT TO koppelpunt_inzage WITH CHECK (tenant_id = registry.scope())', v_table);
  END LOOP;
  FOREACH v_table IN ARRAY ARRAY['register.vernietiging', 'register.vernietiging_stand']::regclass[] LOOP
    EXECUTE format('CREATE POLICY vernietiger_writes ON %s FOR INSERT TO koppelpunt_vernietiger WITH CHECK (true)', v_table);
    EXECUTE format('CREATE POLICY vernietiger_moves ON %s FOR UPDATE TO koppelpunt_vernietiger USING (true)', v_table);
    EXECUTE format('GRANT INSERT, UPDATE ON %s TO koppelpunt_vernietiger', v_table);
  END LOOP;
  CREATE POLICY vernietiger_ends ON register.vernietiging_stand FOR DELETE TO koppelpunt_vernietiger USING (true);
  GRANT DELETE ON register.vernietiging_stand TO koppelpunt_vernietiger;
  -- What goes: seen and taken by functions of this role alone.
  FOREACH v_table IN ARRAY ARRAY['register.opening', 'register.closing', 'register.person', 'register.running', 'register.data_key', 'register.reading',
      'register.inzageverzoek', 'register.inzageverzoek_stap', 'register.steekproef', 'register.steekproef_oordeel',
      'proef.opening', 'proef.closing', 'proef.person', 'proef.running', 'proef.data_key']::regclass[] LOOP
    EXECUTE format('CREATE POLICY vernietiger_reads ON %s FOR SELECT TO koppelpunt_vernietiger USING (true)', v_table);
    EXECUTE format('CREATE POLICY vernietiger_destroys ON %s FOR DELETE TO koppelpunt_vernietiger USING (true)', v_table);
    EXECUTE format('GRANT SELECT, DELETE ON %s TO koppelpunt_vernietiger', v_table);
  END LOOP;
  FOREACH v_table IN ARRAY ARRAY['registry.tenant', 'registry.tenant_key', 'registry.wijziging', 'register.tree', 'register.leaf_run', 'register.checkpoint']::regclass[] LOOP
    EXECUTE format('CREATE POLICY vernietiger_reads ON %s FOR SELECT TO koppelpunt_vernietiger USING (true)', v_table);
  END LOOP;
END $$;
GRANT INSERT (tenant_id, actor, reason, period_from, period_until, subjects) ON register.vernietigingsstop TO koppelpunt_inzage;
GRANT INSERT (tenant_id, stop_id, actor, kind, reason) ON register.vernietigingsstop_stap TO koppelpunt_inzage;
GRANT INSERT (tenant_id, actor, kind, digest, tree_size, note) ON register.contracteinde_stap TO koppelpunt_inzage;
GRANT SELECT (tenant_id, kind, retention_years, state) ON registry.tenant TO koppelpunt_vernietiger;
GRANT SELECT (tenant_id, year, public_key, destroyed_at), UPDATE (private_key_sealed, index_key_for_gateway, index_key_for_register, destroyed_at)
  ON registry.tenant_key TO koppelpunt_vernietiger;
CREATE POLICY vernietiger_destroys ON registry.tenant_key FOR UPDATE TO koppelpunt_vernietiger USING (true);
GRANT SELECT ON registry.wijziging TO koppelpunt_vernietiger;
GRANT SELECT (tenant_id, size, halted_at) ON register.tree TO koppelpunt_vernietiger;
GRANT SELECT ON register.leaf_run TO koppelpunt_vernietiger;
GRANT SELECT (tenant_id, size) ON register.checkpoint TO koppelpunt_vernietiger;

REVOKE ALL ON FUNCTION register.wait_for_vernietiging, register.check_stop_stap, register.check_contracteinde_stap FROM PUBLIC;
GRANT EXECUTE ON FUNCTION registry.scope, register.uuid_floor, register.note_seal_fault, registry.wijziging_hash TO koppelpunt_vernietiger;
