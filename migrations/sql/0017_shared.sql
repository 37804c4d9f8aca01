-- What workers and replicas share: tokens of RvIG, so that each is asked for once however many processes there are, and the
-- rate limits of tenants and taaksystemen, which hold over all of them together.

-- One token, or why there is none. Unlogged: it stands in no WAL, on no standby and in no base backup, and after a crash
-- or a fail-over it is asked for anew, once. sealed opens with the private half of the identity keyring, for this very
-- tenant and key; key is a digest of the whole token request and of the certificate that asks.
-- generation: grows with each token and never starts again, so that whoever has an older one knows a newer.
-- take, take_until: who may ask RvIG now, and until when the others wait for it.
-- failed_…: what became of the last request, for all; failures is how many failed in a row, retry_at when one may try again.
CREATE UNLOGGED TABLE registry.shared_token (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  key registry.sha256 NOT NULL,
  generation bigint NOT NULL DEFAULT 0,
  sealed bytea CHECK (octet_length(sealed) <= 65536),
  issued_at timestamptz,
  expires_at timestamptz,
  failed_kind text CHECK (failed_kind IN ('refused', 'unavailable')),
  failed_code text CHECK (failed_code ~ '^[A-Za-z]{1,60}$'),
  failed_detail registry.text_line,
  failures integer NOT NULL DEFAULT 0,
  retry_at timestamptz,
  take uuid,
  take_until timestamptz,
  used_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant_id, key),
  CHECK (sealed IS NULL OR (issued_at IS NOT NULL AND expires_at IS NOT NULL)),
  CHECK ((failed_kind IS NULL) = (retry_at IS NULL) AND (failed_kind IS NULL) = (failed_code IS NULL) AND (failed_kind IS NULL) = (failed_detail IS NULL)),
  CHECK ((take IS NULL) = (take_until IS NULL))
) WITH (fillfactor = 70);

-- How many calls a second, and how many at once after a pause. Without taaksysteem it is the tenant's as a whole.
CREATE TABLE registry.rate_limit (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  rate_limit_id bigint GENERATED ALWAYS AS IDENTITY,
  taaksysteem_id bigint,
  per_second numeric(9, 3) NOT NULL CHECK (per_second > 0 AND per_second <= 100000),
  burst integer NOT NULL CHECK (burst BETWEEN 1 AND 1000000),
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, rate_limit_id),
  CONSTRAINT rate_limit_once UNIQUE NULLS NOT DISTINCT (tenant_id, taaksysteem_id),
  FOREIGN KEY (tenant_id, taaksysteem_id) REFERENCES registry.taaksysteem
);
-- What is left of a limit now. taaksysteem_id 0: the tenant's as a whole.
CREATE UNLOGGED TABLE registry.rate_bucket (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  taaksysteem_id bigint NOT NULL,
  level double precision NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, taaksysteem_id)
) WITH (fillfactor = 50);

CREATE TRIGGER raise_version BEFORE UPDATE ON registry.rate_limit FOR EACH ROW EXECUTE FUNCTION registry.raise_version();
CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON registry.rate_limit FOR EACH ROW EXECUTE FUNCTION registry.note_change();

DO $$
DECLARE
  v_table text;
BEGIN
  FOREACH v_table IN ARRAY ARRAY['shared_token', 'rate_limit', 'rate_bucket'] LOOP
    EXECUTE format('ALTER TABLE registry.%I ENABLE ROW LEVEL SECURITY', v_table);
    EXECUTE format('ALTER TABLE registry.%I FORCE ROW LEVEL SECURITY', v_table);
    EXECUTE format('CREATE POLICY owner_writes ON registry.%I TO koppelpunt_owner USING (true) WITH CHECK (true)', v_table);
  END LOOP;
