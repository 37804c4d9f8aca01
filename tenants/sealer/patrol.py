"""A round over what was sealed long ago: every row of a tree is hashed again and held against its leaf, and all leaves against a signature.

Signing looks at rows drawn at random, so a row of long ago that was altered could wait for years. Here a tree is walked from its first leaf to
the last that a checkpoint signed, in small steps; PostgreSQL keeps how far it is, so that a round goes on where it was broken off. The
leaves that are passed make a tree again, and at the end its root must be the signed one: a leaf that was altered with its row is
seen by that. A row that is not there must be named by a proof of destruction in the signed tree. What is wrong halts the signing as
any fault does, unless somebody answered for it. Whoever owns PostgreSQL can move the mark of where a round is.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from tenants.checkpoints import Checkpoint, origin_of
from tenants.leaves import KINDS, hash_of_leaf, unpack_entries
from tenants.merkle import HASH_BYTES, Frontier, inclusion_spans, is_included
from tenants.sealer.rehashing import place_of, rehash
from tenants.sealer.signing import Leaf, Refused, Signer, known_checkpoint
from tenants.sealer.trees import is_answered, note_faults
from tenants.tree_nodes import TreeDamaged, read_proofs

_TOGETHER_MS: Final = 100
"""Rows of calls that begin within so many milliseconds of each other are asked together: PostgreSQL looks at all of that time, of every tenant."""
log = structlog.get_logger("koppelpunt.sealer")


@dataclass(frozen=True, slots=True)
class Round:
    """A tenant's round: the signed size that it is about, and how far it is. No size: one is to begin."""

    tenant_id: int
    oin: str
    size: int | None = None
    done: int = 0
    frontier: bytes = b""
    """The tree of the leaves that were looked at, as `Frontier` reads it."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What a step came to: rows that were looked at, and faults that nobody answered for."""

    rows: int = 0
    faults: int = 0


async def list_rounds(connection: asyncpg.Connection, every: timedelta) -> list[Round]:
    """The rounds that are under way, and those that are to begin: of signed trees whose last one began longer ago than `every`."""
    rows = await connection.fetch(
        "SELECT t.tenant_id, n.oin, p.size, p.done, p.frontier, p.tenant_id IS NOT NULL AND p.ended_at IS NULL AS under_way "
        "FROM register.tree t JOIN registry.tenant n ON n.tenant_id = t.tenant_id LEFT JOIN register.patrol p ON p.tenant_id = t.tenant_id "
        "WHERE CASE WHEN p.tenant_id IS NULL THEN true ELSE p.ended_at IS NULL OR p.began_at <= clock_timestamp() - $1::interval END "
        "AND EXISTS (SELECT 1 FROM register.checkpoint c WHERE c.tenant_id = t.tenant_id) ORDER BY p.began_at NULLS FIRST, t.tenant_id",
        every,
    )
    return [
        Round(row["tenant_id"], row["oin"], row["size"], row["done"], row["frontier"])
        if row["under_way"]
        else Round(row["tenant_id"], row["oin"])
        for row in rows
    ]


async def read_age(connection: asyncpg.Connection) -> float:
    """Seconds since that tree's last whole round began whose that is longest ago; 0 without trees."""
    age: float = await connection.fetchval(
        "SELECT COALESCE(max(extract(epoch FROM clock_timestamp() - COALESCE(p.since, r.sealed_at))), 0)::float FROM register.tree t "
        "LEFT JOIN register.patrol p ON p.tenant_id = t.tenant_id LEFT JOIN LATERAL (SELECT x.sealed_at FROM register.leaf_run x "
        "  WHERE x.tenant_id = t.tenant_id ORDER BY x.first LIMIT 1) r ON true"
    )
    return age


