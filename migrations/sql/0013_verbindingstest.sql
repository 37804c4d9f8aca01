-- The verbindingstest: what `tenants` asks of a gateway, because only a gateway opens private keys and client-secrets; and
-- what RvIG says of an aansluiting: that it has shut it out. Both are shared between replicas through these tables.

-- One test. Which certificate and which credential it is about is fixed when it is asked for, by what they are (fingerprint,
-- digest of the sealed secret) and not by number alone: what was tried is exactly that. Of a certificate that is lent to the
-- aansluiting its tenant does not see the fingerprint; then there is none here.
-- take: which taking of the test may write its steps; a gateway that comes back after its test was given up writes nothing.
CREATE TABLE registry.verbindingstest (
  tenant_id bigint NOT NULL,
  verbindingstest_id bigint GENERATED ALWAYS AS IDENTITY,
  aansluiting_id bigint NOT NULL,
  certificate_tenant_id bigint NOT NULL,
  certificate_id bigint NOT NULL,
  fingerprint registry.sha256,
  credential_id bigint NOT NULL,
  secret_digest registry.sha256 NOT NULL,
  apis text[] NOT NULL CHECK (cardinality(apis) > 0
    AND apis <@ ARRAY['personen', 'bewoningen', 'verblijfplaatshistorie', 'reisdocumenten', 'berichten'] AND array_position(apis, NULL) IS NULL),
  asked_by registry.text_line NOT NULL CHECK (asked_by <> ''),
  asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  state text NOT NULL DEFAULT 'gevraagd' CHECK (state IN ('gevraagd', 'bezig', 'geslaagd', 'mislukt', 'afgebroken')),
  take uuid,
  taken_by registry.text_line,
  beat_at timestamptz,
  ended_at timestamptz,
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, verbindingstest_id),
  FOREIGN KEY (tenant_id, aansluiting_id) REFERENCES registry.aansluiting,
  FOREIGN KEY (certificate_tenant_id, certificate_id) REFERENCES registry.certificate,
  FOREIGN KEY (tenant_id, credential_id) REFERENCES registry.credential,
  CHECK (fingerprint IS NOT NULL OR certificate_tenant_id <> tenant_id),
  CHECK ((state IN ('geslaagd', 'mislukt', 'afgebroken')) = (ended_at IS NOT NULL)),
  CHECK (state IN ('gevraagd', 'afgebroken') OR (take IS NOT NULL AND taken_by IS NOT NULL AND beat_at IS NOT NULL))
);
-- One at a time over an aansluiting: a test is no way to hammer RvIG.
CREATE UNIQUE INDEX verbindingstest_once ON registry.verbindingstest (tenant_id, aansluiting_id) WHERE state IN ('gevraagd', 'bezig');
CREATE INDEX verbindingstest_open ON registry.verbindingstest (asked_at) WHERE state IN ('gevraagd', 'bezig');
CREATE INDEX verbindingstest_of_credential ON registry.verbindingstest (tenant_id, credential_id, ended_at);
CREATE INDEX verbindingstest_of_aansluiting ON registry.verbindingstest (tenant_id, aansluiting_id, asked_at);

-- What was done and seen, in order; facts about connections, certificates and tokens, never a secret, token or person.
CREATE TABLE registry.verbindingstest_stap (
  tenant_id bigint NOT NULL,
  verbindingstest_id bigint NOT NULL,
  number smallint NOT NULL CHECK (number BETWEEN 1 AND 100),
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  name text NOT NULL CHECK (name IN ('gegevens', 'naam', 'tcp', 'servercertificaat', 'clientcertificaat', 'token', 'claims', 'probe')),
  result text NOT NULL CHECK (result IN ('goed', 'let_op', 'fout', 'overgeslagen')),
  who text NOT NULL CHECK (who IN ('niemand', 'tenant', 'operator', 'rvig', 'leverancier')),
  detail text NOT NULL CHECK (length(detail) <= 1000),
  seen jsonb NOT NULL CHECK (jsonb_typeof(seen) = 'object' AND length(seen::text) <= 8000),
  milliseconds integer NOT NULL CHECK (milliseconds >= 0),
  PRIMARY KEY (tenant_id, verbindingstest_id, number),
  FOREIGN KEY (tenant_id, verbindingstest_id) REFERENCES registry.verbindingstest
);

