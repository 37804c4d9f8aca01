"""From the register's form of a person, stay or document to the form of an API answer. Pure.

The register's form is that of RvIG's published mock registers: flat addresses, dates as `yyyymmdd`. Where the source
has nothing the answer has nothing. Derived: age, initials, address lines, salutation. Reasonable, not exhaustive:
inOnderzoek is given for whole categories and for the person's own number and sex; noble forms of address are left out.
"""

import datetime as dt
from collections.abc import Callable
from typing import Any, Final

from gateway.simulator.dates import datum, leeftijd
from gateway.simulator.names import address_lines, greetings, naam_answer

Json = dict[str, Any]

UNKNOWN_COUNTRY: Final = "0000"
NOT_AT_ADDRESS: Final = "089999"
LIMITED: Final[tuple[str, ...]] = (
    "burgerservicenummer", "geboorte", "geheimhoudingPersoonsgegevens", "geslacht", "inOnderzoek", "leeftijd", "naam",
    "opschortingBijhouding", "adressering", "rni", "verificatie",
)  # fmt: skip
"""What a search gives of a person (PersoonBeperkt); the search by adresseerbaar object adds gezag."""

_SPECIAL_NATIONALITY: Final = {"0000": "NationaliteitOnbekend", "0499": "Staatloos"}
_UNMARKED: Final = frozenset({
    "naam", "geboorte", "aangaanHuwelijkPartnerschap", "ontbindingHuwelijkPartnerschap", "ouderAanduiding",
    "datumIngangGeldigheid", "omschrijving", "einddatum", "einddatumUitsluiting",
})  # fmt: skip
"""Members that have no mark of their own in the inOnderzoek beside them."""
_NO_REASON: Final = "De bron van de simulator geeft geen toelichting."
_DOCUMENT_KINDS: Final = {
    "PN": "Nationaal paspoort", "NI": "Nederlandse identiteitskaart", "ZN": "Zakenpaspoort", "PB": "Reisdocument voor vreemdelingen",
    "PD": "Diplomatiek paspoort", "PF": "Faciliteitenpaspoort", "PV": "Reisdocument voor vluchtelingen", "PZ": "Dienstpaspoort",
    "EK": "Europese identiteitskaart", "LP": "Laissez-passer", "NN": "Noodpaspoort", "NB": "Nooddocument", "NP": "Noodpaspoort",
    "KE": "Kaart met paspoortboekje", "RD": "Reisdocument", "R1": "Reisdocument ouder1", "R2": "Reisdocument ouder2",
    "RM": "Reisdocument moeder", "RV": "Reisdocument vader", "TE": "Tweede paspoort", "TN": "Tweede paspoort",
    "BJ": "Bijschrijving", "IA": "Identiteitskaart (toeristenkaart) A", "IB": "Identiteitskaart B", "IC": "Identiteitskaart C",
    "ID": "Gemeentelijke identiteitskaart", "..": "Onbekend",
}  # fmt: skip
_WITHDRAWN: Final = {"I": "Ingehouden, ingeleverd", "V": "Vermist", "R": "Van rechtswege vervallen", ".": "Onbekend"}


def _pruned(values: dict[str, Any]) -> Json:
    return {name: value for name, value in values.items() if value not in (None, "", {}, [])}


def person_answer(person: Json, today: dt.date, named: Callable[[str], str | None]) -> Json:
    """The whole of `Persoon`. `named` gives the whole name that belongs to a burgerservicenummer, None if unknown."""
    place = person.get("verblijfplaats") or {}
    opschorting = _suspension(person.get("opschortingBijhouding"))
    born = person.get("geboorte") or {}
    deceased = (opschorting or {}).get("reden", {}).get("code") == "O"
    result = {
        "aNummer": person.get("aNummer"),
        "burgerservicenummer": person.get("burgerservicenummer"),
        "datumEersteInschrijvingGBA": datum(person.get("datumEersteInschrijvingGBA")),
        "geheimhoudingPersoonsgegevens": secret(person),
        "geslacht": person.get("geslacht"),
        "inOnderzoek": _person_investigated(person.get("persoonInOnderzoek")),
        "uitsluitingKiesrecht": _dated(person.get("uitsluitingKiesrecht"), "einddatum"),
        "europeesKiesrecht": _dated(person.get("europeesKiesrecht"), "einddatumUitsluiting"),
        "leeftijd": None if deceased else leeftijd(born.get("datum"), today),
        "naam": naam_answer(person.get("naam") or {}, with_usage=True),
        "nationaliteiten": [_nationality(one) for one in person.get("nationaliteiten") or ()],
        "geboorte": _event(born),
        "opschortingBijhouding": opschorting,
        "overlijden": _event(person.get("overlijden")),
        "verblijfplaats": stay_answer(place),
        "immigratie": _immigration(person.get("immigratie")),
        "gemeenteVanInschrijving": person.get("gemeenteVanInschrijving"),
        "datumInschrijvingInGemeente": datum(person.get("datumInschrijvingInGemeente")),
        "adressering": _addressing(person, place),
        "indicatieCurateleRegister": person.get("indicatieCurateleRegister"),
        "indicatieGezagMinderjarige": person.get("indicatieGezagMinderjarige"),
        "gezag": [_custody(one, str(person.get("burgerservicenummer")), named) for one in person.get("gezag") or ()],
        "verblijfstitel": _dated(person.get("verblijfstitel"), "datumIngang", "datumEinde"),
        "kinderen": [_relative(one) for one in person.get("kinderen") or ()],
        "ouders": [_relative(one) for one in person.get("ouders") or ()],
        "partners": [_relative(one) for one in person.get("partners") or ()],
        "rni": person.get("rni"),
        "verificatie": _dated(person.get("verificatie"), "datum"),
    }
    return _pruned(result)


