"""Refused attempts of known callers stand in the register of the taaksysteem's own tenant; of unknown ones nothing does."""

import asyncio
from typing import Any

import asyncpg

from gateway.simulator.faults import FaultKind, FaultRule
from tenants.blokkades import block
from tenants.callers import NewMachtiging, create_machtiging, create_mandate, set_vaste_aansluiting
from tenants.scope import operator_scope, tenant_scope
from tests.databases import Database
from tests.e2e.ledgers import BERICHTEN, HANNA, check_ledgers, read_register, until
from tests.world import ACTOR, Member, World, question, world

NARROW: dict[str, Any] = {"personen": {"fields": ["burgerservicenummer"]}, "berichten": {"operations": ["list"]}}
BEWONING = {
    "type": "BewoningMetPeildatum",
    "peildatum": "2010-01-01",
    "adresseerbaarObjectIdentificatie": "9101010000000001",
}
TOKEN = "/nidp/oauth/nam/token"


async def count_rows(database: Database) -> int:
    """How many rows there are in both registers, of whatever kind."""
    admin = await asyncpg.connect(database.url("admin"))
    try:
        tables = [f"{schema}.{table}" for schema in ("register", "proef") for table in ("opening", "closing", "person")]
        return sum([int(await admin.fetchval(f"SELECT count(*) FROM {table}")) for table in tables])  # noqa: S608
    finally:
        await admin.close()


async def lend(here: World, owner: Member, borrower: Member, rights: dict[str, Any]) -> None:
    """Let the borrower's taaksysteem call over the owner's aansluiting, as a SaaS vendor's does."""
    async with tenant_scope(here.tenants, owner.tenant_id, actor=ACTOR):
        mandate_id = await create_mandate(here.tenants, owner.tenant_id, to_tenant_id=borrower.tenant_id, reason="SaaS")
        taaksysteem = (borrower.tenant_id, borrower.taaksysteem_id)
        machtiging = NewMachtiging(
            owner.aansluiting_id, taaksysteem, "burgerzaken", "Wet BRP 3.5", "afdeling Burgerzaken",
            "https://example.org/verwerking/2", rights, mandate_id,
        )  # fmt: skip
        await create_machtiging(here.tenants, owner.tenant_id, machtiging)
    async with tenant_scope(here.tenants, borrower.tenant_id, actor=ACTOR):
        vast = (owner.tenant_id, owner.aansluiting_id)
        await set_vaste_aansluiting(here.tenants, borrower.tenant_id, borrower.taaksysteem_id, vast)


async def test_every_refusal_of_a_known_caller_is_recorded_with_its_reason(database, tmp_path, caller):
    async with world(database, tmp_path / "world") as here:
        member = await here.add_member(rights=NARROW)
        async with here.gateways(1) as (gateway,):
            attempts = [
                (await caller.call(gateway.url, member, BEWONING, "/api/bewoning/bewoningen"), "apiNietToegestaan"),
                (await caller.call(gateway.url, member, question(HANNA)), "unauthorizedField"),
                (await caller.call(gateway.url, member, path="/lap/api/brp/personen"), "omgevingKomtNietOvereen"),
                (
                    await caller.call(gateway.url, member, path=f"{BERICHTEN}/telling?soort=nieuw", method="GET"),
                    "unauthorized",
                ),
            ]
            await block_afnemer(here, member)
            narrow = question(HANNA, fields=["burgerservicenummer"])
            attempts += [(await caller.call(gateway.url, member, narrow), "geblokkeerd") for _ in range(2)]
        rows = await check_ledgers(here, caller)
    assert {called.status for called, _ in attempts} == {403}
    assert [(called.code, row) for called, row in attempts if called.code != row] == []
    recorded = {row.trace_id: row for row in rows}
    for called, reason in attempts:
        row = recorded[called.trace]
        assert (row.tenant_id, row.taaksysteem_id, row.refusal) == (member.tenant_id, member.taaksysteem_id, reason)
        assert (row.outcome, row.running) == (None, False)
    assert here.seen() == []


