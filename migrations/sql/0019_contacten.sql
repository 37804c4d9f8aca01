-- Contacts of a tenant, what was told them (meldingen) and how that went (bezorgingen).

-- Whom to tell. A webhook is signed with a secret that is stored nowhere: it is made of the notice key that webhook_key names
-- and of webhook_generation, which the next secret raises.
CREATE TABLE registry.contact (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  contact_id bigint GENERATED ALWAYS AS IDENTITY,
  kind text NOT NULL CHECK (kind IN ('technisch', 'fg', 'nood')),
  name registry.text_line NOT NULL CONSTRAINT contact_has_name CHECK (name ~ '[[:graph:]]'),
  email registry.text_line CONSTRAINT contact_email_is_address CHECK (email ~ '^[^@[:space:]<>,;"]+@[A-Za-z0-9.-]+$' AND length(email) <= 254),
  phone registry.text_line CONSTRAINT contact_phone_is_number CHECK (phone ~ '^[+0-9][-0-9 ()]{3,30}$'),
  webhook_url registry.text_line CONSTRAINT contact_webhook_is_https CHECK (webhook_url ~ '^https://[^/@?#[:space:]]+(/[^?#[:space:]]*)?$'),
  webhook_key text CHECK (webhook_key ~ '^[0-9a-f]{8}$'),
  webhook_generation integer NOT NULL DEFAULT 0,
  state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'ended')),
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, contact_id),
  CONSTRAINT contact_can_be_told CHECK (email IS NOT NULL OR webhook_url IS NOT NULL),
  CONSTRAINT contact_webhook_is_signed CHECK ((webhook_url IS NULL) = (webhook_key IS NULL))
);

-- What was told, once: the key is what it is about, what made it come up, and how near it was. The text stands as it was sent.
CREATE TABLE registry.melding (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  melding_id bigint GENERATED ALWAYS AS IDENTITY,
  kind text NOT NULL CHECK (kind ~ '^[a-z_]{3,40}$'),
  object text NOT NULL CHECK (length(object) <= 200),
  occasion text NOT NULL CHECK (length(occasion) <= 100),
  threshold text NOT NULL CHECK (length(threshold) <= 20),
  subject registry.text_line NOT NULL,
  words text NOT NULL CHECK (length(words) <= 4000),
  due_at timestamptz,
  raised_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant_id, melding_id),
  CONSTRAINT melding_once UNIQUE (tenant_id, kind, object, occasion, threshold)
);

