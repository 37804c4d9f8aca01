"""The autorisatietabel of a case, with its days filled in: once for RvIG's side and once for the registry's. Pure.

A case that states no table is not about authorisation: whoever asks it may ask everything. A case that states an empty
one is asked by somebody without a row.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

from gateway.brp.authorisation import rubrieken_of_row
from gateway.brp.rubrieken import FIELDS
from gateway.brp.tables import PARAMETERS, WHOLE_ANSWER
from tenants.autorisatie import NewBesluit
from tests.conformance.cases import Case, TableRow

_LONG_AGO: Final = dt.date(2020, 1, 1)
_WORDS: Final = {"vandaag": dt.timedelta(), "morgen": dt.timedelta(days=1)}
_EVERYTHING: Final = tuple(
    sorted(
        frozenset(WHOLE_ANSWER.values()).union(
            ["081030", "081320"],
            *(rubrieken for table in (*FIELDS.values(), *PARAMETERS.values()) for rubrieken in table.values()),
        )
    )
)


def besluiten_of(case: Case, today: dt.date) -> list[NewBesluit]:
    """The rows of the case's own afnemer, as the registry takes them; a gemeente needs none."""
    afnemer_id = case.claims.afnemer_id
    if case.table is None:
        return [] if case.claims.gemeentecode else [NewBesluit(afnemer_id, _LONG_AGO, None, "N", _EVERYTHING)]
    made: dict[tuple[dt.date, str], NewBesluit] = {}
    for row in case.table:
        start, end = _day(row.start, today), None if row.end is None else _day(row.end, today)
        # A row that never holds, or by no medium, cannot be registered: it grants nothing.
        if row.afnemer_id == afnemer_id and row.medium and (end is None or start < end):
            rubrieken = tuple(rubrieken_of_row(row.rubrieken))
            made.setdefault((start, row.medium), NewBesluit(afnemer_id, start, end, row.medium, rubrieken))
    return list(made.values())


def filled_table(rows: Sequence[TableRow], today: dt.date) -> list[dict[str, Any]]:
    """The table as the simulator reads it."""
    return [
        {
            "afnemer_code": row.afnemer_id,
            "tabel_regel_start_datum": f"{_day(row.start, today):%Y%m%d}",
            "tabel_regel_eind_datum": None if row.end is None else f"{_day(row.end, today):%Y%m%d}",
            "ad_hoc_medium": row.medium,
            "ad_hoc_rubrieken": row.rubrieken,
        }
        for row in rows
    ]


def read_day(text: str) -> dt.date:
    """A day written as yyyymmdd. Raises ValueError."""
    if len(text) != 8 or not text.isascii() or not text.isdigit():
        raise ValueError(text)
    return dt.date(int(text[:4]), int(text[4:6]), int(text[6:]))


def _day(text: str, today: dt.date) -> dt.date:
    return today + _WORDS[text] if text in _WORDS else read_day(text)
