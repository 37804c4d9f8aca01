"""Reports as CSV: semicolons and a byte order mark, as a Dutch spreadsheet reads it. Pure.

A cell that a spreadsheet would take for a formula gets an apostrophe, because texts of the registry are people's own.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

from tenants.inzage.rapport import Rapport, left_out

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
UITKOMSTEN: Final = {
    "verstrekt": "verstrekt",
    "niet_doorgegeven": "opgehaald, niet verstrekt",
    "uitkomst_onbekend": "uitkomst onbekend",
}
_KOPPEN: Final = (
    "datum en tijd",
    "uitkomst",
    "organisatie",
    "ontvanger",
    "grondslag",
    "doel",
    "soort bevraging",
    "gegevens",
    "gezocht op",
)
_VOOR_FUNCTIONARIS: Final = ("nummer van de protocolregel", "inzage geweigerd op grond van")


def rapport_as_csv(rapport: Rapport) -> bytes:
    """One line per disclosure; last, a line each, what is not in it, in the sentences of the letter."""
    officer = rapport.lezer == "functionaris"
    rows = [
        (
            one.op.isoformat(timespec="seconds"),
            UITKOMSTEN[one.uitkomst],
            one.organisatie,
            one.ontvanger,
            one.grondslag,
            one.doelbinding,
            one.bevraging,
            "; ".join(one.gegevens),
            "; ".join(one.gezocht_op),
            *((str(one.id), one.geweigerd or "") if officer else ()),
        )
        for one in rapport.regels
    ]
    return as_csv(
        (*_KOPPEN, *(_VOOR_FUNCTIONARIS if officer else ())), (*rows, *((told,) for told in left_out(rapport)))
    )


def as_csv(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """A table as CSV (RFC 4180, but for the semicolon)."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(heading)
    writer.writerows([_safe(cell) for cell in row] for row in rows)
    return ("\ufeff" + text.getvalue()).encode()


def _safe(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
