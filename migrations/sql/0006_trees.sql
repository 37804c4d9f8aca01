-- The register's Merkle trees (RFC 6962), one per tenant: what was sealed, and that nothing of it changed since.
-- Everything here is hashes, numbers and times. Leaves, nodes and checkpoints are INSERT-only: nobody has a right or a
-- policy to change or delete them. The sealer writes through functions that take nothing but what fits behind the last.

-- Who changed what is sealed too: each wijziging gets the transaction that wrote it and a hash over all that it says.
ALTER TABLE registry.wijziging ADD COLUMN tx xid8 NOT NULL DEFAULT pg_current_xact_id(), ADD COLUMN hash bytea;
CREATE INDEX wijziging_by_tx ON registry.wijziging (tx);

CREATE FUNCTION registry.wijziging_hash(p registry.wijziging) RETURNS bytea LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $f$
  SELECT sha256(convert_to(json_build_array('registry/wijziging/1', p.tenant_id, p.number, (extract(epoch FROM p.at) * 1000000)::bigint,
    p.actor::text, p.action, p.object, p.before::text, p.after::text)::text, 'UTF8'))
$f$;
CREATE FUNCTION registry.hash_wijziging() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  NEW.hash := registry.wijziging_hash(NEW);
  RETURN NEW;
END $f$;
CREATE TRIGGER hash_wijziging BEFORE INSERT ON registry.wijziging FOR EACH ROW EXECUTE FUNCTION registry.hash_wijziging();
-- Row-level security binds the owner too; only for the hashes of what stands here already is it put aside.
ALTER TABLE registry.wijziging NO FORCE ROW LEVEL SECURITY;
UPDATE registry.wijziging w SET hash = registry.wijziging_hash(w);
ALTER TABLE registry.wijziging FORCE ROW LEVEL SECURITY;
ALTER TABLE registry.wijziging ALTER COLUMN hash SET NOT NULL;

-- An export needs the persons of a call. Ids lie in the order of their time, so the smallest of indexes finds them.
CREATE INDEX ON register.person USING brin (id) WITH (pages_per_range = 32, autosummarize = on);

-- frontier: the hashes of the perfect subtrees that the leaves make, from left to right, 32 bytes each.
CREATE TABLE register.tree (
  tenant_id bigint NOT NULL PRIMARY KEY,
  size bigint NOT NULL CHECK (size > 0),
  frontier bytea NOT NULL,
  halted_at timestamptz
) WITH (fillfactor = 60);

-- What one round sealed of one tenant: count leaves from number `first` on. entries: 17 bytes each (kind and id);
-- hashes: 32 bytes each; lowest: the lowest id of a call among them, null when it holds wijzigingen only.
CREATE TABLE register.leaf_run (
  tenant_id bigint NOT NULL,
  first bigint NOT NULL,
  count integer NOT NULL CHECK (count > 0),
  sealed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  lowest uuid,
  entries bytea NOT NULL,
  hashes bytea NOT NULL,
  PRIMARY KEY (tenant_id, first),
  CHECK (octet_length(entries) = 17 * count AND octet_length(hashes) = 32 * count)
);
ALTER TABLE register.leaf_run ALTER COLUMN entries SET STORAGE EXTERNAL, ALTER COLUMN hashes SET STORAGE EXTERNAL;
CREATE INDEX ON register.leaf_run (tenant_id, sealed_at);

-- Hashes of perfect subtrees of 2^level leaves; smaller ones are made from the leaves when needed.
CREATE TABLE register.tree_node (
  tenant_id bigint NOT NULL,
  level smallint NOT NULL CHECK (level >= 8),
  index bigint NOT NULL,
  hash bytea NOT NULL CHECK (octet_length(hash) = 32),
  PRIMARY KEY (tenant_id, level, index)
);

-- Signed notes in the C2SP format (tlog-checkpoint).
CREATE TABLE register.checkpoint (
  tenant_id bigint NOT NULL,
  size bigint NOT NULL,
  signed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  note text NOT NULL,
  PRIMARY KEY (tenant_id, size)
);
CREATE TABLE register.checkpoint_key (
  public_key bytea PRIMARY KEY CHECK (octet_length(public_key) = 32),
  first_used_at timestamptz NOT NULL DEFAULT now()
);

