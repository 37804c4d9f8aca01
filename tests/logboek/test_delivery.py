"""Nothing is lost and nobody waits, however the collector behaves."""

import asyncio
import dataclasses
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from datetime import date
from uuid import UUID

import asyncpg
import pytest

from tenants.keyring import add_version, drop_version, make_keyring
from tenants.logboek.rounds import export_due, export_one, keep_exporting
from tenants.logboek.rows import read_batch, take_due
from tenants.logboek.sending import address_of
from tenants.rotating.running import rotate
from tests.logboek.stage import OPEN_AFTER
from tests.retention.stage import THIS_YEAR
from tests.trees.receiving import silent_server

OLD = date(THIS_YEAR - 4, 3, 1)


def low(id_: UUID) -> int:
    return id_.int & ((1 << 64) - 1)


async def until(holds: Callable[[], bool]) -> None:
    """What another thread does has no event of this loop."""
    while not holds():  # noqa: ASYNC110
        await asyncio.sleep(0.02)


async def recorded(stage, count: int, world=None) -> None:
    await stage.calls.record(world or stage.world, count)
    await stage.seal()


async def test_it_is_otlp_over_http_with_the_tenants_secret_at_its_own_path(stage):
    await stage.choose(secret="Bearer dit-is-geheim")
    await recorded(stage, 1)
    await stage.send()
    ((path, headers, _),) = stage.collector.requests
    assert path == "/v1/traces"
    assert headers["authorization"] == "Bearer dit-is-geheim"
    assert (headers["content-type"], headers["content-encoding"]) == ("application/x-protobuf", "gzip")
    assert address_of("https://c.example/otlp/") == "https://c.example/otlp/v1/traces"
    assert address_of("https://c.example/v1/traces") == "https://c.example/v1/traces"


async def test_from_now_on_misses_nothing_that_comes_after_and_from_the_start_has_all(stage):
    await recorded(stage, 5)
    before = await stage.calls.open(stage.world, 2)
    await stage.seal()
    first = await stage.choose()
    await stage.calls.close(stage.world, before)
    await recorded(stage, 3)
    await stage.send()
    assert len(stage.collector.calls) == 5
    await stage.end(first)
    await stage.choose(from_start=True)
    stage.collector.received.clear()
    await stage.send()
    assert len(stage.collector.calls) == 10


async def test_who_dies_between_sending_and_noting_it_sends_the_same_ids_again(stage):
    await stage.choose()
    await recorded(stage, 10)
    stage.collector.silent = True
    assert await export_due(stage.export) == 0
    had = dict(stage.collector.spans)
    assert len(had) == 20
    assert (await stage.standing())["leaf"] == 0
    stage.collector.silent = False
    await stage.wait_no_longer()
    await stage.send()
    assert len(stage.collector.received) > len(had)
    assert stage.collector.spans == had
    assert (await stage.standing())["leaf"] == await stage.admin.fetchval("SELECT size FROM register.tree")


async def test_a_process_that_was_killed_while_it_sent_leaves_it_to_another(stage):
    await stage.choose()
    await recorded(stage, 4)
    stage.collector.hang = threading.Event()
    (due,) = await take_due(stage.admin, 4, OPEN_AFTER)
    task = asyncio.create_task(export_one(stage.export, due))
    await until(lambda: bool(stage.collector.requests))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # For a minute nobody else takes it; then somebody does.
    assert await export_due(stage.export) == 0
    stage.collector.hang.set()
    stage.collector.hang = None
    await stage.wait_no_longer()
    await stage.send()
    assert len(stage.collector.calls) == 4


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        ({"status": 500}, "status"), ({"status": 401}, "status"), ({"status": 202}, "status"),
        ({"garbage": b"<html>Log in</html>"}, "antwoord"), ({"rejects": 1}, "geweigerd"), ({"silent": True}, "verbinding"),
        ({"hang": True}, "tijd"),
    ],
)  # fmt: skip
async def test_a_broken_collector_gets_everything_afterwards(stage, broken, code):
    await stage.choose()
    await recorded(stage, 30)
    for name, value in broken.items():
        setattr(stage.collector, name, threading.Event() if name == "hang" else value)
    for _ in range(3):
        assert await export_due(stage.export) == 0
        standing = await stage.standing()
        assert (standing["last_error"], standing["leaf"]) == (code, 0)
        await stage.wait_no_longer()
    await recorded(stage, 5)
    lag = await stage.admin.fetchrow("SELECT * FROM register.logboek_standing()")
    # Everything that was sealed, the changes of the registry too.
    assert lag["leaves"] == await stage.admin.fetchval("SELECT size FROM register.tree") > 70
    assert lag["seconds"] > 0
    if stage.collector.hang is not None:
        stage.collector.hang.set()
    stage.collector.status, stage.collector.rejects, stage.collector.garbage = 200, 0, None
    stage.collector.silent, stage.collector.hang = False, None
    await stage.send()
    assert len(stage.collector.calls) == 35
    assert len(stage.collector.subjects) == 35
    assert await stage.admin.fetchval("SELECT max(seconds) FROM register.logboek_standing()") == 0


