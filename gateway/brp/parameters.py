"""The checks of single parameters of a question, with RvIG's words for each fault.

A check takes the decoded body and yields the faults of its own parameter, at most one but for `huisnummer` and for
the items of an array. Texts must match to their very end. An object or array where a text is meant is a fault of
the pattern here; RvIG ends in a 500. Source: RvIG's validation of the BRP APIs.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from gateway.brp import apis
from gateway.brp.problems import InvalidParam
from gateway.brp.question import scalar_text
from gateway.brp.rubrieken import FIELDS
from gateway.brp.tables import CODED_OR_DATED

Faults = Iterator[InvalidParam]
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Check:
    """One step of the validation of a question: the parameter it knows, and how it finds the faults of it."""

    name: str
    faults: Callable[[Body], Faults]


_MOST_FIELDS_OF_A_PERSON: Final = 130
_MOST_FIELDS_OF_A_REISDOCUMENT: Final = 25
_HIGHEST_HUISNUMMER: Final = 99_999

_FIELD_PATTERN: Final = r"^[a-zA-Z0-9\._]{1,200}$"
_FIELD: Final = re.compile(_FIELD_PATTERN)
_DELIVERED_ANYWAY: Final = re.compile(
    r"inOnderzoek|rni|verificatie|opschortingBijhouding|geheimhoudingPersoonsgegevens"
    r"|indicatieVastgesteldVerblijftNietOpAdres|gezag\."
)
_DELIVERED_ANYWAY_WITH_A_REISDOCUMENT: Final = re.compile(
    r"houder\.geheimhoudingPersoonsgegevens|houder\.opschortingBijhouding|inOnderzoek"
)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DIGITS: Final = re.compile(r"[0-9]+")
_SIGNED: Final = re.compile(r"([+-]?)0*([0-9]+)")

REQUIRED: Final = "Parameter is verplicht."
_NO_DATE: Final = "Waarde is geen geldige datum."
_NOT_ALLOWED: Final = "Parameter bevat een niet toegestane veldnaam."
_NOT_EXISTING: Final = "Parameter bevat een niet bestaande veldnaam."


def text(name: str, pattern: str, *, required: bool = False, may_be_empty: bool = False) -> Check:
    """A text of a pattern; one that is required may not be blank, one that is optional must match even if empty."""
    matches = re.compile(pattern).fullmatch
    mismatch = InvalidParam(name, "pattern", f"Waarde voldoet niet aan patroon {pattern}.")
    absent = InvalidParam(name, "required", REQUIRED)

    def check(question: Body) -> Faults:
        value = question.get(name)
        text = scalar_text(value)
        if required and (value is None or (text is not None and not text.strip())):
            yield absent
        elif value is not None and not (may_be_empty and text == "") and (text is None or not matches(text)):
            yield mismatch

    return Check(name, check)


def date(name: str, *, required: bool = True) -> Check:
    """A day of the calendar as yyyy-MM-dd."""
    absent = InvalidParam(name, "required", REQUIRED)
    invalid = InvalidParam(name, "date", _NO_DATE)

    def check(question: Body) -> Faults:
        value = question.get(name)
        if required and (value is None or (isinstance(value, str) and not value.strip())):
            yield absent
        elif value is not None and _as_date(value) is None:
            yield invalid

    return Check(name, check)


def _faults_of_order(question: Body) -> Faults:
    start, end = _as_date(question.get("datumVan")), _as_date(question.get("datumTot"))
    if start is not None and end is not None and end <= start:
        yield InvalidParam("datumTot", "date", "datumTot moet na datumVan liggen.")


def _faults_of_huisnummer(question: Body) -> Faults:
    """Integer and limits are checked apart, so that `-1` has two faults."""
    value = question.get("huisnummer")
    text = scalar_text(value)
    if value is None or (text is not None and not text.strip()):
        yield InvalidParam("huisnummer", "required", REQUIRED)
        return
    if text is None or not _DIGITS.fullmatch(text):
        yield InvalidParam("huisnummer", "integer", "Waarde is geen geldig getal.")
    number = _SIGNED.fullmatch(text) if text is not None else None
    if number is None:
        return
    sign, digits = number.groups()
    if sign == "-" or digits == "0":
        yield InvalidParam("huisnummer", "minimum", "Waarde is lager dan minimum 1.")
    elif len(digits) > len(str(_HIGHEST_HUISNUMMER)):
        yield InvalidParam("huisnummer", "maximum", f"Waarde is hoger dan maximum {_HIGHEST_HUISNUMMER}.")


def _faults_of_overledenen(question: Body) -> Faults:
    value = question.get("inclusiefOverledenPersonen")
    if value is None or isinstance(value, bool) or (isinstance(value, str) and value.lower() in {"true", "false"}):
        return
    yield InvalidParam("inclusiefOverledenPersonen", "boolean", "Waarde is geen boolean.")


def array(name: str, pattern: str, most: int) -> Check:
    """An array of one to `most` texts of a pattern."""
    matches = re.compile(pattern).fullmatch
    reason = f"Waarde voldoet niet aan patroon {pattern}."

    def check(question: Body) -> Faults:
        items = question.get(name)
        fault = _fault_of_array(name, items, most)
        if fault is not None:
            yield fault
            return
        for place, item in enumerate(items or ()):
            text = scalar_text(item)
            if text is None or not matches(text):
                yield InvalidParam(f"{name}[{place}]", "pattern", reason)

    return Check(name, check)


def fields(api: str, kind: str) -> Check:
    """The fields asked: each is tested on its form, on what is delivered anyway, and on existence."""
    known = FIELDS[api, kind]
    is_person = api == apis.PERSONEN
    most = _MOST_FIELDS_OF_A_PERSON if is_person else _MOST_FIELDS_OF_A_REISDOCUMENT
    delivered_anyway = _DELIVERED_ANYWAY if is_person else _DELIVERED_ANYWAY_WITH_A_REISDOCUMENT

    def exists(name: str) -> bool:
        above, _, below = name.rpartition(".")
        return is_person and below != "" and above in known and above.rpartition(".")[2] in CODED_OR_DATED

    def check(question: Body) -> Faults:
        items = question.get("fields")
        fault = _fault_of_array("fields", items, most)
        if fault is not None:
            yield fault
            return
        for place, item in enumerate(items or ()):
            name = scalar_text(item)
            if name is not None and name in known:
                continue
            if name is None or not _FIELD.fullmatch(name):
                reason = f"Waarde voldoet niet aan patroon {_FIELD_PATTERN}."
                yield InvalidParam(f"fields[{place}]", "pattern", reason)
            elif delivered_anyway.search(name):
                yield InvalidParam(f"fields[{place}]", "fields", _NOT_ALLOWED)
            elif not exists(name):
                yield InvalidParam(f"fields[{place}]", "fields", _NOT_EXISTING)

    return Check("fields", check)


def _fault_of_array(name: str, items: object, most: int) -> InvalidParam | None:
    if items is None:
        return InvalidParam(name, "required", REQUIRED)
    if not isinstance(items, list):
        return InvalidParam(name, "array", "Parameter is geen array.")
    if not items:
        return InvalidParam(name, "minItems", "Array bevat minder dan 1 items.")
    if len(items) > most:
        return InvalidParam(name, "maxItems", f"Array bevat meer dan {most} items.")
    return None


def unknown(names: frozenset[str]) -> Check:
    """Refuses every member of the body that is not among the names, in the order of the body."""

    def check(question: Body) -> Faults:
        for name in question:
            if name not in names:
                yield InvalidParam(_html(str(name)), "unknownParam", "Parameter is niet verwacht.")

    return Check("", check)


def _html(name: str) -> str:
    """A name as .NET's WebUtility.HtmlEncode writes it."""
    if name.isascii() and name.isalnum():
        return name
    return "".join(
        _HTML.get(char) or (f"&#{ord(char)};" if 160 <= ord(char) <= 255 or ord(char) > 0xFFFF else char)
        for char in name
    )


_HTML: Final = {"<": "&lt;", ">": "&gt;", "&": "&amp;", '"': "&quot;", "'": "&#39;"}


def _as_date(value: object) -> dt.date | None:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return None
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        return None


AFTER_DATUM_VAN: Final = Check("datumTot", _faults_of_order)
HUISNUMMER: Final = Check("huisnummer", _faults_of_huisnummer)
OVERLEDENEN: Final = Check("inclusiefOverledenPersonen", _faults_of_overledenen)