-- How far the sealer is, by transaction; and the last number that it sealed of each writer.
CREATE TABLE register.seal_cursor (
  source text PRIMARY KEY CHECK (source IN ('opening', 'closing', 'wijziging')),
  tx xid8 NOT NULL,
  after_tenant bigint NOT NULL,
  after_id uuid NOT NULL
);
INSERT INTO register.seal_cursor SELECT s, '0'::xid8, 0, '00000000-0000-0000-0000-000000000000' FROM unnest(ARRAY['opening', 'closing', 'wijziging']) s;
CREATE TABLE register.seal_counter (
  tenant_id bigint NOT NULL,
  source text NOT NULL CHECK (source IN ('opening', 'closing')),
  writer_id integer NOT NULL,
  number bigint NOT NULL,
  PRIMARY KEY (tenant_id, source, writer_id)
) WITH (fillfactor = 70);

-- What the sealer found wrong. A fault that halts stops the signing of that tenant's tree until someone answers for it.
CREATE TABLE register.seal_fault (
  tenant_id bigint NOT NULL,
  number bigint GENERATED ALWAYS AS IDENTITY,
  found_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  code text NOT NULL,
  place text NOT NULL,
  halts boolean NOT NULL,
  resolved_at timestamptz,
  resolved_by registry.text_line,
  reason registry.text_line,
  PRIMARY KEY (tenant_id, number)
);

-- Where a tenant wants its checkpoints: a directory of the file share, a URL that takes a POST, the e-mail of its officer.
CREATE TABLE registry.checkpoint_destination (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  destination_id bigint GENERATED ALWAYS AS IDENTITY,
  kind text NOT NULL CHECK (kind IN ('file', 'http', 'email')),
  target registry.text_line NOT NULL,
  every_seconds integer NOT NULL CHECK (every_seconds BETWEEN 60 AND 604800),
  state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'ended')),
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, destination_id),
  CHECK (CASE kind
    WHEN 'file' THEN target ~ '^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$'
    WHEN 'http' THEN target ~ '^https://[^/@?#[:space:]]+(/[^?#[:space:]]*)?$'
    ELSE target ~ '^[^@[:space:]<>,;"]+@[A-Za-z0-9.-]+$' END)
);
CREATE UNIQUE INDEX checkpoint_destination_once ON registry.checkpoint_destination (tenant_id, kind, target) WHERE state = 'active';
CREATE TRIGGER raise_version BEFORE UPDATE ON registry.checkpoint_destination FOR EACH ROW EXECUTE FUNCTION registry.raise_version();
CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON registry.checkpoint_destination FOR EACH ROW EXECUTE FUNCTION registry.note_change();

-- How far each destination is: the size of the last checkpoint that it has.
CREATE TABLE register.delivery (
  tenant_id bigint NOT NULL,
  destination_id bigint NOT NULL,
  size bigint NOT NULL DEFAULT 0,
  delivered_at timestamptz,
  attempts integer NOT NULL DEFAULT 0,
  next_at timestamptz NOT NULL DEFAULT '-infinity',
  last_error text,
  PRIMARY KEY (tenant_id, destination_id)
) WITH (fillfactor = 70);

CREATE TYPE register.leaf_run_in AS (tenant_id bigint, first bigint, count integer, lowest uuid, entries bytea, hashes bytea, frontier bytea);
CREATE TYPE register.tree_node_in AS (tenant_id bigint, level smallint, index bigint, hash bytea);
CREATE TYPE register.seal_counter_in AS (tenant_id bigint, writer_id integer, number bigint);

-- Appends what one round found, and moves on. A tree that is not as large as the sealer thinks refuses the whole round.
CREATE FUNCTION register.append_leaves(p_source text, p_tx xid8, p_tenant bigint, p_id uuid, p_runs register.leaf_run_in[],
  p_nodes register.tree_node_in[], p_counters register.seal_counter_in[]) RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  v_fitting integer;
  v_new integer;
