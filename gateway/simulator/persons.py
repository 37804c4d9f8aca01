"""The test persons: a register of persons, stays and travel documents, read from files or from the product itself.

Owns reading and finding. Everything is fictitious. Refuses a file that is no array of objects (ValueError).
"""

import datetime as dt
import gzip
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import orjson

from gateway.simulator.answers import limited, person_answer
from gateway.simulator.names import volledige_naam

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """What is read from files, in the register's form."""

    personen: list[Json]
    bewoning: list[Json]
    reisdocumenten: list[Json]


def read_source(personen: Path | None, bewoning: Path | None, reisdocumenten: Path | None) -> Source:
    """Read the given files; the product's own test persons stand in for those that are not given, if none is given."""
    if personen is None and bewoning is None and reisdocumenten is None:
        own = orjson.loads(resources.files(__package__).joinpath("persons.json").read_bytes())
        return Source(own["personen"], own["bewoning"], own["reisdocumenten"])
    return Source(*(_read_array(path) if path else [] for path in (personen, bewoning, reisdocumenten)))


def _read_array(path: Path) -> list[Json]:
    content = path.read_bytes()
    value = orjson.loads(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError(f"{path.name}: an array of objects was expected")
    return value


class Persons:
    """Finds persons, stays and documents; gives persons in the form of an answer, kept for the day they were made."""

    def __init__(self, source: Source) -> None:
        self._by_bsn = {str(one["burgerservicenummer"]): one for one in source.personen if "burgerservicenummer" in one}
        self._stays = source.bewoning
        self._documents = source.reisdocumenten
        self._day = dt.date.min
        self._answers: dict[str, Json] = {}
        self._limited: dict[tuple[str, bool], Json] = {}

    def record(self, bsn: str) -> Json | None:
        """Give a person in the register's form."""
        return self._by_bsn.get(bsn)

    def records(self) -> Iterable[Json]:
        return self._by_bsn.values()

    def answer(self, bsn: str, today: dt.date) -> Json | None:
        """Give a whole person in the API's form. Shared: never change it."""
        if today != self._day:
            self._day = today
            self._answers.clear()
            self._limited.clear()
        if (found := self._answers.get(bsn)) is not None:
            return found
        if (record := self._by_bsn.get(bsn)) is None:
            return None
        found = self._answers[bsn] = person_answer(record, today, self.whole_name)
        return found

    def limited_answer(self, bsn: str, today: dt.date, *, with_custody: bool) -> Json:
        """Give what a search shows of a person. Shared: never change it. KeyError for an unknown one."""
        whole = self.answer(bsn, today)
        key = (bsn, with_custody)
        if (found := self._limited.get(key)) is None:
            if whole is None:
                raise KeyError("no such person")
            found = self._limited[key] = limited(whole, with_custody=with_custody)
        return found

    def whole_name(self, bsn: str) -> str | None:
        record = self._by_bsn.get(bsn)
        return volledige_naam(record.get("naam") or {}) if record else None

    @cached_property
    def by_object(self) -> dict[str, list[Json]]:
        """Persons who live at an adresseerbaar object now."""
        return self._index("adresseerbaarObjectIdentificatie")

    @cached_property
    def by_number(self) -> dict[str, list[Json]]:
        """Persons by nummeraanduiding."""
        return self._index("nummeraanduidingIdentificatie")

    @cached_property
    def by_postcode(self) -> dict[str, list[Json]]:
        return self._index("postcode")

    @cached_property
    def stays_at(self) -> dict[str, list[Json]]:
        """Stays, present and past, by adresseerbaar object."""
        found = defaultdict(list)
        for one in self._stays:
            if number := (one.get("verblijfplaats") or {}).get("adresseerbaarObjectIdentificatie"):
                found[str(number).strip()].append(one)
        return found

    @cached_property
    def stays_of(self) -> dict[str, list[Json]]:
        """Stays by burgerservicenummer."""
        found = defaultdict(list)
        for one in self._stays:
            found[str(one.get("burgerservicenummer"))].append(one)
        return found

    @cached_property
    def documents(self) -> list[Json]:
        return [one for one in self._documents if one.get("reisdocumentnummer")]

    def _index(self, member: str) -> dict[str, list[Json]]:
        found = defaultdict(list)
        for one in self._by_bsn.values():
            if value := (one.get("verblijfplaats") or {}).get(member):
                found[str(value).replace(" ", "").upper()].append(one)
        return found
