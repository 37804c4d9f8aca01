"""Who may ask what: RvIG's rules of autorisatie, behind its 403 answers.

A gemeente may ask anything, but of bewoningen only addresses that lie or lay in it. Everybody else needs a row of
RvIG's autorisatietabel that holds today, with every rubriek that the question's parameters and fields need. What
no table knows needs what nobody has. Two fields follow rules of their own: `ouders.ouderAanduiding`, and
`adressering*`, whose old rubrieken are being replaced by PAAD01 and PAAD02. Source: RvIG's autorisatie of the BRP
APIs; the autorisatiebesluit rests on Wet BRP art. 3.2 and 3.3.
"""

import datetime as dt
import sys
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from gateway.brp import apis, problems
from gateway.brp.problems import ProblemShape
from gateway.brp.question import Question
from gateway.brp.rubrieken import FIELDS, written_field
from gateway.brp.tables import PARAMETERS, PERSOON, WHOLE_ANSWER, Tree, walk

AD_HOC_MEDIA: Final = frozenset({"A", "N"})
"""The media of an autorisatie that allow asking over the network."""
KMAR: Final = "720402"
"""The Koninklijke Marechaussee, the one afnemer that may see reisdocumenten without being a gemeente."""

_AMSTERDAM: Final = ZoneInfo("Europe/Amsterdam")
_ADDRESS: Final = "PAAD01"
_FORMS_OF_ADDRESS: Final = "PAAD02"
_PARENTS_INDICATION: Final = "ouders.ouderAanduiding"
_PARENT_OF_EITHER_SIDE: Final = "PAOU01"
_GROUPS_OF_A_PARENT: Final = frozenset({"01", "02", "03", "04", "62"})
_REFUSAL_OF_WHOLE_ANSWER: Final = {
    apis.BEWONINGEN: problems.NO_BEWONINGEN,
    apis.VERBLIJFPLAATSHISTORIE: problems.NO_VERBLIJFPLAATSHISTORIE,
}


@dataclass(frozen=True, slots=True)
class AutorisatieRow:
    """One row of the autorisatietabel: valid from `start` until the day before `end`; None is without end."""

    start: dt.date
    end: dt.date | None
    medium: str
    rubrieken: frozenset[str]

    def holds(self, today: dt.date) -> bool:
        return self.start <= today and (self.end is None or today < self.end) and self.medium in AD_HOC_MEDIA


@dataclass(frozen=True, slots=True)
class AfnemerRights:
    """What an afnemer may ask by: its AfnemerID, the code of its gemeente if it is one, and its own rows."""

    afnemer_id: str
    gemeente_code: str | None = None
    rows: tuple[AutorisatieRow, ...] = ()


@dataclass(frozen=True, slots=True)
class _Need:
    """What a field needs of a row: all rubrieken, or the one new rubriek where the row knows the new ones."""

    rubrieken: frozenset[str]
    new: str | None = None


@lru_cache(256)
def rubrieken_of_row(text: str) -> frozenset[str]:
    """The rubrieken of a row as the autorisatietabel writes them: by spaces, without leading zero.

    Many afnemers have the same rubrieken, so equal rows share one set, and all sets the names in them.
    """
    return frozenset(sys.intern(rubriek.zfill(6)) for rubriek in text.split())


def authorise(
    question: Question,
    rights: AfnemerRights,
    today: dt.date,
    known_addresses: Mapping[str, Collection[str]] | None = None,
) -> ProblemShape | None:
    """RvIG's refusal of a question, or None if the afnemer may ask it.

    `today` is the date in the Netherlands. `known_addresses` gives the codes of the gemeenten in which an
    adresseerbaar object lies or lay; one that it does not know is allowed. An API without rules here is not refused.
    """
    api = question.api
    if api not in apis.TYPES:
        return None
    if rights.gemeente_code is not None:
        return _authorise_gemeente(question, rights.gemeente_code, known_addresses or {})
    if api == apis.REISDOCUMENTEN:
        return None if rights.afnemer_id == KMAR else problems.NO_REISDOCUMENTEN
    row = row_of_today(rights.rows, today)
    return problems.NO_AD_HOC if row is None else _authorise_by_row(question, row.rubrieken)


def dutch_date(now: dt.datetime) -> dt.date:
    """The date in the Netherlands, by which a besluit begins and ends."""
    return now.astimezone(_AMSTERDAM).date()


