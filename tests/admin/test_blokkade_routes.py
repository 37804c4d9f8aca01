"""A blokkade's POST answers when nothing that it forbids can be let through any more, and never pretends."""

import asyncio

import asyncpg
import pytest

from tenants.scope import tenant_scope
from tests.admin.conftest import Api
from tests.admin.regels import Recorder
from tests.db.calls import data_key, opening
from tests.worlds import World


def values(world: World) -> dict[str, str]:
    return {
        "tenant": str(world.tenant_id),
        "afnemer": world.afnemer_id,
        "oin": world.oin,
        "certificaat": world.fingerprint.hex(),
        "taaksysteem": f"{world.tenant_id}-{world.taaksysteem_id}",
    }


async def block(api: Api, by: str, soort: str, waarde: str, reden: str = "Incident"):
    return await api.ask("POST", "/v1/blokkades", by=by, json={"soort": soort, "waarde": waarde, "reden": reden})


async def lift(api: Api, by: str, soort: str, waarde: str, reden: str = "Voorbij"):
    return await api.ask("DELETE", f"/v1/blokkades/{soort}/{waarde}", by=by, json={"reden": reden})


@pytest.mark.parametrize("by", ["operator", "beheerder"])
@pytest.mark.parametrize("soort", ["tenant", "afnemer", "oin", "certificaat", "taaksysteem"])
async def test_a_block_stops_the_next_call_and_its_release_lets_it_through(
    api: Api, world: World, recorder: Recorder, by: str, soort: str
):
    waarde = values(world)[soort]
    made = await block(api, by, soort, waarde)
    assert (made.status, made.headers["Location"]) == (201, f"/v1/blokkades/{soort}/{waarde}")
    assert (made.json["reden"], made.json["vanOperator"]) == ("Incident", by == "operator")
    written, _ = await recorder.writer.open(world)
    assert written.verdict == "geblokkeerd"
    assert (await lift(api, by, soort, waarde)).status == 204
    written, _ = await recorder.writer.open(world)
    assert written.verdict is None


@pytest.mark.parametrize("soort", ["tenant", "afnemer", "oin", "certificaat", "taaksysteem"])
async def test_a_beheerder_blocks_and_releases_nothing_of_another_tenant(
    api: Api, world: World, other: World, soort: str
):
    waarde = values(world)[soort]
    assert (await block(api, "other-beheerder", soort, waarde)).json["code"] == "nietVanDezeTenant"
    assert (await block(api, "beheerder", soort, waarde)).status == 201
    assert (await lift(api, "other-beheerder", soort, waarde)).status == 403
    assert (await api.ask("GET", "/v1/blokkades", by="other-beheerder")).json == {"blokkades": []}


async def test_what_does_not_exist_is_refused_as_what_is_anothers(api: Api, world: World):
    unknown = await block(api, "other-beheerder", "afnemer", "123456")
    foreign = await block(api, "other-beheerder", "afnemer", world.afnemer_id)
    assert (unknown.status, unknown.json["detail"]) == (foreign.status, foreign.json["detail"])


async def test_the_operator_blocks_what_is_not_registered_yet(api: Api):
    assert (await block(api, "operator", "oin", "00000001999999999000")).status == 201


async def test_asking_again_is_safe_and_says_that_it_stood(api: Api, world: World):
    first = await block(api, "operator", "afnemer", world.afnemer_id)
    again = await block(api, "operator", "afnemer", world.afnemer_id, "Nog eens")
    assert (first.status, again.status) == (201, 200)
    assert again.json == first.json


async def test_a_tenant_does_not_release_what_the_operator_blocked_too(api: Api, world: World):
    assert (await block(api, "beheerder", "afnemer", world.afnemer_id)).json["vanOperator"] is False
    assert (await block(api, "operator", "afnemer", world.afnemer_id, "Opschaling")).json["vanOperator"] is True
    refused = await lift(api, "beheerder", "afnemer", world.afnemer_id)
    assert (refused.status, refused.json["code"]) == (403, "blokkadeVanAnder")
    # And a tenant that blocks it again does not make it its own.
    assert (await block(api, "beheerder", "afnemer", world.afnemer_id)).json["vanOperator"] is True
    assert (await lift(api, "operator", "afnemer", world.afnemer_id)).status == 204


async def test_the_answer_waits_for_a_write_that_is_older_than_the_block(api: Api, world: World, recorder: Recorder):
    row = opening(world)
    transaction = recorder.writer.connection.transaction()
    await transaction.start()
    written = await recorder.writer.write([row], keys=[data_key(row)])
    assert written[0].verdict is None
    asking = asyncio.create_task(block(api, "operator", "afnemer", world.afnemer_id))
    await asyncio.sleep(0.1)
    assert not asking.done()
    await transaction.commit()
    assert (await asking).status == 201


