"""CPU of the whole authorisation of a Personen question with 25 fields, part by part. No database: rules and snapshot.

Every call is another afnemer's with another besluit and other fields, so that no cache answers for the rules.
"""

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

from gateway.brp.apis import RAADPLEEG_MET_BSN
from gateway.brp.question import read_question
from gateway.brp.rubrieken import FIELDS
from gateway.brp.validation import validate
from gateway.call import Bevraging, Caller, Choice
from gateway.choose import choose
from gateway.judging import judge_authorisation, judge_question
from gateway.metrics import Metrics, make_metrics
from gateway.profiles import apply_profile
from gateway.snapshot import Snapshot, TenantPart
from tenants.model import ApiRight, Autorisatiebesluit
from tests import values
from tests.databases import Cluster

AFNEMERS, ROUNDS, CALLS, ASKED = 200, 7, 20_000, 25
MOST_US = 60
HEADERS = {"x-origin-oin": str(values.oin(1)), "x-doelbinding": "burgerzaken", "x-gebruiker": "j.devries"}
_FIELDS = FIELDS["personen", RAADPLEEG_MET_BSN]
_RUBRIEKEN = sorted(frozenset[str]().union(*_FIELDS.values(), {"PAAD01", "081030", "081320"}))
_GROUPS = frozenset(name.partition(".")[0] for name in _FIELDS)

Asked = tuple[Caller, Bevraging, Choice]


async def measure_authorisation(_: Cluster) -> None:
    """Validation, header profile, choice with machtiging, autorisatiebesluit; each by itself and all together."""
    snapshot, asked, metrics = make_snapshot(), make_asked(), make_metrics()
    now = datetime.now(UTC)
    parts: dict[str, Callable[[Asked], object]] = {
        "nothing": lambda one: one,
        "validation": lambda one: judge_question(one[1], metrics),
        "profile": lambda one: apply_profile(one[0], one[1].headers, snapshot.profiles),
        "machtiging": lambda one: choose(one[0], one[1], snapshot, now),
        "besluit": lambda one: judge_authorisation(one[1], one[2], snapshot, metrics),
        "whole": lambda one: whole(one, snapshot, metrics),
    }
    figures: dict[str, list[float]] = {name: [] for name in parts}
    for _round in range(ROUNDS):
        for name, part in parts.items():
            figures[name].append(cpu_of(part, asked))
    empty = statistics.median(figures.pop("nothing"))
    for name, found in figures.items():
        print(f"authorisation: {name}: {statistics.median(found) - empty:.1f} µs ({min(found) - empty:.1f} at best)")
    print(f"authorisation: a Personen question with {ASKED} fields (the whole must be ≤ {MOST_US} µs)")


def whole(one: Asked, snapshot: Snapshot, metrics: Metrics) -> None:
    """What `gateway.exchange` does between knowing the caller and asking for a token."""
    caller, bevraging, _ = one
    judge_question(bevraging, metrics)
    caller = apply_profile(caller, bevraging.headers, snapshot.profiles)
    choice = choose(caller, bevraging, snapshot, datetime.now(UTC))
    judge_authorisation(bevraging, choice, snapshot, metrics)


def cpu_of(part: Callable[[Asked], object], asked: Sequence[Asked]) -> float:
    """µs of CPU per call."""
    begun = time.process_time()
    for number in range(CALLS):
        part(asked[number % len(asked)])
    return (time.process_time() - begun) / CALLS * 1e6


def make_snapshot() -> Snapshot:
    """Afnemers that are no gemeenten, each with a besluit of its own and a machtiging for groups of fields."""
    return values.snapshot(*(_part(number) for number in range(1, AFNEMERS + 1)))


def make_asked() -> list[Asked]:
    """One question per afnemer, by what it may ask."""
    made = []
    snapshot = make_snapshot()
    draw = random.Random(20_261_121)
    for number in range(1, AFNEMERS + 1):
        fields = draw.sample([name for name in sorted(_FIELDS) if _FIELDS[name]], ASKED)
        body = {"type": RAADPLEEG_MET_BSN, "burgerservicenummer": ["999941112"], "fields": fields}
        if validate("personen", body):
            raise RuntimeError("a question of the benchmark is faulty")
        bevraging = replace(
            values.bevraging(question=read_question("personen", body)), content=body, headers=_headers(number)
        )
        caller = Caller(replace(values.taaksysteem(number), header_profile="iconnect"), values.key(number))
        named = apply_profile(caller, bevraging.headers, snapshot.profiles)
        made.append((caller, bevraging, choose(named, bevraging, snapshot, datetime.now(UTC))))
    return made


def _headers(number: int) -> dict[str, str]:
    return HEADERS | {"x-origin-oin": str(values.oin(number)), "content-type": "application/json"}


def _part(number: int) -> TenantPart:
    part = values.part(number, replace(values.machtiging(number), rights={"personen": ApiRight(fields=_GROUPS)}))
    aansluiting = replace(part.aansluitingen[0], gemeentecode=None)
    # A rubriek that nobody needs makes each besluit another.
    rubrieken = " ".join([*_RUBRIEKEN, f"{990000 + number:06d}"])
    besluit = Autorisatiebesluit(number, number, aansluiting.afnemer_id, date(2020, 1, 1), None, "N", rubrieken)
    return replace(part, aansluitingen=(aansluiting,), besluiten=(besluit,))
