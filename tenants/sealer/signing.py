"""Signing: a checkpoint for every tree that has grown, after looking whether what it was before still stands.

Before each signature: the new tree must begin with the one that was signed before (by a proof over the nodes that are
kept), so that no two checkpoints can ever contradict each other; and rows drawn at random among all that were sealed must
still say what was sealed: each is hashed again, and proved up to the new root. What fails is noted, halts the signing of that one tree, and
rings. The checkpoint before is taken from PostgreSQL and, where the sealer has a directory of its own, from there too:
a database that was put back to an older state does not know what was signed since.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tenants.checkpoints import BadNote, Checkpoint, VerifierKey, open_note, origin_of, read_note, sign
from tenants.faults import NotFound
from tenants.leaves import Kind, hash_of_leaf, unpack_entries
from tenants.merkle import Frontier, consistency_spans, inclusion_spans, is_consistent, is_included
from tenants.sealer.notes import read_kept, write_kept
from tenants.sealer.rehashing import place_of, rehash
from tenants.sealer.trees import is_answered, note_faults
from tenants.tree_nodes import TreeDamaged, read_leaf_hashes, read_proofs

SAMPLES = 4
"""Rows of each tree that are looked at again before each signature."""
log = structlog.get_logger("koppelpunt.sealer")


@dataclass(frozen=True, slots=True)
class Signer:
    """With what, and as whom, checkpoints are signed. `directory` is the sealer's own memory of them, outside PostgreSQL.

    `retired` are public keys that signed before: a tree that has not grown since still stands under them. They come from
    outside PostgreSQL, or whoever owns that could have any checkpoint believed.
    """

    keys: Sequence[Ed25519PrivateKey]
    prefix: str
    directory: Path | None = None
    retired: Sequence[bytes] = ()

    def known_keys(self) -> list[bytes]:
        """The public halves of what signs, then what signed before."""
        signing = [key.public_key().public_bytes_raw() for key in self.keys]
        return [*signing, *(key for key in self.retired if key not in signing)]

    def verifiers(self, origin: str) -> list[VerifierKey]:
        """By which a checkpoint of one tree is known as the sealer's own."""
        return [VerifierKey(origin, key) for key in self.known_keys()]


@dataclass(frozen=True, slots=True)
class Unsigned:
    """A tree that has grown since its last checkpoint, if it has one."""

    tenant_id: int
    oin: str
    tree: Frontier
    before: str | None


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf and the row that it is of."""

    index: int
    kind: Kind
    number: UUID | int
    hash: bytes


class Refused(Exception):
    """What a tree was does not stand any more. `code` says in which way, `place` where."""

    def __init__(self, code: str, place: str) -> None:
        super().__init__(f"{code}: {place}")
        self.code, self.place = code, place


async def publish_keys(connection: asyncpg.Connection, signer: Signer) -> None:
    """Make the public keys known in PostgreSQL."""
    for key in signer.keys:
        await connection.execute("SELECT register.publish_checkpoint_key($1)", key.public_key().public_bytes_raw())


async def list_unsigned(connection: asyncpg.Connection) -> list[Unsigned]:
    """Every tree that has grown since its last checkpoint and whose signing is not halted."""
    rows = await connection.fetch(
        "SELECT t.tenant_id, n.oin, t.size, t.frontier, c.note FROM register.tree t "
        "JOIN registry.tenant n ON n.tenant_id = t.tenant_id LEFT JOIN LATERAL (SELECT k.size, k.note FROM register.checkpoint k "
        "WHERE k.tenant_id = t.tenant_id ORDER BY k.size DESC LIMIT 1) c ON true "
        "WHERE t.halted_at IS NULL AND t.size IS DISTINCT FROM c.size ORDER BY t.tenant_id"
    )
    return [
        Unsigned(row["tenant_id"], row["oin"], Frontier.read(row["size"], row["frontier"]), row["note"]) for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Answered:
    """How many faults are resolved, and the answer that waits for the tenant's auditor, if one does."""

    resolved: int
    waiting: int | None


async def resolve_faults(connection: asyncpg.Connection, oin: str, *, actor: str, reason: str) -> Answered:
    """Answer for all faults of a tenant's tree. Where the tenant has an auditor, that one decides. Raises NotFound."""
    found: int | None = await connection.fetchval("SELECT tenant_id FROM registry.tenant WHERE oin = $1", oin)
    if found is None:
        raise NotFound(f"No tenant has OIN {oin}.")
    count: int = await connection.fetchval("SELECT register.resolve_seal_faults($1, $2, $3)", found, actor, reason)
    waiting: int | None = await connection.fetchval(
        "SELECT antwoord_id FROM register.fout_antwoord WHERE tenant_id = $1 AND state = 'open'", found
    )
    return Answered(count, waiting)


async def sign_tree(
    connection: asyncpg.Connection, signer: Signer, unsigned: Unsigned, *, samples: int = SAMPLES
) -> bool:
    """Sign one tree, or note why not; tell whether it was signed."""
    origin = origin_of(signer.prefix, unsigned.oin)
    made = Checkpoint(origin, unsigned.tree.size, unsigned.tree.root())
    fault = await _fault_of(connection, signer, unsigned, made, samples)
    if fault is not None:
        await note_faults(connection, [(unsigned.tenant_id, fault.code, fault.place)], halts=True)
        log.error("checkpoint_refused", tenant=unsigned.tenant_id, code=fault.code, place=fault.place)
        return False
    note = sign(made, signer.keys)
    # First to PostgreSQL, which refuses what does not fit; a crash before the second leaves an older memory, which is sound.
    await connection.execute("SELECT register.keep_checkpoint($1, $2, $3)", unsigned.tenant_id, made.size, note)
    if signer.directory is not None:
        write_kept(signer.directory, unsigned.oin, note)
    return True


