"""What a machtiging may say: rights per API, and conditions on the whole of it. Pure; refuses by telling every fault.

A restriction that is not known is refused: it would restrict nothing. What is absent, or null, is not restricted; what
is there and cannot be held to (fields of an answer that knows no `fields`) is refused as well.

    rights:
      personen:
        types: [RaadpleegMetBurgerservicenummer]    question types
        fields: [naam, geboorte.datum]              a field allows what lies below it; or `autorisatiebesluit`
        restrict: {gemeenteVanInschrijving: ["0518"]}   every question must carry it, with one of these values
        inclusiefOverledenPersonen: false           may not be asked for
      berichten: {operations: [list, fetch]}
    conditions:
      user: true                                    the caller must say which user asks
      roles: [raadpleger]                           the user has one of these, by the claims of its IDP
      hours: [{days: [ma, di, wo], from: "07:00", until: "19:00"}]   local time in the Netherlands
      rate: 5                                       calls a second, per process of the gateway
      daily_quota: 2000                             calls a day (in the Netherlands), over all processes

Sources: Wet BRP 3.11 (note of disclosures) and 3.21 (geheimhouding); Besluit BRP 42 and 46.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import time
from typing import Any, Final

from tenants.model import ApiRight, Conditions, Hours

Rights = Mapping[str, Mapping[str, Any]]

DAYS: Final = ("ma", "di", "wo", "do", "vr", "za", "zo")
BY_BESLUIT: Final = "autorisatiebesluit"
WITHOUT_FIELDS: Final = frozenset({"bewoningen", "verblijfplaatshistorie"})
"""APIs of which an answer is given as a whole: RvIG knows no `fields` there."""
FILTERED: Final = frozenset({"personen", "bewoningen", "verblijfplaatshistorie", "reisdocumenten"})
"""APIs of which persons with geheimhouding can be left out of the answer."""

_LISTS: Final = frozenset({"types", "fields", "operations"})
_RESTRICTIONS: Final = _LISTS | {"restrict", "inclusiefOverledenPersonen"}
_CONDITIONS: Final = frozenset({"user", "roles", "hours", "rate", "daily_quota"})
_MOST_A_SECOND: Final = 100_000
_MOST_A_DAY: Final = 1_000_000_000
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_TO_DERDEN: Final = re.compile(r"[^0-9]*3\.(3|6|9)(?![0-9])")
_ARTICLE: Final = {number: re.compile(rf"Besluit BRP,? (art\.? |artikel )?{number}(?![0-9])") for number in (42, 46)}


def faults_of_rights(rights: Rights) -> list[str]:
    """Say what is wrong with rights."""
    faults = [] if rights else ["A machtiging must give a right on one API at least."]
    for api, restrictions in rights.items():
        for name, value in restrictions.items():
            faults += _faults_of_restriction(api, name, value)
    return faults


def faults_of_conditions(conditions: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with conditions."""
    faults = [f"There is no condition {name!r}." for name in conditions if name not in _CONDITIONS]
    if not isinstance(conditions.get("user", False), bool):
        faults.append("Condition 'user' must be true or false.")
    if "roles" in conditions and not _is_words(conditions["roles"]):
        faults.append("Condition 'roles' must be a list of words.")
    rate = conditions.get("rate")
    if rate is not None and not (_is_number(rate) and 0 < rate <= _MOST_A_SECOND):
        faults.append(f"Condition 'rate' must be a number of calls a second, up to {_MOST_A_SECOND}.")
    quota = conditions.get("daily_quota")
    if quota is not None and not (type(quota) is int and 0 < quota <= _MOST_A_DAY):
        faults.append(f"Condition 'daily_quota' must be a whole number of calls a day, up to {_MOST_A_DAY}.")
    hours = conditions.get("hours")
    if hours is not None and not (isinstance(hours, list) and hours and all(map(_is_hours, hours))):
        faults.append(
            f"Condition 'hours' must be a list of days (of {', '.join(DAYS)}), from and until: hh:mm, from before until; "
            "until may be 24:00, and what passes midnight is two of these."
        )
    return faults


@dataclass(frozen=True, slots=True)
class Policy:
    """What a machtiging says of register and answer, before anybody has granted what weakens the register."""

    leave_out_geheimhouding: bool = False
    protocol_note: str = "yes"
    protocol_note_article: str | None = None
    inzage: str = "shown"
    inzage_article: str | None = None


def faults_of_grounds(kind: str, grondslag: str, ontvanger: str) -> Iterator[str]:
    """Say what is missing of on which ground and to whom. `kind` is that of the afnemer."""
    if kind == "gemeente" and not grondslag.strip():
        yield "A gemeente is verstrekker itself: its machtiging must name the grondslag (Wet BRP 3.5, 3.8 or 3.9)."
    if kind == "gemeente" and not ontvanger.strip():
        yield "A gemeente is verstrekker itself: its machtiging must name the ontvanger, an organ or derde."


