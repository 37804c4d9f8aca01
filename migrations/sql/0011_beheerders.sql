-- Who administers: persons by tokens of an OIDC provider, keys that may do less than their role, voorstellen that a tenant
-- accepts, and mandates by which another administers for it. tenant_id is null for the operator's own.

-- An OIDC provider of administrators. Its issuer belongs to one tenant, or to the operator: that is how a token finds its
-- side, so it is never shared, neither with another's administrators nor with another's taaksystemen. Nothing of it changes
-- but its end: whoever could change the URL of its keys could be anybody.
CREATE TABLE registry.beheer_idp (
  tenant_id bigint REFERENCES registry.tenant,
  beheer_idp_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name registry.text_line NOT NULL CONSTRAINT beheer_idp_has_name CHECK (name ~ '[[:graph:]]'),
  issuer registry.text_line NOT NULL CONSTRAINT beheer_idp_issuer_is_https CHECK (issuer ~ '^https://[!-~]+$'),
  jwks_url registry.text_line NOT NULL CONSTRAINT beheer_idp_keys_are_https CHECK (jwks_url ~ '^https://[!-~]+$'),
  audience registry.text_line NOT NULL CONSTRAINT beheer_idp_has_audience CHECK (audience ~ '^[!-~]+$'),
  algorithms text[] NOT NULL DEFAULT ARRAY['RS256', 'PS256', 'ES256'] CONSTRAINT beheer_idp_knows_algorithms CHECK (cardinality(algorithms) > 0
    AND array_position(algorithms, NULL) IS NULL
    AND algorithms <@ ARRAY['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512']),
  clock_skew_seconds smallint NOT NULL DEFAULT 30 CONSTRAINT beheer_idp_skew_is_small CHECK (clock_skew_seconds BETWEEN 0 AND 120),
  claim_subject registry.text_line NOT NULL DEFAULT 'sub' CONSTRAINT beheer_idp_has_claim CHECK (claim_subject <> ''),
  state text NOT NULL DEFAULT 'active' CONSTRAINT beheer_idp_state_known CHECK (state IN ('active', 'ended')),
  version integer NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX beheer_idp_issuer_once ON registry.beheer_idp (issuer) WHERE state = 'active';

-- A person (or machine) that such a provider names. Numbers come from those of the keys, so that `beheerder/7` is one of both.
CREATE TABLE registry.beheerder (
  tenant_id bigint REFERENCES registry.tenant,
  beheerder_id bigint PRIMARY KEY,
  beheer_idp_id bigint NOT NULL REFERENCES registry.beheer_idp,
  subject registry.text_line NOT NULL CONSTRAINT beheerder_has_subject CHECK (subject <> '' AND length(subject) <= 200),
  role text NOT NULL CONSTRAINT beheerder_role_known CHECK (role IN ('operator', 'beheerder', 'auditor')),
  name registry.text_line NOT NULL CONSTRAINT beheerder_has_name CHECK (name ~ '[[:graph:]]'),
  valid_until timestamptz NOT NULL DEFAULT 'infinity',
  withdrawn_at timestamptz,
  version integer NOT NULL DEFAULT 1,
  CONSTRAINT beheerder_role_fits_tenant CHECK ((role = 'operator') = (tenant_id IS NULL))
);
CREATE UNIQUE INDEX beheerder_once ON registry.beheerder (beheer_idp_id, subject, role) WHERE withdrawn_at IS NULL;
CREATE INDEX beheerder_of_tenant ON registry.beheerder (tenant_id, beheerder_id);

-- routes: the names of the routes that the key opens, null for all of its role. person: who made it, when a person or another
-- key did; for two pairs of eyes the key is that person.
ALTER TABLE registry.admin_key
  ADD COLUMN routes text[] CONSTRAINT admin_key_opens_something CHECK (cardinality(routes) BETWEEN 1 AND 200 AND array_position(routes, NULL) IS NULL),
  ADD COLUMN person text;
CREATE INDEX admin_key_of_tenant ON registry.admin_key (tenant_id, key_id);

-- The tenant lets the operator (to_tenant_id null) or another tenant's beheerders administer for it, for a time.
CREATE TABLE registry.beheermandaat (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  mandaat_id bigint GENERATED ALWAYS AS IDENTITY,
  to_tenant_id bigint REFERENCES registry.tenant (tenant_id),
  reason registry.text_line NOT NULL CONSTRAINT beheermandaat_has_reason CHECK (reason ~ '[[:graph:]]'),
  given_by registry.text_line NOT NULL,
  valid_from timestamptz NOT NULL DEFAULT now() CONSTRAINT beheermandaat_begins CHECK (isfinite(valid_from)),
  valid_until timestamptz NOT NULL CONSTRAINT beheermandaat_ends CHECK (isfinite(valid_until)),
  withdrawn_at timestamptz,
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, mandaat_id),
  CONSTRAINT beheermandaat_to_another CHECK (to_tenant_id <> tenant_id),
  CONSTRAINT beheermandaat_is_no_longer_than_two_years CHECK (valid_from < valid_until AND valid_until <= valid_from + interval '2 years')
);
CREATE INDEX beheermandaat_to ON registry.beheermandaat (to_tenant_id);