END $$;
CREATE POLICY tenants_scope ON registry.rate_limit TO koppelpunt_tenants USING (tenant_id = registry.scope()) WITH CHECK (tenant_id = registry.scope());
CREATE POLICY gateway_reads ON registry.rate_limit FOR SELECT TO koppelpunt_gateway USING (true);
GRANT SELECT, DELETE, INSERT (tenant_id, taaksysteem_id, per_second, burst), UPDATE (per_second, burst) ON registry.rate_limit TO koppelpunt_tenants;
GRANT SELECT ON registry.rate_limit TO koppelpunt_gateway;

-- A token newer than p_after, or whose turn it is. verdict:
--   token   here it is, as old as age and good for seconds_left
--   failed  RvIG was asked and gave none; nobody asks again for seconds_left, unless p_pardoned
--   wait    another asks
--   turn    p_take may ask, for p_seconds; failures is how often that failed in a row
-- p_refused: RvIG refused the one of p_after, so nobody gets it any more.
CREATE FUNCTION registry.take_token(p_tenant_id bigint, p_key bytea, p_after bigint, p_refused boolean, p_pardoned boolean, p_take uuid, p_seconds double precision)
RETURNS TABLE (verdict text, generation bigint, sealed bytea, age double precision, seconds_left double precision, kind text, code text, detail text, failures integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
#variable_conflict use_column
DECLARE
  v_row registry.shared_token;
  v_now timestamptz;
BEGIN
  -- First without a lock: most who ask find what they want, or somebody who asks for it already.
  FOR v_look IN 1..2 LOOP
    IF v_look = 1 THEN
      SELECT * INTO v_row FROM registry.shared_token t WHERE t.tenant_id = p_tenant_id AND t.key = p_key;
    ELSE
      INSERT INTO registry.shared_token (tenant_id, key) VALUES (p_tenant_id, p_key) ON CONFLICT DO NOTHING;
      SELECT * INTO v_row FROM registry.shared_token t WHERE t.tenant_id = p_tenant_id AND t.key = p_key FOR UPDATE;
    END IF;
    v_now := clock_timestamp();
    IF v_row.sealed IS NOT NULL AND v_row.generation > p_after AND v_row.expires_at > v_now THEN
      RETURN QUERY SELECT 'token', v_row.generation, v_row.sealed, extract(epoch FROM v_now - v_row.issued_at)::double precision,
        extract(epoch FROM v_row.expires_at - v_now)::double precision, NULL::text, NULL::text, NULL::text, 0;
      RETURN;
    ELSIF v_row.retry_at > v_now AND NOT p_pardoned THEN
      RETURN QUERY SELECT 'failed', v_row.generation, NULL::bytea, NULL::double precision, extract(epoch FROM v_row.retry_at - v_now)::double precision,
        v_row.failed_kind, v_row.failed_code, v_row.failed_detail::text, v_row.failures;
      RETURN;
    ELSIF v_row.take_until > v_now AND v_row.take <> p_take THEN
      RETURN QUERY SELECT 'wait', v_row.generation, NULL::bytea, NULL::double precision, extract(epoch FROM v_row.take_until - v_now)::double precision,
        NULL::text, NULL::text, NULL::text, v_row.failures;
      RETURN;
    END IF;
  END LOOP;
  UPDATE registry.shared_token t SET take = p_take, take_until = v_now + least(greatest(p_seconds, 1), 300) * interval '1 s', used_at = v_now,
    sealed = CASE WHEN p_refused AND t.generation <= p_after THEN NULL ELSE t.sealed END
  WHERE t.tenant_id = p_tenant_id AND t.key = p_key;
  RETURN QUERY SELECT 'turn', v_row.generation, NULL::bytea, NULL::double precision, NULL::double precision, NULL::text, NULL::text, NULL::text, v_row.failures;
END $f$;

-- Whoever has the turn got a token, p_age seconds ago, good for p_seconds from now. No row: the turn was over, and what
-- another got stands. What the tenant has not used for an hour goes, at the same time.
CREATE FUNCTION registry.put_token(p_tenant_id bigint, p_key bytea, p_take uuid, p_sealed bytea, p_age double precision, p_seconds double precision)
RETURNS TABLE (generation bigint) LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
#variable_conflict use_column
DECLARE
  v_now timestamptz := clock_timestamp();
BEGIN
  DELETE FROM registry.shared_token o WHERE (o.tenant_id, o.key) IN (
    SELECT s.tenant_id, s.key FROM registry.shared_token s
    WHERE s.tenant_id = p_tenant_id AND s.key <> p_key AND greatest(s.used_at, s.expires_at, s.retry_at, s.take_until) < v_now - interval '1 hour'
    FOR UPDATE SKIP LOCKED);
  RETURN QUERY
  UPDATE registry.shared_token t SET generation = greatest(t.generation + 1, (extract(epoch FROM v_now) * 1000000)::bigint), sealed = p_sealed,
    issued_at = v_now - p_age * interval '1 s', expires_at = v_now + p_seconds * interval '1 s', used_at = v_now, take = NULL, take_until = NULL,
    failures = 0, retry_at = NULL, failed_kind = NULL, failed_code = NULL, failed_detail = NULL
  WHERE t.tenant_id = p_tenant_id AND t.key = p_key AND t.take = p_take
  RETURNING t.generation;
END $f$;

-- Whoever has the turn got none. p_kind null: nothing was asked, or nobody knows what became of it; another may try at once.
CREATE FUNCTION registry.fail_token(p_tenant_id bigint, p_key bytea, p_take uuid, p_kind text, p_code text, p_detail text, p_seconds double precision)
RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  UPDATE registry.shared_token t SET take = NULL, take_until = NULL, used_at = clock_timestamp(), failed_kind = p_kind, failed_code = p_code,
    failed_detail = p_detail, failures = CASE WHEN p_kind IS NULL THEN t.failures ELSE t.failures + 1 END,
    retry_at = CASE WHEN p_kind IS NULL THEN NULL ELSE clock_timestamp() + p_seconds * interval '1 s' END
  WHERE t.tenant_id = p_tenant_id AND t.key = p_key AND t.take = p_take;
  RETURN FOUND;
END $f$;

-- Hands out a part of what a limit leaves now, p_want at most. The sum of all parts never passes burst + per_second × time.
-- seconds: until one more may be handed out, when nothing was.
CREATE FUNCTION registry.take_rate(p_tenant_id bigint, p_taaksysteem_id bigint, p_per_second double precision, p_burst integer, p_want integer)
RETURNS TABLE (granted integer, level double precision, seconds double precision) LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  v_level double precision;
  v_at timestamptz;
  v_now timestamptz;
BEGIN
  INSERT INTO registry.rate_bucket (tenant_id, taaksysteem_id, level, at) VALUES (p_tenant_id, p_taaksysteem_id, p_burst, clock_timestamp()) ON CONFLICT DO NOTHING;
  SELECT b.level, b.at INTO v_level, v_at FROM registry.rate_bucket b WHERE b.tenant_id = p_tenant_id AND b.taaksysteem_id = p_taaksysteem_id FOR UPDATE;
  v_now := greatest(clock_timestamp(), v_at);
  v_level := least(p_burst, v_level + extract(epoch FROM v_now - v_at) * p_per_second);
  granted := least(floor(v_level), greatest(p_want, 1));
  level := v_level - granted;
  seconds := greatest(0, 1 - level) / p_per_second;
  UPDATE registry.rate_bucket b SET level = v_level - granted, at = v_now WHERE b.tenant_id = p_tenant_id AND b.taaksysteem_id = p_taaksysteem_id;
  RETURN NEXT;
END $f$;

REVOKE ALL ON FUNCTION registry.take_token, registry.put_token, registry.fail_token, registry.take_rate FROM PUBLIC;
GRANT EXECUTE ON FUNCTION registry.take_token, registry.put_token, registry.fail_token, registry.take_rate TO koppelpunt_gateway;
