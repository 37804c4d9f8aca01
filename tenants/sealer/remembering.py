"""The sealer's own memory against PostgreSQL: whether what it signed still stands, also of trees that grow no more.

Before each signature a tree is compared with the memory; a tree that is not signed is not. So an older PostgreSQL that was put
in its place would go unnoticed for a tenant that is quiet. Here every checkpoint that the directory holds is compared, at the
start and each hour: a tree that is smaller, is not there, or is another one of the same size, has a fault that halts it. A
tree that is larger is compared when it is signed.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
import structlog

from tenants.checkpoints import BadNote, Checkpoint, read_note
from tenants.merkle import Frontier
from tenants.operator_tree import ORIGIN
from tenants.sealer.notes import list_kept
from tenants.sealer.operator_signing import is_operator_as_signed
from tenants.sealer.trees import is_answered, note_faults

EVERY_SECONDS: Final = 3_600.0
log = structlog.get_logger("koppelpunt.sealer")


@dataclass(frozen=True, slots=True)
class Standing:
    """A tenant's tree as PostgreSQL has it; None when it has none."""

    tenant_id: int
    tree: Frontier | None
    halted: bool


async def compare_memory(connection: asyncpg.Connection, directory: Path) -> int:
    """Note what contradicts the directory; return of how many trees.

    A tenant that PostgreSQL does not know, and the operator's own history, have nothing to halt: they are logged.
    """
    kept = await asyncio.to_thread(lambda: list(_read_kept(directory)))
    standing = await _read_standing(connection)
    contradicted = 0
    for oin, note in kept:
        if oin == ORIGIN:
            contradicted += not await is_operator_as_signed(connection, note)
            continue
        tenant = standing.get(oin)
        if tenant is None:
            contradicted += 1
            log.error("checkpoint_of_unknown_tenant", oin=oin)
            continue
        fault = contradiction(note, tenant.tree)
        if fault is None:
            continue
        contradicted += 1
        code, place = fault
        if not tenant.halted and not await is_answered(connection, tenant.tenant_id, code, place):
            await note_faults(connection, [(tenant.tenant_id, code, place)], halts=True)
            log.error("checkpoint_contradicted", tenant=tenant.tenant_id, code=code, place=place)
    return contradicted


def contradiction(kept: Checkpoint | None, tree: Frontier | None) -> tuple[str, str] | None:
    """In which way a tree cannot be what was signed of it: code and place. `kept` is None for a file that is no checkpoint."""
    if kept is None:
        return "checkpoint_forged", "what the sealer keeps is no checkpoint"
    size = 0 if tree is None else tree.size
    if size < kept.size:
        return "rolled_back", f"{kept.size} leaves were signed and the tree has {size}"
    if tree is not None and size == kept.size and tree.root() != kept.root:
        return "forked", f"the tree of {size} leaves is not the one that was signed"
    return None


def _read_kept(directory: Path) -> Iterator[tuple[str, Checkpoint | None]]:
    for oin, text in list_kept(directory):
        try:
            yield oin, read_note(text)[0]
        except BadNote:
            yield oin, None


async def _read_standing(connection: asyncpg.Connection) -> dict[str, Standing]:
    rows = await connection.fetch(
        "SELECT n.oin, n.tenant_id, t.size, t.frontier, t.halted_at IS NOT NULL AS halted "
        "FROM registry.tenant n LEFT JOIN register.tree t ON t.tenant_id = n.tenant_id"
    )
    return {
        row["oin"]: Standing(
            row["tenant_id"],
            None if row["size"] is None else Frontier.read(row["size"], row["frontier"]),
            row["halted"],
        )
        for row in rows
    }
