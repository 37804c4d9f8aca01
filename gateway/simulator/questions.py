"""Answers a question to Personen or Reisdocumenten from the test persons. Pure but for the persons' own cache.

Every question type of both APIs is answered. Of the validation of parameters only what an answer cannot do without is
checked: `type`, and that the parameters it needs are there in the form that is needed.
"""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from gateway.simulator.answers import document_answer
from gateway.simulator.dates import iso_date
from gateway.simulator.fields import Tree, parse_fields, project
from gateway.simulator.persons import Persons
from gateway.simulator.problems import InvalidParam, Problem, too_many

Json = dict[str, Any]

_BY_NAME_LIMIT: Final = 10
_BY_ADDRESS_LIMIT: Final = 30
_NEVER_DELIVERED: Final = frozenset({"F", "W"})
"""Opschorting by mistake (fout) and wissen: such a list is not given to anyone."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with what it needs to be answered. Raises Invalid from its readers."""

    body: Json
    persons: Persons
    today: dt.date

    def text(self, name: str) -> str:
        value = self.body.get(name)
        if not isinstance(value, str) or not value.strip():
            raise Invalid(name, "required", "Parameter is verplicht.")
        return value

    def optional(self, name: str) -> str | None:
        value = self.body.get(name)
        return str(value) if isinstance(value, str | int) and not isinstance(value, bool) and value != "" else None

    def texts(self, name: str, at_most: int) -> list[str]:
        value = self.body.get(name)
        if value is None:
            raise Invalid(name, "required", "Parameter is verplicht.")
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise Invalid(name, "array", "Parameter is geen array.")
        if not value:
            raise Invalid(name, "minItems", "Array bevat minder dan 1 items.")
        if len(value) > at_most:
            raise Invalid(name, "maxItems", f"Array bevat meer dan {at_most} items.")
        return value

    def date(self, name: str) -> dt.date:
        value = self.text(name)
        found = iso_date(value)
        if found is None:
            raise Invalid(name, "date", "Waarde is geen geldige datum.")
        return found

    def number(self, name: str) -> str:
        value = self.body.get(name)
        if value is None or value == "":
            raise Invalid(name, "required", "Parameter is verplicht.")
        if isinstance(value, bool) or not str(value).isdecimal() or len(str(value)) > 9:
            raise Invalid(name, "integer", "Waarde is geen geldig getal.")
        return str(int(value))

    def flag(self, name: str) -> bool:
        return str(self.body.get(name, "")).lower() == "true"

    def fields(self, at_most: int) -> Tree:
        return parse_fields(tuple(self.texts("fields", at_most)))


class Invalid(Exception):
    """A parameter that makes an answer impossible."""

    def __init__(self, name: str, code: str, reason: str) -> None:
        super().__init__(code)
        self.param = InvalidParam(name, code, reason)


Answer = Json | Problem
Question = Callable[[Asked], Answer]


def raadpleeg_met_burgerservicenummer(asked: Asked) -> Answer:
    numbers = asked.texts("burgerservicenummer", 20)
    tree = asked.fields(130)
    gemeente = asked.optional("gemeenteVanInschrijving")
    found = []
    for number in dict.fromkeys(numbers):
        person = asked.persons.answer(number, asked.today)
        if person is not None and _delivered(person) and _lives_in(person, gemeente):
            found.append(project(person, tree))
    return {"type": "RaadpleegMetBurgerservicenummer", "personen": found}


def zoek_met_geslachtsnaam_en_geboortedatum(asked: Asked) -> Answer:
    born = asked.date("geboortedatum").isoformat().replace("-", "")
    asked.text("geslachtsnaam")
    found = (one for one in asked.persons.records() if (one.get("geboorte") or {}).get("datum") == born)
    return _search(asked, _named(asked, found), _BY_NAME_LIMIT)


def zoek_met_naam_en_gemeente(asked: Asked) -> Answer:
    for name in ("gemeenteVanInschrijving", "geslachtsnaam", "voornamen"):
        asked.text(name)
    return _search(asked, _named(asked, asked.persons.records()), _BY_NAME_LIMIT)


def zoek_met_postcode_en_huisnummer(asked: Asked) -> Answer:
    postcode = asked.text("postcode").replace(" ", "").upper()
    found: Iterable[Json] = _numbered(asked, asked.persons.by_postcode.get(postcode, ()))
    if (born := asked.optional("geboortedatum")) is not None:
        found = [one for one in found if (one.get("geboorte") or {}).get("datum") == born.replace("-", "")]
    return _search(asked, _named(asked, found), _BY_ADDRESS_LIMIT)


def zoek_met_straat(asked: Asked) -> Answer:
    asked.text("gemeenteVanInschrijving")
    matches = _matcher(asked.text("straat"))
    found = (
        one
        for one in asked.persons.records()
        if any(
            matches(str((one.get("verblijfplaats") or {}).get(name, ""))) for name in ("straat", "naamOpenbareRuimte")
        )
    )
    return _search(asked, _numbered(asked, found), _BY_ADDRESS_LIMIT)


def zoek_met_nummeraanduiding(asked: Asked) -> Answer:
    number = asked.text("nummeraanduidingIdentificatie")
    return _search(asked, asked.persons.by_number.get(number, ()), _BY_ADDRESS_LIMIT)


def zoek_met_adresseerbaar_object(asked: Asked) -> Answer:
    number = asked.text("adresseerbaarObjectIdentificatie")
    return _search(asked, asked.persons.by_object.get(number, ()), _BY_ADDRESS_LIMIT)


