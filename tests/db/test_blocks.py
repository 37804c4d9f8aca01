"""When a block's grace wait has returned, nothing that it forbids is let through or can still be committed."""

import asyncio
import time

import asyncpg
import pytest

from tenants.blokkades import GraceTimeout, block, release, wait_until_closed
from tenants.faults import InputRefused, NotFound
from tenants.scope import operator_scope
from tests.db.calls import data_key, opening


async def set_block(registrar: asyncpg.Connection, value: str = "990001") -> None:
    async with operator_scope(registrar, actor="operator"):
        await block(registrar, "afnemer", value, reason="incident", actor="operator")


async def test_the_wait_ends_when_the_older_writer_ends_and_not_before(writer, world, registrar, admin):
    row = opening(world)
    transaction = writer.connection.transaction()
    await transaction.start()
    (answer,) = await writer.write([row], keys=[data_key(row)])
    assert answer.verdict is None
    await set_block(registrar)
    waiting = asyncio.create_task(wait_until_closed(registrar))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    await transaction.commit()
    await waiting
    assert await admin.fetchval("SELECT count(*) FROM register.opening WHERE refusal IS NULL") == 1
    assert (await writer.open(world, base=1))[0].verdict == "geblokkeerd"


async def test_a_writer_that_began_before_the_block_and_waited_for_its_lock_sees_the_block(
    writer, world, registrar, admin
):
    gate = admin.transaction()
    await gate.start()
    await admin.execute("LOCK TABLE register.opening IN ACCESS EXCLUSIVE MODE")
    writing = asyncio.create_task(writer.open(world))
    await asyncio.sleep(0.2)
    await set_block(registrar)
    await asyncio.wait_for(wait_until_closed(registrar), 1)
    assert not writing.done()
    await gate.rollback()
    answer, _ = await writing
    assert answer.verdict == "geblokkeerd"


async def test_the_same_holds_for_a_session_that_has_its_plan_already(writer, world, registrar, admin):
    for number in range(8):
        assert (await writer.open(world, base=number))[0].verdict is None
    gate = admin.transaction()
    await gate.start()
    await admin.execute("LOCK TABLE register.opening IN ACCESS EXCLUSIVE MODE")
    writing = asyncio.create_task(writer.open(world, base=8))
    await asyncio.sleep(0.2)
    await set_block(registrar)
    await gate.rollback()
    assert (await writing)[0].verdict == "geblokkeerd"


async def test_the_wait_takes_no_notice_of_writers_that_began_later(writer, begin_writer, world, registrar):
    await set_block(registrar, "990009")
    first = writer.connection.transaction()
    await first.start()
    await writer.open(world)
    waiting = asyncio.create_task(wait_until_closed(registrar))
    await asyncio.sleep(0.05)
    later = await begin_writer()
    second = later.connection.transaction()
    await second.start()
    await later.open(world)
    await first.rollback()
    await asyncio.wait_for(waiting, 1)
    await second.rollback()


async def test_an_older_writer_that_does_not_end_is_told(writer, world, registrar):
    transaction = writer.connection.transaction()
    await transaction.start()
    await writer.open(world)
    await set_block(registrar)
    began = time.monotonic()
    with pytest.raises(GraceTimeout, match="1 writing transactions"):
        await wait_until_closed(registrar, timeout=0.1)
    assert 0.1 <= time.monotonic() - began < 1
    await transaction.rollback()


async def test_the_wait_is_refused_inside_the_transaction_of_the_block(registrar):
    with pytest.raises(RuntimeError):
        async with operator_scope(registrar, actor="operator"):
            await wait_until_closed(registrar)


async def test_the_wait_sees_writers_of_proef_too(begin_writer, world, registrar):
    proef = await begin_writer("proef")
    transaction = proef.connection.transaction()
    await transaction.start()
    await proef.open(world)
    with pytest.raises(GraceTimeout):
        await wait_until_closed(registrar, timeout=0.05)
    await transaction.rollback()
    await wait_until_closed(registrar, timeout=0.05)


async def test_nothing_is_opened_after_the_wait_while_three_writers_go_on(begin_writer, world, registrar, admin):
    stop = asyncio.Event()

    async def load() -> None:
        writer = await begin_writer()
        base = 0
        while not stop.is_set():
            answer, _ = await writer.open(world, base=base)
            base = answer.number or base

    writers = [asyncio.create_task(load()) for _ in range(3)]
    for _ in range(10):
        await asyncio.sleep(0.02)
        await set_block(registrar)
        await wait_until_closed(registrar)
        let_through = await admin.fetchval("SELECT count(*) FROM register.opening WHERE refusal IS NULL")
        await asyncio.sleep(0.02)
        assert await admin.fetchval("SELECT count(*) FROM register.opening WHERE refusal IS NULL") == let_through
        async with operator_scope(registrar, actor="operator"):
            await release(registrar, "afnemer", "990001", reason="over", actor="operator")
    stop.set()
    await asyncio.gather(*writers)
    refused = await admin.fetchval("SELECT count(*) FROM register.opening WHERE refusal = 'geblokkeerd'")
    assert refused > 0
    assert let_through > 0


async def test_blocks_and_releases_are_in_the_history_with_reason_and_actor(registrar):
    async with operator_scope(registrar, actor="operator"):
        assert await block(registrar, "oin", "00000001001234567000", reason="sleutel gelekt", actor="Ans")
        assert not await block(registrar, "oin", "00000001001234567000", reason="nog eens", actor="Bea")
        await release(registrar, "oin", "00000001001234567000", reason="vervangen", actor="Cor")
        with pytest.raises(NotFound):
            await release(registrar, "oin", "00000001001234567000", reason="vervangen", actor="Cor")
    rows = await registrar.fetch(
        "SELECT kind, value, action, reason, actor FROM registry.blokkade_history ORDER BY number"
    )
    assert [tuple(row) for row in rows] == [
        ("oin", "00000001001234567000", "blocked", "sleutel gelekt", "Ans"),
        ("oin", "00000001001234567000", "released", "vervangen", "Cor"),
    ]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("tenant", "x"), ("afnemer", "12345"), ("oin", "1"), ("certificate", "AB" * 32), ("taaksysteem", "1"),
        ("gemeente", "0518"), ("afnemer", "990001 "),
    ],
)  # fmt: skip
async def test_a_block_that_could_block_nothing_is_refused(registrar, kind, value):
    with pytest.raises(InputRefused):
        await block(registrar, kind, value, reason="x", actor="y")


async def test_a_block_without_reason_or_actor_is_refused_with_both_faults(registrar):
    with pytest.raises(InputRefused) as told:
        await block(registrar, "afnemer", "990001", reason=" ", actor="")
    assert len(told.value.faults) == 2