-- One way to one contact; contact_id null is the operator, whose addresses are settings.
CREATE TABLE registry.bezorging (
  tenant_id bigint NOT NULL,
  bezorging_id bigint GENERATED ALWAYS AS IDENTITY,
  melding_id bigint NOT NULL,
  contact_id bigint,
  way text NOT NULL CHECK (way IN ('mail', 'webhook')),
  state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'bezorgd', 'opgegeven', 'vervallen')),
  attempts integer NOT NULL DEFAULT 0,
  next_at timestamptz NOT NULL DEFAULT '-infinity',
  ended_at timestamptz,
  last_error text,
  PRIMARY KEY (tenant_id, bezorging_id),
  FOREIGN KEY (tenant_id, melding_id) REFERENCES registry.melding,
  FOREIGN KEY (tenant_id, contact_id) REFERENCES registry.contact,
  CHECK ((state = 'open') = (ended_at IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX bezorging_of_melding ON registry.bezorging (tenant_id, melding_id);
CREATE INDEX bezorging_open ON registry.bezorging (way, next_at) WHERE state = 'open';

-- When RvIG said that a client-secret ends, if it did.
ALTER TABLE registry.credential ADD COLUMN secret_valid_until timestamptz CONSTRAINT credential_secret_ends CHECK (isfinite(secret_valid_until));

-- Who said that a step was taken: whoever did, whatever the statement says.
ALTER TABLE registry.aansluiting_stap ADD COLUMN done_by registry.text_line;
CREATE FUNCTION registry.sign_stap() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  NEW.done_by := registry.actor();
  RETURN NEW;
END $$;
CREATE TRIGGER sign_stap BEFORE INSERT OR UPDATE ON registry.aansluiting_stap FOR EACH ROW EXECUTE FUNCTION registry.sign_stap();

-- What a mailbox held when somebody last asked, and since when post waits in it. The gateway writes what passes by.
CREATE TABLE registry.postbus (
  tenant_id bigint NOT NULL,
  aansluiting_id bigint NOT NULL,
  waiting integer NOT NULL CHECK (waiting >= 0),
  since timestamptz,
  counted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant_id, aansluiting_id),
  FOREIGN KEY (tenant_id, aansluiting_id) REFERENCES registry.aansluiting,
  CHECK ((waiting = 0) = (since IS NULL))
);
-- p_oldest: when the oldest message that nobody fetched came, if a list said so; else it is since it was first counted.
CREATE FUNCTION registry.note_postbus(p_tenant bigint, p_aansluiting bigint, p_waiting integer, p_oldest timestamptz) RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $f$
  INSERT INTO registry.postbus AS b (tenant_id, aansluiting_id, waiting, since)
  VALUES (p_tenant, p_aansluiting, p_waiting, CASE WHEN p_waiting > 0 THEN least(COALESCE(p_oldest, clock_timestamp()), clock_timestamp()) END)
  ON CONFLICT (tenant_id, aansluiting_id) DO UPDATE SET waiting = excluded.waiting, counted_at = excluded.counted_at,
    since = CASE WHEN excluded.waiting = 0 THEN NULL WHEN p_oldest IS NOT NULL THEN excluded.since ELSE COALESCE(b.since, excluded.since) END
$f$;

DO $$
DECLARE
  v_table text;
BEGIN
  FOREACH v_table IN ARRAY ARRAY['contact', 'melding', 'bezorging', 'postbus'] LOOP
    EXECUTE format('ALTER TABLE registry.%I ENABLE ROW LEVEL SECURITY', v_table);
    EXECUTE format('ALTER TABLE registry.%I FORCE ROW LEVEL SECURITY', v_table);
    EXECUTE format('CREATE POLICY owner_tells ON registry.%I TO koppelpunt_owner USING (true) WITH CHECK (true)', v_table);
    EXECUTE format('CREATE POLICY tenants_scope ON registry.%I TO koppelpunt_tenants USING (tenant_id = registry.scope()) WITH CHECK (tenant_id = registry.scope())', v_table);
    EXECUTE format('GRANT SELECT ON registry.%I TO koppelpunt_tenants', v_table);
  END LOOP;
  -- Dates and states of what can end: for the functions that tell of it.
  FOREACH v_table IN ARRAY ARRAY['afnemer', 'agreement', 'mandate', 'machtiging', 'certificate_exception', 'autorisatiebesluit', 'beheermandaat',
      'voorstel', 'checkpoint_destination'] LOOP
    IF NOT EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = format('registry.%I', v_table)::regclass AND p.polcmd IN ('r', '*')
        AND 'koppelpunt_owner'::regrole = ANY (p.polroles) AND pg_get_expr(p.polqual, p.polrelid) = 'true') THEN
      EXECUTE format('CREATE POLICY owner_tells ON registry.%I FOR SELECT TO koppelpunt_owner USING (true)', v_table);
    END IF;
  END LOOP;
END $$;
CREATE TRIGGER raise_version BEFORE UPDATE ON registry.contact FOR EACH ROW EXECUTE FUNCTION registry.raise_version();
CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON registry.contact FOR EACH ROW EXECUTE FUNCTION registry.note_change();
GRANT INSERT (tenant_id, kind, name, email, phone, webhook_url, webhook_key, webhook_generation),
  UPDATE (name, email, phone, webhook_url, webhook_key, webhook_generation, state) ON registry.contact TO koppelpunt_tenants;

-- The sealer raises and delivers. It learns which meldingen there are by their keys, and of contacts where to send one.
CREATE POLICY sealer_knows ON registry.melding FOR SELECT TO koppelpunt_sealer USING (true);
GRANT SELECT (tenant_id, melding_id, kind, object, occasion, threshold) ON registry.melding TO koppelpunt_sealer;

-- Raises a melding that is not there, with a delivery for each way to each contact of these kinds; who has none of those is
-- told by whom it has, and failing that the operator is told, as far as it can be reached. Null: it was there.
CREATE FUNCTION registry.raise_melding(p_tenant bigint, p_kind text, p_object text, p_occasion text, p_threshold text, p_subject text, p_words text,
  p_due_at timestamptz, p_contacts text[], p_operator boolean, p_reachable boolean) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
DECLARE
  v_melding bigint;
BEGIN
  INSERT INTO registry.melding (tenant_id, kind, object, occasion, threshold, subject, words, due_at)
  VALUES (p_tenant, p_kind, p_object, p_occasion, p_threshold, p_subject, p_words, p_due_at)
  ON CONFLICT ON CONSTRAINT melding_once DO NOTHING RETURNING melding_id INTO v_melding;
  IF v_melding IS NULL THEN
    RETURN NULL;
  END IF;
  INSERT INTO registry.bezorging (tenant_id, melding_id, contact_id, way)
  SELECT p_tenant, v_melding, c.contact_id, w.way FROM registry.contact c
  CROSS JOIN LATERAL (SELECT 'mail' AS way WHERE c.email IS NOT NULL UNION ALL SELECT 'webhook' WHERE c.webhook_url IS NOT NULL) w
  WHERE c.tenant_id = p_tenant AND c.state = 'active' AND (c.kind = ANY (p_contacts) OR NOT EXISTS (
    SELECT 1 FROM registry.contact o WHERE o.tenant_id = p_tenant AND o.state = 'active' AND o.kind = ANY (p_contacts)));
  IF p_reachable AND (p_operator OR NOT FOUND) THEN
    INSERT INTO registry.bezorging (tenant_id, melding_id, way) VALUES (p_tenant, v_melding, 'mail');
  END IF;
  RETURN v_melding;