async def test_it_is_tried_ever_later_and_ever_less_at_a_time(stage):
    await stage.choose()
    await recorded(stage, 100)
    stage.collector.status = 503
    waits, steps = [], []
    for _ in range(12):
        await export_due(stage.export)
        row = await stage.admin.fetchrow(
            "SELECT extract(epoch FROM next_at - clock_timestamp())::float AS wait, step FROM register.logboek_delivery"
        )
        waits.append(round(row["wait"] / 5))
        steps.append(row["step"])
        await stage.wait_no_longer()
    assert waits[:4] == [1, 2, 4, 8], waits
    assert max(waits) == 180
    assert steps[:7] == [32, 16, 8, 4, 2, 1, 1]


async def test_one_span_that_is_not_taken_stands_alone_at_last_and_is_never_skipped(stage):
    await stage.choose()
    ids = await stage.calls.record(stage.world, 20)
    await stage.seal()
    stage.collector.refuses = f"{low(ids[10]):016x}"
    for _ in range(40):
        await export_due(stage.export)
        await stage.wait_no_longer()
    standing = await stage.standing()
    assert (standing["last_error"], standing["step"]) == ("geweigerd", 1)
    # The leaves of one batch lie in the order of their ids.
    assert {int(one.id, 16) for one in stage.collector.calls} == {
        low(one) for one in sorted(ids)[: sorted(ids).index(ids[10])]
    }
    stage.collector.refuses = None
    await stage.send()
    assert len(stage.collector.calls) == 20


async def test_a_collector_that_hangs_keeps_no_other_tenant_waiting(stage, other, pki, tmp_path):
    # The first takes the connection and says nothing; its tenant is the first in line.
    with silent_server() as port:
        rules = stage.export.rules
        hosts = rules.hosts | {f"localhost:{port}"}
        stage.export = dataclasses.replace(stage.export, rules=dataclasses.replace(rules, hosts=hosts, seconds=20.0))
        await stage.choose(url=f"https://localhost:{port}")
        await stage.choose(other)
        await recorded(stage, 3)
        await recorded(stage, 40, other)
        shutdown = asyncio.Event()
        running = asyncio.create_task(keep_exporting(stage.export, shutdown, every=0.05))
        begun = time.monotonic()
        await until(lambda: len(stage.collector.calls) == 40)
        # Who hangs holds no connection either: a search finds one.
        async with AsyncExitStack() as stack, asyncio.timeout(5):
            for _ in range(3):
                await stack.enter_async_context(stage.export.pool.acquire())
        assert time.monotonic() - begun < 15
        shutdown.set()
        await running
    assert await stage.admin.fetchval(
        "SELECT leaf FROM register.logboek_delivery WHERE tenant_id = $1", stage.world.tenant_id
    ) == 0  # fmt: skip


async def test_two_processes_do_not_send_the_same_when_neither_dies(stage):
    await stage.choose()
    await recorded(stage, 300)
    other = dataclasses.replace(stage.export, threads=ThreadPoolExecutor(2), reading=asyncio.Semaphore(2))
    while await stage.admin.fetchval(
        "SELECT leaf < size FROM register.logboek_delivery JOIN register.tree USING (tenant_id)"
    ):
        await asyncio.gather(export_due(stage.export), export_due(other))
    other.threads.shutdown()
    assert len(stage.collector.received) == len(stage.collector.spans) == 600


