"""A call reaches RvIG once, whatever becomes of it; only a token that RvIG refuses is replaced, once.

For every API and every method of Berichten, on a connection that is fresh and on one that is kept alive.
"""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from gateway.simulator.faults import FaultKind, FaultRule
from gateway.simulator.seen import Seen
from tests.databases import Database
from tests.e2e.ledgers import BERICHTEN, Called, Caller, Row, check_ledgers, trace_of
from tests.world import GatewayProcess, Member, World, question, world

SENT = {
    "berichten": [
        {
            "berichtKenmerken": {"berichtId": "1001", "berichtType": "Vb01", "ontvanger": 10},
            "berichtInhoud": {"berichtType": "Vb01", "bericht": "Goedendag"},
        }
    ]
}
BEWONING = {
    "type": "BewoningMetPeildatum",
    "peildatum": "2010-01-01",
    "adresseerbaarObjectIdentificatie": "9101010000000001",
}
HISTORIE = {"type": "RaadpleegMetPeildatum", "burgerservicenummer": "999941112", "peildatum": "2020-01-01"}
REISDOCUMENT = {"type": "ZoekMetBurgerservicenummer", "burgerservicenummer": "999941112", "fields": ["soort"]}


@dataclass(frozen=True, slots=True)
class Ask:
    """A call that succeeds when nothing goes wrong. `{id}` in the path becomes a message that was fetched."""

    method: str
    path: str
    body: object = None


ASKS = (
    Ask("POST", "/api/brp/personen", question()),
    Ask("POST", "/api/bewoning/bewoningen", BEWONING),
    Ask("POST", "/api/brp/verblijfplaatshistorie", HISTORIE),
    Ask("POST", "/api/brp/reisdocumenten", REISDOCUMENT),
    Ask("HEAD", f"{BERICHTEN}/ping"),
    Ask("GET", f"{BERICHTEN}/telling?soort=nieuw"),
    Ask("GET", BERICHTEN),
    Ask("GET", f"{BERICHTEN}/{{id}}"),
    Ask("DELETE", f"{BERICHTEN}/{{id}}"),
    Ask("POST", BERICHTEN, SENT),
)
LIST = ASKS[6]
ENDS = (
    FaultRule(FaultKind.TRUNCATED),
    FaultRule(FaultKind.WRONG_LENGTH),
    *(FaultRule(FaultKind.STATUS, status=status) for status in (429, 500, 502, 503, 504)),
    FaultRule(FaultKind.REVOKED_OIN),
    # Last: after it nothing is asked over this aansluiting for a while.
    FaultRule(FaultKind.BLOCKED_ACCOUNT),
)


@dataclass(slots=True)
class Stage:
    """One gateway and one member, and a wire that can be cut so that the next connection is fresh."""

    world: World
    gateway: GatewayProcess
    member: Member
    caller: Caller

    async def prepare(self, ask: Ask) -> Ask:
        """Make the call one that succeeds: a message that is named has been delivered and fetched."""
        if "{id}" not in ask.path:
            return ask
        content = {"berichtType": "Gv01", "plData": {"c01": [{"e0120": "999941112"}]}}
        number = self.world.simulator.postbus.deliver(self.member.account.mailbox_id or "", content)
        made = dataclasses.replace(ask, path=ask.path.format(id=number))
        assert (await self.call(dataclasses.replace(made, method="GET"))).status == 200
        return made

    async def call(self, ask: Ask) -> Called:
        return await self.caller.call(self.gateway.url, self.member, ask.body, ask.path, ask.method)

    async def call_under(self, rule: FaultRule, ask: Ask) -> Called:
        """Make the call while a fault hits everything, so that a second attempt would meet it again and be seen."""
        number = self.world.simulator.faults.add(rule)
        called = await self.call(ask)
        self.world.simulator.faults.remove(number)
        return called

    def seen_of(self, called: Called) -> list[Seen]:
        return [one for one in self.world.seen() if trace_of(one) == called.trace]

    async def rows_of(self, called: Called) -> list[Row]:
        """The rows of a call, its openings in order; all ledgers must agree."""
        return [one for one in await check_ledgers(self.world, self.caller) if one.trace_id == called.trace]


@pytest.fixture
async def stage(database: Database, tmp_path, caller: Caller) -> AsyncIterator[Stage]:
    async with world(database, tmp_path / "world", wired=True) as here:
        members = await here.add_members(len(ASKS))
        async with here.gateways(1) as (gateway,):
            yield Stage(here, gateway, members[0], caller)


