"""Judges a register line by line: the same for an export and for a live register. Pure; memory does not grow with it.

For each line: does the row hash to what it says, is that what was sealed at this leaf, is it of this tenant, are its sealed
bytes and persons its own, does its number follow the one before of its writer, does a closing name its own opening. All
leaves together, with the subtrees beside them, must make the root of the signed checkpoint, and on the way the root of
every checkpoint that is passed, those that the reader brought among them.

Goes on after a fault, to say whether a row that was missed stands elsewhere. What is kept in mind: the calls whose closing
has not come, one number per writer, and at most a hundred faults.
"""

import binascii
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from tenants.checkpoints import Checkpoint
from tenants.export.lines import FIELDS, FORMS, canonical, persons_hash
from tenants.export.plan import Proof
from tenants.merkle import Frontier, places_of
from tenants.register_keys import uuid_floor
from tenants.retention.proofs import Destroyed
from tenants.retention.ranges import Ranges
from tenants.verify.findings import Code, Fault, Tally

_MOST_FAULTS: Final = 100
_HASHES_AT_ONCE: Final = 512
_NOTHING: Final = Ranges()
_sha256 = hashlib.sha256
_FIELD_LISTS: Final = {kind: list(fields) for kind, fields in FIELDS.items()}


@dataclass(frozen=True, slots=True)
class Expected:
    """What a register is judged against: whose it is, the signed root, and roots along the way."""

    tenant_id: int
    signed: Checkpoint
    proof: Proof
    passed: tuple[tuple[Checkpoint, Code], ...] = ()
    gone_before: datetime | None = None
    """Rows of calls before this may be gone, because the reader says so: without proof."""
    destroyed: Destroyed = field(default_factory=Destroyed)
    """What proofs of destruction in this tree say."""


