"""What an afnemer may ask by its autorisatiebesluit: registered by its own tenant, kept in the history, never mixed."""

from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tenants.autorisatie import NewBesluit, put_besluiten, read_rubrieken, replace_besluiten
from tenants.faults import InputRefused
from tenants.keyring import public_half
from tenants.onboarding import Outcome, apply
from tenants.scope import tenant_scope
from tests.worlds import Keyrings, World

START, END = date(2024, 1, 1), date(2027, 1, 1)
WATERSCHAP = "00000001009999999000"


def besluit(
    rubrieken: str = "10120 10240", afnemer_id: str = "990001", end: date | None = None, medium: str = "N"
) -> NewBesluit:
    return NewBesluit(afnemer_id, START, end, medium, read_rubrieken(rubrieken))


async def put(connection: asyncpg.Connection, world: World, *besluiten: NewBesluit) -> int:
    async with tenant_scope(connection, world.tenant_id, actor="beheerder"):
        return await put_besluiten(connection, world.tenant_id, besluiten)


async def rows(connection: asyncpg.Connection, world: World) -> list[tuple[Any, ...]]:
    async with tenant_scope(connection, world.tenant_id, actor="beheerder"):
        found = await connection.fetch(
            "SELECT afnemer_id, start_date, end_date, medium, rubrieken, version FROM registry.autorisatiebesluit "
            "ORDER BY besluit_id"
        )
    return [tuple(row) for row in found]


async def history(connection: asyncpg.Connection, world: World) -> list[tuple[str, str]]:
    async with tenant_scope(connection, world.tenant_id, actor="beheerder"):
        found = await connection.fetch(
            "SELECT actor, action FROM registry.wijziging WHERE object = 'autorisatiebesluit' ORDER BY number"
        )
    return [tuple(row) for row in found]


def test_rubrieken_are_read_as_the_table_writes_them() -> None:
    assert read_rubrieken(" 81160\n10120 010120 PAAD01 581030 ") == ("010120", "081160", "581030", "PAAD01")
    assert read_rubrieken("") == ()


@pytest.mark.parametrize("text", ["1012", "0101200", "10.120", "paad01", "PAAD1", "10120,10210", "AXBW01X", "١٠١٢٠"])
def test_what_is_no_rubriek_is_refused_and_counted_but_not_shown(text: str) -> None:
    with pytest.raises(InputRefused) as refusal:
        read_rubrieken(f"10120 {text}")
    assert refusal.value.faults == ("1 of the rubrieken are not written as five or six digits, or as PAAD01.",)


async def test_a_besluit_is_registered_once_and_corrected_in_place(connection, world) -> None:
    assert await put(connection, world, besluit(), besluit(medium="B")) == 2
    assert await put(connection, world, besluit()) == 0
    assert await put(connection, world, besluit("10120", end=END)) == 1
    assert await rows(connection, world) == [
        ("990001", START, END, "N", ["010120"], 2),
        ("990001", START, None, "B", ["010120", "010240"], 1),
    ]


async def test_besluiten_that_are_replaced_stay_in_the_history_with_who_did_it(connection, world) -> None:
    await put(connection, world, besluit(), besluit(medium="B"))
    async with tenant_scope(connection, world.tenant_id, actor="beheerder"):
        assert await replace_besluiten(connection, world.tenant_id, "990001", [besluit("10120")]) == 2
        assert await replace_besluiten(connection, world.tenant_id, "990001", [besluit("10120")]) == 0
    assert await rows(connection, world) == [("990001", START, None, "N", ["010120"], 2)]
    assert [action for _, action in await history(connection, world)] == ["insert", "insert", "delete", "update"]
    assert {actor for actor, _ in await history(connection, world)} == {"beheerder"}


async def test_two_rows_of_one_day_and_medium_or_of_another_afnemer_are_refused(connection, world) -> None:
    with pytest.raises(InputRefused):
        await put(connection, world, besluit(), besluit("10120"))
    async with tenant_scope(connection, world.tenant_id, actor="beheerder"):
        with pytest.raises(InputRefused):
            await replace_besluiten(connection, world.tenant_id, "990002", [besluit()])
    assert await rows(connection, world) == []


async def test_a_tenant_neither_sees_nor_writes_the_besluiten_of_another(connection, world, other) -> None:
    await put(connection, world, besluit())
    assert await rows(connection, other) == []
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await put(connection, other, besluit())
    async with tenant_scope(connection, other.tenant_id, actor="beheerder"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with connection.transaction():
                await put_besluiten(connection, world.tenant_id, [besluit("10120")])
        assert await connection.execute("DELETE FROM registry.autorisatiebesluit") == "DELETE 0"
    assert len(await rows(connection, world)) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        besluit(end=START),
        besluit(medium="n"),
        besluit(medium=""),
        NewBesluit("990001", START, None, "N", ("10120",)),
        NewBesluit("990001", START, None, "N", ("010120'",)),
    ],
)
async def test_the_database_refuses_what_no_row_can_be(connection, world, wrong) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await put(connection, world, wrong)


def document(*besluiten: dict[str, Any]) -> dict[str, Any]:
    afnemer = {"afnemer_id": "510193", "autorisatiebesluiten": list(besluiten)}
    return {"tenants": [{"oin": WATERSCHAP, "name": "Waterschap", "kind": "overheidsorgaan", "afnemers": [afnemer]}]}


async def applied(connection: asyncpg.Connection, keyrings: Keyrings, *besluiten: dict[str, Any]) -> Outcome:
    identity, register = public_half(keyrings.identity), public_half(keyrings.register)
    return await apply(connection, document(*besluiten), identity, register, directory=Path())


async def test_an_onboarding_document_brings_the_besluiten_to_what_it_says(connection, keyrings, database) -> None:
    first = {"start": "2024-01-01", "rubrieken": "10120 10240"}
    made = await applied(connection, keyrings, first, first | {"start": date(2023, 1, 1), "end": "2024-01-01"})
    assert made.made["autorisatiebesluit"] == 2
    again = await applied(connection, keyrings, first)
    assert sum(again.made.values()) + sum(again.changed.values()) == 0
    changed = await applied(connection, keyrings, first | {"rubrieken": "10120"})
    assert (changed.made["autorisatiebesluit"], changed.changed["autorisatiebesluit"]) == (0, 1)
    admin = await asyncpg.connect(database.url("admin"))
    try:
        found = await admin.fetch("SELECT end_date, rubrieken FROM registry.autorisatiebesluit ORDER BY start_date")
    finally:
        await admin.close()
    assert [tuple(row) for row in found] == [(START, ["010120", "010240"]), (None, ["010120"])]


@pytest.mark.parametrize(
    ("bend", "place"),
    [
        ({"rubrieken": "10120 geheim"}, "rubrieken"),
        ({"rubrieken": 10120}, "rubrieken"),
        ({"end": "2024-01-01"}, ""),
        ({"medium": "n"}, "medium"),
        ({"start": "gisteren"}, "start"),
        ({"velden": "naam"}, "velden"),
    ],
)
async def test_a_wrong_besluit_in_a_document_is_told_with_its_place(connection, keyrings, bend, place) -> None:
    with pytest.raises(InputRefused) as refusal:
        await applied(connection, keyrings, {"start": "2024-01-01", "rubrieken": "10120"} | bend)
    fault = refusal.value.faults[0]
    assert fault.startswith(f"tenants.0.afnemers.0.autorisatiebesluiten.0{f'.{place}' if place else ''}: ")
    assert "geheim" not in str(refusal.value)
