"""The record is the permission: what the writing function lets through, what it refuses, and what it keeps of both."""

import time
from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from tenants import callers, changes, registry
from tenants.scope import tenant_scope
from tests.db.calls import closing, data_key, opening, uuid7
from tests.worlds import World, mandate_and_machtiging


async def count(admin: asyncpg.Connection, table: str) -> int:
    number: int = await admin.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608
    return number


async def test_a_call_that_stands_is_let_through_and_its_identity_comes_from_the_registry(writer, world, admin):
    answer, row = await writer.open(world)
    assert (answer.kind, answer.id, answer.verdict, answer.number) == (b"o", row["id"], None, 1)
    kept = await admin.fetchrow("SELECT * FROM register.opening")
    assert kept["refusal"] is None
    assert kept["hash"] == answer.hash
    assert (kept["tenant_id"], kept["afnemer_id"], kept["organisation_oin"], kept["certificate_oin"]) == (
        world.tenant_id, world.afnemer_id, world.oin, world.oin,
    )  # fmt: skip
    assert kept["acting_oin"] == world.oin
    assert (kept["fingerprint"], kept["doelbinding"]) == (world.fingerprint, "Uitvoering Participatiewet")
    assert (kept["grondslag"], kept["verwerkingsactiviteit"]) == ("art. 3.5 Wet BRP", "Bijstand")
    assert await count(admin, "register.running") == 1


UNKNOWN = {
    "tenant_id": 9_999, "machtiging_id": 9_999, "aansluiting_id": 9_999, "taaksysteem_tenant_id": 9_999,
    "taaksysteem_id": 9_999, "key_id": 9_999,
}  # fmt: skip


@pytest.mark.parametrize("name", UNKNOWN)
@pytest.mark.parametrize("value", [9_999, None])
async def test_onbekend_is_what_the_registry_does_not_know(writer, world, admin, name, value):
    answer, _ = await writer.open(world, data_key_id=uuid7(), **{name: value})
    assert (answer.verdict, answer.number, answer.hash) == ("onbekend", None, None)
    assert await count(admin, "register.opening") + await count(admin, "register.running") == 0


@pytest.mark.parametrize("seconds", [-61, 61, -86_400])
async def test_klok_is_an_id_that_is_not_of_now(writer, world, admin, seconds):
    answer, _ = await writer.open(world, id=uuid7(time.time() + seconds))
    assert answer.verdict == "klok"
    assert await count(admin, "register.opening") == 0


@pytest.mark.parametrize("seconds", [-58, 58])
async def test_an_id_of_the_same_minute_is_taken(writer, world, seconds):
    answer, _ = await writer.open(world, id=uuid7(time.time() + seconds))
    assert answer.verdict is None


async def test_sleutel_is_a_data_key_that_nobody_kept(writer, world, admin):
    answer, _ = await writer.open(world, data_key_id=uuid7())
    assert answer.verdict == "sleutel"
    assert await count(admin, "register.opening") == 0


async def test_a_data_key_that_was_kept_needs_not_be_given_again(writer, world):
    _, first = await writer.open(world)
    answer, _ = await writer.open(world, data_key_id=first["data_key_id"], base=1)
    assert (answer.verdict, answer.number) == (None, 2)


BLOCKS: dict[str, Callable[[World], str]] = {
    "tenant": lambda world: str(world.tenant_id),
    "afnemer": lambda world: world.afnemer_id,
    "oin": lambda world: world.oin,
    "certificate": lambda world: world.fingerprint.hex(),
    "taaksysteem": lambda world: f"{world.tenant_id}/{world.taaksysteem_id}",
}


@pytest.mark.parametrize("kind", BLOCKS)
async def test_geblokkeerd_is_recorded_and_not_running(writer, world, other, admin, registrar, kind):
    await registrar.execute(
        "INSERT INTO registry.blokkade (kind, value, reason, blocked_by) VALUES ($1, $2, 'incident', 'test')",
        kind, BLOCKS[kind](world),
    )  # fmt: skip
    answer, _ = await writer.open(world)
    assert (answer.verdict, answer.number) == ("geblokkeerd", 1)
    assert await admin.fetchval("SELECT refusal FROM register.opening") == "geblokkeerd"
    assert await count(admin, "register.running") == 0
    neighbour, _ = await writer.open(other)
    assert neighbour.verdict is None