BEGIN
  UPDATE register.seal_cursor c SET tx = p_tx, after_tenant = p_tenant, after_id = p_id
  WHERE c.source = p_source AND (c.tx, c.after_tenant, c.after_id) < (p_tx, p_tenant, p_id);
  IF NOT FOUND THEN
    RAISE 'the sealer has been past this already' USING ERRCODE = 'serialization_failure';
  END IF;
  UPDATE register.tree t SET size = r.first + r.count, frontier = r.frontier FROM unnest(p_runs) r WHERE t.tenant_id = r.tenant_id AND t.size = r.first;
  GET DIAGNOSTICS v_fitting = ROW_COUNT;
  INSERT INTO register.tree (tenant_id, size, frontier) SELECT r.tenant_id, r.count, r.frontier FROM unnest(p_runs) r WHERE r.first = 0;
  GET DIAGNOSTICS v_new = ROW_COUNT;
  IF v_fitting + v_new <> cardinality(p_runs) THEN
    RAISE 'a tree is not as large as the sealer thinks' USING ERRCODE = 'serialization_failure';
  END IF;
  INSERT INTO register.leaf_run (tenant_id, first, count, lowest, entries, hashes)
  SELECT r.tenant_id, r.first, r.count, r.lowest, r.entries, r.hashes FROM unnest(p_runs) r;
  INSERT INTO register.tree_node (tenant_id, level, index, hash) SELECT n.tenant_id, n.level, n.index, n.hash FROM unnest(p_nodes) n;
  INSERT INTO register.seal_counter AS s (tenant_id, source, writer_id, number) SELECT c.tenant_id, p_source, c.writer_id, c.number FROM unnest(p_counters) c
  ON CONFLICT (tenant_id, source, writer_id) DO UPDATE SET number = excluded.number WHERE excluded.number > s.number;
END $f$;

CREATE FUNCTION register.keep_checkpoint(p_tenant bigint, p_size bigint, p_note text) RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  IF EXISTS (SELECT 1 FROM register.checkpoint c WHERE c.tenant_id = p_tenant AND c.size >= p_size)
      OR NOT EXISTS (SELECT 1 FROM register.tree t WHERE t.tenant_id = p_tenant AND t.size >= p_size AND t.halted_at IS NULL) THEN
    RAISE 'this checkpoint does not fit behind the last' USING ERRCODE = 'serialization_failure';
  END IF;
  INSERT INTO register.checkpoint (tenant_id, size, note) VALUES (p_tenant, p_size, p_note);
END $f$;

CREATE FUNCTION register.publish_checkpoint_key(p_public_key bytea) RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $f$
  INSERT INTO register.checkpoint_key (public_key) SELECT p_public_key WHERE NOT EXISTS (SELECT 1 FROM register.checkpoint_key k WHERE k.public_key = p_public_key)
$f$;

-- The same fault at the same place is noted once, until it is resolved.
CREATE FUNCTION register.note_seal_fault(p_tenant bigint, p_code text, p_place text, p_halts boolean) RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  INSERT INTO register.seal_fault (tenant_id, code, place, halts)
  SELECT p_tenant, p_code, p_place, p_halts WHERE NOT EXISTS (SELECT 1 FROM register.seal_fault f
    WHERE f.tenant_id = p_tenant AND f.code = p_code AND f.place = p_place AND f.resolved_at IS NULL);
  IF p_halts THEN
    UPDATE register.tree t SET halted_at = COALESCE(t.halted_at, clock_timestamp()) WHERE t.tenant_id = p_tenant;
  END IF;
END $f$;

CREATE FUNCTION register.resolve_seal_faults(p_tenant bigint, p_actor text, p_reason text) RETURNS integer LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  v_resolved integer;
BEGIN
  IF COALESCE(p_actor !~ '[[:graph:]]' OR p_reason !~ '[[:graph:]]', true) THEN
    RAISE 'who resolves a fault says who it is and why' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  UPDATE register.seal_fault f SET resolved_at = clock_timestamp(), resolved_by = p_actor, reason = p_reason
  WHERE f.tenant_id = p_tenant AND f.resolved_at IS NULL;
  GET DIAGNOSTICS v_resolved = ROW_COUNT;
  UPDATE register.tree t SET halted_at = NULL WHERE t.tenant_id = p_tenant AND t.halted_at IS NOT NULL;
  RETURN v_resolved;