-- What somebody asks and somebody else decides on. `accepts` is the role that may. body is the canonical JSON of the request,
-- as text; a request that holds a secret is never kept. version_seen is what If-Match said. result: status and location.
CREATE TABLE registry.voorstel (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  voorstel_id bigint GENERATED ALWAYS AS IDENTITY,
  accepts text NOT NULL CONSTRAINT voorstel_accepts_known CHECK (accepts IN ('beheerder', 'auditor')),
  route text NOT NULL,
  method text NOT NULL CONSTRAINT voorstel_method_changes CHECK (method IN ('POST', 'PUT', 'PATCH', 'DELETE')),
  path text NOT NULL CONSTRAINT voorstel_path_is_ours CHECK (path ~ '^/v1/[!-~]+$' AND length(path) <= 500),
  version_seen integer,
  body text CONSTRAINT voorstel_body_is_small CHECK (octet_length(body) <= 131072),
  proposed_by registry.text_line NOT NULL,
  proposed_at timestamptz NOT NULL DEFAULT now(),
  valid_until timestamptz NOT NULL DEFAULT now() + interval '30 days',
  state text NOT NULL DEFAULT 'open' CONSTRAINT voorstel_state_known CHECK (state IN ('open', 'aanvaard', 'geweigerd', 'ingetrokken')),
  decided_by registry.text_line,
  decided_at timestamptz,
  reason registry.text_line,
  article registry.text_line,
  result jsonb,
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, voorstel_id),
  CONSTRAINT voorstel_is_decided CHECK ((state = 'open') = (decided_by IS NULL) AND (decided_by IS NULL) = (decided_at IS NULL))
);
CREATE INDEX voorstel_open ON registry.voorstel (tenant_id, voorstel_id) WHERE state = 'open';

-- Who is behind an actor of the history: the person of an IDP, by issuer and subject whatever its role; the maker of a key;
-- and else the actor itself.
CREATE FUNCTION registry.person_of(p_actor text) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH one AS (SELECT substring(p_actor FROM '^(?:operator|beheerder|auditor)/([0-9]{1,18})(?: |$)')::bigint AS number)
  SELECT COALESCE(
    (SELECT i.issuer || ' ' || b.subject FROM one, registry.beheerder b JOIN registry.beheer_idp i ON i.beheer_idp_id = b.beheer_idp_id
     WHERE b.beheerder_id = one.number),
    (SELECT COALESCE(k.person, 'sleutel/' || k.key_id) FROM one, registry.admin_key k WHERE k.key_id = one.number),
    p_actor)
$$;
CREATE FUNCTION registry.actor() RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT COALESCE(NULLIF(current_setting('koppelpunt.actor', true), ''), session_user)
$$;

