"""Several workers behind one port: replaced when they die, replaced in order without losing a call, ended together."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from gateway.watching import make_watching
from gateway.worker_watching import make_workers_watching
from gateway.workers import Workers, WorkersFailing, listen_on
from tests.e2e.ledgers import Caller, check_ledgers, read_orphans, unique_question, until, wait_for_silence
from tests.edge.serving import ask as ask_once
from tests.edge.serving import running
from tests.world import GatewayProcess, Member, world

WORKERS = 2


def workers_of(gateway: GatewayProcess) -> set[int]:
    """The process numbers of a parent's workers."""
    children = Path(f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children").read_text(encoding="ascii")
    return {int(one) for one in children.split()}


async def ask(gateway: GatewayProcess, path: str, **headers: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{gateway.watch}{path}", headers=headers) as answer,
    ):
        return answer.status, await answer.text()


async def is_ready(gateway: GatewayProcess) -> bool:
    return (await ask(gateway, "/ready"))[0] == 200


async def call_until(caller: Caller, gateway: GatewayProcess, member: Member, stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        await caller.call(gateway.url, member, unique_question())


@contextlib.asynccontextmanager
async def under_load(caller: Caller, gateway: GatewayProcess, members: list[Member]):
    stopping = asyncio.Event()
    load = [asyncio.create_task(call_until(caller, gateway, member, stopping)) for member in members * 4]
    try:
        yield
    finally:
        stopping.set()
        await asyncio.gather(*load)


def calls_by_worker(text: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "koppelpunt_calls_total":
                found[sample.labels["worker"]] = found.get(sample.labels["worker"], 0.0) + sample.value
    return found


async def test_workers_share_the_calls_and_one_port_tells_of_all_of_them(database, tmp_path, caller):
    async with world(database, tmp_path / "world") as here:
        members = await here.add_members(2)
        gateway = await here.start_gateway("parent", workers=str(WORKERS))
        try:
            assert len(workers_of(gateway)) == WORKERS
            assert await is_ready(gateway)
            async with under_load(caller, gateway, members):
                await until(lambda: len(caller.ledger) >= 100, 20)
            counted = calls_by_worker((await ask(gateway, "/metrics"))[1])
            assert {one.status for one in caller.ledger} == {200}
            assert sum(counted.values()) == len(caller.ledger)
            assert set(counted) == {"0", "1"}
            assert all(counted.values())
            _, text = await ask(gateway, "/metrics", Accept="application/openmetrics-text; version=1.0.0")
            names = [family.name for family in parse_open_metrics(text)]
            assert len(names) == len(set(names))
        finally:
            status = await gateway.stop()
    assert status == 0


async def test_a_worker_that_is_killed_under_load_is_replaced_and_no_answer_lacks_its_closing(
    database, tmp_path, caller
):
    async with world(database, tmp_path / "world") as here:
        members = await here.add_members(3)
        gateway = await here.start_gateway("parent", workers=str(WORKERS))
        before = workers_of(gateway)
        async with under_load(caller, gateway, members):
            await until(lambda: len(caller.ledger) >= 50, 20)
            os.kill(min(before), signal.SIGKILL)
            killed_at = len(caller.ledger)
            await until(lambda: len(workers_of(gateway) - before) == 1, 20)
            await until(partial(is_ready, gateway), 20)
            await until(lambda: len(caller.ledger) >= killed_at + 200, 20)
        assert workers_of(gateway) & before == {max(before)}
        assert "koppelpunt_workers_lost_total 1.0" in (await ask(gateway, "/metrics"))[1]
        assert await gateway.stop() == 0
        await wait_for_silence(database)
        await check_ledgers(here, caller)
        late = [one for one in caller.ledger[killed_at:] if one.status is None]
        # Only the calls of the killed worker were lost, and each caller has one under way.
        assert len(late) <= len(members) * 4


async def test_replacing_the_workers_one_by_one_under_load_loses_no_call_and_no_closing(database, tmp_path, caller):
    async with world(database, tmp_path / "world") as here:
        members = await here.add_members(3)
        gateway = await here.start_gateway("parent", workers=str(WORKERS))
        before = workers_of(gateway)
        async with under_load(caller, gateway, members):
            await until(lambda: len(caller.ledger) >= 50, 20)
            gateway.process.send_signal(signal.SIGHUP)
            await until(lambda: not workers_of(gateway) & before, 40)
            replaced_at = len(caller.ledger)
            await until(lambda: len(caller.ledger) >= replaced_at + 50, 20)
        assert len(workers_of(gateway)) == WORKERS
        assert await gateway.stop() == 0
        assert {one.status for one in caller.ledger} == {200}
        await wait_for_silence(database)
        await check_ledgers(here, caller)
        assert await read_orphans(database) == set()


async def test_ending_the_parent_under_load_lets_every_running_call_end(database, tmp_path, caller):
    async with world(database, tmp_path / "world") as here:
        members = await here.add_members(3)
        gateway = await here.start_gateway("parent", workers=str(WORKERS))
        load = [asyncio.create_task(_call_until_gone(caller, gateway, one)) for one in members * 4]
        await until(lambda: len(caller.ledger) >= 50, 20)
        assert await gateway.stop() == 0
        await asyncio.gather(*load)
        await wait_for_silence(database)
        await check_ledgers(here, caller)
        assert await read_orphans(database) == set()


async def test_workers_end_when_their_parent_is_killed(database, tmp_path):
    async with world(database, tmp_path / "world") as here:
        await here.add_member()
        gateway = await here.start_gateway("parent", workers=str(WORKERS))
        workers = workers_of(gateway)
        gateway.kill()
        await gateway.process.wait()
        await until(lambda: not any(_is_running(one) for one in workers), 20)


async def test_workers_that_never_get_ready_end_the_parent_with_an_error():
    sockets = listen_on("127.0.0.1:0", WORKERS)
    workers = Workers(sockets, (sys.executable, "-S", "-c", "import sys; sys.exit(3)"), 5.0)
    with pytest.raises(WorkersFailing):
        await workers.run(asyncio.Event())
    for one in sockets:
        one.close()


ONE_SLOT_FAILS = """
import os, socket, sys, time
given = dict(zip(sys.argv[2::2], sys.argv[3::2]))
if given["--slot"] == "1" and not os.path.exists(sys.argv[1]):
    sys.exit(3)
socket.socket(fileno=int(given["--listen-fd"])).listen(100)
os.write(int(given["--ready-fd"]), b"1")
os.close(int(given["--ready-fd"]))
time.sleep(600)
"""


async def test_a_worker_that_never_gets_ready_ends_none_of_those_that_serve_and_no_caller_waits_for_it(tmp_path):
    sockets, mended = listen_on("127.0.0.1:0", WORKERS), tmp_path / "mended"
    workers = Workers(sockets, (sys.executable, "-S", "-c", ONE_SLOT_FAILS, str(mended)), 5.0)
    shutdown = asyncio.Event()
    with capture_logs() as lines:
        parent = asyncio.create_task(workers.run(shutdown))
        # So often that the parent would give up if nobody served.
        await until(lambda: parent.done() or sum(one["event"] == "worker_not_begun" for one in lines) >= 5, 60)
        assert not parent.done()
        assert {slot for slot, one in workers.serving.items() if one.is_serving} == {0}
        assert [one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) for one in sockets] == [1, 0]
        for _ in range(20):
            _, writer = await asyncio.open_connection(*sockets[0].getsockname())
            writer.close()
        mended.touch()
        await until(lambda: workers.are_serving, 60)
        assert workers.shut == set()
        assert [one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) for one in sockets] == [1, 1]
        shutdown.set()
        await parent


@pytest.mark.parametrize(
    ("serve", "shut", "status"),
    [({0, 1}, set(), 200), ({0}, set(), 503), ({0}, {1}, 200), (set(), {0, 1}, 503), (set(), set(), 503)],
)
async def test_workers_are_ready_when_every_one_is_that_calls_can_come_to(serve, shut, status):
    ready = make_watching(CollectorRegistry(), {"x": lambda: True})
    async with running(ready) as port:
        watching = make_workers_watching(lambda: dict.fromkeys(serve, port), 2, CollectorRegistry(), lambda: shut)
        async with running(watching) as parent:
            answer = await ask_once(parent, b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (answer.status, answer.json["shut"]) == (status, sorted(shut))


async def _call_until_gone(caller: Caller, gateway: GatewayProcess, member: Member) -> None:
    while (await caller.call(gateway.url, member, unique_question())).status is not None:
        pass


def _is_running(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
