-- Who read the register stands in its tree: of each reading a wijziging with its number and a hash over all that it says. So a
-- reading that is altered or taken away before its term shows, and when it goes with its term the wijziging stays.
CREATE INDEX reading_by_at ON register.reading (tenant_id, at);

-- What an export's lezingen.ndjson has, in that order (docs/register-format.md).
CREATE FUNCTION register.reading_hash(p register.reading) RETURNS bytea LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $f$
  SELECT sha256(convert_to(json_build_array('register/lezing/1', p.tenant_id, p.number, (extract(epoch FROM p.at) * 1000000)::bigint, p.actor::text,
    p.reason::text, p.kind, array_to_string(p.subjects, ','), array_to_string(p.users, ','), array_to_string(p.ids, ','),
    (extract(epoch FROM p.period_from) * 1000000)::bigint, (extract(epoch FROM p.period_until) * 1000000)::bigint, p.contents, p.criteria::text,
    p.inzageverzoek_id)::text, 'UTF8'))
$f$;
-- No message to whoever follows the registry: a reading changes nothing of it.
CREATE FUNCTION register.note_reading() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  INSERT INTO registry.wijziging (tenant_id, actor, action, object, before, after)
  VALUES (NEW.tenant_id, NEW.actor, 'insert', 'lezing', NULL,
    jsonb_build_object('number', NEW.number, 'hash', encode(register.reading_hash(NEW), 'hex')));
  RETURN NULL;
END $f$;
CREATE TRIGGER note_reading AFTER INSERT ON register.reading FOR EACH ROW EXECUTE FUNCTION register.note_reading();
CREATE INDEX wijziging_of_lezing ON registry.wijziging (tenant_id, ((after ->> 'number')::bigint)) WHERE object = 'lezing';

REVOKE ALL ON FUNCTION register.reading_hash, register.note_reading FROM PUBLIC;
GRANT EXECUTE ON FUNCTION register.reading_hash TO koppelpunt_inzage;

-- Requests for inzage whose four weeks end soon, or ended and nothing was sent: of all tenants, the number and the day alone. The
-- last day counts whole, in the Netherlands.
CREATE POLICY owner_terms ON register.inzageverzoek FOR SELECT TO koppelpunt_owner USING (due_on > current_date - 92);
CREATE POLICY owner_terms ON register.inzageverzoek_stap FOR SELECT TO koppelpunt_owner USING (kind IN ('verzonden', 'ingetrokken', 'afgewezen'));
CREATE INDEX inzageverzoek_by_due ON register.inzageverzoek (tenant_id, due_on);
CREATE FUNCTION register.inzagetermijnen(p_now timestamptz) RETURNS TABLE (tenant_id bigint, inzageverzoek_id bigint, due_at timestamptz) LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $f$
  SELECT v.tenant_id, v.inzageverzoek_id, (v.due_on + 1)::timestamp AT TIME ZONE 'Europe/Amsterdam'
  FROM registry.tenant t JOIN register.inzageverzoek v ON v.tenant_id = t.tenant_id AND v.due_on BETWEEN (p_now - interval '90 days')::date AND (p_now + interval '9 days')::date
  WHERE t.state = 'active' AND NOT EXISTS (SELECT 1 FROM register.inzageverzoek_stap s WHERE s.tenant_id = v.tenant_id
    AND s.inzageverzoek_id = v.inzageverzoek_id AND s.kind IN ('verzonden', 'ingetrokken', 'afgewezen'))
$f$;
REVOKE ALL ON FUNCTION register.inzagetermijnen FROM PUBLIC;
GRANT EXECUTE ON FUNCTION register.inzagetermijnen TO koppelpunt_sealer;
