"""Expand, deploy, contract: what a migration takes away or demands, no version that still runs may miss or break."""

import pytest

from tests.upgrades.narrowing import narrowing_in, narrowings

FOUNDING = "before the first release: no version was installed that could break"
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
    ("0033_bevestiging.sql", "ALTER COLUMN confirmed_by DROP DEFAULT"): "of a new column; a trigger fills it for whoever does not know it",
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
        "CREATE TRIGGER t BEFORE TRUNCATE ON a EXECUTE FUNCTION f();",
        "DROP INDEX a_b;",
    ],
)
def test_what_widens_is_let_through(sql):
    assert list(narrowing_in(sql)) == []
