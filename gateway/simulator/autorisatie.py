"""What RvIG refuses of a question: its form, and what the afnemer may not ask. Whom RvIG knows to be authorised.

Owns the autorisatietabel and the known addresses of one simulator, changeable while it runs, and the reading of both as
JSON in the table's own form. Refuses unknown members in it (ValueError). A simulator without a table authorises
everybody; one with a table judges as RvIG does, so an afnemer without a row in it gets a 403.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.brp import problems
from gateway.brp.authorisation import AfnemerRights, AutorisatieRow, authorise, dutch_date, rubrieken_of_row
from gateway.brp.problems import ProblemShape
from gateway.brp.question import read_question
from gateway.brp.validation import validate
from gateway.simulator.settings import SimAfnemer

Table = Mapping[str, tuple[AutorisatieRow, ...]]
Addresses = Mapping[str, frozenset[str]]

_ROW: Final = frozenset({
    "afnemer_code", "tabel_regel_start_datum", "tabel_regel_eind_datum", "ad_hoc_medium", "ad_hoc_rubrieken",
})  # fmt: skip
_ADDRESS: Final = frozenset({"gemeente_code", "adresseerbaar_object_identificatie"})


@dataclass(slots=True)
class Autorisatie:
    """`table` gives the rows of an AfnemerID, None for no table; `addresses` the gemeenten of an adresseerbaar object."""

    table: Table | None = None
    addresses: Addresses = field(default_factory=dict)

    def refuse(self, api: str, body: dict[str, Any], account: SimAfnemer, now: dt.datetime) -> ProblemShape | None:
        """RvIG's refusal of a question: 400 for its form, else 403, else None."""
        if faults := validate(api, body):
            return problems.invalid_params(faults)
        if self.table is None:
            return None
        rights = AfnemerRights(account.afnemer_id, account.gemeente_code, self.table.get(account.afnemer_id, ()))
        return authorise(read_question(api, body), rights, dutch_date(now), self.addresses)


def parse_table(value: Any) -> Table:
    """Rows by AfnemerID; a date is a number or text yyyymmdd, no end is null. Raises ValueError."""
    table: defaultdict[str, list[AutorisatieRow]] = defaultdict(list)
    for place, one in enumerate(_objects(value, "autorisatietabel", _ROW)):
        start = _date(one["tabel_regel_start_datum"])
        medium, rubrieken = one["ad_hoc_medium"], one["ad_hoc_rubrieken"]
        if start is None or not isinstance(medium, str) or not isinstance(rubrieken, str):
            raise ValueError(f"autorisatietabel[{place}]: wrong kind of value")
        row = AutorisatieRow(start, _date(one["tabel_regel_eind_datum"]), medium, rubrieken_of_row(rubrieken))
        table[str(one["afnemer_code"])].append(row)
    return {afnemer_id: tuple(rows) for afnemer_id, rows in table.items()}


def parse_addresses(value: Any) -> Addresses:
    """Gemeenten by adresseerbaar object. Raises ValueError."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for one in _objects(value, "adressen", _ADDRESS):
        found[str(one["adresseerbaar_object_identificatie"])].add(str(one["gemeente_code"]))
    return {number: frozenset(gemeenten) for number, gemeenten in found.items()}


def _objects(value: Any, where: str, members: frozenset[str]) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise ValueError(f"{where}: an array was expected")  # noqa: TRY004 - bad input is one kind of error here
    for place, one in enumerate(value):
        if not isinstance(one, dict) or one.keys() != members:
            raise ValueError(f"{where}[{place}]: an object was expected with {', '.join(sorted(members))}")
    return value


def _date(value: Any) -> dt.date | None:
    return None if value is None else dt.datetime.strptime(str(value), "%Y%m%d").replace(tzinfo=dt.UTC).date()
