"""A synchronous standby: demanded, lost, found again, and promoted under load."""

import asyncio
import time

import pytest

from gateway.register.session import Server, ServerUnreachable, begin
from tests.e2e.ledgers import until
from tests.faults.clusters import Rack, url_of
from tests.faults.nodes import Node
from tests.faults.scene import scene

HANGING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND usename = 'test_gateway'"


def pair(servers: Rack, stock) -> tuple[Node, Node]:
    """A main server and its synchronous standby."""
    main = servers.migrated("main", stock)
    standby = servers.follower("standby", main)
    main.set("synchronous_standby_names", "standby")
    main.wait_for_standby()
    return main, standby


async def test_productie_does_not_begin_on_a_server_without_a_named_synchronous_standby(
    servers: Rack, stock, tmp_path, caller
):
    main = servers.migrated("main", stock)
    with pytest.raises(RuntimeError, match="registerZonderReplica"):
        async with scene(main, tmp_path / "world", caller, durability="standby"):
            raise AssertionError("a gateway began")


async def test_a_lost_standby_stops_productie_until_it_is_back_and_uses_nothing_up(
    servers: Rack, stock, tmp_path, caller
):
    main, standby = pair(servers, stock)
    async with scene(main, tmp_path / "world", caller, durability="standby") as here:
        await here.do(standby.stop)
        await here.refusals()
        ready = await here.is_down()
        assert not ready["checks"]["register productie"]

        async def says_why() -> bool:
            reasons = (await here.is_down())["reasons"]
            return bool(reasons["register productie"] == "registerWachtOpReplica")

        await until(says_why, 15)
        await here.do(standby.start)
        await here.answers()
        await here.is_up()
        await here.settle(main)


async def test_sessions_that_hang_on_a_lost_standby_do_not_pile_up(servers: Rack, stock):
    main, standby = pair(servers, stock)
    server = Server(main.database.url("gateway"), "register", "test", connect_seconds=1.5)
    session = await begin(server)
    await session.close()
    standby.stop()
    for _ in range(5):
        with pytest.raises(ServerUnreachable):
            await begin(server)
    # The first hangs until a standby is back, whatever its client does; the others asked before they committed.
    assert main.execute(HANGING) == [(1,)]
    standby.start()
    main.wait_for_standby()
    session = await begin(server)
    await session.close()


async def test_a_standby_that_is_no_longer_demanded_of_the_server_stops_productie(
    servers: Rack, stock, tmp_path, caller
):
    main, _ = pair(servers, stock)
    async with scene(main, tmp_path / "world", caller, durability="standby") as here:
        await here.do(main.set, "synchronous_standby_names", "")
        refused = await here.refusals()
        # What was under way at that moment may have reached RvIG already.
        assert {"registerOnbereikbaar"} <= {one.code for one in refused} <= {"registerOnbereikbaar", "uitkomstOnbekend"}
        ready = await here.is_down()
        assert ready["reasons"]["register productie"] == "registerZonderReplica"
        # Proef asks no such thing.
        assert ready["checks"]["register proef"]
        await here.do(main.set, "synchronous_standby_names", "standby")
        await here.answers()
        await here.settle(main)


@pytest.mark.parametrize("old", ["killed", "hanging", "alive"])
async def test_a_standby_that_is_promoted_under_load_holds_every_answer_that_was_given(
    servers: Rack, stock, tmp_path, caller, old
):
    """The old main server is fenced off, or hangs, or goes on as if nothing had happened."""
    main, standby = pair(servers, stock)
    # The next standby follows the first one, so that it is there at once when that is promoted.
    third = servers.follower("third", standby)
    standby.set("synchronous_standby_names", "third")
    url = url_of("gateway", main, standby)
    async with scene(main, tmp_path / "world", caller, url=url, durability="standby") as here:
        failed_at = time.time()
        if old == "killed":
            await here.do(main.kill)
        elif old == "hanging":
            await here.do(main.freeze)
        await here.do(standby.promote)
        await here.answers(100)
        await here.is_up()
        up_at = time.time()
        if old == "hanging":
            await here.do(main.thaw)
            await here.answers()
        await here.settle(standby)
        # Some calls met the fail-over: had none, this would prove nothing.
        assert any(one.began < up_at and one.ended > failed_at for one in here.caller.ledger)
        assert third.execute("SELECT pg_is_in_recovery()") == [(True,)]


async def test_a_server_that_was_left_behind_is_never_gone_back_to(servers: Rack, stock, tmp_path, caller):
    main, standby = pair(servers, stock)
    url = url_of("gateway", main, standby)
    async with scene(main, tmp_path / "world", caller, url=url, durability="disk") as here:
        await here.do(standby.set, "synchronous_standby_names", "")
        await here.do(standby.promote)
        await here.answers(seconds=40)
        # The old one is made to take writes by itself, and the new one goes: a fork is all that there is to write to.
        await here.do(main.set, "synchronous_standby_names", "")
        await asyncio.sleep(1)
        (forked,) = main.execute("SELECT count(*) FROM register.opening", "koppelpunt")
        await here.do(standby.stop)
        await here.refusals()
        await asyncio.sleep(3)
        await here.is_down()
        assert main.execute("SELECT count(*) FROM register.opening", "koppelpunt") == [forked]
        await here.do(standby.start)
        await here.answers()
        await here.settle(standby)