def row_of_today(rows: Iterable[AutorisatieRow], today: dt.date) -> AutorisatieRow | None:
    """The row that holds on a day; of several the one that began last, so that a newer besluit replaces an older."""
    found: AutorisatieRow | None = None
    for row in rows:
        if row.holds(today) and (found is None or found.start < row.start):
            found = row
    return found


def _authorise_gemeente(
    question: Question, gemeente_code: str, known_addresses: Mapping[str, Collection[str]]
) -> ProblemShape | None:
    if question.api != apis.BEWONINGEN:
        return None
    gemeenten = known_addresses.get(question.adresseerbaar_object or "", ())
    return problems.NOT_OWN_BEWONING if gemeenten and gemeente_code not in gemeenten else None


def _authorise_by_row(question: Question, granted: frozenset[str]) -> ProblemShape | None:
    whole = WHOLE_ANSWER.get(question.api)
    if whole is not None:
        return None if whole in granted else _REFUSAL_OF_WHOLE_ANSWER[question.api]
    return _authorise_personen(question, granted)


def _authorise_personen(question: Question, granted: frozenset[str]) -> ProblemShape | None:
    asked = (apis.PERSONEN, question.type or "")
    searched = PARAMETERS.get(asked, {})
    parameters = [name for name in question.parameters if name not in searched or not searched[name] <= granted]
    if parameters:
        return problems.unauthorized_parameters(parameters)
    plain, needs = _PLAIN_NEEDS.get(asked, {}), _NEEDS.get(asked, {})
    new = _new_rubrieken(granted)
    fields = []
    for name in question.fields:
        rubrieken = plain.get(name)
        if rubrieken is not None and rubrieken <= granted:
            continue
        written = name if name in needs else written_field(name)
        need = needs.get(written)
        if need is None or not _meets(need, written, granted, new):
            fields.append(written)
    return problems.unauthorized_fields(fields) if fields else None


def _new_rubrieken(granted: frozenset[str]) -> frozenset[str]:
    """PAAD01 grants PAAD02 too; a row with neither is judged by the old rubrieken."""
    if _ADDRESS in granted:
        return frozenset({_ADDRESS, _FORMS_OF_ADDRESS})
    return granted & {_FORMS_OF_ADDRESS}


def _meets(need: _Need, name: str, granted: frozenset[str], new: frozenset[str]) -> bool:
    if need.new is not None and new:
        return need.new in new
    return need.rubrieken <= granted and (name != _PARENTS_INDICATION or _knows_both_parents(granted))


@lru_cache(1024)
def _knows_both_parents(granted: frozenset[str]) -> bool:
    """Something of either parent must be granted before it may be told which of the two somebody is."""
    if _PARENT_OF_EITHER_SIDE in granted:
        return True
    sides = {rubriek[:2] for rubriek in granted if rubriek[2:4] in _GROUPS_OF_A_PARENT}
    return {"02", "03"} <= sides


def _new_rubriek(name: str) -> str | None:
    top, _, below = name.partition(".")
    if not top.startswith("adressering"):
        return None
    return _FORMS_OF_ADDRESS if below.startswith(("aanhef", "aanschrijfwijze", "gebruikIn")) else _ADDRESS


def _with(tree: Tree, name: str, **rubrieken: str) -> Tree:
    below = tree[name]
    return {**tree, name: {**below, **rubrieken}} if isinstance(below, Mapping) else tree


def _authorised_persoon() -> Tree:
    """The tree of a person as it is authorised: derived data need the rubrieken from which they are derived."""
    tree = _with(PERSOON, "nationaliteiten", type="040510")
    tree = _with(tree, "verblijfplaats", datumVan="081030 081320", type="081110 081210 081310")
    return _with(tree, "verblijfplaatsBinnenland", datumVan="081030", type="081110 081210")


def _needs_of(question: tuple[str, str]) -> dict[str, _Need]:
    fields = FIELDS[question]
    if question[1] == apis.RAADPLEEG_MET_BSN:
        fields = dict(walk(_authorised_persoon()))
    return {name: _Need(rubrieken, _new_rubriek(name)) for name, rubrieken in fields.items()}


_NEEDS: Final = {(apis.PERSONEN, kind): _needs_of((apis.PERSONEN, kind)) for kind in apis.TYPES[apis.PERSONEN]}
_PLAIN_NEEDS: Final = {
    question: {name: need.rubrieken for name, need in needs.items() if need.new is None and name != _PARENTS_INDICATION}
    for question, needs in _NEEDS.items()
}
"""The fields without a rule of their own, as nearly all are: by far the most that is asked is settled by these."""