END $f$;

-- Takes deliveries that are due, for a minute: whoever takes them delivers, and says how it went. At least once, not once.
CREATE FUNCTION register.take_deliveries(p_most integer) RETURNS TABLE (tenant_id bigint, destination_id bigint, kind text, target text, size bigint, note text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
#variable_conflict use_column
BEGIN
  INSERT INTO register.delivery (tenant_id, destination_id) SELECT d.tenant_id, d.destination_id FROM registry.checkpoint_destination d
  WHERE d.state = 'active' AND NOT EXISTS (SELECT 1 FROM register.delivery v WHERE v.tenant_id = d.tenant_id AND v.destination_id = d.destination_id)
  ON CONFLICT DO NOTHING;
  RETURN QUERY
  WITH due AS MATERIALIZED (
    SELECT v.tenant_id, v.destination_id, d.kind, d.target::text AS target, n.size, n.note FROM register.delivery v
    JOIN registry.checkpoint_destination d ON d.tenant_id = v.tenant_id AND d.destination_id = v.destination_id AND d.state = 'active'
    CROSS JOIN LATERAL (SELECT c.size, c.note FROM register.checkpoint c WHERE c.tenant_id = v.tenant_id ORDER BY c.size DESC LIMIT 1) n
    WHERE v.next_at <= clock_timestamp() AND n.size > v.size ORDER BY v.next_at LIMIT p_most FOR UPDATE OF v SKIP LOCKED
  ), taken AS (
    UPDATE register.delivery v SET next_at = clock_timestamp() + interval '1 minute', attempts = v.attempts + 1
    FROM due WHERE v.tenant_id = due.tenant_id AND v.destination_id = due.destination_id
  )
  SELECT due.tenant_id, due.destination_id, due.kind, due.target, due.size, due.note FROM due;
END $f$;

CREATE FUNCTION register.end_delivery(p_tenant bigint, p_destination bigint, p_size bigint, p_error text) RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $f$
  UPDATE register.delivery v SET
    size = CASE WHEN p_error IS NULL THEN greatest(v.size, p_size) ELSE v.size END,
    delivered_at = CASE WHEN p_error IS NULL THEN clock_timestamp() ELSE v.delivered_at END,
    attempts = CASE WHEN p_error IS NULL THEN 0 ELSE v.attempts END,
    last_error = left(p_error, 200),
    next_at = clock_timestamp() + CASE WHEN p_error IS NULL THEN make_interval(secs => d.every_seconds - 5)
      ELSE least(interval '10 seconds' * power(2, least(v.attempts, 12)), interval '1 hour') END
  FROM registry.checkpoint_destination d
  WHERE v.tenant_id = p_tenant AND v.destination_id = p_destination AND d.tenant_id = p_tenant AND d.destination_id = p_destination
$f$;

-- The number of a tenant, for who has the right to read its register and knows it by its OIN.
CREATE FUNCTION registry.tenant_of_oin(p_oin text) RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  SELECT t.tenant_id FROM registry.tenant t WHERE t.oin = p_oin
$f$;

DO $$
DECLARE
  v_table regclass;
BEGIN
  FOREACH v_table IN ARRAY ARRAY['register.tree', 'register.leaf_run', 'register.tree_node', 'register.checkpoint', 'register.seal_counter',
      'register.seal_fault', 'register.delivery', 'registry.checkpoint_destination']::regclass[] LOOP
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', v_table);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', v_table);
    EXECUTE format('CREATE POLICY sealer_reads ON %s FOR SELECT TO koppelpunt_sealer USING (true)', v_table);
    EXECUTE format('GRANT SELECT ON %s TO koppelpunt_sealer', v_table);
    EXECUTE format('CREATE POLICY owner_reads ON %s FOR SELECT TO koppelpunt_owner USING (true)', v_table);
  END LOOP;
  FOREACH v_table IN ARRAY ARRAY['register.tree', 'register.leaf_run', 'register.tree_node', 'register.checkpoint', 'register.seal_counter',
      'register.seal_fault', 'register.delivery']::regclass[] LOOP
    EXECUTE format('CREATE POLICY owner_seals ON %s FOR INSERT TO koppelpunt_owner WITH CHECK (true)', v_table);
  END LOOP;
  -- Standing, not history: these move on.
  FOREACH v_table IN ARRAY ARRAY['register.tree', 'register.seal_counter', 'register.seal_fault', 'register.delivery']::regclass[] LOOP
    EXECUTE format('CREATE POLICY owner_moves ON %s FOR UPDATE TO koppelpunt_owner USING (true)', v_table);
  END LOOP;
  FOREACH v_table IN ARRAY ARRAY['register.tree', 'register.leaf_run', 'register.tree_node', 'register.checkpoint', 'register.seal_fault',
      'registry.wijziging']::regclass[] LOOP
    EXECUTE format('CREATE POLICY inzage_scope ON %s FOR SELECT TO koppelpunt_inzage USING (tenant_id = registry.scope())', v_table);
    EXECUTE format('GRANT SELECT ON %s TO koppelpunt_inzage', v_table);
  END LOOP;
  FOREACH v_table IN ARRAY ARRAY['register.checkpoint', 'register.seal_fault', 'register.delivery']::regclass[] LOOP
    EXECUTE format('CREATE POLICY tenants_scope ON %s FOR SELECT TO koppelpunt_tenants USING (tenant_id = registry.scope())', v_table);
    EXECUTE format('GRANT SELECT ON %s TO koppelpunt_tenants', v_table);
  END LOOP;