@pytest.mark.parametrize("kind", ["tenant", "oin", "taaksysteem"])
async def test_a_block_of_the_acting_party_blocks_what_it_does_for_another(writer, world, other, registrar, kind):
    mandate_id, machtiging_id = await mandate_and_machtiging(registrar, world, other)
    assert mandate_id
    acting = {
        "machtiging_id": machtiging_id, "taaksysteem_tenant_id": other.tenant_id,
        "taaksysteem_id": other.taaksysteem_id, "key_id": other.key_id,
    }  # fmt: skip
    assert (await writer.open(world, **acting))[0].verdict is None
    await registrar.execute(
        "INSERT INTO registry.blokkade (kind, value, reason, blocked_by) VALUES ($1, $2, 'incident', 'test')",
        kind, BLOCKS[kind](other),
    )  # fmt: skip
    assert (await writer.open(world, base=1, **acting))[0].verdict == "geblokkeerd"


WITHDRAWALS: dict[str, Callable[[asyncpg.Connection, World], Awaitable[None]]] = {
    "tenant": lambda c, w: changes.set_tenant_state(c, w.tenant_id, "ended"),
    "aansluiting": lambda c, w: changes.set_aansluiting_state(c, w.tenant_id, w.aansluiting_id, "geblokkeerd"),
    "certificate": lambda c, w: changes.set_certificate_state(c, w.tenant_id, w.certificate_id, "revoked"),
    "credential": lambda c, w: changes.set_credential_state(c, w.tenant_id, w.credential_id, "retired"),
    "taaksysteem": lambda c, w: callers.end_taaksysteem(c, w.tenant_id, w.taaksysteem_id),
    "key": lambda c, w: callers.withdraw_key(c, w.tenant_id, w.key_id),
    "machtiging": lambda c, w: callers.withdraw_machtiging(c, w.tenant_id, w.machtiging_id),
}


@pytest.mark.parametrize("what", WITHDRAWALS)
async def test_ingetrokken_is_recorded_and_not_running(writer, world, admin, registrar, what):
    async with tenant_scope(registrar, world.tenant_id, actor="test"):
        await WITHDRAWALS[what](registrar, world)
    answer, _ = await writer.open(world)
    assert (answer.verdict, answer.number) == ("ingetrokken", 1)
    assert await admin.fetchval("SELECT refusal FROM register.opening") == "ingetrokken"
    assert await count(admin, "register.running") == 0


async def test_the_end_of_a_mandate_ends_what_leans_on_it(writer, world, other, registrar, admin):
    mandate_id, machtiging_id = await mandate_and_machtiging(registrar, world, other)
    acting = {
        "machtiging_id": machtiging_id, "taaksysteem_tenant_id": other.tenant_id,
        "taaksysteem_id": other.taaksysteem_id, "key_id": other.key_id,
    }  # fmt: skip
    assert (await writer.open(world, **acting))[0].verdict is None
    kept = await admin.fetchrow("SELECT tenant_id, acting_oin, organisation_oin, mandate_id FROM register.opening")
    assert tuple(kept) == (world.tenant_id, other.oin, world.oin, mandate_id)
    async with tenant_scope(registrar, world.tenant_id, actor="test"):
        await callers.withdraw_mandate(registrar, world.tenant_id, mandate_id)
    assert (await writer.open(world, base=1, **acting))[0].verdict == "ingetrokken"


STALE = {
    "machtiging_version": 2, "aansluiting_version": 2, "taaksysteem_version": 2, "credential_id": 9_999,
    "fingerprint": b"f" * 32,
}  # fmt: skip


@pytest.mark.parametrize("name", STALE)
@pytest.mark.parametrize("absent", [False, True])
async def test_gewijzigd_is_what_was_chosen_from_another_version_of_the_registry(writer, world, admin, name, absent):
    answer, _ = await writer.open(world, **{name: None if absent else STALE[name]})
    assert answer.verdict == "gewijzigd"
    assert await count(admin, "register.opening") == 0


async def test_a_rotation_is_gewijzigd_for_who_has_not_seen_it_and_then_let_through(
    writer, world, registrar, pki, keyrings
):
    issued = pki.issue_client(world.oin, "Gemeente")
    async with tenant_scope(registrar, world.tenant_id, actor="test"):
        new = await registry.add_certificate(
            registrar, world.tenant_id, keyrings.identity, organisation_oin=world.oin, chain_pem=issued.chain_pem,
            key_pem=issued.key_pem,
        )  # fmt: skip
        await changes.rotate_certificate(registrar, world.tenant_id, world.aansluiting_id, new)
    assert (await writer.open(world))[0].verdict == "gewijzigd"
    fresh = {"aansluiting_version": 2, "fingerprint": bytes.fromhex(issued.fingerprint)}
    assert (await writer.open(world, **fresh))[0].verdict is None