-- Nobody of a tenant is made by the operator, or by whoever administers by mandate: not by the routes, and not here. What is
-- accepted as a voorstel is made by who accepts. The command line (another actor) makes a tenant's first key.
CREATE FUNCTION registry.hold_beheer() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_actor text := registry.actor();
BEGIN
  IF COALESCE(NEW.tenant_id, OLD.tenant_id) IS NOT NULL AND (v_actor LIKE 'operator/%' OR v_actor LIKE '%(beheermandaat %') THEN
    RAISE 'a tenant names its own administrators' USING ERRCODE = 'check_violation', CONSTRAINT = 'beheer_of_tenant_itself', TABLE = TG_TABLE_NAME;
  END IF;
  IF TG_OP = 'UPDATE' THEN
    RETURN NEW;
  END IF;
  IF TG_TABLE_NAME = 'beheerder' THEN
    NEW.beheerder_id := nextval('registry.admin_key_key_id_seq');
    IF NOT EXISTS (SELECT 1 FROM registry.beheer_idp i
        WHERE i.beheer_idp_id = NEW.beheer_idp_id AND i.tenant_id IS NOT DISTINCT FROM NEW.tenant_id AND i.state = 'active') THEN
      RAISE 'an administrator is named by an IDP of the same tenant' USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'beheerder_of_own_idp', TABLE = 'beheerder';
    END IF;
  ELSIF TG_TABLE_NAME = 'admin_key' THEN
    NEW.person := CASE WHEN v_actor ~ '^(operator|beheerder|auditor)/[0-9]+( |$)' THEN registry.person_of(v_actor) END;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER hold_beheer BEFORE INSERT OR UPDATE ON registry.beheer_idp FOR EACH ROW EXECUTE FUNCTION registry.hold_beheer();
CREATE TRIGGER hold_beheer BEFORE INSERT OR UPDATE ON registry.beheerder FOR EACH ROW EXECUTE FUNCTION registry.hold_beheer();
CREATE TRIGGER hold_beheer BEFORE INSERT OR UPDATE ON registry.admin_key FOR EACH ROW EXECUTE FUNCTION registry.hold_beheer();

-- An issuer is one side's, over both tables. The lock makes two who register it at once wait for each other.
CREATE FUNCTION registry.hold_issuer() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NEW.state <> 'active' THEN
    RETURN NEW;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended('koppelpunt issuer ' || NEW.issuer, 0));
  IF EXISTS (SELECT 1 FROM registry.idp i WHERE TG_TABLE_NAME = 'beheer_idp' AND i.issuer = NEW.issuer AND i.state = 'active' AND i.tenant_id IS DISTINCT FROM NEW.tenant_id)
    OR EXISTS (SELECT 1 FROM registry.beheer_idp b WHERE TG_TABLE_NAME = 'idp' AND b.issuer = NEW.issuer AND b.state = 'active' AND b.tenant_id IS DISTINCT FROM NEW.tenant_id) THEN
    RAISE 'an issuer belongs to one tenant, or to the operator' USING ERRCODE = 'unique_violation', CONSTRAINT = 'issuer_of_one', TABLE = TG_TABLE_NAME;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER hold_issuer BEFORE INSERT OR UPDATE ON registry.beheer_idp FOR EACH ROW EXECUTE FUNCTION registry.hold_issuer();
CREATE TRIGGER hold_issuer BEFORE INSERT OR UPDATE ON registry.idp FOR EACH ROW EXECUTE FUNCTION registry.hold_issuer();

-- A mandate is given by the tenant's own beheerder, and by nobody who administers by one; afterwards it can only be ended.
CREATE FUNCTION registry.hold_beheermandaat() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_actor text := registry.actor();
BEGIN
  IF v_actor !~ '^beheerder/[0-9]+( \(voorstel |$)' THEN
    RAISE 'a tenant''s own beheerder gives and ends its mandates' USING ERRCODE = 'check_violation', CONSTRAINT = 'beheermandaat_of_tenant_itself', TABLE = 'beheermandaat';
  END IF;
  IF TG_OP = 'INSERT' THEN
    NEW.given_by := v_actor;
    NEW.withdrawn_at := NULL;
  ELSE
    NEW.withdrawn_at := COALESCE(OLD.withdrawn_at, now());
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER hold_beheermandaat BEFORE INSERT OR UPDATE ON registry.beheermandaat FOR EACH ROW EXECUTE FUNCTION registry.hold_beheermandaat();

-- Who proposes and who decides is who does it, whatever the statement says; what was proposed is never reworded, and it is
-- decided on once, in time, by the role that it is for, itself and not by mandate, and never by the person who proposed it.
CREATE FUNCTION registry.hold_voorstel() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_actor text := registry.actor();
  v_may boolean;
