"""Verifies the operator's own history where it is: every row, every checkpoint, and those that the reader kept."""

from dataclasses import dataclass

import asyncpg

from tenants.checkpoints import BadNote, Checkpoint, open_note
from tenants.operator_history import list_operator_checkpoints, read_operator_rows
from tenants.operator_tree import ORIGIN, hash_of_row, make_tree
from tenants.scope import operator_scope
from tenants.verify.expecting import Trust, read_anchors
from tenants.verify.findings import Fault


@dataclass(frozen=True, slots=True)
class OperatorVerdict:
    """`size` rows, of which the first `signed` stand in a checkpoint; and what is wrong."""

    size: int
    signed: int
    faults: tuple[Fault, ...]


async def verify_operator(connection: asyncpg.Connection, trust: Trust, *, actor: str) -> OperatorVerdict:
    """Verify it with nothing but what the reader trusts. Raises BadNote for a checkpoint of the reader that is none."""
    async with operator_scope(connection, actor=actor):
        kept = await list_operator_checkpoints(connection)
        rows = await read_operator_rows(connection)
    faults: list[Fault] = []
    signed: list[Checkpoint] = []
    for one in kept:
        try:
            signed.append(open_note(one.note, trust.keys))
        except BadNote as reason:
            faults.append(Fault("bad_signature", one.size - 1, str(reason)))
    anchors = read_anchors(trust)
    tree = make_tree(((row["number"], hash_of_row(row)) for row in rows), [one.size for one in (*signed, *anchors)])
    if tree.gap is not None:
        faults.append(Fault("missing_row", tree.gap - 1, f"operatorwijziging {tree.gap}"))
    for checkpoint, is_ours in (*((one, True) for one in signed), *((one, False) for one in anchors)):
        faults += _faults_of(checkpoint, tree.size, tree.roots.get(checkpoint.size), is_ours=is_ours)
    ordered = sorted(faults, key=lambda one: one.leaf if one.leaf is not None else len(rows))
    return OperatorVerdict(tree.size, max((one.size for one in signed), default=0), tuple(ordered))


def _faults_of(checkpoint: Checkpoint, size: int, root: bytes | None, *, is_ours: bool) -> list[Fault]:
    if not checkpoint.origin.endswith(f"/{ORIGIN}"):
        return [Fault("wrong_register", None, f"a checkpoint is of {checkpoint.origin}")]
    if checkpoint.size > size:
        detail = f"{checkpoint.size} rows were signed and there are {size}"
        return [Fault("cut_tail" if is_ours else "rolled_back", size, detail)]
    if root != checkpoint.root:
        # The row itself is below: which one, the next smaller checkpoint that holds narrows down.
        return [
            Fault(
                "altered_row" if is_ours else "forked", checkpoint.size - 1, f"among the first {checkpoint.size} rows"
            )
        ]
    return []
