"""Three ledgers of the same calls: what callers got, what the simulator saw, what the register holds. And their agreement.

A call is known in all three by its trace id, which its caller makes (W3C Trace Context) and the gateway passes on.
"""

import asyncio
import hashlib
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import orjson
import psycopg

from gateway.simulator.seen import Seen, SeenLog
from tests.databases import Database
from tests.world import Member, World, question

PERSONEN = "/api/brp/personen"
BERICHTEN = "/api/brp/berichten/v1/berichten"
HANNA = "999941112"
_numbers = count(100_000_001)

_REGISTER = """
SELECT o.tenant_id, o.id, o.trace_id, o.afnemer_id::text, o.organisation_oin::text, o.certificate_oin::text,
  encode(o.fingerprint, 'hex') AS fingerprint, o.aansluiting_id, o.machtiging_id, o.taaksysteem_tenant_id,
  o.taaksysteem_id, o.refusal, o.opened_at, o.api, o.operation, c.outcome, c.status, c.code, c.persons, c.closed_at,
  r.id IS NOT NULL AS running
FROM register.opening o LEFT JOIN register.closing c USING (tenant_id, id) LEFT JOIN register.running r USING (tenant_id, id)
ORDER BY o.id
"""


@dataclass(slots=True)
class Called:
    """One call as its caller knows it. `status` is None where the connection broke. Times are Unix seconds.

    Names of headers are in lower case.
    """

    trace: UUID
    member: Member
    began: float
    body_sha256: str
    ended: float = 0.0
    status: int | None = None
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def document(self) -> Any:
        return orjson.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.document.get("code"))

    @property
    def place(self) -> str:
        return str(self.document.get("plaats"))


@dataclass(frozen=True, slots=True)
class Row:
    """One opening with its closing, if it has one."""

    tenant_id: int
    id: UUID
    trace_id: UUID
    afnemer_id: str | None
    organisation_oin: str | None
    certificate_oin: str | None
    fingerprint: str | None
    aansluiting_id: int | None
    machtiging_id: int | None
    taaksysteem_tenant_id: int
    taaksysteem_id: int
    refusal: str | None
    opened_at: datetime
    api: str
    operation: str
    outcome: str | None
    status: int | None
    code: str | None
    persons: int | None
    closed_at: datetime | None
    running: bool


class Caller:
    """Makes calls over one session and keeps the callers' ledger."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.ledger: list[Called] = []

    async def call(
        self, url: str, member: Member, body: Any = None, path: str = PERSONEN, method: str = "POST", **headers: str
    ) -> Called:
        """Make one call. Whatever happens, it stands in the ledger."""
        data, sent = b"", {"X-API-KEY": member.api_key}
        if method == "POST":
            sent["Content-Type"] = "application/json"
            data = body if isinstance(body, bytes) else orjson.dumps(question(HANNA) if body is None else body)
        called = Called(uuid4(), member, time.time(), hashlib.sha256(data).hexdigest())
        self.ledger.append(called)
        sent["traceparent"] = f"00-{called.trace.hex}-{called.trace.hex[:16]}-01"
        try:
            request = self.session.request(method, url + path, headers=sent | headers, data=data or None)
            async with request as answer:
                called.body = await answer.read()
                called.status = answer.status
                called.headers = {name.lower(): value for name, value in answer.headers.items()}
        except (aiohttp.ClientError, OSError):
            pass
        called.ended = time.time()
        return called


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 10.0) -> None:
    """Wait for something that happens outside this loop. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.005)


def unique_question(bsn: str = HANNA) -> dict[str, Any]:
    """A question that no other call asks: beside the BSN it names a number that is nobody's."""
    return question(bsn, f"{next(_numbers):09d}")


class CheckingLog(SeenLog):
    """The simulator's record, which asks PostgreSQL of each call, at the moment of its arrival, for its opening row."""

    __slots__ = ("_admin", "unopened")

    def __init__(self, database: Database) -> None:
        super().__init__(100_000)
        self._admin = psycopg.connect(database.url("admin"), autocommit=True)
        self.unopened: list[Seen] = []

    def append(self, seen: Seen) -> None:
        super().append(seen)
        if seen.kind == "api":
            query = "SELECT EXISTS (SELECT FROM register.opening WHERE trace_id = %s AND refusal IS NULL)"
            found = self._admin.execute(query, (trace_of(seen),)).fetchone()
            if found != (True,):
                self.unopened.append(seen)

    def close(self) -> None:
        self._admin.close()


def trace_of(seen: Seen) -> UUID:
    return UUID(seen.headers["traceparent"].split("-")[1])


async def read_register(database: Database) -> list[Row]:
    """The register of productie, as a superuser sees it, when every writer that is gone is surely gone."""
    admin = await asyncpg.connect(database.url("admin"))
    try:
        return [Row(**row) for row in await admin.fetch(_REGISTER)]
    finally:
        await admin.close()


async def wait_for_silence(database: Database, sessions: int = 0, seconds: float = 10.0) -> None:
    """Wait until no more than this number of the gateways' writing sessions are left: a killed one may still commit."""
    admin = await asyncpg.connect(database.url("admin"))
    try:
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name = 'koppelpunt gateway'"
        )

        async def is_silent() -> bool:
            return int(await admin.fetchval(query)) <= sessions

        await until(is_silent, seconds)
    finally:
        await admin.close()


async def read_orphans(database: Database) -> set[tuple[int, UUID]]:
    """What the sealer is told of calls without closing."""
    sealer = await asyncpg.connect(database.url("sealer"))
    try:
        rows = await sealer.fetch("SELECT tenant_id, id FROM register.orphans('0 seconds') WHERE kind = 'productie'")
        return {(row["tenant_id"], row["id"]) for row in rows}
    finally:
        await sealer.close()


def assert_ledgers_agree(
    called: Iterable[Called], seen: Iterable[Seen], rows: Sequence[Row], orphans: set[tuple[int, UUID]]
) -> None:
    """The promises about crashes, over whole ledgers.

    No answer without a closing row; no call at RvIG without an opening row; every call without a closing is visible.
    """
    opened: dict[UUID, list[Row]] = defaultdict(list)
    for row in rows:
        if row.refusal is None:
            opened[row.trace_id].append(row)
    for one in called:
        if one.status == 200:
            closed = [row for row in opened[one.trace] if (row.outcome, row.status) == ("beantwoord", 200)]
            assert len(closed) == 1, f"answered without exactly one closing: {one}"
            closed_at = closed[0].closed_at
            assert closed_at is not None
            assert closed_at.timestamp() <= one.ended
    arrived: dict[UUID, list[Seen]] = defaultdict(list)
    for call in seen:
        arrived[trace_of(call)].append(call)
    for trace, calls in arrived.items():
        may_have_left = [row for row in opened[trace] if row.outcome != "niet_verzonden"]
        assert len(calls) <= len(may_have_left), f"{len(calls)} calls of {trace} at RvIG, {len(may_have_left)} openings"
        first = min(row.opened_at.timestamp() for row in may_have_left)
        assert all(first <= call.time for call in calls)
    without = {(row.tenant_id, row.id) for row in rows if row.refusal is None and row.outcome is None}
    assert without == {(row.tenant_id, row.id) for row in rows if row.running}
    assert without == orphans


async def check_ledgers(world: World, caller: Caller) -> list[Row]:
    """Read what the simulator and the register hold now, compare, and return the rows."""
    rows = await read_register(world.database)
    assert_ledgers_agree(caller.ledger, world.seen(), rows, await read_orphans(world.database))
    return rows