BEGIN
  IF TG_OP = 'INSERT' THEN
    NEW.proposed_by := v_actor; NEW.proposed_at := now(); NEW.valid_until := now() + interval '30 days'; NEW.state := 'open';
    NEW.decided_by := NULL; NEW.decided_at := NULL; NEW.reason := NULL; NEW.article := NULL; NEW.result := NULL;
    RETURN NEW;
  END IF;
  v_may := CASE NEW.state
    WHEN 'aanvaard' THEN v_actor ~ ('^' || OLD.accepts || '/[0-9]+$') AND now() < OLD.valid_until
      AND registry.person_of(v_actor) <> registry.person_of(OLD.proposed_by)
    WHEN 'geweigerd' THEN v_actor ~ '^(beheerder|auditor)/[0-9]+$'
    WHEN 'ingetrokken' THEN registry.person_of(v_actor) = registry.person_of(OLD.proposed_by)
      OR (v_actor LIKE 'operator/%' AND (OLD.proposed_by LIKE 'operator/%' OR OLD.proposed_by = 'opdrachtregel'))
    ELSE false END;
  IF OLD.state <> 'open' OR NOT v_may
      OR (NEW.accepts, NEW.route, NEW.method, NEW.path, NEW.version_seen, NEW.body, NEW.proposed_by, NEW.proposed_at, NEW.valid_until) IS DISTINCT FROM
         (OLD.accepts, OLD.route, OLD.method, OLD.path, OLD.version_seen, OLD.body, OLD.proposed_by, OLD.proposed_at, OLD.valid_until) THEN
    RAISE 'a voorstel is decided on once, by whom it is for and by another than who made it'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'voorstel_stands', TABLE = 'voorstel';
  END IF;
  NEW.decided_by := v_actor;
  NEW.decided_at := now();
  RETURN NEW;
END $$;
CREATE TRIGGER hold_voorstel BEFORE INSERT OR UPDATE ON registry.voorstel FOR EACH ROW EXECUTE FUNCTION registry.hold_voorstel();

-- As 0007 has it, but two pairs of eyes are those of two persons, and the operator or who administers by mandate has none.
CREATE OR REPLACE FUNCTION registry.hold_policy() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_actor text := registry.actor();
  v_weak boolean := NEW.protocol_note = 'no' OR NEW.inzage = 'refused';
BEGIN
  IF TG_OP = 'INSERT' THEN
    NEW.policy_requested_by := CASE WHEN v_weak THEN v_actor END;
    NEW.policy_granted_by := NULL;
    NEW.policy_version := NULL;
    RETURN NEW;
  END IF;
  IF (NEW.protocol_note, NEW.protocol_note_article, NEW.inzage, NEW.inzage_article)
      IS DISTINCT FROM (OLD.protocol_note, OLD.protocol_note_article, OLD.inzage, OLD.inzage_article)
    OR (v_weak AND (NEW.aansluiting_id, NEW.taaksysteem_tenant_id, NEW.taaksysteem_id, NEW.doelbinding, NEW.grondslag, NEW.ontvanger, NEW.rights)
      IS DISTINCT FROM (OLD.aansluiting_id, OLD.taaksysteem_tenant_id, OLD.taaksysteem_id, OLD.doelbinding, OLD.grondslag, OLD.ontvanger, OLD.rights)) THEN
    RAISE 'what the register may leave out is asked with the machtiging and not changed' USING ERRCODE = 'check_violation', CONSTRAINT = 'machtiging_policy_stands', TABLE = 'machtiging';
  END IF;
  NEW.policy_requested_by := OLD.policy_requested_by;
  NEW.policy_version := OLD.policy_version;
  IF NEW.policy_granted_by IS DISTINCT FROM OLD.policy_granted_by THEN
    IF NOT v_weak OR OLD.policy_granted_by IS NOT NULL OR OLD.withdrawn_at IS NOT NULL OR v_actor LIKE 'operator/%' OR v_actor LIKE '%(beheermandaat %'
        OR registry.person_of(v_actor) = registry.person_of(OLD.policy_requested_by) THEN
      RAISE 'what the register may leave out is granted once, by another than who asked' USING ERRCODE = 'check_violation', CONSTRAINT = 'machtiging_policy_is_granted', TABLE = 'machtiging';
    END IF;
    NEW.policy_granted_by := v_actor;
    NEW.policy_version := OLD.version + 1;
  END IF;
  RETURN NEW;
