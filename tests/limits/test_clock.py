"""A process whose clock is wrong notices it by the database's, and takes itself out of service."""

import dataclasses
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from gateway.app import gateway_of
from gateway.clock import ClockWatch
from gateway.config import GatewayConfig
from gateway.servers import Timelines, connect
from gateway.sharing_store import TROUBLE, SharingStore
from gateway.watching import make_watching
from tests.e2e.ledgers import until
from tests.edge.serving import ask, running
from tests.world import world

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclasses.dataclass
class Scene:
    """Two clocks, and how long it takes to ask the other."""

    ours: datetime = NOON
    theirs: datetime = NOON
    seconds: float = 0.0
    elapsed: float = 0.0
    away: bool = False

    async def read(self) -> datetime:
        if self.away:
            raise OSError("away")
        self.elapsed += self.seconds
        return self.theirs + timedelta(seconds=self.seconds / 2)

    def watch(self, bound: float = 5.0) -> ClockWatch:
        return ClockWatch(self.read, bound=bound, now=lambda: self.ours, clock=lambda: self.elapsed)


@given(st.floats(-100, 100), st.floats(0, 3))
async def test_a_clock_is_wrong_when_it_is_further_away_than_the_bound_beyond_doubt(offset, seconds):
    scene = Scene(theirs=NOON + timedelta(seconds=offset), seconds=seconds)
    watch = scene.watch()
    await watch.compare()
    assert watch.offset == pytest.approx(offset, abs=1e-3)
    if abs(offset) > 5 + seconds / 2 + 1e-3:
        assert not watch.is_right
    if abs(offset) < 5 + seconds / 2 - 1e-3:
        assert watch.is_right


async def test_a_clock_that_was_never_compared_is_not_trusted_and_what_was_seen_last_stands():
    scene = Scene(away=True)
    watch = scene.watch()

    async def is_right() -> bool:
        await watch.compare()
        return watch.is_right

    assert not await is_right()
    scene.away = False
    assert await is_right()
    scene.ours += timedelta(seconds=60)
    scene.away = True
    assert await is_right()
    scene.away = False
    assert not await is_right()
    assert watch.offset == -60.0
    scene.theirs += timedelta(seconds=60)
    assert await is_right()


async def test_a_clock_that_goes_wrong_later_is_noticed(database):
    store = SharingStore(partial(connect, database.url("gateway"), Timelines()))
    wrong = timedelta(0)
    watch = ClockWatch(store.read_clock, bound=5.0, every=0.05, now=lambda: datetime.now(UTC) + wrong, trouble=TROUBLE)
    await watch.start()
    assert watch.is_right
    assert abs(watch.offset) < 1.0
    wrong = timedelta(seconds=-42)
    await until(lambda: not watch.is_right)
    assert watch.offset == pytest.approx(42, abs=1.0)
    wrong = timedelta(0)
    await until(lambda: watch.is_right)
    await watch.close()
    await store.close()


async def test_a_gateway_is_ready_by_the_databases_clock_and_shows_it(database, tmp_path):
    async with world(database, tmp_path / "world") as here, gateway_of(GatewayConfig.read(here.config())) as made:
        assert made.checks["klok"]()
        shown = {one.name for one in made.metrics.registry.collect()}
        assert {"koppelpunt_clock_offset_seconds", "koppelpunt_tokens_shared"} <= shown


async def test_a_process_whose_clock_is_wrong_is_not_ready_and_says_why():
    scene = Scene(theirs=NOON + timedelta(seconds=6))
    watch = scene.watch()
    await watch.compare()
    watching = make_watching(CollectorRegistry(), {"klok": lambda: watch.is_right}, {"klok": lambda: "klokWijktAf"})
    async with running(watching) as port:
        answer = await ask(port, b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (answer.status, answer.json["reasons"]) == (503, {"klok": "klokWijktAf"})
        scene.ours += timedelta(seconds=6)
        await watch.compare()
        assert (await ask(port, b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")).status == 200