-- RvIG has shut an aansluiting out: its account is blocked, or everything it asks is refused. It holds for this credential
-- and this certificate; with another one RvIG is asked anew.
-- rest_seconds: how long until the next careful call, twice as long after each.
CREATE TABLE registry.rvig_stand (
  tenant_id bigint NOT NULL,
  aansluiting_id bigint NOT NULL,
  kind text NOT NULL CHECK (kind IN ('accountGeblokkeerd', 'toegangGeweigerd')),
  credential_id bigint NOT NULL,
  fingerprint registry.sha256 NOT NULL,
  place text NOT NULL CHECK (place IN ('token', 'api')),
  status smallint NOT NULL,
  code text NOT NULL CHECK (code ~ '^[A-Za-z0-9._-]{0,60}$'),
  seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  last_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  times integer NOT NULL DEFAULT 1 CHECK (times > 0),
  rest_seconds integer NOT NULL DEFAULT 60 CHECK (rest_seconds > 0),
  probe_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, aansluiting_id),
  FOREIGN KEY (tenant_id, aansluiting_id) REFERENCES registry.aansluiting
);

-- Why a credential was put to use that no test had succeeded with; the history keeps it.
ALTER TABLE registry.credential ADD COLUMN untried_reason registry.text_line;

CREATE TRIGGER raise_version BEFORE UPDATE ON registry.verbindingstest FOR EACH ROW EXECUTE FUNCTION registry.raise_version();
-- The fact of a test stands in the tenant's history: who asked, and how it ended.
CREATE TRIGGER note_asked AFTER INSERT ON registry.verbindingstest FOR EACH ROW EXECUTE FUNCTION registry.note_change();
CREATE TRIGGER note_ended AFTER UPDATE ON registry.verbindingstest FOR EACH ROW
  WHEN (OLD.state IS DISTINCT FROM NEW.state AND NEW.state <> 'bezig') EXECUTE FUNCTION registry.note_change();
-- And so does a block of RvIG's, when it is first seen and when it is over; every replica is told of both.
CREATE TRIGGER note_change AFTER INSERT OR DELETE ON registry.rvig_stand FOR EACH ROW EXECUTE FUNCTION registry.note_change();

CREATE FUNCTION registry.tell_verbindingstest() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM pg_notify('koppelpunt_verbindingstest', '');
  RETURN NULL;
END $$;
CREATE TRIGGER tell AFTER INSERT ON registry.verbindingstest FOR EACH ROW EXECUTE FUNCTION registry.tell_verbindingstest();

DO $$
DECLARE
  v_table text;
BEGIN
  FOREACH v_table IN ARRAY ARRAY['verbindingstest', 'verbindingstest_stap', 'rvig_stand'] LOOP
    EXECUTE format('ALTER TABLE registry.%I ENABLE ROW LEVEL SECURITY', v_table);
    EXECUTE format('ALTER TABLE registry.%I FORCE ROW LEVEL SECURITY', v_table);
    EXECUTE format('CREATE POLICY owner_writes ON registry.%I TO koppelpunt_owner USING (true) WITH CHECK (true)', v_table);
    EXECUTE format('CREATE POLICY tenants_scope ON registry.%I TO koppelpunt_tenants USING (tenant_id = registry.scope()) WITH CHECK (tenant_id = registry.scope())', v_table);
    EXECUTE format('GRANT SELECT ON registry.%I TO koppelpunt_tenants', v_table);
  END LOOP;
END $$;
GRANT INSERT (tenant_id, aansluiting_id, certificate_tenant_id, certificate_id, fingerprint, credential_id, secret_digest, apis, asked_by)
  ON registry.verbindingstest TO koppelpunt_tenants;
-- The tenant says that RvIG lifted it.
GRANT DELETE ON registry.rvig_stand TO koppelpunt_tenants;
CREATE POLICY gateway_reads ON registry.rvig_stand FOR SELECT TO koppelpunt_gateway USING (true);
GRANT SELECT ON registry.rvig_stand TO koppelpunt_gateway;