END $$;

-- A token is read before anything is known of its tenant. These tell whose it is, and nothing of anybody else.
CREATE FUNCTION registry.beheer_idp_of(p_issuer text) RETURNS TABLE (tenant_id bigint, beheer_idp_id bigint, issuer text, jwks_url text,
    audience text, algorithms text[], clock_skew_seconds smallint, claim_subject text)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT i.tenant_id, i.beheer_idp_id, i.issuer, i.jwks_url, i.audience, i.algorithms, i.clock_skew_seconds, i.claim_subject
  FROM registry.beheer_idp i WHERE i.issuer = p_issuer AND i.state = 'active'
$$;
-- Of an ended tenant only its auditors are left: its register stays its own.
CREATE FUNCTION registry.beheerders_of(p_beheer_idp_id bigint, p_subject text) RETURNS TABLE (beheerder_id bigint, role text, tenant_id bigint)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT b.beheerder_id, b.role, b.tenant_id FROM registry.beheerder b
  JOIN registry.beheer_idp i ON i.beheer_idp_id = b.beheer_idp_id AND i.state = 'active' AND i.tenant_id IS NOT DISTINCT FROM b.tenant_id
  LEFT JOIN registry.tenant t ON t.tenant_id = b.tenant_id
  WHERE b.beheer_idp_id = p_beheer_idp_id AND b.subject = p_subject AND b.withdrawn_at IS NULL AND now() < b.valid_until
    AND (b.role IN ('operator', 'auditor') OR t.state = 'active')
$$;

DO $$
DECLARE
  v_table text;
BEGIN
  FOREACH v_table IN ARRAY ARRAY['beheer_idp', 'beheerder', 'beheermandaat', 'voorstel'] LOOP
    EXECUTE format('ALTER TABLE registry.%I ENABLE ROW LEVEL SECURITY', v_table);
    EXECUTE format('ALTER TABLE registry.%I FORCE ROW LEVEL SECURITY', v_table);
    -- Without a scope it is the operator's own that is seen, and of a tenant nothing.
    EXECUTE format('CREATE POLICY tenants_scope ON registry.%I TO koppelpunt_tenants USING (tenant_id IS NOT DISTINCT FROM registry.scope()) WITH CHECK (tenant_id IS NOT DISTINCT FROM registry.scope())', v_table);
    EXECUTE format('GRANT SELECT, INSERT ON registry.%I TO koppelpunt_tenants', v_table);
    EXECUTE format('CREATE TRIGGER raise_version BEFORE UPDATE ON registry.%I FOR EACH ROW EXECUTE FUNCTION registry.raise_version()', v_table);
    EXECUTE format('CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON registry.%I FOR EACH ROW EXECUTE FUNCTION registry.note_change()', v_table);
  END LOOP;
  FOREACH v_table IN ARRAY ARRAY['beheer_idp', 'beheerder', 'admin_key', 'idp', 'tenant'] LOOP
    EXECUTE format('CREATE POLICY owner_recognises ON registry.%I FOR SELECT TO koppelpunt_owner USING (true)', v_table);
  END LOOP;
END $$;
GRANT UPDATE (state) ON registry.beheer_idp TO koppelpunt_tenants;
GRANT UPDATE (withdrawn_at) ON registry.beheerder, registry.beheermandaat TO koppelpunt_tenants;
GRANT UPDATE (state, reason, article, result) ON registry.voorstel TO koppelpunt_tenants;
-- Who was given a mandate sees that, in its own scope.
CREATE POLICY mandated_sees ON registry.beheermandaat FOR SELECT TO koppelpunt_tenants USING (to_tenant_id IS NOT DISTINCT FROM registry.scope());
REVOKE ALL ON FUNCTION registry.person_of, registry.actor, registry.hold_beheer, registry.hold_issuer, registry.hold_beheermandaat,
  registry.hold_voorstel, registry.beheer_idp_of, registry.beheerders_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION registry.person_of, registry.actor, registry.beheer_idp_of, registry.beheerders_of TO koppelpunt_tenants;
