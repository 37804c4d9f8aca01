"""Signs the tree of the operator's own history when it has grown; never one that does not begin with what was signed.

The rows are hashed anew each time, so that one that was altered, or taken away, makes another tree. The checkpoint before is
taken from PostgreSQL and, where the sealer has a directory of its own, from there too.
"""

import asyncpg
import structlog

from tenants.checkpoints import BadNote, Checkpoint, open_note, origin_of, sign
from tenants.operator_tree import ORIGIN, Tree, make_tree
from tenants.sealer.notes import read_kept, write_kept
from tenants.sealer.signing import Signer

log = structlog.get_logger("koppelpunt.sealer")


async def sign_operator(connection: asyncpg.Connection, signer: Signer) -> bool | None:
    """Sign if it has grown; None when there was nothing to do, False when it must not be signed."""
    size: int = await connection.fetchval("SELECT registry.operator_size()")
    last = await connection.fetchrow("SELECT size, note FROM registry.operator_checkpoint ORDER BY size DESC LIMIT 1")
    if size == (0 if last is None else last["size"]):
        return None
    kept = None if signer.directory is None else read_kept(signer.directory, ORIGIN)
    origin = origin_of(signer.prefix, ORIGIN)
    try:
        verifiers = signer.verifiers(origin)
        before = [open_note(note, verifiers) for note in (None if last is None else last["note"], kept) if note]
    except BadNote:
        return _refuse("checkpoint_forged")
    rows = await connection.fetch("SELECT number, hash FROM registry.operator_leaves()")
    tree = make_tree(((row["number"], row["hash"]) for row in rows), [one.size for one in before])
    fault = _fault_of(tree, before)
    if fault is not None:
        return _refuse(fault)
    note = sign(Checkpoint(origin, tree.size, tree.roots[tree.size]), signer.keys)
    # First to PostgreSQL, which refuses what does not fit; a crash before the second leaves an older memory, which is sound.
    await connection.execute("SELECT registry.keep_operator_checkpoint($1, $2)", tree.size, note)
    if signer.directory is not None:
        write_kept(signer.directory, ORIGIN, note)
    return True


async def is_operator_as_signed(connection: asyncpg.Connection, kept: Checkpoint | None) -> bool:
    """Whether the history still begins with what the sealer keeps as signed; logged if not. None is a file that is none."""
    if kept is None:
        return _refuse("checkpoint_forged")
    rows = await connection.fetch("SELECT number, hash FROM registry.operator_leaves()")
    fault = _fault_of(make_tree(((row["number"], row["hash"]) for row in rows), [kept.size]), [kept])
    return fault is None or _refuse(fault)


def _fault_of(tree: Tree, before: list[Checkpoint]) -> str | None:
    if tree.gap is not None:
        return "row_vanished"
    for one in before:
        if one.size > tree.size:
            return "rolled_back"
        if tree.roots[one.size] != one.root:
            return "row_altered"
    return None


def _refuse(code: str) -> bool:
    log.error("operator_checkpoint_refused", code=code)
    return False