async def test_who_was_too_slow_moves_nothing_back(stage):
    await stage.choose()
    await recorded(stage, 5)
    (slow,) = await take_due(stage.admin, 4, OPEN_AFTER)
    await stage.wait_no_longer()
    await stage.send()
    leaf = (await stage.standing())["leaf"]
    assert await export_one(stage.export, slow) is False
    standing = await stage.standing()
    assert (standing["leaf"], standing["spans"], standing["last_error"]) == (leaf, 10, None)
    assert len(stage.collector.received) == 2 * len(stage.collector.spans)


async def test_rows_that_were_destroyed_are_skipped_and_counted(stage, past):
    gone = await past.had(OLD, 6)
    kept = await past.had(date(THIS_YEAR - 1, 3, 1), 2)
    await past.seal()
    await past.destroy()
    await stage.choose(from_start=True)
    await stage.send()
    assert {one.attributes["koppelpunt.transactie"] for one in stage.collector.calls} == {str(one) for one in kept}
    standing = await stage.standing()
    assert standing["gone"] == 2 * len(gone)
    assert standing["leaf"] == await stage.admin.fetchval("SELECT size FROM register.tree")


async def test_who_ended_a_destination_gets_nothing_more_and_its_keys_are_gone(stage):
    number = await stage.choose(secret="x")
    await recorded(stage, 2)
    (due,) = await take_due(stage.admin, 4, OPEN_AFTER)
    await stage.end(number)
    # It was taken before it ended: what reads for it is refused.
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with stage.export.pool.acquire() as connection:
            await read_batch(connection, due, OPEN_AFTER)
    await stage.wait_no_longer()
    assert await stage.send() == 0
    assert stage.collector.requests == []
    row = await stage.admin.fetchrow("SELECT key_sealed, secret_sealed, state FROM registry.logboek_destination")
    assert tuple(row) == (None, None, "ended")
    with pytest.raises(asyncpg.CheckViolationError, match="not changed"):
        await stage.admin.execute("UPDATE registry.logboek_destination SET url = 'https://x.example'")


async def test_a_reader_of_the_register_gets_nothing_of_a_tenant_without_destination(stage, other):
    await stage.choose()
    await recorded(stage, 1, other)
    async with stage.export.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('koppelpunt.tenant_id', $1, true)", str(other.tenant_id))
        # Nor by the setting that the functions use.
        await connection.execute("SELECT set_config('koppelpunt.logboek', 'aan', true)")
        assert await connection.fetchval("SELECT count(*) FROM register.opening") == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch(
                "SELECT * FROM register.logboek_open('00000000-0000-0000-0000-000000000000', '0 s', 9)"
            )


async def test_its_secrets_move_with_the_keyring(stage, connect):
    await stage.choose(secret="Bearer a")
    await recorded(stage, 1)
    await stage.send()
    before = set(stage.collector.spans)
    new = add_version(stage.keyrings.register)
    assert (await rotate(await connect("keys"), new)).whole
    left, _ = drop_version(new, 1)
    stage.export = dataclasses.replace(stage.export, register=left)
    await stage.admin.execute("UPDATE register.logboek_delivery SET leaf = 0")
    await stage.send()
    assert set(stage.collector.spans) == before
    assert [headers["authorization"] for _, headers, _ in stage.collector.requests] == ["Bearer a"] * 2
    # A process with another keyring sends nothing and says so.
    stage.export = dataclasses.replace(stage.export, register=make_keyring("register"))
    await recorded(stage, 1)
    await export_due(stage.export)
    assert (await stage.standing())["last_error"] == "sleutel"
    assert len(stage.collector.requests) == 2


async def test_thousands_of_calls_arrive_whole(stage):
    await stage.choose()
    await stage.calls.record(stage.world, 2_000)
    await stage.seal()
    assert await stage.send(rounds=500) < 40
    spans = stage.collector.spans
    assert len(spans) == len(stage.collector.received) == 4_000
    ids = {row["id"].hex[16:] for row in await stage.admin.fetch("SELECT id FROM register.opening")}
    assert {one.id for one in stage.collector.calls} == ids