-- Gives up what nobody took, and what whoever took it has said nothing of for a minute. The history says that it was not
-- whoever happens to look now.
CREATE FUNCTION registry.give_up_verbindingstesten() RETURNS integer LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  v_actor text := COALESCE(current_setting('koppelpunt.actor', true), '');
  v_given_up integer;
BEGIN
  PERFORM set_config('koppelpunt.actor', 'verbindingstest', true);
  UPDATE registry.verbindingstest t SET state = 'afgebroken', ended_at = clock_timestamp()
  WHERE (t.tenant_id, t.verbindingstest_id) IN (
    SELECT o.tenant_id, o.verbindingstest_id FROM registry.verbindingstest o
    WHERE o.state IN ('gevraagd', 'bezig') AND COALESCE(o.beat_at, o.asked_at) < clock_timestamp() - interval '60 s'
    FOR UPDATE SKIP LOCKED);
  GET DIAGNOSTICS v_given_up = ROW_COUNT;
  PERFORM set_config('koppelpunt.actor', v_actor, true);
  RETURN v_given_up;
END $f$;

-- Exactly one gateway gets a test: whoever locks its row first; the others pass it by.
CREATE FUNCTION registry.take_verbindingstest(p_taken_by text) RETURNS TABLE (tenant_id bigint, verbindingstest_id bigint, take uuid,
  aansluiting_id bigint, certificate_tenant_id bigint, certificate_id bigint, fingerprint bytea, credential_id bigint, secret_digest bytea, apis text[])
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
#variable_conflict use_column
BEGIN
  PERFORM registry.give_up_verbindingstesten();
  RETURN QUERY
  UPDATE registry.verbindingstest t SET state = 'bezig', take = gen_random_uuid(), taken_by = p_taken_by, beat_at = clock_timestamp()
  WHERE (t.tenant_id, t.verbindingstest_id) = (
    SELECT o.tenant_id, o.verbindingstest_id FROM registry.verbindingstest o WHERE o.state = 'gevraagd'
    ORDER BY o.asked_at LIMIT 1 FOR UPDATE SKIP LOCKED)
  RETURNING t.tenant_id, t.verbindingstest_id, t.take, t.aansluiting_id, t.certificate_tenant_id, t.certificate_id, t.fingerprint::bytea,
    t.credential_id, t.secret_digest::bytea, t.apis;
END $f$;

-- False: this taking is over, and nothing more may leave for it.
CREATE FUNCTION registry.note_verbindingstest_stap(p_tenant_id bigint, p_verbindingstest_id bigint, p_take uuid, p_number smallint, p_name text,
  p_result text, p_who text, p_detail text, p_seen jsonb, p_milliseconds integer)
RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  UPDATE registry.verbindingstest t SET beat_at = clock_timestamp()
  WHERE t.tenant_id = p_tenant_id AND t.verbindingstest_id = p_verbindingstest_id AND t.take = p_take AND t.state = 'bezig';
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  INSERT INTO registry.verbindingstest_stap (tenant_id, verbindingstest_id, number, name, result, who, detail, seen, milliseconds)
  VALUES (p_tenant_id, p_verbindingstest_id, p_number, p_name, p_result, p_who, p_detail, p_seen, p_milliseconds);
  RETURN true;
END $f$;

CREATE FUNCTION registry.end_verbindingstest(p_tenant_id bigint, p_verbindingstest_id bigint, p_take uuid, p_state text)
RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  IF p_state NOT IN ('geslaagd', 'mislukt', 'afgebroken') THEN
    RAISE 'a test ends as geslaagd, mislukt or afgebroken' USING ERRCODE = 'check_violation';
  END IF;
  UPDATE registry.verbindingstest t SET state = p_state, ended_at = clock_timestamp()
  WHERE t.tenant_id = p_tenant_id AND t.verbindingstest_id = p_verbindingstest_id AND t.take = p_take AND t.state = 'bezig';
  RETURN FOUND;
END $f$;