def faults_of_policy(policy: Policy, rights: Rights, kind: str, grondslag: str) -> Iterator[str]:
    """Say what is wrong with what the register must know and may leave out. `kind` is that of the afnemer."""
    if policy.leave_out_geheimhouding:
        if _TO_DERDEN.match(grondslag) is None:
            yield (
                "Persons with geheimhouding are left out only of disclosures to derden: "
                "the grondslag must begin with Wet BRP 3.3, 3.6 or 3.9."
            )
        for api in rights:
            if api not in FILTERED:
                yield f"Persons with geheimhouding cannot be left out of the answers of {api!r}."
    if policy.protocol_note not in {"yes", "no"} or policy.inzage not in {"shown", "refused"}:
        yield "protocol_note is yes or no, and inzage is shown or refused."
    if policy.protocol_note == "no" and kind != "overheidsorgaan":
        yield "Only an overheidsorgaan of Besluit BRP 42 may be without a note of its disclosures."
    if not _is_ground(policy.protocol_note_article, 42, needed=policy.protocol_note == "no"):
        yield "protocol_note no, and nothing else, needs its article: Besluit BRP 42, with the part that holds."
    if not _is_ground(policy.inzage_article, 46, needed=policy.inzage == "refused"):
        yield "inzage refused, and nothing else, needs its article: Besluit BRP 46, with the part that holds."


def read_terms(rights: Rights, conditions: Mapping[str, Any]) -> tuple[dict[str, ApiRight], Conditions | None]:
    """Rights and conditions as the registry keeps them. What this version cannot read gives no right at all."""
    if faults_of_conditions(conditions):
        return {}, None
    readable = {api: value for api, value in rights.items() if not faults_of_rights({api: value})}
    return {api: _read_right(value) for api, value in readable.items()}, _read_conditions(conditions)


def _read_right(value: Mapping[str, Any]) -> ApiRight:
    fields = value.get("fields")
    return ApiRight(
        types=_allowed(value.get("types")),
        fields=None if fields == BY_BESLUIT else _allowed(fields),
        operations=_allowed(value.get("operations")),
        restrict=tuple((name, frozenset(values)) for name, values in (value.get("restrict") or {}).items()),
        deceased=value.get("inclusiefOverledenPersonen") is not False,
        by_besluit=fields == BY_BESLUIT,
    )


def _read_conditions(value: Mapping[str, Any]) -> Conditions | None:
    if not value:
        return None
    hours = tuple(
        Hours(
            frozenset(DAYS.index(day) for day in one["days"]),
            time.fromisoformat(one["from"]),
            None if one["until"] == "24:00" else time.fromisoformat(one["until"]),
        )
        for one in value.get("hours") or ()
    )
    return Conditions(
        user=value.get("user", False),
        roles=frozenset(value.get("roles") or ()),
        hours=hours,
        rate=value.get("rate"),
        daily_quota=value.get("daily_quota"),
    )


def _faults_of_restriction(api: str, name: str, value: object) -> Iterator[str]:
    if name not in _RESTRICTIONS:
        yield f"Right {api!r} has an unknown restriction {name!r}."
    elif value is None:
        return
    elif name == "inclusiefOverledenPersonen":
        if not isinstance(value, bool):
            yield f"Restriction {name!r} of right {api!r} must be true or false."
    elif name == "restrict":
        if not (isinstance(value, Mapping) and value and all(map(_is_restricted, value.items()))):
            yield f"Restriction {name!r} of right {api!r} must give, by parameter, the list of its values."
    elif name == "fields" and value == BY_BESLUIT:
        return
    elif not _is_words(value):
        yield f"Restriction {name!r} of right {api!r} must be a list of words, or null for all."
    elif name == "fields" and api in WITHOUT_FIELDS:
        yield f"Right {api!r} gives whole answers: its fields are all of them, or {BY_BESLUIT!r}."


def _is_restricted(item: tuple[object, object]) -> bool:
    name, values = item
    return isinstance(name, str) and name not in {"", "type", "fields"} and _is_words(values)


def _is_hours(value: object) -> bool:
    if not isinstance(value, Mapping) or set(value) != {"days", "from", "until"}:
        return False
    days, start, until = value["days"], value["from"], value["until"]
    return (
        isinstance(days, list)
        and bool(days)
        and all(day in DAYS for day in days)
        and isinstance(start, str)
        and isinstance(until, str)
        and _TIME.fullmatch(start) is not None
        and (until == "24:00" or _TIME.fullmatch(until) is not None)
        and start < until
    )


def _is_words(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(one, str) and one for one in value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _allowed(values: list[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)


def _is_ground(article: str | None, number: int, *, needed: bool) -> bool:
    if article is None:
        return not needed
    return needed and _ARTICLE[number].match(article) is not None
