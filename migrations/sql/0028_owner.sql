-- Whether somebody answered already for just this fault: it is not told, and halts nothing, a second time. What it is about stays a
-- fault for `register verify` for ever.
CREATE FUNCTION register.is_answered(p_tenant bigint, p_code text, p_place text) RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  SELECT EXISTS (SELECT 1 FROM register.seal_fault f WHERE f.tenant_id = p_tenant AND f.code = p_code AND f.place = p_place AND f.resolved_at IS NOT NULL)
$f$;
REVOKE ALL ON FUNCTION register.is_answered FROM PUBLIC;
GRANT EXECUTE ON FUNCTION register.is_answered TO koppelpunt_vernietiger, koppelpunt_sealer;

-- What was asked is part of what an opening hashes to.
CREATE POLICY vernietiger_reads ON register.question_shape FOR SELECT TO koppelpunt_vernietiger USING (true);
GRANT SELECT ON register.question_shape TO koppelpunt_vernietiger;
