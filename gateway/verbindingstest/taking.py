"""Takes verbindingstesten that were asked for, one gateway per test, and writes their steps as they happen.

Owns one connection to PostgreSQL. A test that this process took and does not end (because it died) is given up by the
others after a minute. Never more than two tests at once, so that testing is no load.
"""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

import asyncpg
import structlog

from gateway.call import Answered
from gateway.catalogue import Environment
from gateway.telemetry import note_security
from gateway.verbindingstest import rows
from gateway.verbindingstest.rows import Taken
from gateway.verbindingstest.running import Bench, run_in_steps
from gateway.verbindingstest.steps import Step, wrong
from tenants.model import Aansluiting

AT_ONCE = 2
LONGEST_SECONDS = 120.0
_EVERY = 10.0
_TROUBLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
log = structlog.get_logger("koppelpunt.verbindingstest")

Place = Literal["token", "api"]
Heard = Callable[[Aansluiting, Environment, Place, Answered], object]


class TestTaker:
    """Runs inside one loop from `start` until `close`. `connect` gives a connection of the gateway's role."""

    __test__ = False

    def __init__(self, connect: Callable[[], Any], bench: Bench, instance: str, heard: Heard) -> None:
        self._connect = connect
        self._bench = bench
        self._instance = instance
        self._heard = heard
        self._wake = asyncio.Event()
        self._room = asyncio.Semaphore(AT_ONCE)
        self._running: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep_taking(), name="verbindingstesten")

    async def close(self) -> None:
        """Stop taking; what runs is ended, and its test given up."""
        tasks = [task for task in (self._task, *self._running) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_taking(self) -> None:
        while True:
            try:
                connection = await self._connect()
            except _TROUBLE as error:
                log.warning("verbindingstest_geen_databank", fout=type(error).__name__)
                await asyncio.sleep(random.uniform(1.0, 3.0))
                continue
            try:
                await self._listen(connection)
            except _TROUBLE as error:
                log.warning("verbindingstest_databank_weg", fout=type(error).__name__)
                await asyncio.sleep(random.uniform(0.5, 1.5))
            finally:
                connection.terminate()

    async def _listen(self, connection: asyncpg.Connection) -> None:
        await connection.add_listener(rows.CHANNEL, self._on_notice)
        connection.add_termination_listener(self._on_notice)
        while True:
            # Before looking: what is asked from here on wakes us again.
            self._wake.clear()
            await self._take_all(connection)
            with suppress(TimeoutError):
                async with asyncio.timeout(_EVERY * random.uniform(0.8, 1.2)):
                    await self._wake.wait()

    def _on_notice(self, *_: object) -> None:
        self._wake.set()

    async def _take_all(self, connection: asyncpg.Connection) -> None:
        while True:
            await self._room.acquire()
            taken = None
            try:
                taken = await rows.take(connection, self._instance)
            finally:
                if taken is None:
                    self._room.release()
            if taken is None:
                return
            task = asyncio.create_task(self._carry(taken))
            self._running.add(task)
            task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._room.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("verbindingstest_fout", fout=type(error).__name__)

    async def _carry(self, taken: Taken) -> None:
        """One test, over a connection of its own, so that a slow one holds nobody up."""
        try:
            connection = await self._connect()
        except _TROUBLE:
            return
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                state = await self._write_steps(connection, taken)
            await rows.end(connection, taken, state)
            note_security(
                "verbindingstest",
                target=f"aansluiting/{taken.tenant_id}/{taken.aansluiting_id}",
                result=state,
                actor=self._instance,
            )
        except _TROUBLE as error:
            # A time-out of the whole, or the database: what can still be said is said, the rest the others find out.
            log.warning("verbindingstest_afgebroken", fout=type(error).__name__)
            with suppress(*_TROUBLE):
                await rows.end(connection, taken, "afgebroken")
        except Exception as error:  # noqa: BLE001 - a fault of ours ends the test, and not in silence
            log.error("verbindingstest_fout", fout=type(error).__name__)  # noqa: TRY400 - the class alone
            await rows.end(connection, taken, "afgebroken")
        finally:
            connection.terminate()

    async def _write_steps(self, connection: asyncpg.Connection, taken: Taken) -> str:
        """Write each step before the next is begun; the outcome. A test that was given up sends nothing more."""
        subject = await rows.read_subject(connection, taken)
        if subject is None or subject.is_blocked:
            await rows.note_step(connection, taken, 1, _no_subject(blocked=subject is not None))
            return "mislukt"
        aansluiting, is_own = subject.aansluiting, subject.is_own
        environment = self._bench.catalogue.environments.get(aansluiting.environment)

        def heard(place: Place, answered: Answered) -> None:
            # What RvIG says of a staged certificate or credential says nothing of the calls.
            if environment is not None and is_own:
                self._heard(aansluiting, environment, place, answered)

        failed, number = False, 0
        steps = run_in_steps(self._bench, aansluiting, taken.apis, heard)
        try:
            async for step in steps:
                number += 1
                failed = failed or step.stops
                if not await rows.note_step(connection, taken, number, step):
                    return "afgebroken"
                again = await rows.read_subject(connection, taken)
                if again is None or again.is_blocked:
                    await rows.note_step(connection, taken, number + 1, _no_subject(blocked=again is not None))
                    return "mislukt"
        finally:
            await steps.aclose()
        return "mislukt" if failed else "geslaagd"


def _no_subject(*, blocked: bool) -> Step:
    if blocked:
        detail = "Er staat een blokkade op deze aansluiting; zolang die staat, verlaat niets de gateway."
        return wrong("gegevens", "tenant", detail, geblokkeerd=True)
    detail = (
        "De aansluiting, het certificaat of de credential is sinds de aanvraag veranderd. Vraag de test opnieuw aan."
    )
    return wrong("gegevens", "tenant", detail)
