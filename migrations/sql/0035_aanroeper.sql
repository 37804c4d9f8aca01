-- The span of the caller that asked for a call (W3C Trace Context): it is the parent of that call's span in the Logboek
-- Dataverwerkingen, and nothing else is made of it. Kept beside the opening, not in it: an opening, its hash and its leaf stay what
-- they are, and a tenant without a log pays nothing. It goes with the call.
CREATE TABLE register.caller_span (
  tenant_id bigint NOT NULL,
  id uuid NOT NULL,
  span bytea NOT NULL CONSTRAINT caller_span_is_eight_octets CHECK (octet_length(span) = 8),
  PRIMARY KEY (tenant_id, id)
);
ALTER TABLE register.caller_span ENABLE ROW LEVEL SECURITY;
ALTER TABLE register.caller_span FORCE ROW LEVEL SECURITY;
CREATE POLICY writer_writes ON register.caller_span FOR INSERT TO koppelpunt_writer WITH CHECK (true);
CREATE POLICY owner_exports ON register.caller_span FOR SELECT TO koppelpunt_owner USING (true);
CREATE POLICY owner_destroys ON register.caller_span FOR DELETE TO koppelpunt_owner USING (true);
CREATE POLICY writer_reads ON registry.logboek_destination FOR SELECT TO koppelpunt_writer USING (state = 'active');
GRANT INSERT ON register.caller_span TO koppelpunt_writer;
GRANT SELECT (tenant_id, state) ON registry.logboek_destination TO koppelpunt_writer;

-- What is destroyed of openings takes this along, in the same statement.
CREATE FUNCTION register.forget_caller_spans() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  DELETE FROM register.caller_span c USING gone g WHERE c.tenant_id = g.tenant_id AND c.id = g.id;
  RETURN NULL;
END $f$;
CREATE TRIGGER forget_caller_spans AFTER DELETE ON register.opening REFERENCING OLD TABLE AS gone FOR EACH STATEMENT
  EXECUTE FUNCTION register.forget_caller_spans();

-- Of calls of this scope's tenant, only as long as it has a destination.
CREATE FUNCTION register.logboek_parents(p_ids uuid[]) RETURNS TABLE (id uuid, span bytea)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
#variable_conflict use_column
DECLARE
  v_tenant bigint := register.must_have_logboek();
BEGIN
  PERFORM set_config('koppelpunt.logboek', '', true);
  RETURN QUERY SELECT c.id, c.span FROM register.caller_span c WHERE c.tenant_id = v_tenant AND c.id = ANY (p_ids);
END $f$;
REVOKE ALL ON FUNCTION register.forget_caller_spans, register.logboek_parents FROM PUBLIC;
GRANT EXECUTE ON FUNCTION register.logboek_parents TO koppelpunt_inzage;
