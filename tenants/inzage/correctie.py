"""Who must be told that data were wrong: the recipients of a rubriek of a person (Wet BRP art. 3.23). Pure.

Who received what is derived from that rubriek, or received it as history, received it. A call whose outcome is unknown is
told as such, because its recipient may have the data.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from tenants.inzage.tabellen import UITKOMSTEN, as_csv
from tenants.inzage.verstrekkingen import Gathered, Uitkomst, Verstrekking
from tenants.inzage.verzoek import AMSTERDAM
from tenants.words.doelbindingen import doelbinding_in_words
from tenants.words.rubrieken import carriers_of, in_words


@dataclass(frozen=True, slots=True)
class Ontvanger:
    """One recipient on one ground for one purpose: which of the data, when first and last, in which calls (newest first).

    `gegevens` is None when it is not known any more what its messages told.
    """

    organisatie: str
    ontvanger: str
    grondslag: str
    doelbinding: str
    uitkomst: Uitkomst
    gegevens: tuple[str, ...] | None
    eerste: datetime
    laatste: datetime
    ids: tuple[UUID, ...] = field(repr=False)


def recipients_of(gathered: Gathered, rubrieken: Iterable[str]) -> tuple[Ontvanger, ...]:
    """The recipients, who received last first. What was not passed on was received by nobody."""
    carriers = carriers_of(rubrieken)
    found: dict[tuple[str, str, str, str, Uitkomst], list[Verstrekking]] = {}
    for one in gathered.verstrekkingen:
        if one.uitkomst == "niet_doorgegeven" or not (one.rubrieken is None or carriers.intersection(one.rubrieken)):
            continue
        key = (
            gathered.names.get(one.afnemer_id or "", ""),
            one.ontvanger,
            one.grondslag,
            doelbinding_in_words(one.doelbinding, gathered.words),
            one.uitkomst,
        )
        found.setdefault(key, []).append(one)
    made = [_ontvanger(key, rows, carriers) for key, rows in found.items()]
    return tuple(sorted(made, key=lambda one: one.laatste, reverse=True))


def recipients_as_csv(ontvangers: Iterable[Ontvanger], gathered: Gathered) -> bytes:
    """One line per recipient; last what the list cannot tell: of how many calls, and over which years."""
    heading = ("organisatie", "ontvanger", "grondslag", "doel", "uitkomst", "gegevens", "eerste", "laatste", "aantal")
    lines = (
        (
            one.organisatie,
            one.ontvanger,
            one.grondslag,
            one.doelbinding,
            UITKOMSTEN[one.uitkomst],
            "niet meer vast te stellen" if one.gegevens is None else "; ".join(one.gegevens),
            one.eerste.isoformat(timespec="seconds"),
            one.laatste.isoformat(timespec="seconds"),
            str(len(one.ids)),
        )
        for one in ontvangers
    )
    return as_csv(heading, (*lines, *_not_in_it(gathered)))


def untold_in(gathered: Gathered) -> int:
    """Calls that may have told about the person and name nobody: refused inzage or not, their recipients must be told."""
    return gathered.untold + gathered.untold_refused


def _not_in_it(gathered: Gathered) -> Iterable[tuple[str, str]]:
    yield "Bevragingen waarvan de uitkomst onbekend is en die niemand noemen", str(untold_in(gathered))
    yield "Jaren waarvan de vastlegging vernietigd is", ", ".join(map(str, gathered.destroyed_years)) or "geen"


def _ontvanger(
    key: tuple[str, str, str, str, Uitkomst], rows: list[Verstrekking], carriers: frozenset[str]
) -> Ontvanger:
    told: set[str] | None = set()
    for one in rows:
        told = None if told is None or one.rubrieken is None else told | (carriers & set(one.rubrieken))
    newest = sorted(rows, key=lambda one: one.at, reverse=True)
    return Ontvanger(
        *key,
        gegevens=None if told is None else tuple(map(str, in_words(told))),
        eerste=newest[-1].at.astimezone(AMSTERDAM),
        laatste=newest[0].at.astimezone(AMSTERDAM),
        ids=tuple(one.id for one in newest),
    )


def in_criteria(rubrieken: Iterable[str]) -> Mapping[str, list[str]]:
    """What is recorded of the question."""
    return {"rubrieken": sorted(rubrieken)}
