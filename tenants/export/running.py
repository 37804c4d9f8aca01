"""Makes an export: plans it, writes it file by file, and says what it is. Streams; memory does not grow with the register.

For the role `koppelpunt_inzage`. The reading is recorded first, and again every half hour that it lasts. An export that was
broken off goes on where it was, with the plan that it began with: the same checkpoint, the same leaves.
"""

import json
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
import orjson
from cryptography.x509 import Certificate

from tenants.checkpoints import Checkpoint
from tenants.export.archive import (
    DATA_KEYS,
    LEZINGEN,
    MANIFEST,
    PROGRESS,
    STEEKPROEVEN,
    VERZOEKEN,
    ArchiveError,
    Part,
    Progress,
    Written,
    head_of,
    pack,
    plan_of,
    read_progress,
    rows_name,
    write_json,
)
from tenants.export.data_keys import read_data_key_lines
from tenants.export.envelope import name_of
from tenants.export.lezingen import read_lezing_lines
from tenants.export.plan import Plan, find_tenant, make_plan
from tenants.export.records import read_steekproef_lines, read_verzoek_lines
from tenants.export.rows import BATCH, read_lines
from tenants.keyring import Keyring
from tenants.recording import Period, Reading, reading_scope, record_reading

LINES_PER_FILE: Final = 50_000
_RENEW_SECONDS: Final = 1_800.0


