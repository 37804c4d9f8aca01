-- RvIG's autorisatietabel (landelijke tabel 35), as far as an afnemer's own rows: what it may ask ad hoc, by which
-- medium, from the first day until the day before the last. A gemeente needs none: it may ask everything.
-- rubrieken in six positions, with their leading zero.
CREATE TABLE registry.autorisatiebesluit (
  tenant_id bigint NOT NULL,
  besluit_id bigint GENERATED ALWAYS AS IDENTITY,
  afnemer_id registry.afnemer_id NOT NULL,
  start_date date NOT NULL CHECK (isfinite(start_date)),
  end_date date CHECK (isfinite(end_date)),
  medium text NOT NULL CHECK (medium ~ '^[A-Z]$'),
  rubrieken text[] NOT NULL CHECK (cardinality(rubrieken) <= 2000 AND array_position(rubrieken, NULL) IS NULL
    AND array_to_string(rubrieken, ',') ~ '^([0-9A-Z]{6}(,[0-9A-Z]{6})*)?$'),
  version integer NOT NULL DEFAULT 1,
  PRIMARY KEY (tenant_id, besluit_id),
  UNIQUE (tenant_id, afnemer_id, start_date, medium),
  FOREIGN KEY (tenant_id, afnemer_id) REFERENCES registry.afnemer,
  CHECK (start_date < end_date)
);
ALTER TABLE registry.autorisatiebesluit ENABLE ROW LEVEL SECURITY;
ALTER TABLE registry.autorisatiebesluit FORCE ROW LEVEL SECURITY;
CREATE POLICY tenants_scope ON registry.autorisatiebesluit TO koppelpunt_tenants USING (tenant_id = registry.scope()) WITH CHECK (tenant_id = registry.scope());
CREATE POLICY gateway_reads ON registry.autorisatiebesluit FOR SELECT TO koppelpunt_gateway USING (true);
-- A row that was entered wrongly may go; what it said stays in the history.
GRANT SELECT, INSERT, UPDATE, DELETE ON registry.autorisatiebesluit TO koppelpunt_tenants;
GRANT SELECT ON registry.autorisatiebesluit TO koppelpunt_gateway;
CREATE TRIGGER raise_version BEFORE UPDATE ON registry.autorisatiebesluit FOR EACH ROW EXECUTE FUNCTION registry.raise_version();
CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON registry.autorisatiebesluit FOR EACH ROW EXECUTE FUNCTION registry.note_change();
