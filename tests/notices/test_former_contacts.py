"""Nobody is silenced unheard: who was told hears that it was changed or ended, and still gets what waited for it."""

from typing import Any

import asyncpg
import pytest

from tenants.notices.raising import Raiser
from tenants.notices.rows import Delivery, end_delivery, raise_notice, take_deliveries
from tenants.notices.rules import Notice
from tenants.scope import tenant_scope
from tests.notices.conftest import AddContact, soon, told
from tests.worlds import World

OLD, NEW = "fg@gemeente.example", "ander@elders.example"


async def change(
    registrar: asyncpg.Connection, world: World, number: int, set_: str, *given: Any, actor: str = "beheerder/1"
) -> None:
    async with tenant_scope(registrar, world.tenant_id, actor=actor):
        await registrar.execute(
            f"UPDATE registry.contact SET {set_} WHERE tenant_id = $1 AND contact_id = $2",  # noqa: S608 - the test's own
            world.tenant_id, number, *given,
        )  # fmt: skip


async def taken(sealer: asyncpg.Connection, way: str = "mail") -> list[Delivery]:
    found = await take_deliveries(sealer, way, 50)
    return [one for one in found if one.kind != "controlepunt_ontbreekt"]


async def raise_one(sealer: asyncpg.Connection, world: World) -> None:
    notice = Notice(world.tenant_id, "beheer_gegeven", "5", "x", "", "Beheer", "Beheer gegeven", None, ("fg",), False)
    assert await raise_notice(sealer, notice, reachable=True)


@pytest.mark.parametrize(
    ("set_", "given", "kind", "to"),
    [
        ("email = $3", (NEW,), "contact_gewijzigd", {OLD, NEW}),
        ("state = 'ended'", (), "contact_beeindigd", {OLD}),
    ],
)
async def test_the_old_address_hears_that_it_was_changed_and_gets_what_waited_for_it(
    sealer: asyncpg.Connection, registrar: asyncpg.Connection, admin: asyncpg.Connection, world: World,
    contact: AddContact, raiser: Raiser, set_: str, given: tuple[str, ...], kind: str, to: set[str],
) -> None:  # fmt: skip
    number = await contact(world, "fg", email=OLD)
    await raise_one(sealer, world)
    await change(registrar, world, number, set_, *given)
    await raiser.raise_notices(sealer, soon())
    await raiser.raise_notices(sealer, soon())
    (told_once,) = await told(admin, kind)
    assert told_once["object"] == str(number)
    assert OLD not in told_once["words"]
    deliveries = await taken(sealer)
    by_kind = {name: {one.email for one in deliveries if one.kind == name} for name in ("beheer_gegeven", kind)}
    # Without any contact that is left the operator hears of it too, whose address is a setting.
    assert by_kind == {"beheer_gegeven": to, kind: to | (set() if NEW in to else {None})}
    assert await admin.fetchval("SELECT count(*) FROM registry.former_contact") == 0
    for one in deliveries:
        await end_delivery(sealer, one, None)
    assert await admin.fetchval("SELECT count(*) FROM registry.bezorging WHERE email IS NOT NULL") == 0


async def test_a_webhook_that_moved_is_told_where_it_was_and_signed_as_it_was(
    sealer: asyncpg.Connection, registrar: asyncpg.Connection, world: World, contact: AddContact, raiser: Raiser
) -> None:
    url, key = "https://hook.example/a", "0123abcd"
    number = await contact(world, "fg", email=None, webhook_url=url, webhook_key=key, webhook_generation=3)
    await change(
        registrar, world, number, "webhook_url = $3, webhook_key = 'ffffffff', webhook_generation = 4",
        "https://elders.example/b",
    )  # fmt: skip
    await raiser.raise_notices(sealer, soon())
    found = {(one.webhook_url, one.webhook_key, one.webhook_generation) for one in await taken(sealer, "webhook")}
    assert found == {(url, key, 3), ("https://elders.example/b", "ffffffff", 4)}


async def test_another_name_or_telephone_is_nobodys_news(
    sealer: asyncpg.Connection, registrar: asyncpg.Connection, admin: asyncpg.Connection, world: World,
    contact: AddContact, raiser: Raiser,
) -> None:  # fmt: skip
    number = await contact(world, "fg", email=OLD)
    await change(registrar, world, number, "name = 'Anders', phone = '0123'")
    await raiser.raise_notices(sealer, soon())
    assert await told(admin, "contact_gewijzigd") == []


@pytest.mark.parametrize("actor", ["operator/1", "operator/1 (beheermandaat 2)", "beheerder/7 (beheermandaat 2)"])
async def test_nobody_but_the_tenant_itself_says_who_is_told(
    registrar: asyncpg.Connection, world: World, contact: AddContact, actor: str
) -> None:
    number = await contact(world, "fg", email=OLD)
    for set_ in ("email = 'ander@elders.example'", "state = 'ended'", "name = 'Anders'"):
        with pytest.raises(asyncpg.CheckViolationError, match="only the tenant itself"):
            await change(registrar, world, number, set_, actor=actor)
    await change(registrar, world, number, "state = 'ended'", actor="beheerder/3 (voorstel 1 van operator/1)")