async def test_a_refusal_stands_with_the_taaksysteem_and_never_with_the_tenant_that_it_aimed_at(
    database, tmp_path, caller
):
    async with world(database, tmp_path / "world") as here:
        gemeente, vendor = await here.add_members(2)
        await lend(here, gemeente, vendor, NARROW)
        async with here.gateways(1) as (gateway,):
            wanted = await caller.call(gateway.url, vendor, question(HANNA))
            allowed = await caller.call(gateway.url, vendor, question(HANNA, fields=["burgerservicenummer"]))
        rows = {row.trace_id: row for row in await check_ledgers(here, caller)}
    assert (wanted.status, wanted.code) == (403, "unauthorizedField")
    assert (rows[wanted.trace].tenant_id, rows[wanted.trace].refusal) == (vendor.tenant_id, "unauthorizedField")
    # What it may do is a disclosure by the gemeente, and stands in the register of the gemeente.
    assert allowed.status == 200
    assert (rows[allowed.trace].tenant_id, rows[allowed.trace].refusal) == (gemeente.tenant_id, None)
    assert rows[allowed.trace].taaksysteem_tenant_id == vendor.tenant_id


async def test_what_an_unknown_caller_wants_is_not_in_any_register(database, tmp_path, caller):
    async with world(database, tmp_path / "world") as here:
        member = await here.add_member()
        async with here.gateways(1) as (gateway,):
            wrong = {"client_id": member.client_id, "client_secret": "verzonnen", "grant_type": "client_credentials"}
            calls = [
                await caller.call(gateway.url, member, **{"X-API-KEY": "verzonnen"}),
                await caller.call(gateway.url, member, Authorization="Bearer verzonnen"),
                await caller.call(gateway.url, member, Authorization="Basic dmVyem9ubmVu"),
                await caller.call(gateway.url, member, path="/api/brp/onbekend", **{"X-API-KEY": "verzonnen"}),
            ]
            async with caller.session.post(gateway.url + TOKEN, data=wrong | {"scope": member.scope}) as answer:
                assert answer.status == 401
    assert {called.status for called in calls} == {401}
    assert await count_rows(database) == 0
    assert here.seen() == []


async def test_a_caller_in_a_loop_cannot_fill_the_register_of_its_tenant(database, tmp_path, caller):
    async with world(database, tmp_path / "world") as here:
        member = await here.add_member(rights=NARROW)
        async with here.gateways(1) as (gateway,):
            statuses = [(await caller.call(gateway.url, member, question(HANNA))).status for _ in range(160)]
            async with caller.session.get(f"http://127.0.0.1:{gateway.watch}/metrics") as answer:
                metrics = await answer.text()
    took = caller.ledger[-1].ended - caller.ledger[0].began
    recorded = len(await read_register(database))
    # A hundred at once and five a second; what goes over it is refused as well, and counted.
    assert set(statuses) == {403}
    assert 100 <= recorded <= 100 + 5 * took + 1
    assert f'koppelpunt_security_events_total{{event="pogingNietOpgeslagen"}} {160 - recorded}.0' in metrics


async def test_a_refusal_between_two_attempts_at_one_call_is_recorded_too(database, tmp_path, caller):
    """RvIG refuses the token of a call; before the call can be opened again, its afnemer is blocked."""
    async with world(database, tmp_path / "world") as here:
        member = await here.add_member()
        async with here.gateways(1) as (gateway,):
            assert (await caller.call(gateway.url, member)).status == 200
            here.simulator.tokens.expire()
            here.simulator.seen.clear()
            here.simulator.faults.add(FaultRule(FaultKind.SLOW, seconds=0.5, times=1))
            calling = asyncio.create_task(caller.call(gateway.url, member))
            await until(lambda: bool(here.seen()))
            await block_afnemer(here, member)
            called = await calling
        rows = [row for row in await check_ledgers(here, caller) if row.trace_id == called.trace]
    assert (called.status, called.code) == (403, "geblokkeerd")
    assert [(row.refusal, row.code) for row in rows] == [(None, "tokenGeweigerd"), ("geblokkeerd", None)]
    assert len(here.seen()) == 1


async def block_afnemer(here: World, member: Member) -> None:
    async with operator_scope(here.tenants, actor="beheer"):
        await block(here.tenants, "afnemer", member.account.afnemer_id, reason="proef", actor="beheer")