@pytest.mark.parametrize("fresh", [True, False], ids=["fresh", "kept alive"])
async def test_a_call_whose_connection_is_reset_after_it_was_read_reaches_rvig_once(stage, fresh):
    for ask in ASKS:
        # A good call before each bad one, because five bad ones in a row would open the breaker.
        assert (await stage.call(ask if "{id}" not in ask.path else ASKS[0])).status in {200, 204}
        prepared = await stage.prepare(ask)
        before = {one.connection for one in stage.world.seen()}
        if fresh:
            await stage.world.wire.cut()
            await asyncio.sleep(0.05)
        called = await stage.call_under(FaultRule(FaultKind.RESET), prepared)
        (seen,) = stage.seen_of(called)
        assert (seen.faults, seen.method) == (("reset",), ask.method)
        assert (seen.connection in before) != fresh
        assert called.status == 502
        if ask.method != "HEAD":
            assert (called.place, called.code) == ("upstream", "verbindingVerbroken")
            assert "RvIG kan de bevraging hebben verwerkt" in called.document["detail"]
        (row,) = await stage.rows_of(called)
        assert (row.outcome, row.status, row.code) == ("niet_beantwoord", None, "verbindingVerbroken")


@pytest.mark.parametrize("ask", [ASKS[0], LIST], ids=["POST", "GET"])
async def test_a_call_that_ends_badly_in_any_other_way_reaches_rvig_once(stage, ask):
    for rule in ENDS:
        assert (await stage.call(ask)).status == 200
        called = await stage.call_under(rule, ask)
        assert called.status != 200
        assert len(stage.seen_of(called)) == 1
        assert len(await stage.rows_of(called)) == 1


async def test_a_refused_token_is_replaced_once_and_the_call_opened_again(stage):
    for ask, member in zip(ASKS, stage.world.members, strict=True):
        stage.member = member
        # Each with a member of its own: one whose fresh tokens are refused time and again is made to wait.
        assert {(await stage.call(ASKS[0])).status, (await stage.call(LIST)).status} == {200}
        prepared = await stage.prepare(ask)
        stage.world.simulator.seen.clear()
        stage.world.simulator.faults.add(FaultRule(FaultKind.TOKEN_INVALID, times=1))
        called = await stage.call(prepared)
        assert called.status in {200, 204}
        assert [one.status for one in stage.seen_of(called)] == [401, called.status]
        assert len(stage.world.simulator.seen.tokens()) == 1
        first, second = await stage.rows_of(called)
        assert (first.outcome, first.status, first.code) == ("niet_beantwoord", 401, "tokenGeweigerd")
        assert (second.outcome, second.status, second.code) == ("beantwoord", called.status, None)


async def test_a_refusal_without_words_is_tried_once_with_a_new_token_and_no_more(stage):
    """The answer to a HEAD has no body in which RvIG could say that it was not the token."""
    assert (await stage.call(LIST)).status == 200
    stage.world.simulator.seen.clear()
    called = await stage.call_under(FaultRule(FaultKind.TOKEN_INVALID), Ask("HEAD", f"{BERICHTEN}/ping"))
    assert called.status == 502
    assert [one.status for one in stage.seen_of(called)] == [401, 401]
    assert len(stage.world.simulator.seen.tokens()) == 1
    assert [row.outcome for row in await stage.rows_of(called)] == ["niet_beantwoord"] * 2


async def test_a_token_refused_twice_is_not_replaced_a_second_time(stage):
    assert (await stage.call(ASKS[0])).status == 200
    called = await stage.call_under(FaultRule(FaultKind.TOKEN_INVALID), ASKS[0])
    assert (called.status, called.place, called.code) == (502, "token", "tokenGeweigerd")
    assert [one.status for one in stage.seen_of(called)] == [401, 401]
    assert [row.code for row in await stage.rows_of(called)] == ["tokenGeweigerd", "tokenGeweigerd"]


async def test_a_head_of_a_blocked_account_is_not_repeated_as_no_token_is_had(stage):
    assert (await stage.call(LIST)).status == 200
    called = await stage.call_under(FaultRule(FaultKind.BLOCKED_ACCOUNT), Ask("HEAD", f"{BERICHTEN}/ping"))
    assert called.status in {502, 503}
    assert [one.status for one in stage.seen_of(called)] == [401]
    assert [row.outcome for row in await stage.rows_of(called)] == ["niet_beantwoord"]