@dataclass(slots=True)
class RecordedReading:
    """A reading that may take longer than its record holds: it is recorded again in time."""

    connection: asyncpg.Connection
    tenant_id: int
    reading: Reading
    actor: str
    _number: int | None = field(default=None, repr=False)
    _since: float = field(default=0.0, repr=False)

    async def number(self) -> int:
        """The number of a record that holds now."""
        if self._number is None or time.monotonic() - self._since > _RENEW_SECONDS:
            self._number = await record_reading(self.connection, self.tenant_id, self.reading, actor=self.actor)
            self._since = time.monotonic()
        return self._number

    async def stream(self, span: tuple[int, int], register: Keyring | None = None) -> AsyncIterator[list[bytes]]:
        """The lines of a span of leaves, a batch at a time, each in a transaction of its own."""
        first, until = span
        for start in range(first, until, BATCH):
            part = (start, min(start + BATCH, until))
            async with reading_scope(self.connection, self.tenant_id, await self.number(), actor=self.actor):
                lines = await read_lines(self.connection, self.tenant_id, part, register)
            yield lines


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be exported. Opened when the register keyring is given. `anchors`: older checkpoints to prove against.

    With a `recipient` every file but the manifest is sealed to that certificate as it is written.
    """

    oin: str
    reason: str
    actor: str
    period: Period | None = None
    register: Keyring | None = None
    anchors: tuple[Checkpoint, ...] = ()
    lines_per_file: int = LINES_PER_FILE
    recipient: Certificate | None = None


async def export_register(
    connection: asyncpg.Connection, wish: Wish, target: Path, on_progress: Callable[[int, int], None]
) -> Mapping[str, Any]:
    """Export to a directory, or to a file that ends in .tar; return the manifest.

    `on_progress` hears leaves done and leaves in all. Raises InputRefused, NotFound, ArchiveError, TreeDamaged, OSError.
    """
    directory = _directory_for(target)
    tenant_id = await find_tenant(connection, wish.oin)
    reading = Reading("export", wish.reason, wish.register is not None, period=wish.period)
    recorded = RecordedReading(connection, tenant_id, reading, wish.actor)
    progress = read_progress(directory)
    if progress is None:
        async with reading_scope(connection, tenant_id, await recorded.number(), actor=wish.actor):
            plan = await make_plan(connection, tenant_id, wish.oin, wish.period, wish.anchors)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
        progress = Progress(_head(plan, wish))
        _save(directory, progress)
    else:
        plan = plan_of(progress.head)
        if _asked(progress.head) != _asked(_head(plan, wish)):
            raise ArchiveError("Another export was begun here; take the directory away, or ask the same.")
    files = await _write_rows(recorded, wish, directory, plan, progress, on_progress)
    for name, records in _records(recorded, wish):
        files.append(await _write_records(wish, directory / name, records))
    async with reading_scope(connection, tenant_id, await recorded.number(), actor=wish.actor):
        now = await make_plan(connection, tenant_id, wish.oin, wish.period)
    if len(now.proofs) > len(plan.proofs):
        # Rows may have gone before they were written, by a proof that this export's checkpoint does not know.
        raise ArchiveError("Something of it was destroyed meanwhile, with proof: take it away and export again.")
    manifest = {**progress.head, "made_at": datetime.now(UTC).isoformat(), "files": [one.as_json() for one in files]}
    write_json(directory / MANIFEST, manifest)
    (directory / PROGRESS).unlink()
    if directory != target:
        pack(directory, target)
        shutil.rmtree(directory)
    return manifest


async def _write_rows(
    recorded: RecordedReading,
    wish: Wish,
    directory: Path,
    plan: Plan,
    progress: Progress,
    on_progress: Callable[[int, int], None],
) -> list[Written]:
    files = list(progress.files)
    first, until = plan.span
    start = first + len(files) * wish.lines_per_file
    while start < until:
        end = min(start + wish.lines_per_file, until)
        part = Part(directory / rows_name(len(files) + 1), wish.recipient)
        try:
            async for lines in recorded.stream((start, end), wish.register):
                part.write(lines)
                on_progress(min(start + part.lines, until) - first, until - first)
        except BaseException:
            part.abandon()
            raise
        files.append(part.complete())
        _save(directory, Progress(progress.head, tuple(files)))
        start = end
    return files


def _records(recorded: RecordedReading, wish: Wish) -> Iterator[tuple[str, AsyncIterator[list[bytes]]]]:
    """What goes beside the rows: each file with its lines."""
    connection, tenant_id, actor = recorded.connection, recorded.tenant_id, recorded.actor
    yield DATA_KEYS, read_data_key_lines(connection, tenant_id, wish.register, wish.period, actor=actor)
    yield VERZOEKEN, read_verzoek_lines(connection, tenant_id, wish.register, wish.period, actor=actor)
    yield STEEKPROEVEN, read_steekproef_lines(connection, tenant_id, wish.period, actor=actor)
    yield LEZINGEN, read_lezing_lines(connection, tenant_id, wish.period, actor=actor)


async def _write_records(wish: Wish, path: Path, batches: AsyncIterator[list[bytes]]) -> Written:
    part = Part(path, wish.recipient)
    try:
        async for lines in batches:
            part.write(lines)
    except BaseException:
        part.abandon()
        raise
    return part.complete()


def _directory_for(target: Path) -> Path:
    """Where the files are made: the target itself, or beside the tar that they are packed in."""
    if target.suffix != ".tar":
        return target
    if target.exists():
        raise ArchiveError("There is a file of that name already.")
    return target.with_name(target.name + ".making")


def _head(plan: Plan, wish: Wish) -> dict[str, Any]:
    period = None if wish.period is None else (wish.period[0].isoformat(), wish.period[1].isoformat())
    head = head_of(
        plan, period=period, opened=wish.register is not None, lines_per_file=wish.lines_per_file,
        sealed_to=None if wish.recipient is None else name_of(wish.recipient),
    )  # fmt: skip
    # As it will be read again, so that both can be compared.
    return dict(json.loads(orjson.dumps(head)))


def _asked(head: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(head.get(name) for name in ("oin", "period", "contents", "lines_per_file", "sealed_to"))


def _save(directory: Path, progress: Progress) -> None:
    write_json(directory / PROGRESS, {"head": progress.head, "files": [one.as_json() for one in progress.files]})
