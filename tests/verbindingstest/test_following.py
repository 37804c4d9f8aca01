"""What is followed line by line ends as a whole answer, whatever becomes of what it follows."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tenants.api.following import Pace, Seen, follow
from tenants.faults import NotFound

AT_ONCE = Pace(every=0.0, silence=60.0, longest=60.0)
WAITING = {"toestand": "gevraagd"}


async def lines(looks: Iterator[Seen | Exception], pace: Pace = AT_ONCE) -> list[Any]:
    async def look() -> Seen:
        found = next(looks)
        if isinstance(found, Exception):
            raise found
        return found

    return [json.loads(line) async for line in follow(look, pace)]


def always(seen: Seen) -> Iterator[Seen | Exception]:
    while True:
        yield seen


async def test_how_it_stands_is_told_once_at_the_beginning_and_then_what_is_new():
    looks = [Seen(WAITING, [], False)] * 3 + [
        Seen(WAITING, [{"stap": 1}, {"stap": 2}], False),
        Seen(WAITING, [{"klaar": 1}], True),
    ]
    assert await lines(iter(looks)) == [WAITING, {"stap": 1}, {"stap": 2}, {"klaar": 1}]


async def test_a_silence_is_broken_by_how_it_stands():
    looks = [Seen(WAITING, [], False)] * 4 + [Seen(WAITING, [{"klaar": 1}], True)]
    assert await lines(iter(looks), Pace(every=0.002, silence=0.0)) == [WAITING] * 4 + [{"klaar": 1}]


@pytest.mark.parametrize("error", [OSError(), TimeoutError(), NotFound("999990019"), ConnectionResetError("999990019")])
async def test_what_cannot_be_followed_any_more_is_said_in_the_last_line(error: Exception):
    first, last = await lines(iter([Seen(WAITING, [], False), error]))
    assert (first, last["probleem"]["code"]) == (WAITING, "nietTeVolgen")
    assert "999990019" not in json.dumps(last)


async def test_what_takes_too_long_is_said_in_the_last_line():
    async with asyncio.timeout(10):
        found = await lines(always(Seen(WAITING, [], False)), Pace(every=0.0, silence=60.0, longest=0.01))
    assert found[0] == WAITING
    assert found[-1]["probleem"]["code"] == "nogNietKlaar"
