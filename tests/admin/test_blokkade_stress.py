"""The operator's emergency: a block is set and closed in seconds, however busy the process and the register are."""

import asyncio
import time
from contextlib import suppress

import asyncpg
import pytest

from tenants.config import TenantsConfig
from tests.admin.conftest import Api
from tests.admin.regels import Recorder
from tests.admin.test_blokkade_routes import block
from tests.databases import Database
from tests.worlds import World

SECONDS = 10.0
"""What a block may take on a machine that does everything else at once; alone it takes a few hundredths."""


async def let_calls_flow(recorder: Recorder, world: World, until: asyncio.Event) -> int:
    """Open calls at two hundred a second, as the gateway does."""
    opened = 0
    while not until.is_set():
        await recorder.writer.open(world)
        opened += 1
        await asyncio.sleep(0.005)
    return opened


async def test_fifty_blocks_at_once_close_while_calls_flow_and_every_connection_is_taken(
    api: Api, database: Database, world: World, other: World, recorder: Recorder
):
    slow, enough = await asyncpg.connect(database.url("admin")), asyncio.Event()
    calls = asyncio.create_task(let_calls_flow(recorder, other, enough))
    # Whoever reads this table hangs: more requests than there are connections, so that none is left.
    transaction = slow.transaction()
    await transaction.start()
    await slow.execute("LOCK TABLE registry.agreement IN ACCESS EXCLUSIVE MODE")
    stuck = [asyncio.create_task(api.ask("GET", "/v1/overeenkomsten", by="beheerder")) for _ in range(20)]
    try:
        await asyncio.sleep(0.5)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await api.ask("GET", "/v1/taaksystemen", by="beheerder")
                raise AssertionError("a connection was left: this test tries nothing")
        begun = time.monotonic()
        made = await asyncio.gather(*(block(api, "operator", "afnemer", f"{number:06d}") for number in range(1, 51)))
        took = time.monotonic() - begun
        assert [one.status for one in made] == [201] * 50
        assert took < SECONDS
        assert not any(one.done() for one in stuck)
        # And the blocks can be lifted.
        lifted = await api.ask("DELETE", "/v1/blokkades/afnemer/000001", by="operator", json={"reden": "Voorbij"})
        assert lifted.status == 204
    finally:
        enough.set()
        await transaction.rollback()
        await slow.close()
        answers = await asyncio.gather(*stuck)
        opened = await calls
    assert {one.status for one in answers} == {200}
    assert opened > 10


@pytest.fixture
def config(config: TenantsConfig) -> TenantsConfig:
    return config.model_copy(update={"grace_timeout": 2.0})


async def test_blocks_that_cannot_close_yet_wait_together_and_not_in_turn(
    api: Api, database: Database, world: World, other: World
):
    """A writing transaction that does not end holds up every block for as long as one waits, not for fifty times that."""
    writer = await asyncpg.connect(database.url("admin"))
    transaction = writer.transaction()
    await transaction.start()
    await writer.execute("LOCK TABLE register.opening IN ROW EXCLUSIVE MODE")
    try:
        begun = time.monotonic()
        made = await asyncio.gather(*(block(api, "operator", "afnemer", f"{number:06d}") for number in range(1, 51)))
        assert time.monotonic() - begun < SECONDS
    finally:
        await transaction.rollback()
        await writer.close()
    assert {(one.status, one.json["code"]) for one in made} == {(503, "blokkadeNogNietGesloten")}
    # They stand, and say so once the transaction has ended.
    again = await asyncio.gather(*(block(api, "operator", "afnemer", f"{number:06d}") for number in range(1, 51)))
    assert {one.status for one in again} == {200}
