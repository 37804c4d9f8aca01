"""One session with PostgreSQL: the only place of the writer where SQL is.

Owns a connection of its own (never a pool: a writer's number is a session's), its fitness, and the line between an
error after which nothing has surely been written (RowsRefused) and every other (SessionLost: the outcome is unknown).
A statement is never cancelled: a cancel that hits the wait for a replica would let a row count as durable that is not.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Literal
from uuid import UUID

import asyncpg

from gateway.errors import RegisterUnavailable
from gateway.register.batch import Numbers
from gateway.register.fitness import NOT_HERE, PASSING, Durability, check_again, check_commits, check_server, check_user
from gateway.servers import Timelines, first_of, urls_of

Schema = Literal["register", "proef"]
Result = tuple[bytes, UUID, str | None, int | None, bytes | None]

# Whoever is gone is noticed: a dead gateway's session must end, because its successor waits for that.
_SETTINGS = {
    "application_name": "koppelpunt gateway",
    "client_connection_check_interval": "1s",
    "default_transaction_isolation": "read committed",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "jit": "off",
    "lock_timeout": "0",
    "statement_timeout": "0",
    "tcp_keepalives_count": "3",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_user_timeout": "20000",
    "timezone": "UTC",
}
# SQLSTATE classes that speak of the server and not of the rows: connection, transaction state, rollback, resources,
# object state, operator, system, configuration, access rule (a function that is not there), internal, authorisation.
_NOT_OF_THE_ROWS = frozenset({"08", "0A", "25", "28", "3D", "3F", "40", "42", "53", "55", "57", "58", "F0", "XX"})
_UNREACHABLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


_LOCK_SECONDS = 0.2
_TRACED = "SELECT kind, id, verdict, number, hash FROM register.write_traced($1, $2, $3, $4, $5, $6, $7, $8, $9)"


class RowsRefused(Exception):
    """The statement failed on its data: nothing of it has been written. Holds an SQLSTATE and no text."""


class SessionLost(Exception):
    """The session is over, and what became of its last statement is unknown. Holds an SQLSTATE or a class name."""


class ServerUnreachable(Exception):
    """No session could be had. Holds an SQLSTATE or a class name."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where the register is, and what is demanded of it. Seconds.

    `timelines` is what this process remembers of fail-overs; all that it connects to one database shares it.
    """

    url: str = field(repr=False)
    schema: Schema
    instance: str
    connect_seconds: float = 5.0
    durability: Durability = "standby"
    timelines: Timelines = field(default_factory=Timelines)


class Session:
    """A writer: one session, one number, and the counters of what it wrote."""

    def __init__(
        self,
        connection: asyncpg.Connection,
        statement: object,
        traced: object | None,
        writer_id: int,
        durability: Durability,
    ) -> None:
        self._connection = connection
        self._durability = durability
        self._fetch = statement.fetch  # type: ignore[attr-defined]
        self._fetch_traced = None if traced is None else traced.fetch  # type: ignore[attr-defined]
        self.writer_id = writer_id
        self.opened: Numbers = {}
        self.closed: Numbers = {}

    async def write(self, arguments: Sequence[object], spans: Sequence[tuple[int, UUID, bytes]] = ()) -> list[Result]:
        """Write one batch in one statement and one commit. Raises RowsRefused or SessionLost.

        `spans` of callers go along where they are kept; proef has no log, and keeps none.
        asyncpg answers after ReadyForQuery, which PostgreSQL sends after the commit (and its replica's, if demanded).
        """
        try:
            if spans and self._fetch_traced is not None:
                traced: list[Result] = await self._fetch_traced(self.writer_id, *arguments, *zip(*spans, strict=True))
                return traced
            rows: list[Result] = await self._fetch(self.writer_id, *arguments)
        except asyncpg.PostgresError as error:
            if _is_of_the_rows(error):
                raise RowsRefused(error.sqlstate) from None
            raise SessionLost(error.sqlstate) from None
        except Exception as error:  # noqa: BLE001 - whatever it was, the outcome is unknown
            raise SessionLost(type(error).__name__) from None
        return rows

    async def check(self) -> None:
        """Ask whether the server is there and still fit. Raises SessionLost; nothing is under way then."""
        try:
            await check_again(self._connection, self._durability)
        except RegisterUnavailable as error:
            raise SessionLost(error.code) from None
        except Exception as error:  # noqa: BLE001 - whatever it was, this session is not to be trusted
            raise SessionLost(_name(error)) from None

    def terminate(self) -> None:
        """Drop the connection at once. A statement under way ends as SessionLost; PostgreSQL may still finish it."""
        self._connection.terminate()

    async def close(self) -> None:
        """Say goodbye to PostgreSQL. Only when no statement is under way."""
        with suppress(*_UNREACHABLE):
            await self._connection.close(timeout=1.0)

    @property
    def is_open(self) -> bool:
        return not self._connection.is_closed()


def _is_of_the_rows(error: asyncpg.PostgresError) -> bool:
    severity = error.severity_en
    if severity is None:
        # Not from the server: asyncpg could not encode an argument, so nothing has been sent.
        return isinstance(error, asyncpg.DataError)
    # ERROR means that the transaction was rolled back; FATAL and PANIC say nothing about it.
    return severity == "ERROR" and error.sqlstate[:2] not in _NOT_OF_THE_ROWS


async def begin(server: Server) -> Session:
    """Open a session, check that it may be trusted with the register, and take a writer's number.

    Its first row, the writer itself, is committed as every other will be: where a synchronous standby is demanded, a
    session exists only because one has just confirmed it. Raises ServerUnreachable, or RegisterUnavailable when server
    or user is not fit.
    """
    try:
        return await first_of(server.url, server.connect_seconds, partial(_begin, server), _is_of_the_main_server)
    except TimeoutError as error:
        raise ServerUnreachable(_name(error)) from None
    except RegisterUnavailable as error:
        if error.code in PASSING and not (error.code == "registerNietDeHoofdserver" and len(urls_of(server.url)) == 1):
            raise ServerUnreachable(error.code) from None
        raise


def _is_of_the_main_server(failure: Exception) -> bool:
    """Whether a failure says what is wrong, rather than that this is not the server to ask."""
    return isinstance(failure, RegisterUnavailable) and failure.code not in NOT_HERE


async def _begin(server: Server, url: str) -> Session:
    connection = await _connect(server, url)
    try:
        await _check(connection, server)
        await check_commits(connection)
        writer_id = await connection.fetchval(f"SELECT {server.schema}.begin_writer($1)", server.instance)
        statement = await connection.prepare(
            f"SELECT kind, id, verdict, number, hash FROM {server.schema}.write($1, $2, $3, $4, $5, $6)"  # noqa: S608
        )
        traced = None if server.schema == "proef" else await connection.prepare(_TRACED)
    except _UNREACHABLE as error:
        connection.terminate()
        raise ServerUnreachable(_name(error)) from None
    except BaseException:
        connection.terminate()
        raise
    return Session(connection, statement, traced, writer_id, server.durability)


async def running_of(server: Server, writer_ids: Sequence[int]) -> dict[int, set[tuple[int, UUID]]]:
    """Return for each lost writer *whose session is surely over* which of its calls are open, as (tenant_id, id).

    A writer whose session still lives is not in the answer: ask again later. Raises ServerUnreachable, or
    RegisterUnavailable when server or user is not fit.
    """
    try:
        seconds = server.connect_seconds + _LOCK_SECONDS * len(writer_ids)
        return await first_of(server.url, seconds, partial(_running_of, server, writer_ids))
    except TimeoutError as error:
        raise ServerUnreachable(_name(error)) from None


async def _running_of(server: Server, writer_ids: Sequence[int], url: str) -> dict[int, set[tuple[int, UUID]]]:
    connection = await _connect(server, url)
    found = {}
    try:
        # A standby knows no locks of the main server's sessions: there, every session would seem to be over.
        await _check(connection, server)
        await connection.execute(f"SET lock_timeout = {int(_LOCK_SECONDS * 1000)}")
        for writer_id in writer_ids:
            with suppress(asyncpg.LockNotAvailableError):
                rows = await connection.fetch(
                    f"SELECT tenant_id, id FROM {server.schema}.running_of($1)",  # noqa: S608
                    writer_id,
                )
                found[writer_id] = {(row[0], row[1]) for row in rows}
    except _UNREACHABLE as error:
        raise ServerUnreachable(_name(error)) from None
    finally:
        connection.terminate()
    return found


async def _connect(server: Server, url: str) -> asyncpg.Connection:
    try:
        return await asyncpg.connect(url, timeout=server.connect_seconds, server_settings=_SETTINGS)
    except (*_UNREACHABLE, ValueError) as error:
        raise ServerUnreachable(_name(error)) from None


async def _check(connection: asyncpg.Connection, server: Server) -> None:
    await check_server(connection, server.durability, server.timelines)
    await check_user(connection)


def _name(error: BaseException) -> str:
    return getattr(error, "sqlstate", None) or type(error).__name__