async def take_step(connection: asyncpg.Connection, signer: Signer, of: Round, most: int) -> Looked:
    """Look at the next `most` leaves of a tree, at most. Begins a round where none is under way."""
    origin = origin_of(signer.prefix, of.oin)
    try:
        size, tree = of.size, _taken_up(of)
        if size is None:
            size = (await _read_signed(connection, signer, of.tenant_id, origin)).size
            await connection.execute("SELECT register.begin_patrol($1, $2)", of.tenant_id, size)
        leaves = await _read_leaves(connection, of.tenant_id, of.done, min(of.done + most, size))
        faults = await _find_faults(connection, signer, of.tenant_id, origin, leaves)
        tree.extend(leaf.hash for leaf in leaves)
        if tree.size == size:
            signed = await _read_signed(connection, signer, of.tenant_id, origin, size)
            if signed.root != tree.root():
                faults.append(("tree_damaged", f"the {size} leaves do not make the root that was signed"))
    except TreeDamaged as damage:
        return await _break_off(connection, of.tenant_id, "tree_damaged", str(damage))
    except Refused as refused:
        return await _break_off(connection, of.tenant_id, refused.code, refused.place)
    # The faults and the mark behind them together: what was found is not passed by, whatever happens in between.
    async with connection.transaction():
        told = await _tell(connection, of.tenant_id, faults)
        await connection.execute(
            "SELECT register.move_patrol($1, $2, $3, $4)", of.tenant_id, of.done, tree.size, tree.packed()
        )
    return Looked(len(leaves), told)


def _taken_up(of: Round) -> Frontier:
    try:
        return Frontier.read(of.done, of.frontier)
    except ValueError:
        raise TreeDamaged("what stands of the round is not of its size") from None


async def _break_off(connection: asyncpg.Connection, tenant_id: int, code: str, place: str) -> Looked:
    """A round that cannot be gone on with counts for nothing; the next begins in its time."""
    async with connection.transaction():
        told = await _tell(connection, tenant_id, [(code, place)])
        await connection.execute("SELECT register.break_off_patrol($1)", tenant_id)
    return Looked(0, told)


async def _tell(connection: asyncpg.Connection, tenant_id: int, faults: Iterable[tuple[str, str]]) -> int:
    """Note what nobody answered for yet; return how many."""
    told = [
        (tenant_id, code, place)
        for code, place in faults
        if not await is_answered(connection, tenant_id, code, place)
    ]  # fmt: skip
    await note_faults(connection, told, halts=True)
    for _, code, place in told:
        log.error("register_fault", tenant=tenant_id, code=code, place=place)
    return len(told)


async def _read_signed(
    connection: asyncpg.Connection, signer: Signer, tenant_id: int, origin: str, size: int | None = None
) -> Checkpoint:
    """The checkpoint of a size, or the newest. Raises Refused when it is not there or not the sealer's own."""
    note = await connection.fetchval(
        "SELECT note FROM register.checkpoint WHERE tenant_id = $1 AND ($2::bigint IS NULL OR size = $2) ORDER BY size DESC LIMIT 1",
        tenant_id, size,
    )  # fmt: skip
    if note is None:
        raise Refused("tree_damaged", f"the checkpoint of {size} leaves is gone")
    signed = known_checkpoint(note, origin, signer)
    if signed.origin != origin or size not in {None, signed.size}:
        raise Refused("checkpoint_forged", f"what stands as the checkpoint of {size} leaves is another one")
    return signed


