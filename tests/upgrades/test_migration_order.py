"""Expand, deploy, contract: what a migration takes away or demands, no version that still runs may miss or break."""

import pytest

from tests.upgrades.narrowing import narrowing_in, narrowings, texts_in

FOUNDING = "before the first release: no version was installed that could break"
NOTES = "notes or destroys beside it, and refuses nothing"
OF_ITSELF = "refuses, on purpose, what a release before it let a mandate or the operator do"
CONFIRMED = "refuses, on purpose, productie of another's afnemer that nobody confirmed"
ENDED = "refuses what is about an ended one, and no release before it ends any"
ALLOWED = {
    ("0002_readings.sql", "REVOKE UPDATE ON registry.admin_key FROM koppelpunt_tenants"): FOUNDING,
    ("0006_trees.sql", "ALTER COLUMN hash SET NOT NULL"): "filled by a trigger for whoever does not know it",
    ("0006_trees.sql", "ADD CONSTRAINT reading_kind_check"): "takes more than the one that it replaces",
    ("0007_doelbinding.sql", "ADD CONSTRAINT machtiging_leaves_out_for_derden"): "of new columns, and holds for their defaults",
    ("0007_doelbinding.sql", "ADD CONSTRAINT machtiging_note_has_article"): "of new columns, and holds for their defaults",
    ("0007_doelbinding.sql", "ADD CONSTRAINT machtiging_inzage_has_article"): "of new columns, and holds for their defaults",
    ("0007_doelbinding.sql", "ADD CONSTRAINT machtiging_policy_is_asked"): "of new columns, and holds for their defaults",
    ("0007_doelbinding.sql", "ADD CONSTRAINT machtiging_policy_is_granted"): "of new columns, and holds for their defaults",
    ("0012_certificates.sql", "ADD CONSTRAINT certificate_is_whole"): "takes more than the one that it replaces",
    ("0012_certificates.sql", "ADD CONSTRAINT certificate_request"): "of a state that nothing before it made",
    ("0012_certificates.sql", "ADD CONSTRAINT certificate_key_destroyed"): "of a new column",
    ("0012_certificates.sql", "REVOKE UPDATE ON registry.certificate FROM koppelpunt_tenants"): FOUNDING,
    ("0020_geschiedenis.sql", "ADD CONSTRAINT credential_digest_has_version"): "of new columns, and holds for their defaults",
    ("0024_keys_stay.sql", "REVOKE UPDATE ON registry.taaksysteem_key FROM koppelpunt_tenants"): "gives back what every version writes",
    ("0024_keys_stay.sql", "REVOKE UPDATE ON registry.tenant_key FROM koppelpunt_tenants"): "no version ever wrote it",
    ("0025_owner.sql", "ADD CONSTRAINT vernietiging_is_nobodys"): "of actors that no version gives a destruction",
    ("0026_shapes.sql.template", "ADD CONSTRAINT opening_says_what_was_asked"): "holds for what every version writes",
    ("0033_bevestiging.sql", "ALTER COLUMN confirmed_by DROP DEFAULT"): "of a new column that may be absent; a trigger fills it for the operator who does not know it",
    ("0027_lezingen.sql", "CREATE TRIGGER note_reading AFTER INSERT ON register.reading"): NOTES,
    ("0030_eigen.sql", "CREATE TRIGGER forget_address BEFORE UPDATE ON registry.bezorging"): NOTES,
    ("0030_eigen.sql", "CREATE TRIGGER hold_eigen BEFORE INSERT OR UPDATE ON registry.certificate_lending"): OF_ITSELF,
    ("0030_eigen.sql", "CREATE TRIGGER hold_eigen BEFORE INSERT OR UPDATE ON registry.contact"): OF_ITSELF,
    ("0030_eigen.sql", "CREATE TRIGGER hold_eigen BEFORE INSERT OR UPDATE ON registry.mandate"): OF_ITSELF,
    ("0030_eigen.sql", "CREATE TRIGGER keep_former_contact AFTER UPDATE ON registry.contact"): NOTES,
    ("0030_eigen.sql", "CREATE TRIGGER tell_former_contact AFTER INSERT ON registry.melding"): NOTES,
    ("0031_fouten.sql", "ADD CONSTRAINT contracteinde_stap_check"): "holds for every step that a release before it takes",
    ("0031_fouten.sql", "ADD CONSTRAINT contracteinde_stap_kind_check"): "takes more than the one that it replaces",
    ("0031_fouten.sql", "CREATE TRIGGER note_change AFTER INSERT OR UPDATE ON register.seal_fault"): NOTES,
    ("0032_geschiedenis.sql", "CREATE TRIGGER destroy_history_key AFTER UPDATE ON registry.tenant_key"): NOTES,
    ("0032_geschiedenis.sql", "CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON registry.environment"): NOTES,
    ("0033_bevestiging.sql", "CREATE TRIGGER hold_confirmation BEFORE INSERT OR UPDATE ON registry.afnemer"): CONFIRMED,
    ("0033_bevestiging.sql", "CREATE TRIGGER hold_unconfirmed BEFORE UPDATE ON registry.aansluiting"): CONFIRMED,
    ("0033_bevestiging.sql", "CREATE TRIGGER hold_unconfirmed_new BEFORE INSERT ON registry.aansluiting"): CONFIRMED,
    ("0035_aanroeper.sql", "CREATE TRIGGER forget_caller_spans AFTER DELETE ON register.opening"): NOTES,
    ("0036_einden.sql", "CREATE TRIGGER hold_afnemer_end BEFORE UPDATE ON registry.afnemer"): ENDED,
    ("0036_einden.sql", "CREATE TRIGGER hold_afnemer_use BEFORE UPDATE ON registry.aansluiting"): ENDED,
    ("0036_einden.sql", "CREATE TRIGGER hold_afnemer_use_new BEFORE INSERT ON registry.aansluiting"): ENDED,
    ("0036_einden.sql", "CREATE TRIGGER hold_header_profile_end BEFORE UPDATE ON registry.header_profile"): ENDED,
    ("0036_einden.sql", "CREATE TRIGGER hold_header_profile_use BEFORE UPDATE ON registry.taaksysteem"): ENDED,
    ("0036_einden.sql", "CREATE TRIGGER hold_header_profile_use_new BEFORE INSERT ON registry.taaksysteem"): ENDED,
    ("0040_nummers.sql", "CREATE UNIQUE INDEX afnemer_afnemer_id_key ON registry.afnemer"): "asks less than the constraint that it replaces",
    ("0037_bestemmingen.sql", "CREATE TRIGGER hold_eigen BEFORE INSERT OR UPDATE ON registry.checkpoint_destination"): OF_ITSELF,
    ("0038_contracteinde.sql", "CREATE TRIGGER end_of_contract AFTER INSERT ON register.contracteinde_stap"): NOTES,
}  # fmt: skip
"""What narrows and may, with the reason. A column that nobody uses any more goes here one release after the last that did."""


