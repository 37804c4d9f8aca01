-- Inzage: what was searched for, requests of citizens with their four weeks, samples for the auditor, words for purposes.
-- Everything about readings and requests is INSERT-only: time, number and transaction are the database's own.
ALTER TABLE register.reading
  -- By what was searched, beside person and period; never personal data. A user stands there as the index of each year.
  ADD COLUMN criteria jsonb NOT NULL DEFAULT '{}',
  ADD COLUMN users uuid[] NOT NULL DEFAULT '{}',
  ADD COLUMN inzageverzoek_id bigint;
GRANT INSERT (criteria, users, inzageverzoek_id) ON register.reading TO koppelpunt_inzage;

-- A request for inzage (Wet BRP 3.22, AVG 15). Who asks, about whom and for whom stands sealed, to the tenant's key of `year`.
CREATE TABLE register.inzageverzoek (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  inzageverzoek_id bigint GENERATED ALWAYS AS IDENTITY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor registry.text_line NOT NULL CHECK (actor <> ''),
  received_on date NOT NULL,
  -- Four weeks.
  due_on date GENERATED ALWAYS AS (received_on + 28) STORED,
  law text NOT NULL CHECK (law IN ('wet-brp-3.22', 'avg-15')),
  period_from timestamptz NOT NULL,
  period_until timestamptz NOT NULL,
  represented boolean NOT NULL,
  year smallint NOT NULL,
  sealed_id uuid NOT NULL,
  sealed bytea NOT NULL,
  PRIMARY KEY (tenant_id, inzageverzoek_id),
  CHECK (period_from < period_until)
);

-- What was done with a request, in order. Nothing is given before the identity of who asks (and, when somebody asks for
-- another, that one's authority) was established: how, by whom, when.
CREATE TABLE register.inzageverzoek_stap (
  tenant_id bigint NOT NULL,
  inzageverzoek_id bigint NOT NULL,
  number bigint GENERATED ALWAYS AS IDENTITY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor registry.text_line NOT NULL CHECK (actor <> ''),
  kind text NOT NULL CHECK (kind IN ('identiteit', 'bevoegdheid', 'uitkomst', 'verzonden', 'ingetrokken', 'afgewezen')),
  method registry.text_line,
  by_whom registry.text_line,
  done_at timestamptz NOT NULL,
  note registry.text_line,
  reading bigint,
  PRIMARY KEY (tenant_id, inzageverzoek_id, number),
  FOREIGN KEY (tenant_id, inzageverzoek_id) REFERENCES register.inzageverzoek,
  CHECK (kind NOT IN ('identiteit', 'bevoegdheid') OR (method IS NOT NULL AND by_whom IS NOT NULL)),
  CHECK ((kind = 'uitkomst') = (reading IS NOT NULL)),
  CHECK (kind <> 'afgewezen' OR note IS NOT NULL)
);

-- A random sample of the calls of a period, and the answers to the question: was this for a task?
CREATE TABLE register.steekproef (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  steekproef_id bigint GENERATED ALWAYS AS IDENTITY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor registry.text_line NOT NULL CHECK (actor <> ''),
  reading bigint NOT NULL,
  period_from timestamptz NOT NULL,
  period_until timestamptz NOT NULL,
  population bigint NOT NULL,
  ids uuid[] NOT NULL,
  PRIMARY KEY (tenant_id, steekproef_id),
  CHECK (period_from < period_until)
);
CREATE TABLE register.steekproef_oordeel (
  tenant_id bigint NOT NULL,
  steekproef_id bigint NOT NULL,
  number bigint GENERATED ALWAYS AS IDENTITY,
  id uuid NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor registry.text_line NOT NULL CHECK (actor <> ''),
  verdict text NOT NULL CHECK (verdict IN ('ja', 'nee', 'niet_vast_te_stellen')),
  note registry.text_line,
  PRIMARY KEY (tenant_id, steekproef_id, number),
  FOREIGN KEY (tenant_id, steekproef_id) REFERENCES register.steekproef,
  CHECK (verdict = 'ja' OR note IS NOT NULL)
);

-- What a doelbinding is called in a letter to a citizen. The code is how machtigingen name it.
CREATE TABLE registry.doelbinding (
  tenant_id bigint NOT NULL REFERENCES registry.tenant,
  doelbinding registry.text_line NOT NULL CHECK (doelbinding <> ''),
  words registry.text_line NOT NULL CHECK (words ~ '[[:alpha:]]'),
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, doelbinding)
);
CREATE TRIGGER raise_version BEFORE UPDATE ON registry.doelbinding FOR EACH ROW EXECUTE FUNCTION registry.raise_version();
CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON registry.doelbinding FOR EACH ROW EXECUTE FUNCTION registry.note_change();

DO $$
DECLARE
  v_table text;
BEGIN
  FOREACH v_table IN ARRAY ARRAY['inzageverzoek', 'inzageverzoek_stap', 'steekproef', 'steekproef_oordeel'] LOOP
    EXECUTE format('ALTER TABLE register.%I ENABLE ROW LEVEL SECURITY', v_table);
    EXECUTE format('ALTER TABLE register.%I FORCE ROW LEVEL SECURITY', v_table);
    EXECUTE format('CREATE POLICY inzage_scope ON register.%I FOR SELECT TO koppelpunt_inzage USING (tenant_id = registry.scope())', v_table);
    EXECUTE format('CREATE POLICY inzage_records ON register.%I FOR INSERT TO koppelpunt_inzage WITH CHECK (tenant_id = registry.scope())', v_table);
    EXECUTE format('GRANT SELECT ON register.%I TO koppelpunt_inzage', v_table);
  END LOOP;
END $$;
GRANT INSERT (tenant_id, actor, received_on, law, period_from, period_until, represented, year, sealed_id, sealed) ON register.inzageverzoek TO koppelpunt_inzage;
GRANT INSERT (tenant_id, inzageverzoek_id, actor, kind, method, by_whom, done_at, note, reading) ON register.inzageverzoek_stap TO koppelpunt_inzage;
GRANT INSERT (tenant_id, actor, reading, period_from, period_until, population, ids) ON register.steekproef TO koppelpunt_inzage;
GRANT INSERT (tenant_id, steekproef_id, id, actor, verdict, note) ON register.steekproef_oordeel TO koppelpunt_inzage;

ALTER TABLE registry.doelbinding ENABLE ROW LEVEL SECURITY;
ALTER TABLE registry.doelbinding FORCE ROW LEVEL SECURITY;
CREATE POLICY tenants_scope ON registry.doelbinding TO koppelpunt_tenants USING (tenant_id = registry.scope()) WITH CHECK (tenant_id = registry.scope());
CREATE POLICY inzage_scope ON registry.doelbinding FOR SELECT TO koppelpunt_inzage USING (tenant_id = registry.scope());
GRANT SELECT, INSERT, UPDATE ON registry.doelbinding TO koppelpunt_tenants;
GRANT SELECT ON registry.doelbinding TO koppelpunt_inzage;

-- What one user asked. Every other search of a period walks that period by its key.
CREATE INDEX opening_of_user ON register.opening (tenant_id, user_index, id) WHERE user_index IS NOT NULL;