END $f$;

-- Hands deliveries of one way that are due to one sealer for two minutes; whoever takes one and dies has not done it. What cannot be
-- delivered any more ends here: its contact has ended, or lost this way.
CREATE FUNCTION registry.take_bezorgingen(p_way text, p_most integer) RETURNS TABLE (tenant_id bigint, bezorging_id bigint, melding_id bigint, way text, attempts integer,
  contact_id bigint, email text, webhook_url text, webhook_key text, webhook_generation integer, oin text, tenant_name text, kind text, object text,
  threshold text, subject text, words text, due_at timestamptz, raised_at timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
#variable_conflict use_column
BEGIN
  UPDATE registry.bezorging b SET state = 'vervallen', ended_at = clock_timestamp() FROM registry.contact c
  WHERE b.state = 'open' AND b.way = p_way AND c.tenant_id = b.tenant_id AND c.contact_id = b.contact_id
    AND (c.state <> 'active' OR (b.way = 'mail' AND c.email IS NULL) OR (b.way = 'webhook' AND c.webhook_url IS NULL));
  RETURN QUERY
  WITH due AS MATERIALIZED (
    SELECT b.tenant_id, b.bezorging_id FROM registry.bezorging b WHERE b.state = 'open' AND b.way = p_way AND b.next_at <= clock_timestamp()
    ORDER BY b.next_at LIMIT p_most FOR UPDATE SKIP LOCKED
  ), taken AS (
    UPDATE registry.bezorging b SET next_at = clock_timestamp() + interval '2 minutes', attempts = b.attempts + 1
    FROM due WHERE b.tenant_id = due.tenant_id AND b.bezorging_id = due.bezorging_id RETURNING b.*
  )
  SELECT b.tenant_id, b.bezorging_id, b.melding_id, b.way, b.attempts, b.contact_id, c.email::text, c.webhook_url::text, c.webhook_key, c.webhook_generation,
    t.oin::text, t.name::text, m.kind, m.object, m.threshold, m.subject::text, m.words, m.due_at, m.raised_at
  FROM taken b JOIN registry.melding m ON m.tenant_id = b.tenant_id AND m.melding_id = b.melding_id
  JOIN registry.tenant t ON t.tenant_id = b.tenant_id LEFT JOIN registry.contact c ON c.tenant_id = b.tenant_id AND c.contact_id = b.contact_id;
END $f$;

-- How a taken delivery went. After a week of trying it is given up.
CREATE FUNCTION registry.end_bezorging(p_tenant bigint, p_bezorging bigint, p_error text) RETURNS void LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $f$
  UPDATE registry.bezorging b SET
    state = CASE WHEN p_error IS NULL THEN 'bezorgd' WHEN m.raised_at < clock_timestamp() - interval '7 days' THEN 'opgegeven' ELSE 'open' END,
    ended_at = CASE WHEN p_error IS NULL OR m.raised_at < clock_timestamp() - interval '7 days' THEN clock_timestamp() END,
    last_error = left(p_error, 200),
    next_at = clock_timestamp() + least(interval '15 seconds' * power(2, least(b.attempts, 12)), interval '1 hour')
  FROM registry.melding m
  WHERE b.tenant_id = p_tenant AND b.bezorging_id = p_bezorging AND b.state = 'open' AND m.tenant_id = b.tenant_id AND m.melding_id = b.melding_id
$f$;

-- The age of the oldest melding that waits to be delivered, by way.
CREATE FUNCTION registry.waiting_bezorgingen() RETURNS TABLE (way text, seconds double precision) LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $f$
  SELECT b.way, extract(epoch FROM clock_timestamp() - min(m.raised_at))::double precision FROM registry.bezorging b
  JOIN registry.melding m ON m.tenant_id = b.tenant_id AND m.melding_id = b.melding_id WHERE b.state = 'open' GROUP BY b.way
$f$;

REVOKE ALL ON FUNCTION registry.sign_stap, registry.note_postbus, registry.raise_melding, registry.take_bezorgingen, registry.end_bezorging,
  registry.waiting_bezorgingen FROM PUBLIC;
GRANT EXECUTE ON FUNCTION registry.note_postbus TO koppelpunt_gateway;
GRANT EXECUTE ON FUNCTION registry.raise_melding, registry.take_bezorgingen, registry.end_bezorging, registry.waiting_bezorgingen TO koppelpunt_sealer;
