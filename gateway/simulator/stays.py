"""Answers a question to Bewoning or Verblijfplaatshistorie from the stays of the test persons. Pure.

A stay begins and ends on dates that may be incomplete. Someone surely lives at an address from the last possible day
of arrival to the first possible day of departure, and possibly in the days around them; possible inhabitants are told
apart from sure ones. A period is cut where the composition of its inhabitants changes.
"""

import datetime as dt
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from gateway.simulator.answers import secret, stay_answer
from gateway.simulator.dates import datum, uncertain
from gateway.simulator.names import address_lines
from gateway.simulator.persons import Persons
from gateway.simulator.questions import Answer, Asked, Invalid, Question

Json = dict[str, Any]

_DAY: Final = dt.timedelta(days=1)
_MANY: Final = 100


@dataclass(frozen=True, slots=True)
class Stay:
    """A stay with the bounds of its dates; `ends` are exclusive."""

    record: Json
    starts_first: dt.date
    starts_last: dt.date
    ends_first: dt.date
    ends_last: dt.date

    def surely(self, day: dt.date) -> bool:
        return self.starts_last <= day < self.ends_first

    def possibly(self, day: dt.date) -> bool:
        return self.starts_first <= day < self.ends_last

    def overlaps(self, since: dt.date, until: dt.date) -> bool:
        return self.starts_first < until and since < self.ends_last


def read_stay(record: Json) -> Stay:
    place = record.get("verblijfplaats") or {}
    start = uncertain(place.get("datumAanvangAdreshouding") or place.get("datumAanvangAdresBuitenland"))
    end = uncertain(place.get("datumEindeAdreshouding"))
    return Stay(
        record,
        start.first if start else dt.date.min,
        start.last if start else dt.date.min,
        end.first if end else dt.date.max,
        end.last if end else dt.date.max,
    )


def bewoning_met_peildatum(asked: Asked) -> Answer:
    number, day = asked.text("adresseerbaarObjectIdentificatie"), asked.date("peildatum")
    return _bewoningen(asked, number, day, _following(day))


def bewoning_met_periode(asked: Asked) -> Answer:
    number = asked.text("adresseerbaarObjectIdentificatie")
    since, until = _period(asked)
    return _bewoningen(asked, number, since, until)


def historie_met_peildatum(asked: Asked) -> Answer:
    number, day = asked.text("burgerservicenummer"), asked.date("peildatum")
    return _historie(asked, number, lambda one: one.possibly(day))


def historie_met_periode(asked: Asked) -> Answer:
    number = asked.text("burgerservicenummer")
    since, until = _period(asked)
    return _historie(asked, number, lambda one: one.overlaps(since, until))


def _period(asked: Asked) -> tuple[dt.date, dt.date]:
    until, since = asked.date("datumTot"), asked.date("datumVan")
    if until <= since:
        raise Invalid("datumTot", "date", "datumTot moet na datumVan liggen.")
    return since, until


def _following(day: dt.date) -> dt.date:
    return day if day == dt.date.max else day + _DAY


def _bewoningen(asked: Asked, number: str, since: dt.date, until: dt.date) -> Answer:
    stays = [read_stay(one) for one in asked.persons.stays_at.get(number, ())]
    cuts = {since, until}
    for one in stays:
        cuts |= {
            day for day in (one.starts_first, one.starts_last, one.ends_first, one.ends_last) if since < day < until
        }
    days = sorted(cuts)
    found: list[Json] = []
    for first, last in itertools.pairwise(days):
        sure = [one for one in stays if one.surely(first)]
        possible = [one for one in stays if one.possibly(first) and not one.surely(first)]
        if not sure and not possible:
            continue
        lived: Json = {
            "adresseerbaarObjectIdentificatie": number,
            "periode": {"datumVan": first.isoformat(), "datumTot": last.isoformat()},
            "bewoners": [_inhabitant(one.record, asked.persons) for one in sure],
            "mogelijkeBewoners": [_inhabitant(one.record, asked.persons) for one in possible],
        }
        if len(sure) + len(possible) > _MANY:
            lived |= {"indicatieVeelBewoners": True, "bewoners": [], "mogelijkeBewoners": []}
        if not _continues(found, lived):
            found.append(lived)
    return {"bewoningen": found}


def _continues(found: list[Json], lived: Json) -> bool:
    """Join a period with the one before when the same people live there."""
    if not found or found[-1]["periode"]["datumTot"] != lived["periode"]["datumVan"]:
        return False
    if any(found[-1].get(name) != lived.get(name) for name in lived if name != "periode"):
        return False
    found[-1]["periode"]["datumTot"] = lived["periode"]["datumTot"]
    return True


def _inhabitant(record: Json, persons: Persons) -> Json:
    bsn = str(record.get("burgerservicenummer"))
    result: Json = {"burgerservicenummer": bsn}
    person = persons.record(bsn) or {}
    if secret(record) or secret(person):
        result["geheimhoudingPersoonsgegevens"] = True
    if (record.get("verblijfplaats") or {}).get("inOnderzoek"):
        result["inOnderzoek"] = True
    if name := persons.whole_name(bsn):
        result["naam"] = {"volledigeNaam": name}
    if born := datum((person.get("geboorte") or {}).get("datum")):
        result["geboorte"] = {"datum": born}
    return result


def _historie(asked: Asked, number: str, wanted: Callable[[Stay], bool]) -> Answer:
    persons = asked.persons
    person = persons.record(number)
    records = persons.stays_of.get(number) or ([person] if person and person.get("verblijfplaats") else [])
    stays = sorted((read_stay(one) for one in records), key=lambda one: (one.starts_last, one.ends_last), reverse=True)
    result: Json = {"verblijfplaatsen": [_occurrence(one.record, person) for one in stays if wanted(one)]}
    answer = persons.answer(number, asked.today) or {}
    for name in ("opschortingBijhouding", "geheimhoudingPersoonsgegevens"):
        if name in answer:
            result[name] = answer[name]
    return result


def _occurrence(record: Json, person: Json | None) -> Json:
    """A stay as an occurrence in a history, with its end and its gemeente."""
    place = record.get("verblijfplaats") or {}
    result = stay_answer(place) or {"type": "VerblijfplaatsOnbekend"}
    result.pop("datumIngangGeldigheid", None)
    if result.pop("indicatieVastgesteldVerblijftNietOpAdres", None):
        result["verblijftNietOpAdresVanaf"] = datum((place.get("inOnderzoek") or {}).get("datumIngangOnderzoek"))
    if until := datum(place.get("datumEindeAdreshouding")):
        result["datumTot"] = until
    gemeente = record.get("gemeenteVanInschrijving")
    if gemeente is None and until is None and person is not None:
        gemeente = person.get("gemeenteVanInschrijving")
    if gemeente:
        result["gemeenteVanInschrijving"] = gemeente
    if lines := address_lines(place, (gemeente or {}).get("omschrijving")):
        result["adressering"] = lines
    return result


BEWONINGEN: Final[dict[str, Question]] = {
    "BewoningMetPeildatum": bewoning_met_peildatum,
    "BewoningMetPeriode": bewoning_met_periode,
}
VERBLIJFPLAATSHISTORIE: Final[dict[str, Question]] = {
    "RaadpleegMetPeildatum": historie_met_peildatum,
    "RaadpleegMetPeriode": historie_met_periode,
}
