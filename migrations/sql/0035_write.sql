-- register.write, and in the same commit the spans that callers sent with these openings: of those that were written, where the
-- tenant has a log. A call stands or falls by `write` alone.
CREATE FUNCTION register.write_traced(p_writer_id integer, p_keys register.data_key_in[], p_openings register.opening_in[],
  p_closings register.closing_in[], p_persons register.person_in[], p_messages register.message_in[], p_tenants bigint[], p_ids uuid[], p_spans bytea[])
RETURNS TABLE (kind "char", id uuid, verdict text, number bigint, hash bytea) LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $f$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH written AS MATERIALIZED (
    SELECT w.kind, w.id, w.verdict, w.number, w.hash FROM register.write(p_writer_id, p_keys, p_openings, p_closings, p_persons, p_messages) w
  ), noted AS (
    INSERT INTO register.caller_span (tenant_id, id, span)
    SELECT s.tenant_id, s.id, s.span FROM unnest(p_tenants, p_ids, p_spans) s (tenant_id, id, span)
    JOIN written w ON w.kind = 'o' AND w.id = s.id AND w.number IS NOT NULL
    WHERE (SELECT true FROM registry.logboek_destination d WHERE d.tenant_id = s.tenant_id AND d.state = 'active') ON CONFLICT DO NOTHING
  )
  SELECT w.kind, w.id, w.verdict, w.number, w.hash FROM written w;
END $f$;
REVOKE ALL ON FUNCTION register.write_traced FROM PUBLIC;
GRANT EXECUTE ON FUNCTION register.write_traced TO koppelpunt_gateway;
