"""A block set under load, with three gateways: when the admin's call has returned, the set of permitted calls is closed.

Twenty blocks, of every kind. What RvIG sees of the blocked one afterwards had its permission before, and left in time.
"""

import asyncio
import contextlib
import itertools
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
import pytest

from tenants.blokkades import KINDS, block, release, wait_until_closed
from tenants.scope import operator_scope
from tests.e2e.ledgers import Called, Caller, Row, check_ledgers, trace_of, unique_question, until
from tests.world import GatewayProcess, Member, World, world

BLOCKS = 20
BLOCKED_SECONDS = 0.35
PERMISSION_SECONDS = 2.0
_PERMITTED = "SELECT id FROM register.opening WHERE tenant_id = $1 AND refusal IS NULL"

# A disk that takes its time: between the check of an opening and its commit lie milliseconds in which a block may come.
_SLOW_COMMIT = """
CREATE FUNCTION public.take_time() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('test.slept', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
    PERFORM set_config('test.slept', pg_current_xact_id()::text, true), pg_sleep(0.008);
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER take_time AFTER INSERT ON register.running DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION public.take_time();
"""


@dataclass(frozen=True, slots=True)
class Blocked:
    """One block: whom it hit, when it had returned and when it was taken away, and the permissions at both moments."""

    kind: str
    member: Member
    returned: float
    released: float
    before: frozenset[UUID]
    after: frozenset[UUID]


@dataclass(slots=True)
class Load:
    """Members that call without pause, each at all gateways, until it is over."""

    caller: Caller
    gateways: Sequence[GatewayProcess]
    over: bool = False
    answered: Counter[int] = field(default_factory=Counter)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self, members: Sequence[Member]) -> None:
        self.tasks = [asyncio.create_task(self._call(one, at)) for one in members for at in self.gateways]

    async def end(self) -> None:
        self.over = True
        await asyncio.gather(*self.tasks)

    async def _call(self, member: Member, gateway: GatewayProcess) -> None:
        while not self.over:
            called = await self.caller.call(gateway.url, member, unique_question())
            if called.status == 200:
                self.answered[member.number] += 1
            else:
                # A blocked caller that tries again at once would only heat the machine.
                await asyncio.sleep(0.005)


@pytest.mark.timeout(300)
async def test_no_call_opened_after_a_block_has_returned_reaches_rvig(database, tmp_path, caller):
    async with contextlib.AsyncExitStack() as stack:
        admin = await asyncpg.connect(database.url("admin"))
        stack.push_async_callback(admin.close)
        await admin.execute(_SLOW_COMMIT)
        here = await stack.enter_async_context(world(database, tmp_path / "world"))
        members = await here.add_members(6)
        gateways = await stack.enter_async_context(here.gateways(3))
        load = Load(caller, gateways)
        load.start(members)
        await until(lambda: load.answered.total() > 100, 30)
        blocks = []
        for kind, member in zip(itertools.islice(itertools.cycle(KINDS), BLOCKS), itertools.cycle(members)):
            blocks.append(await _block_for_a_while(load, here, admin, kind, member))
        await load.end()
        rows = await check_ledgers(here, caller)
    assert {one.kind for one in blocks} == set(KINDS)
    for one in blocks:
        assert one.before == one.after, f"{len(one.after - one.before)} permissions after a block of {one.kind}"
        _check_seen(here, one, rows)
        _check_callers(one, caller.ledger)


async def _block_for_a_while(load: Load, here: World, admin: asyncpg.Connection, kind: str, member: Member) -> Blocked:
    """Block as the admin's POST does, look what is permitted, wait, look again, and release."""
    value = {
        "tenant": str(member.tenant_id),
        "afnemer": member.account.afnemer_id,
        "oin": member.account.oin,
        "certificate": member.issued.fingerprint,
        "taaksysteem": f"{member.tenant_id}/{member.taaksysteem_id}",
    }[kind]
    # It must be calling when it is blocked.
    before = load.answered[member.number]
    await until(lambda: load.answered[member.number] > before + 3)
    async with operator_scope(here.tenants, actor="beheer"):
        assert await block(here.tenants, kind, value, reason="proef op de som", actor="beheer")
    await wait_until_closed(here.tenants)
    returned = time.time()
    permitted = frozenset(row["id"] for row in await admin.fetch(_PERMITTED, member.tenant_id))
    await asyncio.sleep(BLOCKED_SECONDS)
    # However slow the machine is: the blocked one has tried, and each of the others has called.
    await until(lambda: _have_called(load.caller.ledger, member, returned), 30)
    await asyncio.sleep(0.15)
    still = frozenset(row["id"] for row in await admin.fetch(_PERMITTED, member.tenant_id))
    released = time.time()
    async with operator_scope(here.tenants, actor="beheer"):
        await release(here.tenants, kind, value, reason="gezien", actor="beheer")
    return Blocked(kind, member, returned, released, permitted, still)


def _have_called(ledger: Sequence[Called], member: Member, since: float) -> bool:
    during = [called.member.number for called in ledger[-2_000:] if called.began > since]
    return during.count(member.number) >= 3 and len(set(during)) == 6


def _check_seen(here: World, one: Blocked, rows: Sequence[Row]) -> None:
    """What RvIG saw of the blocked one meanwhile was permitted before the block returned, and not long before."""
    permitted_at = {row.trace_id: row.opened_at.timestamp() for row in rows if row.refusal is None}
    for seen in here.seen():
        if seen.token_afnemer_id == one.member.account.afnemer_id and one.returned < seen.time < one.released:
            opened_at = permitted_at[trace_of(seen)]
            assert opened_at < one.returned
            assert seen.time < opened_at + PERMISSION_SECONDS


def _check_callers(one: Blocked, ledger: Sequence[Called]) -> None:
    """The blocked one was refused at every gateway, with a reason; the others went on as if nothing had happened."""
    during = [called for called in ledger if one.returned < called.began < one.released - 0.1]
    mine = [called for called in during if called.member is one.member]
    assert len(mine) >= 3
    assert {(called.status, called.code) for called in mine} == {(403, "geblokkeerd")}
    others = Counter(called.member.number for called in during if called.member is not one.member)
    assert len(others) == 5
    assert {called.status for called in during if called.member is not one.member} == {200}
