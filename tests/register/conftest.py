"""Fixtures of the writer's tests: a stage with tenants, and writers that end with their test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from gateway.register import RegisterWriter
from tests.databases import Database
from tests.register.stage import Stage, make_stage

Start = Callable[..., Awaitable[RegisterWriter]]


@pytest.fixture
def stage(database: Database) -> Stage:
    return make_stage(database, tenants=3)


@pytest.fixture
async def start(stage: Stage) -> AsyncIterator[Start]:
    """Start a writer on the stage's database; settings can be changed by name."""
    writers: list[RegisterWriter] = []

    async def _start(**changes: Any) -> RegisterWriter:
        on_batch = changes.pop("on_batch", None)
        hooks = {} if on_batch is None else {"on_batch": on_batch}
        writer = RegisterWriter(stage.settings(**changes), stage.seal_unsent, **hooks)
        writers.append(writer)
        await writer.start()
        # The first session is there; the others come by themselves.
        async with asyncio.timeout(5.0):
            while writer.ready and not all(slot.session for slot in writer._slots):  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.01)
        return writer

    yield _start
    for writer in writers:
        await writer.drain(5.0)


@pytest.fixture
async def writer(start: Start) -> RegisterWriter:
    return await start()