@dataclass(slots=True)
class Judge:
    """One judgement under way. Feed it every line with `take`, in order; `finish` ends it."""

    expected: Expected
    tally: Tally = field(default_factory=Tally)
    faults: list[Fault] = field(default_factory=list)
    _tree: Frontier = field(default_factory=Frontier)
    _next: int = 0
    _whole: bool = True
    _hashes: list[bytes] = field(default_factory=list)
    _roots: list[tuple[Checkpoint, Code]] = field(default_factory=list)
    _open: dict[str, str] = field(default_factory=dict)
    _last: dict[tuple[str, int], int] = field(default_factory=dict)
    _skipped: dict[int, int] = field(default_factory=dict)
    _unseen: dict[tuple[str, int, int], int] = field(default_factory=dict)
    _gone_floor: UUID | None = None
    _gone_openings: set[str] = field(default_factory=set)
    _proved: int = 0

    def __post_init__(self) -> None:
        proof = self.expected.proof
        self._next = proof.first
        if len(proof.before) == len(places_of((0, proof.first))):
            self._tree = Frontier(proof.first, list(proof.before))
        else:
            self._whole = False
        inside = [one for one in self.expected.passed if proof.first <= one[0].size <= proof.until]
        self._roots = sorted(inside, key=lambda one: one[0].size, reverse=True)
        if self.expected.gone_before is not None:
            self._gone_floor = uuid_floor(self.expected.gone_before)
        self._compare_roots()

    def take(self, text: bytes) -> None:
        """Judge one line."""
        try:
            line = orjson.loads(text)
            leaf, kind, row, sealed_hash = line["leaf"], line["kind"], line["row"], line["leaf_hash"]
            sealed_as = binascii.unhexlify(sealed_hash)
            if kind not in FORMS or type(leaf) is not int or len(sealed_as) != 32:
                raise ValueError  # noqa: TRY301 - one way out for every line that is no line
        except (ValueError, KeyError, TypeError):
            self._note("unreadable_line", self._next, "not a line of an export")
            self._whole = False
            return
        if leaf != self._next:
            self._misplaced(leaf)
        self._next = leaf + 1
        if row is None:
            self._gone(leaf, kind, line)
        else:
            try:
                made = self._row(leaf, kind, line, row)
            except (KeyError, TypeError, ValueError, AttributeError):
                made = None
                self._note("unreadable_line", leaf, f"{kind} lacks what it must have")
            if made is not None and made != sealed_as:
                self._note("altered_row", leaf, f"{kind} {_number(kind, row)}: another row was sealed here")
        # The tree is made of what was sealed, so that one altered row does not hide what else is wrong.
        self._hashes.append(sealed_as)
        if len(self._hashes) >= _HASHES_AT_ONCE or (self._roots and self._roots[-1][0].size == self._next):
            self._grow()

    def _row(self, leaf: int, kind: str, line: dict[str, Any], row: dict[str, Any]) -> bytes | None:
        """Judge a row by itself; return the hash of its leaf, None when that says nothing more."""
        if list(row) != _FIELD_LISTS[kind] or row["form"] != FORMS[kind]:
            self._note("unreadable_line", leaf, f"{kind} is not of the form {FORMS[kind]}")
            return None
        if row["tenant_id"] != self.expected.tenant_id:
            self._note("foreign_row", leaf, f"{kind} {_number(kind, row)} is of tenant {row['tenant_id']}")
            return None
        if leaf in self.expected.destroyed.must_be_gone:
            self._note("not_destroyed", leaf, f"{kind} {_number(kind, row)}")
        hash_ = _sha256(canonical(list(row.values()))).hexdigest()
        number = _number(kind, row)
        if not (is_whole := hash_ == line["hash"]):
            self._note("altered_row", leaf, f"{kind} {number}: what it says does not hash to {line['hash']}")
        if kind == "wijziging":
            self.tally.wijzigingen += 1
        else:
            if is_whole and _sha256(binascii.a2b_base64(line["sealed"])).hexdigest() != row["sealed_sha256"]:
                self._note("altered_row", leaf, f"{kind} {number}: its sealed bytes are others")
            self._follows(leaf, kind, row["writer_id"], row["number"])
            if kind == "opening":
                self.tally.openings += 1
                if row["refusal"] is None:
                    self._open[number] = line["hash"]
            else:
                self.tally.closings += 1
                self._closes(leaf, number, row, line)
        return _sha256(f"\x00{kind}:{number}:{hash_}".encode()).digest() if is_whole else None

    def _closes(self, leaf: int, number: str, row: dict[str, Any], line: dict[str, Any]) -> None:
        if persons_hash(line["persons"]) != row["persons_sha256"]:
            self._note("altered_row", leaf, f"closing {number}: its persons are others")
        opening = self._open.pop(number, None)
        if opening is None and number in self._gone_openings:
            self._gone_openings.discard(number)
        elif opening is None:
            # Of a stretch, the opening may lie before it.
            if self.expected.proof.first == 0 and not self._may_be_gone(number):
                self._note("missing_row", leaf, f"opening {number}, of which this is the closing")
        elif opening != row["opening_hash"]:
            self._note("altered_row", leaf, f"closing {number} is that of another opening")

    def _follows(self, leaf: int, kind: str, writer: int, number: int) -> None:
        """Numbers of a writer come one by one, in the order in which they were sealed."""
        key = (kind, writer)
        last = self._last.get(key)
        if last is None:
            last = 0 if self.expected.proof.first == 0 and self._gone_floor is None else number - 1
        if number == last + 1:
            self._last[key] = number
        elif number > last:
            went = self.expected.destroyed.numbers.get(key, _NOTHING)
            for lowest, highest in went.missing_from(last + 1, number - 1):
                if len(self._unseen) < _MOST_FAULTS:
                    for missed in range(lowest, min(highest + 1, lowest + _MOST_FAULTS)):
                        self._unseen[(kind, writer, missed)] = len(self.faults)
                self._note("missing_row", leaf, f"{kind} {_ranged(lowest, highest)} of writer {writer}")
            self._last[key] = number
        else:
            self._found_elsewhere(self._unseen.pop((kind, writer, number), None))
            self._note("reordered_row", leaf, f"{kind} {number} of writer {writer} comes after {last}")

    def _misplaced(self, leaf: int) -> None:
        self._grow()
        self._whole = False
        if leaf > self._next:
            for missed in range(self._next, min(leaf, self._next + _MOST_FAULTS)):
                self._skipped[missed] = len(self.faults)
            self._note("missing_row", self._next, f"the leaves {_ranged(self._next, leaf - 1)}")
        else:
            self._found_elsewhere(self._skipped.pop(leaf, None))
            self._note("reordered_row", leaf, f"it comes after leaf {self._next - 1}")

    def _gone(self, leaf: int, kind: str, line: dict[str, Any]) -> None:
        number = str(line.get("number"))
        self.tally.gone += 1
        if kind != "wijziging" and leaf in self.expected.destroyed.may_be_gone:
            self.tally.proved += 1
            if kind == "opening":
                self._gone_openings.add(number)
            else:
                # A call of which both rows went is not kept in mind.
                self._gone_openings.discard(number)
                self._open.pop(number, None)
        elif kind == "wijziging" or not self._may_be_gone(number):
            self._note("missing_row", leaf, f"{kind} {number}")

    def _may_be_gone(self, number: str) -> bool:
        try:
            return self._gone_floor is not None and UUID(number) < self._gone_floor
        except ValueError:
            return False

    def _found_elsewhere(self, fault: int | None) -> None:
        """What seemed to be missing stands elsewhere: then that was the fault."""
        if fault is not None and fault < len(self.faults):
            self.faults[fault] = self.faults[fault].named("reordered_row")

    def _grow(self) -> None:
        if self._whole:
            self._tree.extend(self._hashes)
        self._hashes.clear()
        self._compare_roots()

    def _compare_roots(self) -> None:
        while self._whole and self._roots and self._roots[-1][0].size <= self._tree.size:
            checkpoint, code = self._roots.pop()
            if checkpoint.size != self._tree.size or checkpoint.root == self._tree.root():
                self._proved = checkpoint.size
                continue
            where = f"leaves {_ranged(self._proved, checkpoint.size - 1)} are not all what they were"
            self._note(code, None, f"the tree of {checkpoint.size} leaves has another root: {where}")

    @property
    def open_calls(self) -> int:
        """Calls that were let through and have no closing among these lines."""
        return len(self._open)

    def finish(self) -> list[Fault]:
        """Judge the whole; return all faults, those of rows by their place and first."""
        self._grow()
        proof, signed = self.expected.proof, self.expected.signed
        if self._next < proof.until:
            self._note(
                "cut_tail", self._next, f"of {proof.until} leaves the last {proof.until - self._next} are missing"
            )
        elif self._whole:
            self._close_tree(proof.after, signed)
        rows = sorted((one for one in self.faults if one.leaf is not None), key=lambda one: one.leaf or 0)
        return [*rows, *(one for one in self.faults if one.leaf is None)]

    def _close_tree(self, after: Sequence[bytes], signed: Checkpoint) -> None:
        places = places_of((self._tree.size, signed.size))
        if len(places) != len(after):
            self._note("proof_missing", None, "the subtrees behind the last leaf")
            return
        for (level, _), hash_ in zip(places, after, strict=True):
            self._tree.append_subtree(level, hash_)
        if self._tree.root() != signed.root:
            self._note("tree_differs", None, f"the tree of {signed.size} leaves has another root than the signed one")

    def _note(self, code: Code, leaf: int | None, detail: str) -> None:
        if len(self.faults) < _MOST_FAULTS:
            self.faults.append(Fault(code, leaf, detail))


def judge(expected: Expected, lines: Iterable[bytes]) -> Judge:
    """Judge all lines; `finish` is still to be called."""
    made = Judge(expected)
    take = made.take
    for line in lines:
        take(line)
    return made


def _number(kind: str, row: dict[str, Any]) -> str:
    return str(row["number"] if kind == "wijziging" else row["id"])


def _ranged(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"
