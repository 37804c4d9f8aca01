"""Rows for the register's writing function, right by default; each test bends one thing."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from tests.worlds import World

OPENING = (
    "id", "tenant_id", "base", "machtiging_id", "machtiging_version", "aansluiting_id", "aansluiting_version",
    "taaksysteem_tenant_id", "taaksysteem_id", "taaksysteem_version", "key_id", "credential_id", "fingerprint",
    "refusal", "api", "operation", "question_type", "zoekrubrieken", "rubrieken", "messages", "trace_id",
    "user_index", "data_key_id", "sealed",
)  # fmt: skip
CLOSING = (
    "id", "tenant_id", "base", "outcome", "status", "code", "persons", "unidentified", "question_bytes",
    "answer_bytes", "token_us", "upstream_us", "total_us", "data_key_id", "sealed",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Written:
    """One row of the answer."""

    kind: bytes
    id: UUID
    verdict: str | None
    number: int | None
    hash: bytes | None


@dataclass(slots=True)
class Writer:
    """One session of the gateway's role, with its number in one schema."""

    connection: asyncpg.Connection
    schema: str
    writer_id: int
    keys: dict[int, UUID] = field(default_factory=dict)

    async def write(
        self,
        openings: Sequence[dict[str, Any]] = (),
        closings: Sequence[dict[str, Any]] = (),
        persons: Sequence[tuple[UUID, int, UUID, str]] = (),
        messages: Sequence[tuple[UUID, int, str]] = (),
        keys: Sequence[tuple[UUID, int, int, bytes]] = (),
        spans: Sequence[tuple[int, UUID, bytes]] = (),
    ) -> list[Written]:
        function, more = ("write_traced", ", $7, $8, $9") if spans else ("write", "")
        rows = await self.connection.fetch(
            f"SELECT kind, id, verdict, number, hash FROM {self.schema}.{function}($1, $2, $3, $4, $5, $6{more})",  # noqa: S608
            self.writer_id,
            list(keys),
            [tuple(one[name] for name in OPENING) for one in openings],
            [tuple(one[name] for name in CLOSING) for one in closings],
            list(persons),
            list(messages),
            *zip(*spans, strict=True),
        )
        return [Written(*row) for row in rows]

    async def open(self, world: World, **changes: Any) -> tuple[Written, dict[str, Any]]:
        """Write one opening with a data key of its own; return the answer and what was written."""
        row = opening(world, **changes)
        keys = [] if "data_key_id" in changes else [data_key(row)]
        return (await self.write([row], keys=keys))[0], row


def uuid7(at: float | None = None) -> UUID:
    """RFC 9562, 5.7."""
    milliseconds = int((time.time() if at is None else at) * 1000)
    return UUID(int=milliseconds << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62))


def data_key(row: dict[str, Any]) -> tuple[UUID, int, int, bytes]:
    return row["data_key_id"], row["tenant_id"], datetime.now(UTC).year, b"wrapped"


def opening(world: World, **changes: Any) -> dict[str, Any]:
    """An opening that is let through."""
    unknown = changes.keys() - set(OPENING)
    assert not unknown, unknown
    return {
        "id": uuid7(), "tenant_id": world.tenant_id, "base": 0, "machtiging_id": world.machtiging_id,
        "machtiging_version": 1, "aansluiting_id": world.aansluiting_id, "aansluiting_version": 1,
        "taaksysteem_tenant_id": world.tenant_id, "taaksysteem_id": world.taaksysteem_id, "taaksysteem_version": 1,
        "key_id": world.key_id, "credential_id": world.credential_id, "fingerprint": world.fingerprint,
        "refusal": None, "api": "personen", "operation": "POST", "question_type": "RaadpleegMetBurgerservicenummer",
        "zoekrubrieken": "010120", "rubrieken": "010120 010210", "messages": None, "trace_id": uuid7(),
        "user_index": UUID(bytes=b"u" * 16), "data_key_id": uuid7(), "sealed": b"\x01 question", **changes,
    }  # fmt: skip


def closing(row: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A closing of that opening, under the same data key."""
    unknown = changes.keys() - set(CLOSING)
    assert not unknown, unknown
    return {
        "id": row["id"], "tenant_id": row["tenant_id"], "base": 0, "outcome": "beantwoord", "status": 200,
        "code": None, "persons": 1, "unidentified": 0, "question_bytes": 100, "answer_bytes": 900, "token_us": 0,
        "upstream_us": 51_000, "total_us": 52_000, "data_key_id": row["data_key_id"], "sealed": b"\x01 answer",
        **changes,
    }  # fmt: skip
