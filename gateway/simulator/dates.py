"""Dates as the BRP keeps them (`yyyymmdd`, zeros for unknown parts) and as its APIs give them. Pure."""

import calendar
import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

_MONTHS: Final = (
    "januari", "februari", "maart", "april", "mei", "juni",
    "juli", "augustus", "september", "oktober", "november", "december",
)  # fmt: skip


def datum(value: Any) -> dict[str, Any] | None:
    """Give the API's form of a date, with its text in Dutch; None for what is no date of eight digits."""
    if not isinstance(value, str) or len(value) != 8 or not value.isdecimal():
        return None
    year, month, day = int(value[:4]), int(value[4:6]), int(value[6:])
    if year == 0:
        return {"type": "DatumOnbekend", "onbekend": True, "langFormaat": "onbekend"}
    if not 1 <= month <= 12:
        return {"type": "JaarDatum", "jaar": year, "langFormaat": str(year)}
    if day == 0:
        return {"type": "JaarMaandDatum", "jaar": year, "maand": month, "langFormaat": f"{_MONTHS[month - 1]} {year}"}
    return {
        "type": "Datum",
        "datum": f"{value[:4]}-{value[4:6]}-{value[6:]}",
        "langFormaat": f"{day} {_MONTHS[month - 1]} {year}",
    }


def leeftijd(born: Any, today: dt.date) -> int | None:
    """Age in years; None where the unknown part of the date could make a difference today."""
    span = uncertain(born)
    if span is None or span.first == dt.date.min:
        return None
    eldest, youngest = _years(span.first, today), _years(span.last, today)
    return eldest if eldest == youngest and eldest >= 0 else None


def _years(born: dt.date, today: dt.date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


@dataclass(frozen=True, slots=True)
class Span:
    """The first and the last day that an incomplete date can be."""

    first: dt.date
    last: dt.date


def uncertain(value: Any) -> Span | None:
    """Give the days that a date can be; a wholly unknown one can be any. None for no date."""
    if not isinstance(value, str) or len(value) != 8 or not value.isdecimal():
        return None
    year, month, day = int(value[:4]), int(value[4:6]), int(value[6:])
    if year == 0:
        return Span(dt.date.min, dt.date.max)
    if not 1 <= month <= 12:
        return Span(dt.date(year, 1, 1), dt.date(year, 12, 31))
    if day == 0:
        return Span(dt.date(year, month, 1), dt.date(year, month, calendar.monthrange(year, month)[1]))
    try:
        exact = dt.date(year, month, day)
    except ValueError:
        return None
    return Span(exact, exact)


def iso_date(value: Any) -> dt.date | None:
    """Read a date of a question (`yyyy-MM-dd`); None for anything else."""
    if not isinstance(value, str) or len(value) != 10 or not value.replace("-", "").isdecimal() or value[4] != "-":
        return None
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        return None
