"""What docs/scaling.md promises of sizes and of dividing the register over several servers."""

import re

import asyncpg
import pytest

from tests.databases import Database
from tests.scaling.sizes import DOCS, measured, rows

PAGE = (DOCS / "scaling.md").read_text()
REFERENCE = re.findall(r"^\| `((?:register|proef|auth)\.\w+)` \|", PAGE, re.MULTILINE)
_KEYS = """
SELECT n.nspname || '.' || c.relname AS name, k.conname AS key, k.contype::text AS kind, k.confrelid::regclass::text AS other,
  (SELECT array_agg(a.attname::text ORDER BY x.place) FROM unnest(k.conkey) WITH ORDINALITY x(number, place)
   JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = x.number) AS columns,
  (SELECT array_agg(a.attname::text ORDER BY x.place) FROM unnest(k.confkey) WITH ORDINALITY x(number, place)
   JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = x.number) AS others
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY ($1) AND NOT c.relispartition AND k.contype = ANY ('{p,u,f,x}')
"""
_UNIQUE_INDEXES = """
SELECT n.nspname || '.' || c.relname AS name, i.indexrelid::regclass::text AS key
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY ($1) AND i.indisunique AND NOT c.relispartition
  AND NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND a.attnum = ANY (i.indkey))
"""
DIVIDED = ["register", "proef", "auth"]


@pytest.fixture
async def admin(database: Database):
    connection = await asyncpg.connect(database.url("admin"))
    yield connection
    await connection.close()


async def test_every_key_of_a_divided_table_leads_with_its_tenant(admin):
    """Citus' first condition: rows of one tenant lie together, and no key needs to be looked for elsewhere."""
    keys = [one for one in await admin.fetch(_KEYS, DIVIDED) if one["name"] not in REFERENCE]
    assert len(keys) > 30
    own = [one for one in keys if one["kind"] != "f"]
    assert [one["key"] for one in own if one["columns"][0] != "tenant_id"] == []
    indexes = await admin.fetch(_UNIQUE_INDEXES, DIVIDED)
    assert [one["key"] for one in indexes if one["name"] not in REFERENCE] == []


async def test_a_divided_table_points_to_its_own_tenants_rows_or_to_what_is_everywhere(admin):
    keys = [one for one in await admin.fetch(_KEYS, DIVIDED) if one["kind"] == "f" and one["name"] not in REFERENCE]
    assert keys
    for one in keys:
        everywhere = one["other"].startswith("registry.") or one["other"] in REFERENCE
        together = ("tenant_id", "tenant_id") in zip(one["columns"], one["others"], strict=True)
        assert everywhere or together, dict(one)


async def test_what_is_everywhere_never_points_to_what_is_divided(admin):
    keys = await admin.fetch(_KEYS, ["registry", *DIVIDED])
    assert [
        one["key"]
        for one in keys
        if one["kind"] == "f"
        and (one["name"].startswith("registry.") or one["name"] in REFERENCE)
        and not (one["other"].startswith("registry.") or one["other"] in REFERENCE)
    ] == []


async def test_the_table_of_what_is_everywhere_names_what_exists_and_needs_it(admin):
    """A table of which an index leads with its tenant is divided: nothing hides in the list."""
    found = await admin.fetch(
        "SELECT n.nspname || '.' || c.relname AS name, EXISTS (SELECT 1 FROM pg_index i JOIN pg_attribute a "
        "  ON a.attrelid = c.oid AND a.attnum = i.indkey[0] WHERE i.indrelid = c.oid "
        "  AND a.attname = 'tenant_id') AS keyed FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = ANY ($1) AND c.relkind IN ('r', 'p') AND NOT c.relispartition",
        DIVIDED,
    )
    assert sorted(one["name"] for one in found if not one["keyed"]) == sorted(REFERENCE)


def test_the_sizes_are_those_of_the_formula_over_what_was_measured():
    missing = [row for row in rows(measured()) if row not in PAGE]
    assert missing == [], "run `python -m tests.scaling.sizes`"