def raadpleeg_met_reisdocumentnummer(asked: Asked) -> Answer:
    numbers = set(asked.texts("reisdocumentnummer", 1))
    return _documents(asked, lambda one: one.get("reisdocumentnummer") in numbers)


def zoek_reisdocumenten(asked: Asked) -> Answer:
    number = asked.text("burgerservicenummer")
    return _documents(asked, lambda one: (one.get("houder") or {}).get("burgerservicenummer") == number)


def _documents(asked: Asked, wanted: Callable[[Json], bool]) -> Answer:
    tree = asked.fields(25)
    found = []
    for record in filter(wanted, asked.persons.documents):
        bsn = (record.get("houder") or {}).get("burgerservicenummer")
        holder = asked.persons.answer(str(bsn), asked.today) if bsn else None
        document = document_answer(record, holder)
        projected = project(document, tree)
        # The marks on the holder come by themselves, also when nothing of the holder was asked.
        marks = {name: value for name, value in document.get("houder", {}).items() if name != "burgerservicenummer"}
        if marks and "houder" not in projected:
            projected["houder"] = marks
        found.append(projected)
    return {"type": str(asked.body["type"]), "reisdocumenten": found}


def _search(asked: Asked, found: Iterable[Json], limit: int) -> Answer:
    """Leave out whom a search does not show, apply the gemeente, count, and project."""
    kind = str(asked.body["type"])
    tree = asked.fields(130)
    gemeente = asked.optional("gemeenteVanInschrijving")
    with_custody = kind == "ZoekMetAdresseerbaarObjectIdentificatie"
    with_deceased = asked.flag("inclusiefOverledenPersonen")
    persons = []
    for record in found:
        bsn = str(record["burgerservicenummer"])
        whole = asked.persons.answer(bsn, asked.today)
        if whole is None or not _delivered(whole) or not _lives_in(whole, gemeente):
            continue
        if not with_deceased and _suspended(whole) == "O":
            continue
        persons.append(project(asked.persons.limited_answer(bsn, asked.today, with_custody=with_custody), tree))
        if len(persons) > limit:
            return too_many(limit)
    return {"type": kind, "personen": persons}


def _suspended(person: Json) -> str | None:
    code = (person.get("opschortingBijhouding") or {}).get("reden", {}).get("code")
    return str(code) if code else None


def _delivered(person: Json) -> bool:
    return _suspended(person) not in _NEVER_DELIVERED


def _lives_in(person: Json, gemeente: str | None) -> bool:
    return gemeente is None or (person.get("gemeenteVanInschrijving") or {}).get("code") == gemeente


def _named(asked: Asked, found: Iterable[Json]) -> Iterable[Json]:
    """Keep who has the asked names and sex; letter case does not matter, `*` stands for any ending."""
    matchers = [
        (name, _matcher(value))
        for name in ("geslachtsnaam", "voornamen")
        if (value := asked.optional(name)) is not None
    ]
    prefix, sex = asked.optional("voorvoegsel"), asked.optional("geslacht")
    for one in found:
        naam = one.get("naam") or {}
        if not all(matches(str(naam.get(name, "")).strip()) for name, matches in matchers):
            continue
        if prefix is not None and str(naam.get("voorvoegsel", "")).lower() != prefix.strip().lower():
            continue
        if sex is not None and (one.get("geslacht") or {}).get("code") != sex.upper():
            continue
        yield one


def _numbered(asked: Asked, found: Iterable[Json]) -> Iterable[Json]:
    """Keep whose house has the asked number; letter and addition count only when they are asked."""
    number = asked.number("huisnummer")
    extra = [
        (name, value.lower())
        for name in ("huisletter", "huisnummertoevoeging")
        if (value := asked.optional(name)) is not None
    ]
    for one in found:
        place = one.get("verblijfplaats") or {}
        if str(place.get("huisnummer")) == number and all(
            str(place.get(name, "")).lower() == value for name, value in extra
        ):
            yield one


def _matcher(wanted: str) -> Callable[[str], bool]:
    """Compare in any letter case; a `*` at one end stands for anything there."""
    text = wanted.strip().casefold()
    if text.endswith("*"):
        return lambda value: value.casefold().startswith(text[:-1])
    if text.startswith("*"):
        return lambda value: value.casefold().endswith(text[1:])
    return lambda value: value.casefold() == text


PERSONEN: Final[dict[str, Question]] = {
    "RaadpleegMetBurgerservicenummer": raadpleeg_met_burgerservicenummer,
    "ZoekMetGeslachtsnaamEnGeboortedatum": zoek_met_geslachtsnaam_en_geboortedatum,
    "ZoekMetNaamEnGemeenteVanInschrijving": zoek_met_naam_en_gemeente,
    "ZoekMetPostcodeEnHuisnummer": zoek_met_postcode_en_huisnummer,
    "ZoekMetStraatHuisnummerEnGemeenteVanInschrijving": zoek_met_straat,
    "ZoekMetNummeraanduidingIdentificatie": zoek_met_nummeraanduiding,
    "ZoekMetAdresseerbaarObjectIdentificatie": zoek_met_adresseerbaar_object,
}
REISDOCUMENTEN: Final[dict[str, Question]] = {
    "RaadpleegMetReisdocumentnummer": raadpleeg_met_reisdocumentnummer,
    "ZoekMetBurgerservicenummer": zoek_reisdocumenten,
}
