"""What is asked of a search in the register, and what it found: values alone."""

from dataclasses import dataclass, field
from uuid import UUID

from tenants.finding import Filter
from tenants.model import Bsn
from tenants.protocolregels import Protocolregel
from tenants.recording import Period
from tenants.subjects import ANummer, Subject

MOST = 1_000
"""Protocolregels that one reading returns."""


@dataclass(frozen=True, slots=True)
class Zoekvraag:
    """What an auditor asks: about a person, a period, or both, and of those only what the rest allows.

    Newest first, older than `before`. `rubrieken`: calls that brought one of them. A user is searched within a period, or among
    the calls about a person. `asked`: also calls that were asked about the person and told nothing of anyone.
    """

    bsn: Bsn | None = None
    period: Period | None = None
    contents: bool = False
    before: UUID | None = None
    limit: int = 100
    a_nummer: ANummer | None = None
    user: str | None = field(default=None, repr=False)
    wanted: Filter = field(default_factory=Filter)
    asked: bool = False

    def __post_init__(self) -> None:
        if self.subject is None and self.period is None:
            raise ValueError("A search is about a person, a period, or both.")
        if self.asked and self.subject is None:
            raise ValueError("Only of a person can be searched who asked in vain.")
        if not 1 <= self.limit <= MOST:
            raise ValueError(f"A search returns between 1 and {MOST} rows.")

    @property
    def subject(self) -> Subject | None:
        """The person, if it is about one."""
        return None if self.bsn is None and self.a_nummer is None else Subject(self.bsn, self.a_nummer)

    @property
    def opens_questions(self) -> bool:
        """Whether questions must be opened to see about whom they were: of an outcome that tells about nobody, always."""
        return self.asked or (self.subject is not None and self.wanted.outcome not in {None, "beantwoord"})


@dataclass(frozen=True, slots=True)
class Found:
    """What a reading found. `reading` is the number of its record; `more` is the id to go on from, or None.

    `destroyed_years` could not be searched: their keys are gone. `open_calls` is how many calls of the period have no
    closing: whom they were about is known to nobody yet; `unknown_calls` counts those that were sent and not answered too.
    `unnamed` is how many calls of this page name nobody or do not open, when questions were opened: of them nobody can say
    about whom they were. None: no questions were opened.
    """

    reading: int
    regels: tuple[Protocolregel, ...] = field(repr=False)
    more: UUID | None = None
    destroyed_years: tuple[int, ...] = ()
    open_calls: int = 0
    unknown_calls: int = 0
    unnamed: int | None = None
