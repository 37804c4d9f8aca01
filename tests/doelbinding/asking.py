"""A machtiging, and a question as a caller sends it: bytes in, judged as `choose` would."""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

from gateway.brp.question import read_question
from gateway.call import Bevraging, Caller, Choice
from gateway.choose import choose
from gateway.edge.reading import decode_json
from gateway.snapshot import Snapshot
from tenants.model import Autorisatiebesluit, Machtiging
from tenants.rights import faults_of_conditions, faults_of_rights, read_terms
from tests import values
from tests.values import NOW

BY_BSN: dict[str, Any] = {
    "type": "RaadpleegMetBurgerservicenummer",
    "burgerservicenummer": ["999990019"],
    "fields": ["naam"],
}
BY_NAME: dict[str, Any] = {
    "type": "ZoekMetNaamEnGemeenteVanInschrijving",
    "geslachtsnaam": "Jansen",
    "voornamen": "Jan",
    "gemeenteVanInschrijving": "0518",
    "fields": ["naam"],
}
PATHS = {
    "personen": "/api/brp/personen",
    "bewoningen": "/api/bewoning/bewoningen",
    "verblijfplaatshistorie": "/api/brp/verblijfplaatshistorie",
    "reisdocumenten": "/api/brp/reisdocumenten",
}


def machtiging(rights: dict[str, Any], conditions: dict[str, Any] | None = None, **changes: Any) -> Machtiging:
    """A machtiging with these terms, which the registry must take."""
    assert faults_of_rights(rights) + faults_of_conditions(conditions or {}) == []
    read, demands = read_terms(rights, conditions or {})
    return replace(values.machtiging(1), rights=read, conditions=demands, **changes)


def asking(body: object, api: str = "personen", operation: str = "bevragen") -> Bevraging:
    """What the edge makes of this body; bytes are taken as they are."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    content = decode_json(data)
    made = values.bevraging(PATHS[api], read_question(api, content), operation)
    return replace(made, body=data, content=content)


def standing(of: Machtiging, *besluiten: Autorisatiebesluit, gemeente: bool = True) -> Snapshot:
    part = values.part(1, of)
    if not gemeente:
        part = replace(part, aansluitingen=(replace(part.aansluitingen[0], gemeentecode=None),))
    return values.snapshot(replace(part, besluiten=besluiten))


def choice(
    of: Machtiging,
    bevraging: Bevraging,
    *besluiten: Autorisatiebesluit,
    now: datetime = NOW,
    gemeente: bool = True,
    **caller: Any,
) -> Choice:
    """Choose, with this caller."""
    asks: Caller = replace(values.caller(1), **caller)
    return choose(asks, bevraging, standing(of, *besluiten, gemeente=gemeente), now)
