-- The sealer's round over what was sealed long ago: every row of every tree is hashed again within so many days. One row per tenant says how
-- far it is. size: the checkpoint that the round is about; done: leaves that were looked at; frontier: the tree that they make, as in
-- register.tree; since: every leaf that was there then was hashed again in a whole round, or the first round began then.
CREATE TABLE register.patrol (
  tenant_id bigint NOT NULL PRIMARY KEY,
  began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  size bigint NOT NULL CHECK (size > 0),
  done bigint NOT NULL DEFAULT 0,
  frontier bytea NOT NULL DEFAULT '',
  ended_at timestamptz,
  since timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK (done BETWEEN 0 AND size)
) WITH (fillfactor = 70);

CREATE FUNCTION register.begin_patrol(p_tenant bigint, p_size bigint) RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM register.checkpoint c WHERE c.tenant_id = p_tenant AND c.size = p_size) THEN
    RAISE 'a round is about a tree that was signed' USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  INSERT INTO register.patrol AS p (tenant_id, size) VALUES (p_tenant, p_size)
  ON CONFLICT (tenant_id) DO UPDATE SET began_at = clock_timestamp(), size = excluded.size, done = 0, frontier = '', ended_at = NULL WHERE p.ended_at IS NOT NULL;
  IF NOT FOUND THEN
    RAISE 'a round of this tenant is under way' USING ERRCODE = 'serialization_failure';
  END IF;
END $f$;

-- Takes no step but the next. The last one makes the round whole.
CREATE FUNCTION register.move_patrol(p_tenant bigint, p_from bigint, p_done bigint, p_frontier bytea) RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  UPDATE register.patrol p SET done = p_done, frontier = p_frontier, ended_at = CASE WHEN p_done = p.size THEN clock_timestamp() END,
    since = CASE WHEN p_done = p.size THEN p.began_at ELSE p.since END
  WHERE p.tenant_id = p_tenant AND p.done = p_from AND p_done > p_from AND p.ended_at IS NULL;
  IF NOT FOUND THEN
    RAISE 'the round is not where the sealer thinks' USING ERRCODE = 'serialization_failure';
  END IF;
END $f$;

-- A round that cannot be gone on with: what must be there is not. It counts for nothing.
CREATE FUNCTION register.break_off_patrol(p_tenant bigint) RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  UPDATE register.patrol p SET ended_at = clock_timestamp() WHERE p.tenant_id = p_tenant AND p.ended_at IS NULL
$f$;

ALTER TABLE register.patrol ENABLE ROW LEVEL SECURITY;
ALTER TABLE register.patrol FORCE ROW LEVEL SECURITY;
CREATE POLICY sealer_reads ON register.patrol FOR SELECT TO koppelpunt_sealer USING (true);
CREATE POLICY owner_reads ON register.patrol FOR SELECT TO koppelpunt_owner USING (true);
CREATE POLICY owner_seals ON register.patrol FOR INSERT TO koppelpunt_owner WITH CHECK (true);
CREATE POLICY owner_moves ON register.patrol FOR UPDATE TO koppelpunt_owner USING (true);
GRANT SELECT ON register.patrol TO koppelpunt_sealer;
REVOKE ALL ON FUNCTION register.begin_patrol, register.move_patrol, register.break_off_patrol FROM PUBLIC;
GRANT EXECUTE ON FUNCTION register.begin_patrol, register.move_patrol, register.break_off_patrol TO koppelpunt_sealer;
