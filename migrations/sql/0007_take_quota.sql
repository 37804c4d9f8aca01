-- Hands out a part of what a machtiging may still ask today: a fiftieth of what is left, at least one, and never more than
-- there is. So the sum of all that is handed out never passes the quota, however many processes ask, and what lies unused
-- in a process that asks no more is small, and smaller towards the end.
-- seconds: how long the part holds, until midnight in the Netherlands. No row: there is no such machtiging with a quota.
CREATE FUNCTION registry.take_quota(p_tenant_id bigint, p_machtiging_id bigint) RETURNS TABLE (granted integer, seconds double precision)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  v_quota integer;
  v_taken integer;
  v_left integer;
  v_now timestamptz;
  v_day date;
BEGIN
  SELECT (m.conditions ->> 'daily_quota')::integer INTO v_quota FROM registry.machtiging m
  WHERE m.tenant_id = p_tenant_id AND m.machtiging_id = p_machtiging_id AND m.withdrawn_at IS NULL;
  IF v_quota IS NULL THEN
    RETURN;
  END IF;
  INSERT INTO registry.quota_day (tenant_id, machtiging_id, day, taken) VALUES (p_tenant_id, p_machtiging_id, '-infinity', 0) ON CONFLICT DO NOTHING;
  PERFORM FROM registry.quota_day q WHERE q.tenant_id = p_tenant_id AND q.machtiging_id = p_machtiging_id FOR UPDATE;
  -- The day is that of the moment at which the row is ours: whoever waited over midnight takes from the new day.
  v_now := clock_timestamp();
  v_day := (v_now AT TIME ZONE 'Europe/Amsterdam')::date;
  SELECT CASE WHEN q.day < v_day THEN 0 ELSE q.taken END INTO v_taken FROM registry.quota_day q
  WHERE q.tenant_id = p_tenant_id AND q.machtiging_id = p_machtiging_id;
  v_left := greatest(0, v_quota - v_taken);
  granted := least(v_left, greatest(1, v_left / 50));
  seconds := extract(epoch FROM (v_day + 1)::timestamp AT TIME ZONE 'Europe/Amsterdam' - v_now);
  UPDATE registry.quota_day q SET day = greatest(q.day, v_day), taken = v_taken + granted
  WHERE q.tenant_id = p_tenant_id AND q.machtiging_id = p_machtiging_id;
  RETURN NEXT;
END $f$;
REVOKE ALL ON FUNCTION registry.take_quota FROM PUBLIC;
GRANT EXECUTE ON FUNCTION registry.take_quota TO koppelpunt_gateway;
