"""`koppelpunt demo`: starts everything, tells it, checks it, and stays up until told to stop.

Status 0: everything was as expected. 1: something was not, or could not be started. 130: interrupted before the end.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable
from typing import TypeVar

import asyncpg
import psycopg
import sqlalchemy.exc
from rich.console import Console

from gateway.demo.asking import Unreachable
from gateway.demo.calls import Stage, sample_calls
from gateway.demo.doors import curl_lines
from gateway.demo.expectations import Check, check_call, check_refusal, exit_status
from gateway.demo.processes import ProcessEnded
from gateway.demo.refusals import sample_refusals
from gateway.demo.show import (
    make_console,
    show_call,
    show_failure,
    show_refusal,
    show_result,
    show_samples,
)
from gateway.demo.standing import Standing, standing
from gateway.embedded import DatabaseUnavailable

T = TypeVar("T")
_INTERRUPTED = 130
_TROUBLE = (
    DatabaseUnavailable,
    ProcessEnded,
    Unreachable,
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    psycopg.Error,
    sqlalchemy.exc.SQLAlchemyError,
)


def run_demo(*, once: bool, database_url: str | None) -> int:
    """Run the demo and return its exit status. `database_url` names a server to use instead of the embedded one."""
    with asyncio.Runner() as runner:
        return runner.run(_until_interrupted(once=once, database_url=database_url))


async def _until_interrupted(*, once: bool, database_url: str | None) -> int:
    """Run until the end, or until SIGINT or SIGTERM; then end in order. A second signal ends at once."""
    console, told = make_console(), list[int]()
    demo = asyncio.ensure_future(_demo(console, told, once=once, database_url=database_url))
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        demo.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        await demo
    except asyncio.CancelledError:
        console.print("Stopped; everything is cleaned up.")
    except _TROUBLE as error:
        show_failure(console, str(error) or type(error).__name__)
        return 1
    return told[0] if told else _INTERRUPTED


async def _demo(console: Console, told: list[int], *, once: bool, database_url: str | None) -> None:
    began = time.monotonic()
    async with standing(console, database_url) as everything:
        show_samples(console, everything.stage.samples)
        checks = await _carried(everything, _tell(console, everything.stage))
        show_result(console, checks, time.monotonic() - began)
        told.append(exit_status(checks))
        if not once:
            for line in curl_lines(everything):
                console.print(line, soft_wrap=True, markup=False)
            await _carried(everything, asyncio.Event().wait())


async def _tell(console: Console, stage: Stage) -> list[Check]:
    """Make the calls, bring about the refusals, show each, and return every check."""
    told: list[Check] = []
    number = 0
    async for call, observed in sample_calls(stage):
        number += 1
        checks = check_call(call, observed)
        show_call(console, number, call, observed, checks)
        told += checks
    number = 0
    async for refusal, refused in sample_refusals(stage):
        number += 1
        checks = check_refusal(refusal, refused)
        show_refusal(console, number, refusal, refused, checks)
        told += checks
    return told


async def _carried(everything: Standing, work: Awaitable[T]) -> T:
    """Await something, as long as every process lives. Raises ProcessEnded when one does not."""
    doing = asyncio.ensure_future(work)
    ends = [asyncio.ensure_future(child.until_ended()) for child in everything.children]
    try:
        await asyncio.wait({doing, *ends}, return_when=asyncio.FIRST_COMPLETED)
        ended = [one.result() for one in ends if one.done()]
        if ended and not doing.done():
            raise ProcessEnded(ended[0])
        return await doing
    finally:
        for one in (doing, *ends):
            one.cancel()
        await asyncio.gather(doing, *ends, return_exceptions=True)
