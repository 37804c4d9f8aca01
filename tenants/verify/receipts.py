"""Checks a pile of receipts that a caller kept against the register: each must be the record of an answer.

A receipt is what stood in an answer's header `X-Protocol-Bewijs`: `id:number:hash`, one a line. Its row must be there, have
that number and hash, and still hash to it; or its leaf must stand in the tree with just that hash, and a proof of destruction
name it. Against a live register in a recorded reading, or, offline, against an export, which is verified first: what anybody
could have written says nothing.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final, Literal
from uuid import UUID

import asyncpg
import orjson

from tenants.checkpoints import read_note
from tenants.export.archive import open_archive, plan_of
from tenants.export.lines import canonical
from tenants.export.plan import find_tenant, make_plan
from tenants.export.rows import read_closings
from tenants.export.running import RecordedReading
from tenants.faults import InputRefused
from tenants.leaves import hash_of_leaf
from tenants.recording import Reading, reading_scope
from tenants.verify.expecting import Trust, destroyed_of, expect
from tenants.verify.findings import Fault
from tenants.verify.running import verify_archive

_BATCH: Final = 1_000
# The leaf of a closing, among the rounds of sealing that can hold it.
_LEAF: Final = (
    "SELECT r.first + (r.at - 1) / 17 AS leaf, substring(r.hashes FROM ((r.at - 1) / 17) * 32 + 1 FOR 32) AS hash "
    "FROM (SELECT x.first, x.hashes, position('\\x02'::bytea || uuid_send($2::uuid) IN x.entries) AS at FROM register.leaf_run x "
    "  WHERE x.tenant_id = $1 AND x.lowest <= $2 AND x.sealed_at >= $3::timestamptz - interval '2 minutes') r "
    "WHERE r.at % 17 = 1 ORDER BY r.first LIMIT 1"
)
_MOST_FAULTS: Final = 100
_LAST_MILLISECOND: Final = 250_000_000_000_000
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
    """How many there were, how many of them went with proof, and the first hundred that the register does not answer for.

    `broken` is what is wrong with the export itself: then nothing was checked against it.
    """

    receipts: int = 0
    destroyed: int = 0
    broken: Fault | None = None
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
            gone = await _find_gone(connection, tenant_id, oin, [one for one in batch if one.id not in found])
        for receipt in batch:
            _check(checked, receipt, found.get(receipt.id), receipt.line in gone)
        on_progress(checked.receipts)
    return checked


async def _find_gone(
    connection: asyncpg.Connection, tenant_id: int, oin: str, missing: Sequence[ReceiptHeld]
) -> set[int]:
    """Of which of these, by line, the leaf stands in the tree with the receipt's hash and went with proof."""
    leaves: dict[int, int] = {}
    for receipt in missing:
        row = await connection.fetchrow(_LEAF, tenant_id, receipt.id, _moment_of(receipt.id))
        if row is not None and row["hash"] == hash_of_leaf("closing", receipt.id, bytes.fromhex(receipt.hash)):
            leaves[receipt.line] = row["leaf"]
    if not leaves:
        return set()
    plan = await make_plan(connection, tenant_id, oin, None)
    may_be_gone = destroyed_of(plan, read_note(plan.proof.checkpoint)[0], []).may_be_gone
    return {line for line, leaf in leaves.items() if leaf in may_be_gone}


def _moment_of(id_: UUID) -> datetime:
    """The moment that a UUIDv7 carries; the beginning of time for one whose moment no clock has had."""
    milliseconds = id_.int >> 80
    return datetime.fromtimestamp(milliseconds / 1000 if milliseconds < _LAST_MILLISECOND else 0, UTC)


def check_archive(
    path: Path, receipts: Iterable[ReceiptHeld], trust: Trust, on_progress: Callable[[int], None] = lambda _done: None
) -> Checked:
    """Verify an export and check against it. Holds the receipts, not the export. Raises ArchiveError, InputRefused, BadNote."""
    checked = Checked()
    checked.broken = verify_archive(path, trust, lambda done, _all: on_progress(done)).first
    if checked.broken is not None:
        return checked
    waiting: dict[str, list[ReceiptHeld]] = {}
    for receipt in receipts:
        waiting.setdefault(str(receipt.id), []).append(receipt)
    with open_archive(path) as (manifest, lines):
        may_be_gone = expect(plan_of(manifest), trust)[0].destroyed.may_be_gone
        for count, text in enumerate(lines, 1):
            line = orjson.loads(text)
            row = line["row"]
            if line["kind"] == "closing" and row is not None:
                for receipt in waiting.pop(row["id"], ()):
                    _check(checked, receipt, text)
            elif line["kind"] == "closing" and line["leaf"] in may_be_gone:
                for receipt in waiting.pop(line["number"], ()):
                    sealed_as = hash_of_leaf("closing", receipt.id, bytes.fromhex(receipt.hash)).hex()
                    _check(checked, receipt, None, sealed_as == line["leaf_hash"])
            if count % 10_000 == 0:
                on_progress(count)
    for receipt in (one for held in waiting.values() for one in held):
        _check(checked, receipt, None)
    return checked


def _check(checked: Checked, receipt: ReceiptHeld, text: bytes | None, gone: bool = False) -> None:
    checked.receipts += 1
    if text is None and gone:
        checked.destroyed += 1
        return
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
