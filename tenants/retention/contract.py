"""The end of a contract, step by step, each with its record: export, hand-over, confirmation, destruction.

For the role `koppelpunt_inzage`. PostgreSQL holds the order, that receipt and confirmation are of the archive that was
exported last, that two persons of the tenant's own confirm (*bevestigd* by an auditor, *meebevestigd* by another), that what is
being destroyed is not taken back, and that *voltooid* is true; every step becomes a wijziging, and so a leaf. Until it is
confirmed by both, an ended tenant reads its register as ever. Stops hold here as they do everywhere.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

import asyncpg

from tenants.faults import InputRefused, NotFound
from tenants.scope import tenant_scope

Kind = Literal["begonnen", "geexporteerd", "ontvangen", "bevestigd", "meebevestigd", "ingetrokken", "voltooid"]
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class EndStep:
    """One step. `digest` is SHA-256 of the archive."""

    at: datetime
    actor: str
    kind: Kind
    digest: bytes | None
    tree_size: int | None
    note: str | None


async def list_steps(connection: asyncpg.Connection, tenant_id: int, *, actor: str) -> list[EndStep]:
    """The steps so far, in order."""
    async with tenant_scope(connection, tenant_id, actor=actor):
        rows = await connection.fetch(
            "SELECT at, actor, kind, digest, tree_size, note FROM register.contracteinde_stap WHERE tenant_id = $1 ORDER BY number",
            tenant_id,
        )
    return [EndStep(**row) for row in rows]


async def note_step(
    connection: asyncpg.Connection,
    tenant_id: int,
    kind: Kind,
    *,
    actor: str,
    digest: bytes | None = None,
    tree_size: int | None = None,
    note: str | None = None,
) -> None:
    """Record a step. Raises InputRefused for one that does not follow, or is about another archive."""
    async with tenant_scope(connection, tenant_id, actor=actor):
        try:
            await connection.execute(
                "INSERT INTO register.contracteinde_stap (tenant_id, actor, kind, digest, tree_size, note) "
                "VALUES ($1, $2, $3, $4, $5, $6)",
                tenant_id, actor, kind, digest, tree_size, note,
            )  # fmt: skip
        except (asyncpg.ObjectNotInPrerequisiteStateError, asyncpg.InsufficientPrivilegeError) as refused:
            raise InputRefused([f"{refused.message or 'this step is refused'}."]) from None


async def is_ended(connection: asyncpg.Connection, tenant_id: int, *, actor: str) -> bool:
    """Whether the registry says that this tenant has ended."""
    async with tenant_scope(connection, tenant_id, actor=actor):
        state = await connection.fetchval("SELECT state FROM registry.tenant WHERE tenant_id = $1", tenant_id)
    if state is None:
        raise NotFound("There is no such tenant.")
    return bool(state == "ended")


async def is_destroyed(connection: asyncpg.Connection, tenant_id: int, horizon: datetime, *, actor: str) -> bool:
    """Whether nothing is left: no row, no record, no key, and no destruction under way."""
    async with tenant_scope(connection, tenant_id, actor=actor):
        left = await connection.fetchval("SELECT count(*) FROM register.plan_own_vernietiging($1)", horizon)
        under_way = await connection.fetchval(
            "SELECT count(*) FROM register.vernietiging WHERE tenant_id = $1 AND finished_at IS NULL", tenant_id
        )
    return not left and not under_way


def digest_of(archive: Path) -> bytes:
    """SHA-256 of an archive: of the tar itself, or of the manifest of a directory, which has that of every file."""
    digest = hashlib.sha256()
    with (archive / "manifest.json" if archive.is_dir() else archive).open("rb") as stream:
        while part := stream.read(_CHUNK):
            digest.update(part)
    return digest.digest()


def last_kind(steps: Sequence[EndStep]) -> Kind | None:
    """Where it stands."""
    return steps[-1].kind if steps else None
