"""The history says that a person's data changed, when and by whom, and not what they are."""

import json
from typing import Any

import asyncpg

from tenants.history.standing import DIGEST
from tenants.scope import tenant_scope
from tests.history.test_standing import admin, connection, world  # noqa: F401 - fixtures
from tests.worlds import World

SECRETS = ("J. Jansen", "j.jansen@testdam.example", "0612345678", "P. Pieters")


async def changes(admin: asyncpg.Connection, of: str) -> list[dict[str, Any]]:  # noqa: F811
    rows = await admin.fetch("SELECT before, after FROM registry.wijziging WHERE object = $1 ORDER BY number", of)
    return [{name: json.loads(row[name]) if row[name] else None for name in ("before", "after")} for row in rows]


async def add_contact(connection: asyncpg.Connection, world: World, name: str, email: str) -> int:  # noqa: F811
    async with tenant_scope(connection, world.tenant_id, actor="beheerder/1"):
        return int(
            await connection.fetchval(
                "INSERT INTO registry.contact (tenant_id, kind, name, email, phone) VALUES ($1, 'fg', $2, $3, '0612345678') "
                "RETURNING contact_id",
                world.tenant_id, name, email,
            )
        )  # fmt: skip


async def test_of_a_contact_the_history_keeps_that_it_changed_and_not_who_it_is(connection, admin, world: World):  # noqa: F811
    number = await add_contact(connection, world, SECRETS[0], SECRETS[1])
    async with tenant_scope(connection, world.tenant_id, actor="beheerder/1"):
        await connection.execute("UPDATE registry.contact SET name = $1 WHERE contact_id = $2", SECRETS[3], number)
    made, changed = await changes(admin, "contact")
    assert changed["before"]["name"] == made["after"]["name"] != changed["after"]["name"]
    assert changed["before"]["email"] == changed["after"]["email"]
    assert all(made["after"][one].startswith(DIGEST) for one in ("name", "email", "phone"))
    assert (made["after"]["kind"], made["after"]["state"]) == ("fg", "active")
    everything = await admin.fetchval("SELECT string_agg(w::text, ' ') FROM registry.wijziging w")
    assert not [one for one in SECRETS if one in everything]
    # The row itself is what people are told by.
    assert await admin.fetchval("SELECT name FROM registry.contact") == SECRETS[3]


async def test_the_same_name_has_another_digest_in_another_column_and_nobody_reads_the_key(connection, admin, world):  # noqa: F811
    await add_contact(connection, world, "a@testdam.example", "a@testdam.example")
    (made,) = await changes(admin, "contact")
    assert made["after"]["name"] != made["after"]["email"]
    readers = await admin.fetchval(
        "SELECT count(*) FROM pg_roles r WHERE r.rolname LIKE 'koppelpunt_%' AND r.rolname <> 'koppelpunt_owner' "
        "AND NOT r.rolsuper AND has_any_column_privilege(r.oid, 'registry.history_key', 'SELECT')"
    )
    assert readers == 0


async def test_the_digests_of_a_year_cannot_be_made_again_when_its_keys_are_gone(connection, admin, world: World):  # noqa: F811
    await add_contact(connection, world, SECRETS[0], SECRETS[1])
    count = "SELECT count(*) FROM registry.history_key WHERE tenant_id = $1"
    assert await admin.fetchval(count, world.tenant_id) == 1
    await admin.execute(
        "UPDATE registry.tenant_key SET private_key_sealed = NULL, index_key_for_gateway = NULL, index_key_for_register = NULL, "
        "destroyed_at = now() WHERE tenant_id = $1",
        world.tenant_id,
    )
    assert await admin.fetchval(count, world.tenant_id) == 0


async def test_what_a_voorstel_says_of_a_person_goes_no_further_either(connection, admin, world: World):  # noqa: F811
    async with tenant_scope(connection, world.tenant_id, actor="operator/1"):
        await connection.execute(
            "INSERT INTO registry.voorstel (tenant_id, accepts, route, method, path, body, proposed_by) "
            "VALUES ($1, 'beheerder', 'maakBeheerder', 'POST', '/v1/beheerders', $2, 'operator/1'), "
            "  ($1, 'beheerder', 'maakAfnemer', 'POST', '/v1/afnemers', '{\"naam\": \"Testdam\"}', 'operator/1')",
            world.tenant_id, json.dumps({"naam": SECRETS[0]}),
        )  # fmt: skip
    person, other = await changes(admin, "voorstel")
    assert person["after"]["body"].startswith(DIGEST)
    assert "Testdam" in other["after"]["body"]
