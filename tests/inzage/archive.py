"""Years of a register, laid down at once: partitions, keys, and calls by COPY. Rows are as the gateway writes them.

Calls about the persons that a reader asks for are sealed one by one, so that they open; all others share one sealed value,
which nobody opens.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from random import Random
from typing import Any
from uuid import UUID

import asyncpg

from gateway.records import DataKey, RecordSealer, SealedRecord
from tenants.model import TenantKey
from tenants.register_keys import uuid_floor
from tenants.registry import ensure_tenant_years
from tenants.scope import tenant_scope
from tests.worlds import Keyrings, World

_TABLES = {"opening": 1, "closing": 1, "person": 12}
"""The months of a partition."""
_BATCH = 20_000
_OPENING = (
    "tenant_id", "id", "writer_id", "number", "opened_at", "aansluiting_id", "aansluiting_version", "machtiging_id",
    "machtiging_version", "taaksysteem_tenant_id", "taaksysteem_id", "taaksysteem_version", "acting_oin", "afnemer_id",
    "organisation_oin", "certificate_oin", "fingerprint", "doelbinding", "grondslag", "ontvanger", "verwerkingsactiviteit",
    "api", "operation", "question_shape_id", "user_index", "data_key_id", "sealed", "hash",
)  # fmt: skip
_ASKED = ("RaadpleegMetBurgerservicenummer", "010120")
_SHAPE = (
    "INSERT INTO register.question_shape VALUES ($1, register.question_shape_of($2, $3, $4), 1, $2, $3, $4) "
    "RETURNING question_shape_id"
)
_CLOSING = (
    "tenant_id", "id", "writer_id", "number", "closed_at", "outcome", "status", "persons", "unidentified",
    "question_bytes", "answer_bytes", "token_us", "upstream_us", "total_us", "data_key_id", "sealed", "hash",
)  # fmt: skip


@dataclass(slots=True)
class Archive:
    """Past years of one tenant. `admin` is a superuser: what a gateway wrote then cannot be written by one now."""

    admin: asyncpg.Connection
    registrar: asyncpg.Connection
    keyrings: Keyrings
    world: World
    sealer: RecordSealer | None = None
    data_keys: dict[UUID, DataKey] = field(default_factory=dict)
    shapes: dict[str, UUID] = field(default_factory=dict)
    number: int = 0
    filler: tuple[UUID, bytes] = (UUID(int=0), b"")

    async def years(self, years: Sequence[int]) -> None:
        """Make partitions and keys of these years."""
        tenant_id, keyrings = self.world.tenant_id, self.keyrings
        async with tenant_scope(self.registrar, tenant_id, actor="test"):
            await ensure_tenant_years(self.registrar, tenant_id, keyrings.identity, keyrings.register, years)
        for year in years:
            for table, step in _TABLES.items():
                for month in range(1, 13, step):
                    await self._partition(table, year, month, step)
        rows = await self.admin.fetch(
            "SELECT tenant_id, year, public_key, index_key_for_gateway FROM registry.tenant_key WHERE tenant_id = $1",
            tenant_id,
        )
        keys = {row["year"]: TenantKey(**row) for row in rows}
        self.sealer = RecordSealer(lambda _, year: keys.get(year), keyrings.identity)

    async def _partition(self, table: str, year: int, month: int, step: int) -> None:
        name = f"register.{table}_{year}" + ("" if step == 12 else f"{month:02}")
        low = uuid_floor(datetime(year, month, 1, tzinfo=UTC))
        high = uuid_floor(datetime(year + (month + step > 12), (month + step - 1) % 12 + 1, 1, tzinfo=UTC))
        if await self.admin.fetchval("SELECT to_regclass($1)", name) is None:
            await self.admin.execute(
                f"CREATE TABLE {name} PARTITION OF register.{table} FOR VALUES FROM ('{low}') TO ('{high}')"
            )

    async def fill(self, calls: Iterable["Call"], *, told: Callable[[int], None] = lambda _: None) -> None:
        """Write calls, in batches. `told` hears of how many at a time."""
        rows = iter(calls)
        self.filler = await self._filler()
        while batch := list(islice(rows, _BATCH)):
            await self._write(batch)
            told(len(batch))
        await self.admin.execute("ANALYZE register.opening, register.closing, register.person, register.data_key")

    async def _write(self, batch: Sequence["Call"]) -> None:
        known = set(self.data_keys)
        for rubrieken in sorted({one.rubrieken for one in batch} - self.shapes.keys()):
            self.shapes[rubrieken] = await self.admin.fetchval(_SHAPE, self.world.tenant_id, *_ASKED, rubrieken)
        openings, closings, persons = [], [], []
        for one in batch:
            opening, closing, found = self._rows(one)
            openings.append(opening)
            closings.append(closing)
            persons += found
        for table, columns, records in (
            ("data_key", ("tenant_id", "data_key_id", "year", "wrapped"), self._new_keys(known)),
            ("opening", _OPENING, openings),
            ("closing", _CLOSING, closings),
            ("person", ("tenant_id", "person", "id", "message_id"), persons),
        ):
            await self.admin.copy_records_to_table(table, schema_name="register", columns=columns, records=records)

    def _new_keys(self, known: set[UUID]) -> list[tuple[Any, ...]]:
        fresh = (one for key, one in self.data_keys.items() if key not in known)
        return [(one.tenant_id, one.data_key_id, one.year, one.wrapped) for one in fresh]

    def _rows(self, one: "Call") -> tuple[tuple[Any, ...], tuple[Any, ...], list[tuple[Any, ...]]]:
        w, tenant_id, at = self.world, self.world.tenant_id, one.at
        self.number += 1
        asked, answered = self._sealed(one)
        hashed = secrets.token_bytes(32)
        opening = (
            tenant_id, one.id, 1, self.number, at, w.aansluiting_id, 1, w.machtiging_id, 1, tenant_id, w.taaksysteem_id,
            1, w.oin, w.afnemer_id, w.oin, w.oin, w.fingerprint, one.doelbinding, "art. 3.5 Wet BRP",
            "College van burgemeester en wethouders", "Bijstand", "personen", "POST", self.shapes[one.rubrieken], one.user, *asked, hashed,
        )  # fmt: skip
        closing = (
            tenant_id, one.id, 1, self.number, at, "beantwoord", 200, len(one.bsns) or 1, 0, 100, 900, 0, 50_000, 51_000,
            *answered, hashed,
        )  # fmt: skip
        sealer = self._ready
        indexes = [sealer.person_index(tenant_id, at.year, bsn) for bsn in one.bsns] or [
            UUID(bytes=secrets.token_bytes(16))
        ]
        return opening, closing, [(tenant_id, index, one.id, "") for index in indexes]

    def _sealed(self, one: "Call") -> tuple[tuple[UUID, bytes], tuple[UUID, bytes]]:
        if not one.bsns:
            return self.filler, self.filler
        tenant_id, sealer = self.world.tenant_id, self._ready
        made = (
            sealer.seal_opening(
                tenant_id, one.id, user="j.jansen", source="192.0.2.7", headers={}, question=b"{}", query=""
            ),
            sealer.seal_closing(tenant_id, one.id, persons=one.bsns, answer=b'{"personen":[{}]}' * 40, headers={}),
        )
        return self._kept(made[0]), self._kept(made[1])

    def _kept(self, record: SealedRecord) -> tuple[UUID, bytes]:
        self.data_keys[record.data_key.data_key_id] = record.data_key
        return record.data_key.data_key_id, record.sealed

    async def _filler(self) -> tuple[UUID, bytes]:
        return UUID(bytes=secrets.token_bytes(16)), secrets.token_bytes(400)

    @property
    def _ready(self) -> RecordSealer:
        assert self.sealer is not None, "years come first"
        return self.sealer


@dataclass(frozen=True, slots=True)
class Call:
    """One answered call; without persons it is about somebody whom nobody asks for."""

    id: UUID
    at: datetime
    bsns: Sequence[str] = ()
    user: UUID | None = None
    rubrieken: str = "010120, 010210, 010240, 081110"
    doelbinding: str = "Uitvoering Participatiewet"


def at(moment: datetime, random: Random) -> UUID:
    """A UUIDv7 of a moment."""
    return UUID(
        int=int(moment.timestamp() * 1000) << 80
        | 7 << 76
        | random.getrandbits(12) << 64
        | 2 << 62
        | random.getrandbits(62)
    )


def spread(
    count: int, first: datetime, last: datetime, *, about: Sequence[str] = (), every: int = 0, seed: int = 7
) -> Iterator[Call]:
    """Calls evenly over a time, by thirty users; each `every`th is about the persons of `about`."""
    random = Random(seed)
    users = [UUID(int=random.getrandbits(128)) for _ in range(30)]
    step = (last - first) / count
    for number in range(count):
        moment = first + step * number
        asked = about if every and number % every == 0 else ()
        yield Call(at(moment, random), moment, asked, users[number % len(users)])
