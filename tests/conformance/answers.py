"""What the source behind RvIG's checks answers in a case, in the shape of each API. Pure.

A case says whom an answer is about, not what it says about them. So the answer holds exactly those persons, where the
API in question has its BSNs, and nothing more.
"""

from collections.abc import Callable, Mapping
from typing import Final

import orjson

from gateway.simulator.faults import FaultKind, FaultRule, Match
from tests.conformance.cases import Case, Downstream, Json


def source_answer(case: Case, client_id: str) -> FaultRule | None:
    """The rule by which the simulator's source gives the answer of the case; None where the case states none."""
    if case.downstream is None and not case.persons:
        return None
    stated = case.downstream or Downstream(200)
    return FaultRule(
        FaultKind.SOURCE_ANSWER,
        Match(client_id=client_id),
        status=stated.status,
        headers=stated.headers,
        body=_body(case, stated),
    )


def _body(case: Case, stated: Downstream) -> bytes:
    if not 200 <= stated.status < 300:
        return b"" if stated.body is None else orjson.dumps(stated.body)
    # A body that a case states is the whole answer, except where the case is about who stands in it.
    is_whole = stated.body is not None and case.expected.records is None
    about = {} if is_whole else _ABOUT.get(case.api, _nobody)(case)
    return orjson.dumps({"type": (case.body or {}).get("type")} | (stated.body or {}) | about)


def _personen(case: Case) -> Json:
    return {"personen": [{"burgerservicenummer": bsn} for bsn in case.persons]}


def _bewoningen(case: Case) -> Json:
    inhabitants = [{"burgerservicenummer": bsn} for bsn in case.persons]
    return {"bewoningen": [{"bewoners": inhabitants, "mogelijkeBewoners": []}] if inhabitants else []}


def _verblijfplaatshistorie(case: Case) -> Json:
    """The answer names nobody: it is about whom was asked for."""
    return {"verblijfplaatsen": [{"type": "Adres"} for _ in case.persons]}


def _reisdocumenten(case: Case) -> Json:
    return {"reisdocumenten": [{"houder": {"burgerservicenummer": bsn}} for bsn in case.persons]}


def _nobody(_: Case) -> Json:
    return {}


_ABOUT: Final[Mapping[str, Callable[[Case], Json]]] = {
    "personen": _personen,
    "bewoningen": _bewoningen,
    "verblijfplaatshistorie": _verblijfplaatshistorie,
    "reisdocumenten": _reisdocumenten,
}
