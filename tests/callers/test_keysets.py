"""The keys of an IDP: rotated without a restart, never fetched in a flood, good for a while when the IDP is away."""

import asyncio
import json

import pytest

from gateway.errors import IdpUnavailable
from gateway.fetch import FetchError
from gateway.recognising import idp_unavailable
from tenants.keysets import KeySets, KeyTimes, KeyUnknown
from tests.callers.issuers import SigningKey, idp, jwks_of, make_key
from tests.e2e.ledgers import until

OLD, NEW = make_key("oud"), make_key("nieuw")
IDP = idp()
TIMES = KeyTimes(refresh=300.0, interval=30.0, most_age=3600.0, patience=0.2, most_waiting=3)


class World:
    """What the IDP answers, and a clock that is moved by hand."""

    def __init__(self, *keys: SigningKey) -> None:
        self.now = 1000.0
        self.keys = list(keys)
        self.asked: list[str] = []
        self.away = False
        self.held: asyncio.Event | None = None
        self.body: bytes | None = None
        self.noticed: list[str] = []
        self.keysets = KeySets(
            self.fetch, TIMES, clock=lambda: self.now, notice=self.noticed.append, unavailable=idp_unavailable
        )

    async def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        if self.held is not None:
            await self.held.wait()
        if self.away:
            raise FetchError("verbinding")
        return json.dumps(jwks_of(*self.keys)).encode() if self.body is None else self.body

    def knows(self, key: SigningKey, of=IDP) -> bool:
        try:
            return self.keysets.find(of, key.kid, key.algorithm) is not None
        except KeyUnknown:
            return False


async def test_nothing_is_known_before_the_first_fetch():
    world = World(OLD)
    assert not world.knows(OLD)
    assert await world.keysets.refresh(IDP)
    assert world.knows(OLD)


async def test_an_unknown_key_brings_a_rotated_set_and_takes_the_old_key_away():
    world = World(OLD)
    await world.keysets.refresh(IDP)
    world.keys = [NEW]
    world.now += 31
    assert await world.keysets.refresh(IDP)
    assert (world.knows(OLD), world.knows(NEW)) == (False, True)


async def test_a_key_that_stays_is_the_same_object_so_that_what_it_verified_holds():
    world = World(OLD)
    await world.keysets.refresh(IDP)
    before = world.keysets.find(IDP, "oud", "ES256")
    world.keys = [OLD, NEW]
    world.now += 31
    await world.keysets.refresh(IDP)
    assert world.keysets.find(IDP, "oud", "ES256") is before
    replaced = make_key("oud")
    world.keys = [replaced]
    world.now += 31
    await world.keysets.refresh(IDP)
    assert world.keysets.find(IDP, "oud", "ES256") is not before


async def test_a_flood_of_unknown_keys_makes_one_fetch_per_interval():
    world = World(OLD)
    assert await world.keysets.refresh(IDP)
    for _ in range(100):
        assert not await world.keysets.refresh(IDP)
    assert len(world.asked) == 1
    world.now += 30
    assert await world.keysets.refresh(IDP)
    assert not await world.keysets.refresh(IDP)
    assert len(world.asked) == 2


async def test_failures_are_limited_as_successes_are():
    world = World(OLD)
    await world.keysets.refresh(IDP)
    world.away = True
    world.now += 31
    for _ in range(50):
        assert not await world.keysets.refresh(IDP)
    assert len(world.asked) == 2
    assert world.noticed == ["idpOnbereikbaar"]


async def test_callers_that_come_together_share_one_fetch_and_the_ones_too_many_do_not_wait():
    world = World(OLD)
    world.held = asyncio.Event()
    waiting = [asyncio.create_task(world.keysets.refresh(IDP)) for _ in range(3)]
    await asyncio.sleep(0)
    assert not await world.keysets.refresh(IDP)
    world.held.set()
    assert await asyncio.gather(*waiting) == [True, True, True]
    assert len(world.asked) == 1


async def test_a_caller_waits_for_a_bounded_time_and_the_fetch_goes_on_without_it():
    world = World(OLD)
    await world.keysets.refresh(IDP)
    world.held, world.keys = asyncio.Event(), [NEW]
    world.now += 31
    assert not await world.keysets.refresh(IDP)
    world.held.set()
    await asyncio.sleep(0.01)
    assert world.knows(NEW)


async def test_a_caller_that_goes_away_takes_nobody_elses_keys_with_it():
    world = World(OLD)
    world.held = asyncio.Event()
    first, second = (asyncio.create_task(world.keysets.refresh(IDP)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    world.held.set()
    assert await second
    assert world.knows(OLD)


async def test_an_idp_that_is_away_keeps_its_last_good_keys_for_a_bounded_time():
    world = World(OLD)
    await world.keysets.refresh(IDP)
    world.away = True
    world.now += TIMES.most_age
    await world.keysets.refresh(IDP)
    assert world.knows(OLD)
    world.now += 1
    with pytest.raises(IdpUnavailable):
        world.knows(OLD)
    world.away = False
    world.now += 30
    assert await world.keysets.refresh(IDP)
    assert world.knows(OLD)


async def test_an_idp_that_never_answered_is_unavailable_and_not_a_reason_to_blame_the_caller():
    world = World(OLD)
    world.away = True
    with pytest.raises(IdpUnavailable):
        await world.keysets.refresh(IDP)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"keys": 5}'])
async def test_an_answer_that_is_no_key_set_changes_nothing(body):
    world = World(OLD)
    await world.keysets.refresh(IDP)
    world.body = body
    world.now += 31
    assert not await world.keysets.refresh(IDP)
    assert world.knows(OLD)


async def test_an_idp_that_publishes_no_keys_has_withdrawn_them_all():
    world = World(OLD)
    await world.keysets.refresh(IDP)
    world.keys = []
    world.now += 31
    assert await world.keysets.refresh(IDP)
    assert not world.knows(OLD)


async def test_one_idp_says_nothing_of_another_nor_of_itself_elsewhere():
    world = World(OLD)
    await world.keysets.refresh(IDP)
    assert not world.knows(OLD, idp(2))
    assert not world.knows(OLD, idp(idp_id=2))
    assert not world.knows(OLD, idp(jwks_url="https://elders.example/jwks"))


async def test_fewer_algorithms_hold_at_once():
    world = World(OLD)
    await world.keysets.refresh(IDP)
    assert not world.knows(OLD, idp(algorithms=frozenset({"RS256"})))


async def test_keys_are_fetched_before_anyone_calls_and_again_in_their_time():
    world = World(OLD)
    listed = [IDP]
    keeper = asyncio.create_task(world.keysets.keep_fresh(lambda: listed))
    try:
        await asyncio.sleep(0.05)
        assert world.knows(OLD)
        world.keys, world.now = [NEW], world.now + 301
        await until(lambda: world.knows(NEW))
        assert len(world.asked) == 2
        listed.clear()
        await until(lambda: not world.knows(NEW))
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        await world.keysets.close()