def limited(answer: Json, *, with_custody: bool) -> Json:
    """`PersoonBeperkt` of a `Persoon`."""
    result = {name: answer[name] for name in LIMITED if name in answer}
    if "naam" in result:
        result["naam"] = {name: value for name, value in result["naam"].items() if name != "aanduidingNaamgebruik"}
    if "geboorte" in result:
        result["geboorte"] = {
            name: value for name, value in result["geboorte"].items() if name in {"datum", "inOnderzoek"}
        }
    if "adressering" in result:
        lines = ("adresregel1", "adresregel2", "adresregel3", "land", "indicatieVastgesteldVerblijftNietOpAdres")
        result["adressering"] = {name: result["adressering"][name] for name in lines if name in result["adressering"]}
    if with_custody and "gezag" in answer:
        result["gezag"] = answer["gezag"]
    return _pruned(result)


def secret(record: Json) -> bool | None:
    """Geheimhouding: true for any mark but 0, else absent (Wet BRP art. 2.59)."""
    return True if str(record.get("geheimhoudingPersoonsgegevens") or "0") != "0" else None


def stay_answer(place: Json) -> Json:
    """`AbstractVerblijfplaats`: an address, a described location, a stay abroad or an unknown one."""
    since = datum(place.get("datumAanvangAdreshouding") or place.get("datumAanvangAdresBuitenland"))
    common: Json = {"datumVan": since, "datumIngangGeldigheid": datum(place.get("datumIngangGeldigheid"))}
    investigated = place.get("inOnderzoek") or {}
    if investigated:
        common["inOnderzoek"] = _all_marks(("type", "datumVan"), investigated)
    at_home = common | {"functieAdres": place.get("functieAdres")}
    if investigated.get("aanduidingGegevensInOnderzoek") == NOT_AT_ADDRESS:
        at_home["indicatieVastgesteldVerblijftNietOpAdres"] = True
    if place.get("straat"):
        identification = {
            name: str(place.get(name) or "").strip()
            for name in ("adresseerbaarObjectIdentificatie", "nummeraanduidingIdentificatie")
        }
        return _pruned({"type": "Adres", "verblijfadres": _home_address(place)} | at_home | identification)
    if place.get("locatiebeschrijving"):
        described = {"locatiebeschrijving": place["locatiebeschrijving"]}
        return _pruned({"type": "Locatie", "verblijfadres": described} | at_home)
    if (place.get("land") or {}).get("code") == UNKNOWN_COUNTRY:
        return _pruned({"type": "VerblijfplaatsOnbekend"} | common)
    abroad = _pruned({name: place.get(name) for name in ("regel1", "regel2", "regel3", "land")})
    return _pruned({"type": "VerblijfplaatsBuitenland", "verblijfadres": abroad} | common) if abroad else {}


def document_answer(record: Json, holder: Json | None) -> Json:
    """A travel document; `holder` is the answer form of its holder, where known, for what is delivered by itself."""
    bsn = (record.get("houder") or {}).get("burgerservicenummer")
    automatic = ("geheimhoudingPersoonsgegevens", "opschortingBijhouding")
    kept = _pruned({"burgerservicenummer": bsn} | {name: (holder or {}).get(name) for name in automatic})
    lost = record.get("inhoudingOfVermissing") or {}
    return _pruned({
        "reisdocumentnummer": record.get("reisdocumentnummer"),
        "soort": _coded(record.get("soort"), _DOCUMENT_KINDS),
        "datumEindeGeldigheid": datum(record.get("datumEindeGeldigheid")),
        "inhoudingOfVermissing": _pruned({
            "datum": datum(lost.get("datum")), "aanduiding": _coded(lost.get("aanduiding"), _WITHDRAWN),
        }),
        "houder": kept,
    })  # fmt: skip


def _coded(value: Json | None, table: dict[str, str]) -> Json | None:
    if not value or not value.get("code"):
        return None
    return _pruned({"code": value["code"], "omschrijving": value.get("omschrijving") or table.get(value["code"])})


def _home_address(place: Json) -> Json:
    number = str(place.get("huisnummer") or "")
    return _pruned(
        {
            "officieleStraatnaam": place.get("naamOpenbareRuimte"),
            "korteStraatnaam": place.get("straat"),
            "huisnummer": int(number) if number.isdecimal() else None,
            **{name: place.get(name) for name in ("huisletter", "huisnummertoevoeging", "aanduidingBijHuisnummer")},
            **{name: place.get(name) for name in ("postcode", "woonplaats")},
        }
    )


