"""The history is told in the words of the API, and can be asked for by what, by whom and when."""

import itertools

import asyncpg

from tenants.history.standing import CONFIGURATION, NO_CONFIGURATION
from tenants.words.kolommen import OBJECTEN, has_word, object_of, table_of, word_of
from tests.history.test_standing import admin  # noqa: F401 - a fixture

# What is Dutch already, or a standard's own name.
AS_THEY_ARE = frozenset(
    {
        "aansluiting_id", "afnemer_id", "apis", "beheer_idp_id", "code", "doelbinding", "email", "gemeentecode", "grondslag",
        "header", "headers", "idp_id", "inzage", "issuer", "jwks", "jwks_url", "medium", "oin", "ontvanger", "resource_server",
        "route", "rubrieken", "soort", "status", "subject", "taaksysteem_id", "taaksysteem_tenant_id", "tenant_id", "thumbprint",
        "url", "vaste_aansluiting_tenant_id", "verwerkingsactiviteit",
    }
)  # fmt: skip
SECRETS = frozenset(
    {
        "key_sealed", "secret_sealed", "hash", "hash_version", "private_key_sealed", "index_key_for_gateway",
        "index_key_for_register", "secret_digest", "secret_digest_version",
    }
)  # fmt: skip


async def columns(admin: asyncpg.Connection) -> dict[str, list[str]]:  # noqa: F811
    rows = await admin.fetch(
        "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
        "WHERE c.relnamespace IN ('registry'::regnamespace, 'register'::regnamespace) AND c.relname = ANY ($1) "
        "AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> ALL ($2) ORDER BY 1, 2",
        [*CONFIGURATION, *NO_CONFIGURATION], list(SECRETS),
    )  # fmt: skip
    found = {
        name: [row["attname"] for row in mine] for name, mine in itertools.groupby(rows, lambda row: row["relname"])
    }
    assert len(found) > 30
    return found


async def test_everything_that_the_history_says_has_a_word_and_no_two_have_one(admin: asyncpg.Connection):  # noqa: F811
    for table, names in (await columns(admin)).items():
        words = [word_of(table, name) for name in names]
        assert len(set(words)) == len(words), table
        assert not [word for word in words if "_" in word], table
        assert {name for name in names if not has_word(table, name)} <= AS_THEY_ARE, table


async def test_every_kind_has_one_name_by_which_it_is_found_again(admin: asyncpg.Connection):  # noqa: F811
    tables = set(await columns(admin))
    assert set(OBJECTEN) <= tables
    names = [object_of(table) for table in tables]
    assert len(set(names)) == len(names)
    assert {table_of(name) for name in names} == tables
