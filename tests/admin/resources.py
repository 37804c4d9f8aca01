"""What the tests ask of every resource of a tenant: how one is made, what of it changes, and whether it ends."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.worlds import World

Body = Callable[[World, World], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One resource. `made` is a body for POST, `change` one for the method `changing`; `ends` has a DELETE.

    Both worlds are given: the tenant's own, and the other one.
    """

    path: str
    field: str
    made: Body
    change: Mapping[str, Any] | None = None
    changing: str = "PATCH"
    ends: bool = True
    secret: bool = False

    def all(self, world: World) -> str:
        return self.path.format(taaksysteem=world.taaksysteem_id)


def machtiging(world: World, _: World) -> dict[str, Any]:
    return {
        "aansluiting": world.aansluiting_id,
        "taaksysteem": {"nummer": world.taaksysteem_id},
        "doelbinding": "Afgifte reisdocumenten",
        "grondslag": "Wet BRP art. 3.5",
        "ontvanger": "College van burgemeester en wethouders",
        "verwerkingsactiviteit": "Reisdocumenten",
        "rechten": {
            "personen": {
                "vraagsoorten": ["RaadpleegMetBurgerservicenummer"], "velden": ["naam"],
                "zoekbeperkingen": {"gemeenteVanInschrijving": ["0518"]}, "inclusiefOverledenPersonen": False,
            },
            "berichten": {"handelingen": ["list"]},
        },
        "voorwaarden": {
            "gebruiker": True, "rollen": ["raadpleger"], "uren": [{"dagen": ["ma"], "van": "07:00", "tot": "24:00"}],
            "perSeconde": 2.5, "perDag": 100,
        },
    }  # fmt: skip


KINDS: dict[str, Kind] = {
    "afnemer": Kind(
        "/v1/afnemers", "afnemers",
        lambda w, _: {"afnemerId": "990077", "oin": w.oin, "naam": "Gemeente Twee", "soort": "gemeente", "gemeentecode": "0077"},
        {"naam": "Gemeente Drie", "berichtenboxnummer": "77"},
    ),
    "autorisatiebesluit": Kind(
        "/v1/autorisatiebesluiten", "autorisatiebesluiten",
        lambda w, _: {"afnemerId": w.afnemer_id, "begin": "2026-01-01", "medium": "A", "rubrieken": ["010110", "PAAD01"]},
        {"einde": "2027-01-01"},
    ),
    "overeenkomst": Kind(
        "/v1/overeenkomsten", "overeenkomsten",
        lambda *_: {"soort": "contract", "partij": "Leverancier BV", "getekendOp": "2026-01-01", "geldigTot": "2026-06-01"},
        {"uitstel": {"tot": "2026-12-01", "reden": "Verlenging loopt"}},
    ),
    "uitlening": Kind(
        "/v1/uitleningen", "uitleningen", lambda _, other: {"oin": other.oin, "reden": "Gezamenlijk personeel"}
    ),
    "aansluiting": Kind(
        "/v1/aansluitingen", "aansluitingen",
        lambda w, _: {"afnemerId": w.afnemer_id, "oin": w.oin, "omgeving": "proef", "geldigTot": "2030-01-01T00:00:00Z"},
        {"geldigTot": None, "resourceServer": "rs"}, ends=False,
    ),
    "headerprofiel": Kind(
        "/v1/headerprofielen", "headerprofielen",
        lambda *_: {"naam": "eigen", "gebaseerdOp": "iconnect", "rollen": {"gebruiker": {"kopregels": ["X-Wie"], "verplicht": True}}},
        {"rollen": {"afnemerId": {"kopregels": ["X-Afnemer"]}, "gebruiker": None}}, changing="PUT",
    ),
    "idp": Kind(
        "/v1/idps", "idps",
        lambda *_: {
            "naam": "Onze IDP", "issuer": "https://idp.example", "jwksUrl": "https://idp.example/jwks", "audience": "koppelpunt",
        },
        {"klokverschil": 10, "claimGebruiker": "sub", "algoritmen": ["ES256"]},
    ),
    "taaksysteem": Kind(
        "/v1/taaksystemen", "taaksystemen",
        lambda w, _: {
            "naam": "Belastingen", "omgeving": "proef", "bewijzen": ["api-sleutel", "certificaat"], "headerprofiel": "iconnect",
            "vasteAansluiting": {"nummer": w.aansluiting_id},
        },
        {"naam": "Heffen", "bewijzen": [], "vasteAansluiting": None},
    ),
    "sleutel": Kind(
        "/v1/taaksystemen/{taaksysteem}/sleutels", "sleutels", lambda *_: {"soort": "api-sleutel"},
        {"geldigTot": "2030-01-01T00:00:00Z"}, secret=True,
    ),
    "mandaat": Kind(
        "/v1/mandaten", "mandaten", lambda _, other: {"oin": other.oin, "reden": "Samenwerking", "keuzePerKopregel": True},
        {"keuzePerKopregel": False, "geldigTot": "2030-01-01T00:00:00Z"},
    ),
    "mandaatverzoek": Kind(
        "/v1/mandaatverzoeken", "mandaatverzoeken", lambda _, other: {"oin": other.oin, "reden": "Samenwerking"}
    ),
    "machtiging": Kind(
        "/v1/machtigingen", "machtigingen", machtiging, {"geldigTot": "2030-01-01T00:00:00Z"}
    ),
    "contact": Kind(
        "/v1/contacten", "contacten",
        lambda *_: {"soort": "fg", "naam": "Functionaris", "email": "fg@testdam.example", "telefoon": "+31 70 123 45 67"},
        {"naam": "FG en privacy officer", "telefoon": None},
    ),
    "controlebestemming": Kind(
        "/v1/controlebestemmingen", "controlebestemmingen",
        lambda *_: {"soort": "email", "plaats": "fg@testdam.example"}, {"elkeSeconden": 3600},
    ),
    "logboekbestemming": Kind(
        "/v1/logboekbestemmingen", "logboekbestemmingen",
        lambda *_: {"url": "https://logboek.testdam.example/otlp", "kopregel": "x-toegang", "geheim": "Toegang 1"},
        {"url": "https://ander.testdam.example", "geheim": None},
    ),
}  # fmt: skip
