"""Checks a pile of receipts that a caller kept against the register: each must be the record of an answer.

A receipt is what stood in an answer's header `X-Protocol-Bewijs`: `id:number:hash`, one a line. Its row must be there, have
that number and hash, and still hash to it. Against a live register in a recorded reading, or against an export, offline.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final, Literal
from uuid import UUID

import asyncpg
import orjson

from tenants.export.archive import open_archive
from tenants.export.lines import canonical
from tenants.export.plan import find_tenant
from tenants.export.rows import read_closings
from tenants.export.running import RecordedReading
from tenants.faults import InputRefused
from tenants.recording import Reading, reading_scope

_BATCH: Final = 1_000
_MOST_FAULTS: Final = 100
Trouble = Literal["not_there", "other_number", "other_hash", "altered"]


@dataclass(frozen=True, slots=True)
class ReceiptHeld:
    """A receipt, and the line of the file that it stands on."""

    line: int
    id: UUID
    number: int
    hash: str


@dataclass(slots=True)
class Checked:
    """How many there were, and the first hundred that the register does not answer for."""

    receipts: int = 0
    faults: list[tuple[ReceiptHeld, Trouble]] = field(default_factory=list)

    def note(self, receipt: ReceiptHeld, trouble: Trouble) -> None:
        """Note one."""
        if len(self.faults) < _MOST_FAULTS:
            self.faults.append((receipt, trouble))


def read_receipts(lines: Iterable[str]) -> Iterator[ReceiptHeld]:
    """The receipts of a file; empty lines say nothing. Raises InputRefused with the line that is none."""
    for count, line in enumerate(lines, 1):
        text = line.strip()
        if not text:
            continue
        parts = text.split(":")
        try:
            id_, number, hash_ = parts
            receipt = ReceiptHeld(count, UUID(id_), int(number), hash_.lower())
            if len(bytes.fromhex(hash_)) != 32:
                raise ValueError  # noqa: TRY301 - one way out for every line that is no receipt
        except ValueError:
            raise InputRefused([f"Line {count} is no receipt (id:number:hash)."]) from None
        yield receipt


async def check_live(
    connection: asyncpg.Connection,
    oin: str,
    receipts: Iterable[ReceiptHeld],
    *,
    reason: str,
    actor: str,
    on_progress: Callable[[int], None] = lambda _done: None,
) -> Checked:
    """Check against the register where it is. Raises InputRefused."""
    tenant_id = await find_tenant(connection, oin)
    recorded = RecordedReading(connection, tenant_id, Reading("bewijzen", reason, contents=False), actor)
    checked, waiting = Checked(), iter(receipts)
    while batch := list(islice(waiting, _BATCH)):
        async with reading_scope(connection, tenant_id, await recorded.number(), actor=actor):
            found = await read_closings(connection, tenant_id, [one.id for one in batch])
        for receipt in batch:
            _check(checked, receipt, found.get(receipt.id))
        on_progress(checked.receipts)
    return checked


def check_archive(
    path: Path, receipts: Iterable[ReceiptHeld], on_progress: Callable[[int], None] = lambda _done: None
) -> Checked:
    """Check against an export. Holds the receipts, not the export. Raises ArchiveError, InputRefused."""
    checked = Checked()
    waiting: dict[str, list[ReceiptHeld]] = {}
    for receipt in receipts:
        waiting.setdefault(str(receipt.id), []).append(receipt)
    with open_archive(path) as (_, lines):
        for count, text in enumerate(lines, 1):
            line = orjson.loads(text)
            row = line["row"]
            if line["kind"] == "closing" and row is not None:
                for receipt in waiting.pop(row["id"], ()):
                    _check(checked, receipt, text)
            if count % 10_000 == 0:
                on_progress(count)
    for receipt in (one for held in waiting.values() for one in held):
        _check(checked, receipt, None)
    return checked


def _check(checked: Checked, receipt: ReceiptHeld, text: bytes | None) -> None:
    checked.receipts += 1
    if text is None:
        checked.note(receipt, "not_there")
        return
    line = orjson.loads(text)
    row = line["row"]
    if line["hash"] != receipt.hash:
        checked.note(receipt, "other_hash")
    elif row["number"] != receipt.number:
        checked.note(receipt, "other_number")
    elif hashlib.sha256(canonical(list(row.values()))).hexdigest() != receipt.hash:
        checked.note(receipt, "altered")
