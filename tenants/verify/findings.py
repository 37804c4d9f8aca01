"""What can be found wrong with a register, and how it is told. Pure."""

from dataclasses import dataclass, field, replace
from typing import Final, Literal

Code = Literal[
    "altered_row", "missing_row", "reordered_row", "foreign_row", "extra_row", "unreadable_line", "cut_tail", "rolled_back", "forked",
    "tree_differs", "bad_signature", "wrong_register", "proof_missing",
    "not_destroyed", "bad_proof", "bad_timestamp",
]  # fmt: skip
WORDS: Final[dict[Code, str]] = {
    "altered_row": "a row is not what was sealed",
    "missing_row": "a row that was sealed is not there",
    "reordered_row": "a row stands in another place than where it was sealed",
    "foreign_row": "a row is of another tenant",
    "extra_row": "rows stand in the register that were never sealed",
    "unreadable_line": "a line cannot be read",
    "cut_tail": "the end is missing",
    "rolled_back": "an older state of the register was put in the place of a newer one",
    "forked": "the register does not go on from the checkpoint that you have",
    "tree_differs": "the rows do not make the tree that was signed",
    "bad_signature": "a checkpoint is not signed by a key that you trust",
    "wrong_register": "this is another register than the one that was asked about",
    "proof_missing": "what would prove this is not there",
    "not_destroyed": "a row stands where a proof says that it was destroyed",
    "bad_timestamp": "a timestamp does not hold for the checkpoint that it stands by",
    "bad_proof": "a proof of destruction is not what was sealed",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. `leaf` is its place in the tree, None for what is about the whole."""

    code: Code
    leaf: int | None
    detail: str

    def __str__(self) -> str:
        place = "" if self.leaf is None else f" at leaf {self.leaf}"
        return f"{self.code}{place}: {WORDS[self.code]} ({self.detail})"

    def named(self, code: Code) -> "Fault":
        """The same by another name, when more is known of it."""
        return replace(self, code=code)


@dataclass(slots=True)
class Tally:
    """What was looked at."""

    openings: int = 0
    closings: int = 0
    wijzigingen: int = 0
    gone: int = 0
    proved: int = 0
    """Of what is gone, what a signed proof of destruction names."""

    @property
    def rows(self) -> int:
        """All of them."""
        return self.openings + self.closings + self.wijzigingen + self.gone


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came out. `first` is the first fault by its place in the register; `notes` say what else is worth knowing."""

    origin: str
    size: int
    span: tuple[int, int]
    tally: Tally
    faults: tuple[Fault, ...] = ()
    anchors: tuple[int, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def first(self) -> Fault | None:
        """The first fault, or None when the register is whole."""
        return self.faults[0] if self.faults else None