VALIDITY = {
    "machtiging": "UPDATE registry.machtiging SET valid_until = now()",
    "machtiging later": "UPDATE registry.machtiging SET valid_from = now() + interval '1 hour'",
    "aansluiting": "UPDATE registry.aansluiting SET valid_until = now()",
    "aansluiting later": "UPDATE registry.aansluiting SET valid_from = now() + interval '1 hour'",
    "certificate": "UPDATE registry.certificate SET not_after = now()",
    "certificate later": "UPDATE registry.certificate SET not_before = now() + interval '1 hour'",
    "key": "UPDATE registry.taaksysteem_key SET valid_until = now()",
    "key later": "UPDATE registry.taaksysteem_key SET valid_from = now() + interval '1 hour'",
}


@pytest.mark.parametrize("what", VALIDITY)
async def test_verlopen_is_recorded_and_not_running(writer, world, admin, what):
    await admin.execute(VALIDITY[what])
    versions = await admin.fetchrow(
        "SELECT m.version, a.version FROM registry.machtiging m JOIN registry.aansluiting a USING (aansluiting_id)"
    )
    answer, _ = await writer.open(world, machtiging_version=versions[0], aansluiting_version=versions[1])
    assert (answer.verdict, answer.number) == ("verlopen", 1)
    assert await admin.fetchval("SELECT refusal FROM register.opening") == "verlopen"
    assert await count(admin, "register.running") == 0


async def test_a_mandate_that_has_ended_is_verlopen(writer, world, other, registrar, admin):
    _, machtiging_id = await mandate_and_machtiging(registrar, world, other)
    await admin.execute("UPDATE registry.mandate SET valid_until = now()")
    answer, _ = await writer.open(
        world, machtiging_id=machtiging_id, taaksysteem_tenant_id=other.tenant_id,
        taaksysteem_id=other.taaksysteem_id, key_id=other.key_id,
    )  # fmt: skip
    assert answer.verdict == "verlopen"


async def test_only_a_message_that_this_aansluiting_fetched_may_be_deleted(writer, world, admin):
    _, fetch = await writer.open(world, api="berichten", operation="fetch")
    await writer.write(
        closings=[closing(fetch)],
        messages=[(fetch["id"], world.tenant_id, "m1"), (fetch["id"], world.tenant_id, "m2")],
    )
    delete = {"api": "berichten", "operation": "delete", "data_key_id": fetch["data_key_id"]}
    for number, (messages, verdict) in enumerate(
        [
            (["m1", "m2"], None),
            (["m1", "m3"], "niet_opgehaald"),
            (["m3"], "niet_opgehaald"),
            ([None], "niet_opgehaald"),
        ],
        start=1,
    ):
        answer, _ = await writer.open(world, messages=messages, base=number, **delete)
        assert (answer.verdict, answer.number) == (verdict, number + 1)
    assert await admin.fetchval("SELECT count(*) FROM register.opening WHERE refusal = 'niet_opgehaald'") == 3


async def test_geen_opening_is_a_closing_of_what_does_not_run(writer, world, admin):
    answer, row = await writer.open(world)
    assert answer.verdict is None
    for wrong in ({"id": uuid7()}, {"tenant_id": world.tenant_id + 1}, {"data_key_id": uuid7()}):
        (closed,) = await writer.write(closings=[closing(row, **wrong)])
        assert (closed.kind, closed.verdict, closed.number) == (b"c", "geen_opening", None)
    assert await count(admin, "register.running") == 1
    (closed,) = await writer.write(closings=[closing(row)])
    assert (closed.verdict, closed.number) == (None, 1)
    (again,) = await writer.write(closings=[closing(row, base=1)])
    assert again.verdict == "geen_opening"
    assert await count(admin, "register.closing") == 1
    assert await count(admin, "register.running") == 0


async def test_a_refused_attempt_has_no_closing(writer, world, registrar, admin):
    _, row = await writer.open(world, refusal="nietGemachtigd")
    (closed,) = await writer.write(closings=[closing(row)])
    assert closed.verdict == "geen_opening"


async def test_a_refusal_of_the_gateway_is_recorded_with_the_taaksysteems_own_tenant(writer, world, other, admin):
    answer, _ = await writer.open(world, refusal="nietGemachtigd", machtiging_id=None, aansluiting_id=None)
    assert (answer.verdict, answer.number) == ("nietGemachtigd", 1)
    kept = await admin.fetchrow(
        "SELECT tenant_id, acting_oin, aansluiting_id, afnemer_id, refusal FROM register.opening"
    )
    assert tuple(kept) == (world.tenant_id, world.oin, None, None, "nietGemachtigd")
    assert await count(admin, "register.running") == 0


@pytest.mark.parametrize("isolation", ["repeatable_read", "serializable"])
async def test_any_isolation_but_read_committed_is_refused(writer, world, isolation):
    row = opening(world)
    with pytest.raises(asyncpg.InvalidTransactionStateError):
        async with writer.connection.transaction(isolation=isolation):
            await writer.write([row], keys=[data_key(row)])
