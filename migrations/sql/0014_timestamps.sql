-- Timestamps over checkpoints (RFC 3161): that a checkpoint existed at a moment, said by an authority outside. token is the
-- authority's whole answer (DER), so that it proves by itself; stamped_at is what stands in it.
CREATE TABLE register.checkpoint_timestamp (
  tenant_id bigint NOT NULL,
  size bigint NOT NULL,
  stamped_at timestamptz NOT NULL,
  kept_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  token bytea NOT NULL CHECK (octet_length(token) BETWEEN 1 AND 65536),
  PRIMARY KEY (tenant_id, size),
  FOREIGN KEY (tenant_id, size) REFERENCES register.checkpoint
);
-- How far each destination is with timestamps. Apart from the delivery of checkpoints: a dead authority delays none of those.
CREATE TABLE register.timestamp_delivery (
  tenant_id bigint NOT NULL,
  destination_id bigint NOT NULL,
  size bigint NOT NULL DEFAULT 0,
  delivered_at timestamptz,
  attempts integer NOT NULL DEFAULT 0,
  next_at timestamptz NOT NULL DEFAULT '-infinity',
  last_error text,
  PRIMARY KEY (tenant_id, destination_id)
) WITH (fillfactor = 70);

CREATE FUNCTION register.keep_timestamp(p_tenant bigint, p_size bigint, p_stamped_at timestamptz, p_token bytea) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  INSERT INTO register.checkpoint_timestamp (tenant_id, size, stamped_at, token) VALUES (p_tenant, p_size, p_stamped_at, p_token) ON CONFLICT DO NOTHING;
  RETURN FOUND;
END $f$;

-- The newest timestamp of each place that has an older one, for a minute; with the checkpoint that it is about.
CREATE FUNCTION register.take_timestamp_deliveries(p_most integer) RETURNS TABLE (tenant_id bigint, destination_id bigint, kind text, target text,
  size bigint, note text, token bytea) LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
#variable_conflict use_column
BEGIN
  INSERT INTO register.timestamp_delivery (tenant_id, destination_id) SELECT d.tenant_id, d.destination_id FROM registry.checkpoint_destination d
  WHERE d.state = 'active' AND EXISTS (SELECT 1 FROM register.checkpoint_timestamp s WHERE s.tenant_id = d.tenant_id)
    AND NOT EXISTS (SELECT 1 FROM register.timestamp_delivery v WHERE v.tenant_id = d.tenant_id AND v.destination_id = d.destination_id)
  ON CONFLICT DO NOTHING;
  RETURN QUERY
  WITH due AS MATERIALIZED (
    SELECT v.tenant_id, v.destination_id, d.kind, d.target::text AS target, n.size, n.note, n.token FROM register.timestamp_delivery v
    JOIN registry.checkpoint_destination d ON d.tenant_id = v.tenant_id AND d.destination_id = v.destination_id AND d.state = 'active'
    CROSS JOIN LATERAL (SELECT s.size, c.note, s.token FROM register.checkpoint_timestamp s JOIN register.checkpoint c ON c.tenant_id = s.tenant_id AND c.size = s.size
      WHERE s.tenant_id = v.tenant_id ORDER BY s.size DESC LIMIT 1) n
    WHERE v.next_at <= clock_timestamp() AND n.size > v.size ORDER BY v.next_at LIMIT p_most FOR UPDATE OF v SKIP LOCKED
  ), taken AS (
    UPDATE register.timestamp_delivery v SET next_at = clock_timestamp() + interval '1 minute', attempts = v.attempts + 1
    FROM due WHERE v.tenant_id = due.tenant_id AND v.destination_id = due.destination_id
  )
  SELECT due.tenant_id, due.destination_id, due.kind, due.target, due.size, due.note, due.token FROM due;
END $f$;

CREATE FUNCTION register.end_timestamp_delivery(p_tenant bigint, p_destination bigint, p_size bigint, p_error text) RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $f$
  UPDATE register.timestamp_delivery v SET
    size = CASE WHEN p_error IS NULL THEN greatest(v.size, p_size) ELSE v.size END,
    delivered_at = CASE WHEN p_error IS NULL THEN clock_timestamp() ELSE v.delivered_at END,
    attempts = CASE WHEN p_error IS NULL THEN 0 ELSE v.attempts END,
    last_error = left(p_error, 200),
    next_at = clock_timestamp() + CASE WHEN p_error IS NULL THEN make_interval(secs => d.every_seconds - 5)
      ELSE least(interval '10 seconds' * power(2, least(v.attempts, 12)), interval '1 hour') END
  FROM registry.checkpoint_destination d
  WHERE v.tenant_id = p_tenant AND v.destination_id = p_destination AND d.tenant_id = p_tenant AND d.destination_id = p_destination
$f$;

DO $$
DECLARE
  v_table regclass;
BEGIN
  FOREACH v_table IN ARRAY ARRAY['register.checkpoint_timestamp', 'register.timestamp_delivery']::regclass[] LOOP
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', v_table);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', v_table);
    EXECUTE format('CREATE POLICY sealer_reads ON %s FOR SELECT TO koppelpunt_sealer USING (true)', v_table);
    EXECUTE format('GRANT SELECT ON %s TO koppelpunt_sealer', v_table);
    EXECUTE format('CREATE POLICY owner_reads ON %s FOR SELECT TO koppelpunt_owner USING (true)', v_table);
    EXECUTE format('CREATE POLICY owner_seals ON %s FOR INSERT TO koppelpunt_owner WITH CHECK (true)', v_table);
    EXECUTE format('CREATE POLICY tenants_scope ON %s FOR SELECT TO koppelpunt_tenants USING (tenant_id = registry.scope())', v_table);
    EXECUTE format('GRANT SELECT ON %s TO koppelpunt_tenants', v_table);
  END LOOP;
END $$;
CREATE POLICY owner_moves ON register.timestamp_delivery FOR UPDATE TO koppelpunt_owner USING (true);
CREATE POLICY inzage_scope ON register.checkpoint_timestamp FOR SELECT TO koppelpunt_inzage USING (tenant_id = registry.scope());
GRANT SELECT ON register.checkpoint_timestamp TO koppelpunt_inzage;
REVOKE ALL ON FUNCTION register.keep_timestamp, register.take_timestamp_deliveries, register.end_timestamp_delivery FROM PUBLIC;
GRANT EXECUTE ON FUNCTION register.keep_timestamp, register.take_timestamp_deliveries, register.end_timestamp_delivery TO koppelpunt_sealer;
