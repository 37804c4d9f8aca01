"""An answer that goes out line by line while something is under way, and that always ends as a whole answer.

Whoever follows is told at once how it stands, and again after each silence, so that nobody on the way takes the answer for dead; and
when it cannot be followed to its end, a last line `{"probleem": …}` says so. Cutting an answer off says nothing to who reads it.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import orjson
import structlog

from tenants.faults import RegistryError
from tenants.pools import WrongRole

NDJSON: Final = "application/x-ndjson"
_TROUBLE: Final = (OSError, TimeoutError, WrongRole, RegistryError, asyncpg.PostgresError, asyncpg.InterfaceError)
_TOO_LONG: Final = {
    "code": "nogNietKlaar",
    "detail": "Dit is nog niet klaar, en wordt hier niet langer gevolgd. Lees later hoe het afliep.",
}
_LOST: Final = {"code": "nietTeVolgen", "detail": "Dit is nu niet te volgen. Lees later hoe het afliep."}
log = structlog.get_logger("koppelpunt.admin")


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look found: how it stands, what is new, in order, and whether it was the last."""

    standing: dict[str, Any]
    new: Sequence[dict[str, Any]]
    ended: bool


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: between two looks, of silence before it is told how it stands, and of following at all."""

    every: float = 0.3
    silence: float = 10.0
    longest: float = 200.0


async def follow(look: Callable[[], Awaitable[Seen]], pace: Pace) -> AsyncIterator[bytes]:
    """Yield what each look finds, a JSON object a line, until the last. Raises nothing that a look raises of the database."""
    clock = asyncio.get_running_loop().time
    began = clock()
    spoke = -math.inf
    while True:
        try:
            seen = await look()
        except _TROUBLE as error:
            log.error("volgen_mislukt", fout=type(error).__name__)  # noqa: TRY400 - a text may hold what was given
            yield as_line({"probleem": _LOST})
            return
        # The first line goes at once: servers send the head of an answer along with it.
        silent = not seen.new and clock() - spoke > pace.silence
        for one in (seen.standing,) if silent else seen.new:
            yield as_line(one)
            spoke = clock()
        if seen.ended:
            return
        if clock() - began > pace.longest:
            yield as_line({"probleem": _TOO_LONG})
            return
        await asyncio.sleep(pace.every)


def as_line(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value) + b"\n"