-- Seen by this replica: RvIG has shut the aansluiting out. Answers when a careful call may go. However many calls saw it at
-- once, the rest grows only when a careful call was taken; what was seen of other credentials begins anew.
CREATE FUNCTION registry.note_rvig_stand(p_tenant_id bigint, p_aansluiting_id bigint, p_credential_id bigint, p_fingerprint bytea, p_kind text,
  p_place text, p_status smallint, p_code text)
RETURNS timestamptz LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
  INSERT INTO registry.rvig_stand AS s (tenant_id, aansluiting_id, kind, credential_id, fingerprint, place, status, code, probe_at)
  VALUES (p_tenant_id, p_aansluiting_id, p_kind, p_credential_id, p_fingerprint, p_place, p_status, p_code, clock_timestamp() + interval '60 s')
  ON CONFLICT (tenant_id, aansluiting_id) DO UPDATE SET kind = excluded.kind, credential_id = excluded.credential_id,
    fingerprint = excluded.fingerprint, place = excluded.place, status = excluded.status, code = excluded.code, last_at = excluded.last_at,
    times = CASE WHEN (s.credential_id, s.fingerprint) = (excluded.credential_id, excluded.fingerprint) THEN s.times + 1 ELSE 1 END,
    seen_at = CASE WHEN (s.credential_id, s.fingerprint) = (excluded.credential_id, excluded.fingerprint) THEN s.seen_at ELSE excluded.seen_at END,
    rest_seconds = CASE WHEN (s.credential_id, s.fingerprint) = (excluded.credential_id, excluded.fingerprint) THEN s.rest_seconds ELSE excluded.rest_seconds END,
    probe_at = CASE WHEN (s.credential_id, s.fingerprint) = (excluded.credential_id, excluded.fingerprint) THEN s.probe_at ELSE excluded.probe_at END
  RETURNING s.probe_at
$f$;

-- May this replica make the careful call now? One may, and from then on the next one is twice as far away, half an hour at
-- most. No row: the block is over.
CREATE FUNCTION registry.take_rvig_probe(p_tenant_id bigint, p_aansluiting_id bigint) RETURNS TABLE (taken boolean, probe_at timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  UPDATE registry.rvig_stand s SET rest_seconds = least(s.rest_seconds * 2, 1800),
    probe_at = clock_timestamp() + least(s.rest_seconds * 2, 1800) * (0.9 + random() * 0.2) * interval '1 s'
  WHERE s.tenant_id = p_tenant_id AND s.aansluiting_id = p_aansluiting_id AND s.probe_at <= clock_timestamp()
  RETURNING true, s.probe_at;
  IF NOT FOUND THEN
    RETURN QUERY SELECT false, s.probe_at FROM registry.rvig_stand s WHERE s.tenant_id = p_tenant_id AND s.aansluiting_id = p_aansluiting_id;
  END IF;
END $f$;

-- RvIG answers again, over this very credential and certificate.
CREATE FUNCTION registry.release_rvig_stand(p_tenant_id bigint, p_aansluiting_id bigint, p_credential_id bigint, p_fingerprint bytea)
RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
BEGIN
  DELETE FROM registry.rvig_stand s WHERE s.tenant_id = p_tenant_id AND s.aansluiting_id = p_aansluiting_id
    AND s.credential_id = p_credential_id AND s.fingerprint = p_fingerprint;
  RETURN FOUND;
END $f$;

REVOKE ALL ON FUNCTION registry.tell_verbindingstest, registry.give_up_verbindingstesten, registry.take_verbindingstest,
  registry.note_verbindingstest_stap, registry.end_verbindingstest, registry.note_rvig_stand, registry.take_rvig_probe, registry.release_rvig_stand
  FROM PUBLIC;
GRANT EXECUTE ON FUNCTION registry.take_verbindingstest, registry.note_verbindingstest_stap, registry.end_verbindingstest, registry.note_rvig_stand,
  registry.take_rvig_probe, registry.release_rvig_stand TO koppelpunt_gateway;
GRANT EXECUTE ON FUNCTION registry.give_up_verbindingstesten TO koppelpunt_tenants;