def _addressing(person: Json, place: Json) -> Json:
    gemeente = (person.get("gemeenteVanInschrijving") or {}).get("omschrijving")
    partner = next((one.get("naam") for one in person.get("partners") or ()), None)
    result = address_lines(place, gemeente)
    result |= greetings(person.get("naam") or {}, partner, (person.get("geslacht") or {}).get("code"))
    if (place.get("inOnderzoek") or {}).get("aanduidingGegevensInOnderzoek") == NOT_AT_ADDRESS:
        result["indicatieVastgesteldVerblijftNietOpAdres"] = True
    return result


def _event(value: Json | None) -> Json | None:
    """A birth, death, marriage: date, place, country."""
    return _dated(value, "datum")


def _dated(value: Json | None, *names: str) -> Json | None:
    """The value with the named members as dates; inOnderzoek becomes marks on the members that are there."""
    if not value:
        return None
    result = {name: datum(one) if name in names else one for name, one in value.items() if name != "inOnderzoek"}
    if value.get("inOnderzoek"):
        marked = (name for name in result if name not in _UNMARKED)
        result["inOnderzoek"] = _all_marks(marked, value["inOnderzoek"])
    return _pruned(result)


def _all_marks(names: Any, investigated: Json) -> Json:
    marks: Json = dict.fromkeys(names, True)
    return marks | _pruned({"datumIngangOnderzoek": datum(investigated.get("datumIngangOnderzoek"))})


def _person_investigated(value: Json | None) -> Json | None:
    if not value:
        return None
    mark = str(value.get("aanduidingGegevensInOnderzoek") or "")
    names = [
        name
        for name, group in (("burgerservicenummer", "010120"), ("geslacht", "010410"), ("leeftijd", "010310"))
        if mark in {"010000", group, group[:4] + "00"}
    ]
    if not names:
        return None
    marks: Json = dict.fromkeys(names, True)
    return marks | _pruned({"datumIngangOnderzoekPersoon": datum(value.get("datumIngangOnderzoek"))})


def _suspension(value: Json | None) -> Json | None:
    return _dated(value, "datum")


def _nationality(value: Json) -> Json:
    code = (value.get("nationaliteit") or {}).get("code")
    special = value.get("aanduidingBijzonderNederlanderschap")
    kind = {"B": "BehandeldAlsNederlander", "V": "VastgesteldNietNederlander"}.get(str(special))
    kind = kind or _SPECIAL_NATIONALITY.get(str(code), "Nationaliteit")
    result = _dated(value, "datumIngangGeldigheid") or {}
    result.pop("aanduidingBijzonderNederlanderschap", None)
    if kind != "Nationaliteit":
        result.pop("nationaliteit", None)
    return {"type": kind} | result


def _immigration(value: Json | None) -> Json | None:
    result = _dated(value, "datumVestigingInNederland")
    if result is None:
        return None
    if (result.get("landVanwaarIngeschreven") or {}).get("code") == UNKNOWN_COUNTRY:
        result.pop("landVanwaarIngeschreven")
        return result | {"vanuitVerblijfplaatsOnbekend": True}
    return result | {"indicatieVestigingVanuitBuitenland": True}


def _relative(value: Json) -> Json:
    """A child, parent or partner."""
    result = _dated(value, "datumIngangFamilierechtelijkeBetrekking") or {}
    result["naam"] = naam_answer(value.get("naam") or {}, with_usage=False)
    result["naam"].pop("volledigeNaam", None)
    for name in ("geboorte", "aangaanHuwelijkPartnerschap", "ontbindingHuwelijkPartnerschap"):
        if value.get(name):
            result[name] = _event(value[name])
    return _pruned(result)


def _custody(value: Json, person: str, named: Callable[[str], str | None]) -> Json:
    """Who has parental authority. The published registers use an older name for joint parental authority."""

    def of(one: Json) -> Json:
        number = one.get("burgerservicenummer")
        name = named(str(number))
        return _pruned({"burgerservicenummer": number}) | {"naam": {"volledigeNaam": name} if name else {}}

    def third(one: Json) -> Json:
        return {"type": "BekendeDerde"} | of(one) if one.get("burgerservicenummer") else {"type": "OnbekendeDerde"}

    kind = str(value.get("type"))
    result: Json = {"type": "GezamenlijkOuderlijkGezag" if kind == "TweehoofdigOuderlijkGezag" else kind}
    result["minderjarige"] = of(value.get("minderjarige") or {"burgerservicenummer": person})
    if "ouder" in value:
        result["ouder"] = of(value["ouder"])
    if "ouders" in value:
        result["ouders"] = [of(one) for one in value["ouders"]]
    if "derde" in value:
        result["derde"] = third(value["derde"])
    if "derden" in value:
        result["derden"] = [third(one) for one in value["derden"]]
    if kind in {"GezagNietTeBepalen", "TijdelijkGeenGezag"}:
        result["toelichting"] = str(value.get("toelichting") or _NO_REASON)
    return result