def test_a_migration_only_widens_or_says_why_not():
    found = set(narrowings())
    assert sorted(found - set(ALLOWED)) == [], "expand-only, or a reason here (docs/operations/upgrades.md)"
    assert sorted(set(ALLOWED) - found) == [], "allowed and not there"


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE a DROP COLUMN b;",
        "ALTER TABLE a\n  DROP COLUMN IF EXISTS b;",
        "DROP TABLE IF EXISTS registry.a;",
        "drop function registry.f(bigint);",
        "ALTER TABLE a RENAME TO b;",
        "ALTER TABLE a RENAME COLUMN b TO c;",
        "ALTER TABLE a RENAME b TO c;",
        "ALTER TABLE a ALTER COLUMN b SET NOT NULL;",
        "ALTER TABLE a ALTER COLUMN b TYPE bigint;",
        "ALTER TABLE a ALTER COLUMN b SET DATA TYPE bigint;",
        "ALTER TABLE a ADD COLUMN b text NOT NULL;",
        "ALTER TABLE a ADD COLUMN b text NOT NULL, ADD COLUMN c text DEFAULT '';",
        "ALTER TABLE a ADD CONSTRAINT c CHECK (d > 0);",
        "REVOKE UPDATE (b) ON registry.a FROM koppelpunt_tenants;",
        "SELECT 1; TRUNCATE registry.a;",
        "ALTER TABLE a SET SCHEMA register;",
        "CREATE UNIQUE INDEX a_once ON registry.a (tenant_id, b);",
        "CREATE UNIQUE INDEX IF NOT EXISTS a_once ON registry.a (b) WHERE c;",
        "ALTER TABLE a ADD CHECK (b > 0);",
        "ALTER TABLE a ADD UNIQUE (b);",
        "ALTER TABLE a ADD PRIMARY KEY (b);",
        "ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES c;",
        "ALTER TABLE registry.a FORCE ROW LEVEL SECURITY;",
        "CREATE POLICY p ON registry.a AS RESTRICTIVE USING (b);",
        "DROP POLICY p ON registry.a;",
        "CREATE TRIGGER t BEFORE INSERT OR UPDATE ON registry.a FOR EACH ROW EXECUTE FUNCTION f();",
    ],
)
def test_what_narrows_is_found(sql):
    assert len(list(narrowing_in(sql))) == 1


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE a ADD COLUMN b text;",
        "ALTER TABLE a ADD COLUMN b text NOT NULL DEFAULT '', ADD COLUMN c int;",
        "ALTER TABLE a ADD COLUMN b int GENERATED ALWAYS AS IDENTITY;",
        "ALTER TABLE a ADD COLUMN b text DEFAULT '' NOT NULL;",
        "ALTER TABLE a ALTER COLUMN b DROP NOT NULL;",
        "REVOKE ALL ON FUNCTION f FROM PUBLIC;",
        "-- DROP TABLE a\nSELECT 1;",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ DROP TABLE a $$;",
        "CREATE TABLE a (b int); CREATE TRIGGER t BEFORE TRUNCATE ON a EXECUTE FUNCTION f();",
        "CREATE TABLE r.a (b int); CREATE UNIQUE INDEX once ON r.a (b); ALTER TABLE r.a FORCE ROW LEVEL SECURITY;",
        "CREATE INDEX a_b ON registry.a (b);",
        "CREATE POLICY p ON registry.a USING (b);",
        "DROP INDEX a_b;",
    ],
)
def test_what_widens_is_let_through(sql):
    assert list(narrowing_in(sql)) == []


def test_what_a_migration_says_in_its_own_program_is_read_too():
    source = '"""DROP TABLE told"""\ndef upgrade():\n    """DROP TABLE told"""\n    run(f"DROP TABLE {schema}.a")\n    run("TRUNCATE b")\n'
    texts = list(texts_in(source))
    assert sorted(texts) == ["DROP TABLE {}.a", "TRUNCATE b"]
    assert [part for text in texts for part in narrowing_in(text)] == ["DROP TABLE {}.a"]
