"""Cases as values, read from a folder of JSON Lines. Pure but for reading the files.

Any folder with files of these shapes will do. A line or a member that is not known here makes a case that fails: what
cannot be tested must not count as passed. Source of the shapes: the README beside the cases, section "Cases".
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.brp.problems import NOT_OWN_BEWONING
from tenants.model import AfnemerId, Oin

Json = dict[str, Any]

_REQUIRED: Final = {"id", "api", "claims", "method", "path", "headers", "body", "expect"}
_OPTIONAL: Final = {
    "source", "downstream", "answer_persons", "existing_gezag_oins", "autorisatietabel", "adressen",
}  # fmt: skip
_CLAIMS: Final = {"OIN", "afnemerID", "gemeenteCode"}
_EXPECTED: Final = {"status", "problem", "upstream_headers"}
_RECORD: Final = {"pl_id", "burgerservicenummer", "request_zoek_rubrieken", "request_gevraagde_rubrieken"}
_TABLE_ROW: Final = {
    "afnemer_code", "tabel_regel_start_datum", "tabel_regel_eind_datum", "ad_hoc_medium", "ad_hoc_rubrieken",
}  # fmt: skip
_ADDRESS: Final = {"gemeente_code", "adresseerbaar_object_identificatie"}
_GEMEENTECODE: Final = re.compile("[0-9]{4}")
_DAY: Final = re.compile("[0-9]{8}|vandaag|morgen")
_DOWNSTREAM: Final = {"status", "headers", "body"}


class Unreadable(ValueError):
    """A case of an unknown shape; the text says why."""


@dataclass(frozen=True, slots=True, order=True)
class Claims:
    """Whose token a case is asked with; `gemeentecode` is empty for who is no gemeente."""

    oin: str
    afnemer_id: str
    gemeentecode: str = ""


@dataclass(frozen=True, slots=True)
class Downstream:
    """What the source behind RvIG's proxy answers; `body` None where the case states none."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Json | None = None


@dataclass(frozen=True, slots=True)
class TableRow:
    """A row of RvIG's autorisatietabel. A day is written yyyymmdd, or as *vandaag* or *morgen*; `end` None: no end."""

    afnemer_id: str
    start: str
    end: str | None
    medium: str
    rubrieken: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What must come of it. None: the case says nothing about that.

    `upstream_headers` are those of RvIG's request to its source, None for a header that must be absent. `records` are
    the protocol records, without RvIG's own `pl_id`. `calls` are those that RvIG gets: none where the gateway refuses.
    """

    status: int | None = None
    problem: Json | None = None
    upstream_headers: Mapping[str, str | None] = field(default_factory=dict)
    records: tuple[Mapping[str, str], ...] | None = None
    calls: int | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One case. `persons` are the BSNs in the source's answer; `fault` says why the case cannot be run at all.

    `table` None: the case states no autorisatietabel. `addresses` are those that RvIG knows.
    """

    id: str
    told: str = ""
    api: str = ""
    method: str = ""
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Json | None = None
    claims: Claims = Claims("", "")
    existing_gezag_oins: frozenset[str] = frozenset()
    downstream: Downstream | None = None
    persons: tuple[str, ...] = ()
    expected: Expected = Expected()
    fault: str | None = None
    table: tuple[TableRow, ...] | None = None
    addresses: tuple[Mapping[str, str], ...] = ()


def read_file(path: Path) -> tuple[Case, ...]:
    """Return every case of a file, in its order; a line that cannot be read is a case with a fault."""
    return tuple(_read_lines(path))


def _read_lines(path: Path) -> Iterator[Case]:
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        value: object = None
        try:
            value = orjson.loads(line)
            yield read_case(value)
        except ValueError as fault:
            named = value.get("id") if isinstance(value, dict) else None
            told = str(fault) if isinstance(fault, Unreadable) else "no JSON"
            yield Case(named if isinstance(named, str) else f"line {number}", fault=told)


def read_case(value: object) -> Case:
    """Return one case. Raises Unreadable for any member or kind of value that is not known."""
    members = _object(value, "case")
    if missing := sorted(_REQUIRED - members.keys()):
        raise Unreadable(f"members are missing: {', '.join(missing)}")
    _refuse_unknown(members, _REQUIRED | _OPTIONAL, "case")
    body = members["body"]
    persons = [_object(one, "answer_persons") for one in _list(members, "answer_persons")]
    downstream = _downstream(members.get("downstream"))
    return Case(
        id=_text(members["id"], "id"),
        told=_told(members.get("source")),
        api=_text(members["api"], "api"),
        method=_text(members["method"], "method"),
        path=_text(members["path"], "path"),
        headers=_texts(members["headers"], "headers"),
        body=None if body is None else _object(body, "body"),
        claims=_claims(members["claims"]),
        existing_gezag_oins=frozenset(real_oin(oin) for oin in _list(members, "existing_gezag_oins")),
        downstream=downstream,
        persons=tuple(_text(one.get("burgerservicenummer"), "answer_persons") for one in persons),
        expected=_expected(members["expect"], answered=downstream is not None),
        table=None if members.get("autorisatietabel") is None else _table(members),
        addresses=tuple(_address(one) for one in _list(members, "adressen")),
    )


