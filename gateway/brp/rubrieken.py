"""What RvIG's own protocol record says of a question: search rubrieken and asked rubrieken.

As RvIG stores them: distinct, ascending, joined by `", "`; what was asked counts, delivered or not; what has no
rubriek, or is no field that RvIG knows, adds nothing, so both texts can be empty. Lookups are made once, at import.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from gateway.brp.apis import REISDOCUMENTEN
from gateway.brp.question import Question
from gateway.brp.tables import CODED_OR_DATED, PARAMETERS, RESPONSES, WHOLE_ANSWER, walk

_NOTHING: Final[frozenset[str]] = frozenset()
_CACHED_QUESTIONS: Final = 512
_LONGEST_CACHED_KEY: Final = 8_192
"""Characters of all names together. The names are the caller's, so what is kept of them is bounded (4 MiB)."""

FIELDS: Final[dict[tuple[str, str], dict[str, frozenset[str]]]] = {
    question: dict(walk(tree)) for question, tree in RESPONSES.items()
}
"""The rubrieken of every field that may be asked, by its name as `written_field` writes it."""


@dataclass(frozen=True, slots=True)
class Rubrieken:
    """The two texts of RvIG's protocol record: `request_zoek_rubrieken` and `request_gevraagde_rubrieken`."""

    zoek: str
    gevraagd: str


def record_of(question: Question) -> Rubrieken:
    """The rubrieken that RvIG records for a question: a few microseconds, well under one when it was seen before."""
    length = len("".join(question.fields)) + len("".join(question.parameters))
    recorded = _record_seen if length <= _LONGEST_CACHED_KEY else _record
    return recorded(question.api, question.type, question.parameters, question.fields)


def written_field(name: str) -> str:
    """A field of a person as its rubrieken are kept: without what is asked of a date or coded value.

    `geboorte.datum.jaar` is written `geboorte.datum`, and `geslacht.code` as `geslacht`.
    """
    above, dot, _ = name.rpartition(".")
    if dot and above.rpartition(".")[2] in CODED_OR_DATED:
        return above
    return name


def _record(api: str, kind: str | None, parameters: tuple[str, ...], fields: tuple[str, ...]) -> Rubrieken:
    question = (api, kind or "")
    searched = PARAMETERS.get(question, {})
    if api in WHOLE_ANSWER:
        asked = frozenset({WHOLE_ANSWER[api]}) if searched else _NOTHING
    else:
        known = FIELDS.get(question, {})
        written = fields if api == REISDOCUMENTEN else map(written_field, fields)
        asked = _NOTHING.union(*(known.get(name, _NOTHING) for name in written))
    sought = _NOTHING.union(*(searched.get(name, _NOTHING) for name in parameters))
    return Rubrieken(zoek=", ".join(sorted(sought)), gevraagd=", ".join(sorted(asked)))


_record_seen = lru_cache(_CACHED_QUESTIONS)(_record)