async def _fault_of(
    connection: asyncpg.Connection, signer: Signer, unsigned: Unsigned, made: Checkpoint, samples: int
) -> Refused | None:
    """Why this tree must not be signed; None when it may be."""
    try:
        kept = None if signer.directory is None else read_kept(signer.directory, unsigned.oin)
        for note in (unsigned.before, kept):
            if note is not None:
                await _must_begin_with(
                    connection, unsigned.tenant_id, made, known_checkpoint(note, made.origin, signer)
                )
        await _must_hold_rows(connection, unsigned.tenant_id, made, samples)
    except TreeDamaged as damage:
        return Refused("tree_damaged", str(damage))
    except Refused as fault:
        return fault
    return None


def known_checkpoint(note: str, origin: str, signer: Signer) -> Checkpoint:
    """A checkpoint of ours. One of a key that the sealer never had, or does not remember, is not leant upon."""
    try:
        return open_note(note, signer.verifiers(origin))
    except BadNote:
        place = f"the checkpoint before is not signed by a key that the sealer knows{_signers_of(note)}"
        raise Refused("checkpoint_forged", place) from None


def _signers_of(note: str) -> str:
    """The numbers of the keys that a note says it was signed with: which public key is missing, if it is genuine."""
    try:
        _, signatures = read_note(note)
    except BadNote:
        return ""
    return f": it names key {', '.join(number.hex() for _, number, _ in signatures)}"


async def _must_begin_with(
    connection: asyncpg.Connection, tenant_id: int, made: Checkpoint, before: Checkpoint
) -> None:
    if before.size > made.size:
        raise Refused("rolled_back", f"{before.size} leaves were signed and the tree has {made.size}")
    (proof,) = await read_proofs(connection, tenant_id, [consistency_spans(before.size, made.size)])
    if not is_consistent(before.size, made.size, before.root, made.root, proof):
        raise Refused("forked", f"the tree of {made.size} leaves does not begin with the one of {before.size}")


async def _must_hold_rows(connection: asyncpg.Connection, tenant_id: int, made: Checkpoint, samples: int) -> None:
    """Look again at rows drawn at random: each must be there, hash as it did, and stand in the tree where it stood.

    A row that somebody answered for already does not halt again; `register verify` names it for ever.
    """
    drawn = sorted({random.randrange(made.size) for _ in range(samples)})
    proofs = await read_proofs(connection, tenant_id, [inclusion_spans(index, made.size) for index in drawn])
    for index, proof in zip(drawn, proofs, strict=True):
        (leaf,) = await read_leaf_hashes(connection, tenant_id, (index, index + 1))
        if not is_included(leaf, index, made.size, proof, made.root):
            raise Refused("tree_damaged", f"leaf {index} is not in the tree any more")
        kind, number = await _entry(connection, tenant_id, index)
        code = await _fault_of_row(connection, tenant_id, Leaf(index, kind, number, leaf), made)
        place = place_of(index, kind, number)
        if code is not None and not await is_answered(connection, tenant_id, code, place):
            raise Refused(code, place)


async def _fault_of_row(connection: asyncpg.Connection, tenant_id: int, leaf: Leaf, made: Checkpoint) -> str | None:
    """What is wrong with the row of a leaf; None when it says what was sealed, or went with proof."""
    found = (await rehash(connection, leaf.kind, [(tenant_id, leaf.number)])).get((tenant_id, leaf.number))
    if found is None:
        gone = await _is_destroyed(connection, tenant_id, leaf.index, leaf.kind, made)
        return None if gone else "row_vanished"
    return None if found.holds and hash_of_leaf(leaf.kind, leaf.number, found.made) == leaf.hash else "row_altered"


async def _entry(connection: asyncpg.Connection, tenant_id: int, index: int) -> tuple[Kind, UUID | int]:
    packed = await connection.fetchval(
        "SELECT substring(entries FROM ($2 - first)::int * 17 + 1 FOR 17) FROM register.leaf_run "
        "WHERE tenant_id = $1 AND first <= $2 ORDER BY first DESC LIMIT 1",
        tenant_id, index,
    )  # fmt: skip
    try:
        ((kind, number),) = unpack_entries(packed)
    except (KeyError, ValueError):
        raise Refused("tree_damaged", f"leaf {index} does not say which row it is") from None
    return kind, number


async def _is_destroyed(
    connection: asyncpg.Connection, tenant_id: int, index: int, kind: Kind, made: Checkpoint
) -> bool:
    """Whether a proof of destruction names this leaf, and stands in the tree itself as what it is."""
    if kind == "wijziging":
        return False
    for row in await connection.fetch(
        "SELECT wijziging, hash, leaf FROM register.proofs_of_destruction($1, $2)", tenant_id, index
    ):
        if row["leaf"] is None or row["leaf"] >= made.size:
            continue
        (path,) = await read_proofs(connection, tenant_id, [inclusion_spans(row["leaf"], made.size)])
        leaf = hash_of_leaf("wijziging", row["wijziging"], row["hash"])
        if is_included(leaf, row["leaf"], made.size, path, made.root):
            return True
    return False