async def _read_leaves(connection: asyncpg.Connection, tenant_id: int, lo: int, hi: int) -> list[Leaf]:
    """The leaves [lo, hi) and the rows that they are of. Raises TreeDamaged."""
    runs = await connection.fetch(
        "SELECT greatest(first, $2) AS first, substring(entries FROM greatest($2 - first, 0)::int * 17 + 1 "
        "    FOR (least($3, first + count) - greatest($2, first))::int * 17) AS entries, "
        "  substring(hashes FROM greatest($2 - first, 0)::int * 32 + 1 FOR (least($3, first + count) - greatest($2, first))::int * 32) AS hashes "
        "FROM register.leaf_run WHERE tenant_id = $1 AND first < $3 AND first >= COALESCE("
        "  (SELECT max(r.first) FROM register.leaf_run r WHERE r.tenant_id = $1 AND r.first <= $2), 0) "
        "AND first + count > $2 ORDER BY first",
        tenant_id, lo, hi,
    )  # fmt: skip
    leaves: list[Leaf] = []
    for run in runs:
        at = lo + len(leaves)
        if run["first"] != at:
            raise TreeDamaged(f"leaf {at} is not in the tree")
        hashes = [run["hashes"][i : i + HASH_BYTES] for i in range(0, len(run["hashes"]), HASH_BYTES)]
        try:
            rows = list(unpack_entries(run["entries"]))
            leaves += [
                Leaf(at + i, kind, number, hash_)
                for i, ((kind, number), hash_) in enumerate(zip(rows, hashes, strict=True))
            ]
        except (KeyError, ValueError):
            raise TreeDamaged(f"the leaves from {at} on do not say which rows they are") from None
    if len(leaves) != hi - lo:
        raise TreeDamaged(f"leaf {lo + len(leaves)} is not in the tree")
    return leaves


async def _find_faults(
    connection: asyncpg.Connection, signer: Signer, tenant_id: int, origin: str, leaves: Sequence[Leaf]
) -> list[tuple[str, str]]:
    """What is wrong with the rows of these leaves, as (code, place) in their order."""
    altered: list[Leaf] = []
    gone: list[Leaf] = []
    for group in cut(leaves):
        found = await rehash(connection, group[0].kind, [(tenant_id, leaf.number) for leaf in group])
        for leaf in group:
            row = found.get((tenant_id, leaf.number))
            if row is None:
                gone.append(leaf)
            elif not row.holds or hash_of_leaf(leaf.kind, leaf.number, row.made) != leaf.hash:
                altered.append(leaf)
    if gone:
        destroyed = await _destroyed(connection, signer, tenant_id, origin, gone)
        gone = [leaf for leaf in gone if leaf.index not in destroyed]
    faults = [("row_altered", leaf) for leaf in altered] + [("row_vanished", leaf) for leaf in gone]
    return [
        (code, place_of(leaf.index, leaf.kind, leaf.number))
        for code, leaf in sorted(faults, key=lambda fault: fault[1].index)
    ]


def cut(leaves: Iterable[Leaf]) -> Iterator[list[Leaf]]:
    """Leaves of one kind that are asked for together: calls of nearly one moment, and all wijzigingen. Pure."""
    for kind in KINDS:
        group: list[Leaf] = []
        for leaf in sorted((one for one in leaves if one.kind == kind), key=lambda one: one.number):
            if group and _moment(leaf.number) - _moment(group[-1].number) > _TOGETHER_MS:
                yield group
                group = []
            group.append(leaf)
        if group:
            yield group


def _moment(number: UUID | int) -> int:
    """The milliseconds in the id of a call; the numbers of wijzigingen are all of one moment."""
    return number.int >> 80 if isinstance(number, UUID) else 0


async def _destroyed(
    connection: asyncpg.Connection, signer: Signer, tenant_id: int, origin: str, gone: Sequence[Leaf]
) -> set[int]:
    """Those of the leaves whose rows went with a proof that stands in the signed tree. No wijziging ever goes."""
    wanted = [leaf.index for leaf in gone if leaf.kind != "wijziging"]
    # After the rows were looked for: a row goes only when its proof is signed, so the newest checkpoint has it by now.
    newest = await _read_signed(connection, signer, tenant_id, origin)
    found: set[int] = set()
    for row in await connection.fetch(
        "SELECT wijziging, hash, leaf, named FROM register.proofs_of_leaves($1, $2)", tenant_id, wanted
    ):
        if row["leaf"] is None or row["leaf"] >= newest.size:
            continue
        (path,) = await read_proofs(connection, tenant_id, [inclusion_spans(row["leaf"], newest.size)])
        leaf = hash_of_leaf("wijziging", row["wijziging"], row["hash"])
        if is_included(leaf, row["leaf"], newest.size, path, newest.root):
            found.update(row["named"])
    return found