def real_oin(value: object) -> str:
    """Return an OIN of 20 positions; RvIG's test OINs have one zero more in front. Raises Unreadable."""
    text = _text(value, "OIN")
    try:
        return Oin(text[1:] if len(text) == 21 and text.startswith("0") else text)
    except ValueError:
        raise Unreadable("claims: this is no OIN") from None


def _claims(value: object) -> Claims:
    members = _texts(value, "claims")
    _refuse_unknown(members, _CLAIMS, "claims")
    try:
        afnemer_id = AfnemerId(members.get("afnemerID", ""))
    except ValueError:
        raise Unreadable("claims: this is no AfnemerID") from None
    gemeentecode = members.get("gemeenteCode", "")
    if gemeentecode and not _GEMEENTECODE.fullmatch(gemeentecode):
        raise Unreadable("claims: this is no gemeenteCode")
    return Claims(real_oin(members.get("OIN")), afnemer_id, gemeentecode)


def _downstream(value: object) -> Downstream | None:
    if value is None:
        return None
    members = _object(value, "downstream")
    _refuse_unknown(members, _DOWNSTREAM, "downstream")
    body = members.get("body")
    return Downstream(
        _status(members.get("status"), "downstream"),
        _texts(members.get("headers") or {}, "downstream"),
        None if body is None else _object(body, "downstream"),
    )


def _table(members: Json) -> tuple[TableRow, ...]:
    return tuple(_table_row(one) for one in _list(members, "autorisatietabel"))


def _table_row(value: object) -> TableRow:
    members = _object(value, "autorisatietabel")
    _refuse_unknown(members, _TABLE_ROW, "autorisatietabel")
    end = members.get("tabel_regel_eind_datum")
    return TableRow(
        _text(members.get("afnemer_code"), "afnemer_code"),
        _day(members.get("tabel_regel_start_datum")),
        None if end is None else _day(end),
        _text(members.get("ad_hoc_medium") or "", "ad_hoc_medium"),
        _text(members.get("ad_hoc_rubrieken") or "", "ad_hoc_rubrieken"),
    )


def _day(value: object) -> str:
    text = str(value) if isinstance(value, int) else _text(value, "autorisatietabel")
    if not _DAY.fullmatch(text):
        raise Unreadable("autorisatietabel: a day was expected")
    return text


def _address(value: object) -> Mapping[str, str]:
    members = _texts(value, "adressen")
    if members.keys() != _ADDRESS:
        raise Unreadable("adressen: a gemeente_code and an adresseerbaar_object_identificatie were expected")
    return members


def _expected(value: object, *, answered: bool) -> Expected:
    if isinstance(value, list):
        records = [_texts(one, "expect") for one in value]
        for one in records:
            _refuse_unknown(one, _RECORD, "expect")
        return Expected(records=tuple({name: one[name] for name in one if name != "pl_id"} for one in records), calls=1)
    members = _object(value, "expect")
    _refuse_unknown(members, _EXPECTED, "expect")
    problem = members.get("problem")
    upstream = _object(members.get("upstream_headers") or {}, "upstream_headers")
    status = _status(members.get("status"), "expect")
    return Expected(
        status,
        None if problem is None else _object(problem, "problem"),
        {name.lower(): None if value is None else _text(value, name) for name, value in upstream.items()},
        calls=1 if answered or status < 300 or _is_rvigs_alone(problem) else 0,
    )


def _is_rvigs_alone(problem: object) -> bool:
    """What only RvIG can refuse, because only RvIG knows the addresses."""
    return isinstance(problem, dict) and problem.get("detail") == NOT_OWN_BEWONING.detail


def _told(value: object) -> str:
    source = value if isinstance(value, dict) else {}
    return f"{source.get('feature')}:{source.get('line')} {source.get('scenario')}" if source else ""


def _object(value: object, where: str) -> Json:
    if not isinstance(value, dict):
        raise Unreadable(f"{where}: an object was expected")
    return value


def _list(members: Json, name: str) -> list[object]:
    value = members.get(name)
    if value is not None and not isinstance(value, list):
        raise Unreadable(f"{name}: an array was expected")
    return value or []


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise Unreadable(f"{where}: a text was expected")
    return value


def _texts(value: object, where: str) -> dict[str, str]:
    return {name: _text(one, f"{where}.{name}") for name, one in _object(value, where).items()}


def _status(value: object, where: str) -> int:
    if not isinstance(value, int) or not 100 <= value <= 599:
        raise Unreadable(f"{where}: a status was expected")
    return value


def _refuse_unknown(members: Mapping[str, object], known: set[str], where: str) -> None:
    if unknown := sorted(members.keys() - known):
        raise Unreadable(f"{where}: members are not known: {', '.join(unknown)}")