END $$;
CREATE POLICY tenants_scope ON registry.checkpoint_destination TO koppelpunt_tenants USING (tenant_id = registry.scope()) WITH CHECK (tenant_id = registry.scope());
GRANT SELECT, INSERT, UPDATE ON registry.checkpoint_destination TO koppelpunt_tenants;
GRANT SELECT ON register.checkpoint_key, register.seal_cursor TO koppelpunt_sealer, koppelpunt_inzage;
GRANT SELECT ON register.checkpoint_key TO koppelpunt_tenants;
CREATE POLICY owner_finds ON registry.tenant FOR SELECT TO koppelpunt_owner USING (true);
-- The sealer names a tenant's tree by its OIN, and sees who is in productie without a destination.
CREATE POLICY sealer_names ON registry.tenant FOR SELECT TO koppelpunt_sealer USING (true);
GRANT SELECT (tenant_id, oin, state) ON registry.tenant TO koppelpunt_sealer;
CREATE POLICY sealer_states ON registry.aansluiting FOR SELECT TO koppelpunt_sealer USING (true);
GRANT SELECT (tenant_id, state) ON registry.aansluiting TO koppelpunt_sealer;
CREATE POLICY sealer_hashes ON registry.wijziging FOR SELECT TO koppelpunt_sealer USING (true);
GRANT SELECT (tenant_id, number, tx, hash) ON registry.wijziging TO koppelpunt_sealer;

-- What a reading is for has more names than the first two.
ALTER TABLE register.reading DROP CONSTRAINT reading_kind_check;
ALTER TABLE register.reading ADD CONSTRAINT reading_kind_check CHECK (kind ~ '^[a-z_]{1,40}$');

REVOKE ALL ON FUNCTION registry.wijziging_hash, registry.hash_wijziging, register.append_leaves, register.keep_checkpoint, register.publish_checkpoint_key,
  register.note_seal_fault, register.resolve_seal_faults, register.take_deliveries, register.end_delivery, registry.tenant_of_oin FROM PUBLIC;
GRANT EXECUTE ON FUNCTION register.append_leaves, register.keep_checkpoint, register.publish_checkpoint_key, register.note_seal_fault,
  register.resolve_seal_faults, register.take_deliveries, register.end_delivery TO koppelpunt_sealer;
GRANT EXECUTE ON FUNCTION registry.tenant_of_oin TO koppelpunt_inzage;
