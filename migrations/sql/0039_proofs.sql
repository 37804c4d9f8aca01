-- As proofs_of_destruction (0015), of many leaves at once: which of them each proof names.
CREATE FUNCTION register.proofs_of_leaves(p_tenant bigint, p_leaves bigint[]) RETURNS TABLE (wijziging bigint, hash bytea, leaf bigint, named bigint[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  SELECT w.number, w.hash, register.leaf_of_wijziging(p_tenant, w.number), n.leaves FROM registry.wijziging w
  CROSS JOIN LATERAL (SELECT array_agg(l) AS leaves FROM unnest(p_leaves) l WHERE (w.after ->> 'leaves')::int8multirange @> l) n
  WHERE w.tenant_id = p_tenant AND w.object = 'vernietiging' AND w.action = 'insert' AND n.leaves IS NOT NULL AND w.hash = registry.wijziging_hash(w)
$f$;
REVOKE ALL ON FUNCTION register.proofs_of_leaves FROM PUBLIC;
GRANT EXECUTE ON FUNCTION register.proofs_of_leaves TO koppelpunt_sealer;
