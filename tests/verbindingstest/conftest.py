"""A world with one gemeente, and a gateway that takes tests."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from tenants.scope import tenant_scope
from tenants.verbindingstesten import ENDED, StepSeen, TestSeen, Wish, ask_test, find_test, list_steps
from tests.e2e.ledgers import Caller, until
from tests.world import Member, World, world

Ended = tuple[TestSeen, list[StepSeen]]


@pytest.fixture
async def here(database, tmp_path) -> AsyncIterator[World]:
    async with world(database, tmp_path / "world") as made:
        yield made


@pytest.fixture
async def member(here: World) -> Member:
    return await here.add_member()


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield Caller(session)


@dataclass(frozen=True, slots=True)
class Tester:
    """Asks for a test as `tenants` does, and waits for its end."""

    world: World

    async def ask(self, member: Member, **wish: Any) -> int:
        db = self.world.tenants
        async with tenant_scope(db, member.tenant_id, actor="beheerder/1"):
            return await ask_test(db, member.tenant_id, Wish(member.aansluiting_id, **wish), asked_by="beheerder/1")

    async def read(self, member: Member, number: int) -> Ended:
        db = self.world.tenants
        async with tenant_scope(db, member.tenant_id, actor="beheerder/1"):
            found = await find_test(db, member.tenant_id, member.aansluiting_id, number)
            return found, await list_steps(db, member.tenant_id, number)

    async def run(self, member: Member, **wish: Any) -> Ended:
        number = await self.ask(member, **wish)

        async def has_ended() -> bool:
            return (await self.read(member, number))[0].state in ENDED

        await until(has_ended)
        return await self.read(member, number)


@pytest.fixture
def tester(here: World) -> Tester:
    return Tester(here)


Run = Callable[..., Awaitable[Ended]]


def outcomes(steps: list[StepSeen]) -> dict[str, str]:
    """What became of each step, by name; of steps that were done twice the last."""
    return {step.name: step.result for step in steps}
