"""Everything that is sealed to a keyring, or hashed with one, is known to the rotation of keyrings."""

RAW = {
    # Sealed to a tenant's year, or with a data key: they name no version of a keyring.
    "register.opening.sealed", "register.closing.sealed", "proef.opening.sealed", "proef.closing.sealed",
    "register.inzageverzoek.sealed",
    # Lives for minutes; one that does not open is asked for anew.
    "registry.shared_token.sealed",
}  # fmt: skip


async def test_every_sealed_column_is_rotated(admin):
    columns = {
        row[0]
        for row in await admin.fetch(
            "SELECT n.nspname || '.' || c.relname || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
            "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('registry', 'register', 'proef', 'auth') "
            "AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND NOT a.attisdropped AND a.atttypid = 'bytea'::regtype "
            "AND (a.attname ~ 'sealed' OR a.attname ~ '^index_key_for')"
        )
    }
    view = await admin.fetchval("SELECT pg_get_viewdef('registry.sealed_value'::regclass)")
    rotated = await admin.fetchval("SELECT prosrc FROM pg_proc WHERE oid = 'registry.reseal'::regproc")
    missing = [
        one
        for one in sorted(columns - RAW)
        if f"'{one.removeprefix('registry.')}'" not in view or f"'{one.removeprefix('registry.')}'" not in rotated
    ]
    assert missing == []
    assert columns >= RAW
    assert len(columns - RAW) >= 5


async def test_every_hash_that_names_a_version_is_counted(admin):
    tables = [
        row[0]
        for row in await admin.fetch(
            "SELECT c.relname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE n.nspname IN ('registry', 'register', 'auth') AND c.relkind IN ('r', 'p') AND a.attname = 'hash_version'"
        )
    ]
    view = await admin.fetchval("SELECT pg_get_viewdef('registry.keyed_hash'::regclass)")
    assert len(tables) >= 3
    assert [one for one in tables if f"'{one}." not in view] == []