async def test_an_answer_that_cannot_tell_in_time_says_so_and_the_block_stands(
    api: Api, world: World, recorder: Recorder
):
    row = opening(world)
    transaction = recorder.writer.connection.transaction()
    await transaction.start()
    await recorder.writer.write([row], keys=[data_key(row)])
    late = await block(api, "operator", "afnemer", world.afnemer_id)
    assert (late.status, late.json["code"], late.headers["Retry-After"]) == (503, "blokkadeNogNietGesloten", "1")
    assert [one["waarde"] for one in (await api.ask("GET", "/v1/blokkades", by="operator")).json["blokkades"]] == [
        world.afnemer_id
    ]
    await transaction.commit()
    assert (await block(api, "operator", "afnemer", world.afnemer_id)).status == 200


async def test_many_who_block_the_same_at_once_are_all_answered(api: Api, world: World):
    replies = await asyncio.gather(*(block(api, "operator", "afnemer", world.afnemer_id) for _ in range(12)))
    assert sorted(reply.status for reply in replies) == [200] * 11 + [201]


async def test_who_blocked_and_released_and_why_stays_in_the_history(api: Api, world: World, admin: asyncpg.Connection):
    await block(api, "beheerder", "afnemer", world.afnemer_id, "Lek")
    await lift(api, "beheerder", "afnemer", world.afnemer_id, "Gedicht")
    rows = await admin.fetch("SELECT action, reason, actor FROM registry.blokkade_history ORDER BY number")
    assert [(row["action"], row["reason"]) for row in rows] == [("blocked", "Lek"), ("released", "Gedicht")]
    assert {row["actor"].split("/")[0] for row in rows} == {"beheerder"}


@pytest.mark.parametrize(
    "path", ["/v1/blokkades/afnemer/990001", "/v1/blokkades/iets/x", "/v1/blokkades/taaksysteem/1"]
)
async def test_releasing_what_does_not_stand_is_404(api: Api, path: str):
    assert (await api.ask("DELETE", path, by="operator", json={"reden": "Voorbij"})).status == 404


async def test_a_block_tells_how_much_it_stops_and_warns_when_that_is_nothing(api: Api, world: World, other: World):
    told = {}
    for soort, waarde in values(world).items():
        made = await block(api, "operator", soort, waarde)
        assert made.json["waarschuwing"] is None
        told[soort] = tuple(made.json["raakt"][name] for name in ("tenants", "aansluitingen", "taaksystemen"))
    assert told == {
        "tenant": (1, 1, 1), "afnemer": (1, 1, 0), "oin": (1, 1, 1), "certificaat": (1, 1, 0), "taaksysteem": (1, 0, 1),
    }  # fmt: skip
    # A mistyped number stands all the same: what it is about may be still to come.
    made = await block(api, "operator", "afnemer", "990009")
    assert (made.status, made.json["raakt"]) == (201, {"tenants": 0, "aansluitingen": 0, "taaksystemen": 0})
    assert "tikfout" in made.json["waarschuwing"]


async def test_why_an_oin_is_blocked_and_by_whom_only_its_own_tenant_is_told(
    api: Api, world: World, other: World, registrar: asyncpg.Connection
):
    # Nobody proves an afnemer's OIN: the other tenant says that one of its own has this tenant's.
    async with tenant_scope(registrar, other.tenant_id, actor="test"):
        await registrar.execute(
            "INSERT INTO registry.afnemer (tenant_id, afnemer_id, oin, name, kind, gemeentecode) "
            "VALUES ($1, '990078', $2, 'Zegt zij', 'gemeente', '0078')", other.tenant_id, world.oin,
        )  # fmt: skip
    assert (await block(api, "beheerder", "oin", world.oin, "Datalek bij Burgerzaken")).status == 201
    (own,) = (await api.ask("GET", "/v1/blokkades", by="beheerder")).json["blokkades"]
    (others,) = (await api.ask("GET", "/v1/blokkades", by="other-beheerder")).json["blokkades"]
    assert (own["reden"], own["vanOperator"]) == ("Datalek bij Burgerzaken", False)
    assert {others[name] for name in ("reden", "geblokkeerdDoor", "vanOperator")} == {None}
    assert (others["soort"], others["waarde"]) == ("oin", world.oin)
    assert (await lift(api, "beheerder", "oin", world.oin, "Datalek gedicht")).status == 204
    for by, told in (("auditor", True), ("other-auditor", False)):
        page = await api.ask("GET", "/v1/wijzigingen?aantal=200", by=by)
        changes = [one for one in page.json["wijzigingen"] if one["object"] == "blokkade"]
        assert len(changes) == 2
        assert ("Datalek" in str(changes)) is told
        assert ("beheerder/" in str(changes)) is told
