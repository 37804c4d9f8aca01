"""Which rubrieken of the Logisch Ontwerp BRP belong to a field of an answer and to a parameter of a question.

A field with sub-fields has the rubrieken of all of them, so only the leaves are stated. A rubriek has six
characters: category, group and element, or a name of RvIG's own (`PA…`, `PX…`, `AX…`) for what it derives.
What stands here is what RvIG records (protocollering); `authorisation` states where the right to ask differs.
Source: RvIG's tables of fields and rubrieken for the BRP APIs.
"""

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from gateway.brp import apis

Tree: TypeAlias = Mapping[str, "str | Tree"]

CODED_OR_DATED: Final = frozenset(
    {
        "aanduiding",
        "aanduidingBijHuisnummer",
        "aanduidingNaamgebruik",
        "adellijkeTitelPredicaat",
        "datum",
        "datumEersteInschrijvingGBA",
        "datumEinde",
        "datumIngang",
        "datumIngangFamilierechtelijkeBetrekking",
        "datumIngangGeldigheid",
        "datumInschrijvingInGemeente",
        "datumVan",
        "datumVestigingInNederland",
        "einddatum",
        "einddatumUitsluiting",
        "functieAdres",
        "gemeenteVanInschrijving",
        "geslacht",
        "indicatieGezagMinderjarige",
        "land",
        "landVanwaarIngeschreven",
        "nationaliteit",
        "plaats",
        "redenOpname",
        "soortVerbintenis",
    }
)
"""Fields of a person that are a date or a coded value: whatever is asked below one of them is the field itself."""


def _naam(category: str, voorletters: str) -> dict[str, str]:
    return {
        "voornamen": _in(category, "0210"),
        "adellijkeTitelPredicaat": _in(category, "0220"),
        "voorvoegsel": _in(category, "0230"),
        "geslachtsnaam": _in(category, "0240"),
        "voorletters": voorletters,
    }


def _event(category: str, group: str) -> dict[str, str]:
    """Date, place and country of a birth, marriage or death."""
    return {
        "datum": _in(category, f"{group}10"),
        "plaats": _in(category, f"{group}20"),
        "land": _in(category, f"{group}30"),
    }


def _in(categories: str, element: str) -> str:
    return " ".join(category + element for category in categories.split())


_VERBLIJFADRES_BINNENLAND: Final = {
    "korteStraatnaam": "081110",
    "officieleStraatnaam": "081115",
    "huisnummer": "081120",
    "huisletter": "081130",
    "huisnummertoevoeging": "081140",
    "aanduidingBijHuisnummer": "081150",
    "postcode": "081160",
    "woonplaats": "081170",
    "locatiebeschrijving": "081210",
}
_VERBLIJFPLAATS: Final = {
    "type": "PAVP02",
    "functieAdres": "081010",
    "datumVan": "PAVP01",
    "datumIngangGeldigheid": "088510",
    "adresseerbaarObjectIdentificatie": "081180",
    "nummeraanduidingIdentificatie": "081190",
}
_ADRESREGELS_BINNENLAND: Final = {"adresregel1": "PAVP03", "adresregel2": "PAVP04"}
_ADRESREGELS: Final = _ADRESREGELS_BINNENLAND | {"adresregel3": "081350", "land": "081310"}
_AANSCHRIJVING: Final[Tree] = {
    "aanhef": "PANM03",
    "aanschrijfwijze": {"aanspreekvorm": "PANM04", "naam": "PANM05"},
    "gebruikInLopendeTekst": "PANM06",
}

PERSOON: Final[Tree] = {
    "aNummer": "010110",
    "burgerservicenummer": "010120",
    "naam": _naam("01", "PANM01") | {"volledigeNaam": "PANM02", "aanduidingNaamgebruik": "016110"},
    "geboorte": _event("01", "03"),
    "geslacht": "010410",
    "leeftijd": "PAGL01",
    "gezag": "PAGZ01",
    "ouders": {
        "burgerservicenummer": "020120 030120",
        "naam": _naam("02 03", "PAOU01"),
        "geboorte": _event("02 03", "03"),
        "geslacht": "020410 030410",
        "datumIngangFamilierechtelijkeBetrekking": "026210 036210",
        "ouderAanduiding": "",
    },
    "nationaliteiten": {
        "type": "PANT01",
        "nationaliteit": "040510",
        "redenOpname": "046310",
        "datumIngangGeldigheid": "048510",
    },
    "partners": {
        "burgerservicenummer": "050120",
        "naam": _naam("05", "PAHP01"),
        "geboorte": _event("05", "03"),
        "geslacht": "050410",
        "aangaanHuwelijkPartnerschap": _event("05", "06"),
        "ontbindingHuwelijkPartnerschap": {"datum": "050710"},
        "soortVerbintenis": "051510",
    },
    "overlijden": _event("06", "08"),
    "datumEersteInschrijvingGBA": "076810",
    "gemeenteVanInschrijving": "080910",
    "datumInschrijvingInGemeente": "080920",
    "verblijfplaats": _VERBLIJFPLAATS
    | {
        "verblijfadres": _VERBLIJFADRES_BINNENLAND
        | {"land": "081310", "regel1": "081330", "regel2": "081340", "regel3": "081350"},
    },
    "verblijfplaatsBinnenland": _VERBLIJFPLAATS | {"verblijfadres": _VERBLIJFADRES_BINNENLAND},
    "adressering": {**_ADRESREGELS, **_AANSCHRIJVING},
    "adresseringBinnenland": {**_ADRESREGELS_BINNENLAND, **_AANSCHRIJVING},
    "immigratie": {
        "landVanwaarIngeschreven": "081410",
        "datumVestigingInNederland": "081420",
        "indicatieVestigingVanuitBuitenland": "PAVP05",
        "vanuitVerblijfplaatsOnbekend": "PAVP06",
    },
    "kinderen": {
        "burgerservicenummer": "090120",
        "naam": _naam("09", "PAKD01"),
        "geboorte": _event("09", "03"),
    },
    "verblijfstitel": {"aanduiding": "103910", "datumEinde": "103920", "datumIngang": "103930"},
    "indicatieGezagMinderjarige": "113210",
    "indicatieCurateleRegister": "113310",
    "europeesKiesrecht": {"aanduiding": "133110", "einddatumUitsluiting": "133130"},
    "uitsluitingKiesrecht": {"uitgeslotenVanKiesrecht": "133810", "einddatum": "133820"},
}
PERSOON_BEPERKT: Final[Tree] = {
    "burgerservicenummer": "010120",
    "naam": _naam("01", "PANM01") | {"volledigeNaam": "PANM02"},
    "geboorte": {"datum": "010310"},
    "geslacht": "010410",
    "leeftijd": "PAGL01",
    "adressering": _ADRESREGELS,
    "adresseringBinnenland": _ADRESREGELS_BINNENLAND,
}
GEZAG_PERSOON_BEPERKT: Final[Tree] = {**PERSOON_BEPERKT, "gezag": "PAGZ01"}


def _datum(rubriek: str) -> dict[str, str]:
    return dict.fromkeys(("type", "datum", "langFormaat", "onbekend", "jaar", "maand"), rubriek)


def _waarde(rubriek: str) -> dict[str, str]:
    return dict.fromkeys(("code", "omschrijving"), rubriek)


REISDOCUMENT: Final[Tree] = {
    "reisdocumentnummer": "123520",
    "soort": _waarde("123510"),
    "datumEindeGeldigheid": _datum("123550"),
    "inhoudingOfVermissing": {"datum": _datum("123560"), "aanduiding": _waarde("123570")},
    "houder": {"burgerservicenummer": "010120"},
}

RESPONSES: Final[dict[tuple[str, str], Tree]] = {
    **{(apis.PERSONEN, kind): PERSOON_BEPERKT for kind in apis.TYPES[apis.PERSONEN]},
    (apis.PERSONEN, apis.RAADPLEEG_MET_BSN): PERSOON,
    (apis.PERSONEN, apis.ZOEK_MET_ADRESSEERBAAR_OBJECT): GEZAG_PERSOON_BEPERKT,
    **{(apis.REISDOCUMENTEN, kind): REISDOCUMENT for kind in apis.TYPES[apis.REISDOCUMENTEN]},
}
"""The fields that may be asked with `fields`, per API and question type."""

WHOLE_ANSWER: Final = {apis.BEWONINGEN: "AXBW01", apis.VERBLIJFPLAATSHISTORIE: "PXVP07"}
"""The one rubriek of an answer that knows no `fields`."""

_IN_A_PERIOD: Final = "081030 081320 581030 581320"
_RUBRIEK_OF_PARAMETER: Final = {
    "adresseerbaarObjectIdentificatie": "081180",
    "burgerservicenummer": "010120",
    "datumTot": _IN_A_PERIOD,
    "datumVan": _IN_A_PERIOD,
    "geboortedatum": "010310",
    "gemeenteVanInschrijving": "080910",
    "geslacht": "010410",
    "geslachtsnaam": "010240",
    "huisletter": "081130",
    "huisnummer": "081120",
    "huisnummertoevoeging": "081140",
    "nummeraanduidingIdentificatie": "081190",
    "peildatum": _IN_A_PERIOD,
    "postcode": "081160",
    "reisdocumentnummer": "123520",
    "straat": "081110",
    "voornamen": "010210",
    "voorvoegsel": "010230",
}
_NAMES: Final = "geslachtsnaam voornamen voorvoegsel geslacht gemeenteVanInschrijving"
_PARAMETERS_OF_TYPE: Final = {
    (apis.PERSONEN, apis.RAADPLEEG_MET_BSN): "burgerservicenummer gemeenteVanInschrijving",
    (apis.PERSONEN, apis.ZOEK_MET_ADRESSEERBAAR_OBJECT): "adresseerbaarObjectIdentificatie gemeenteVanInschrijving",
    (apis.PERSONEN, apis.ZOEK_MET_GESLACHTSNAAM): f"geboortedatum {_NAMES}",
    (apis.PERSONEN, apis.ZOEK_MET_NAAM): _NAMES,
    (apis.PERSONEN, apis.ZOEK_MET_NUMMERAANDUIDING): "nummeraanduidingIdentificatie gemeenteVanInschrijving",
    (apis.PERSONEN, apis.ZOEK_MET_POSTCODE): (
        "postcode huisnummer huisletter huisnummertoevoeging gemeenteVanInschrijving geboortedatum geslachtsnaam"
    ),
    (apis.PERSONEN, apis.ZOEK_MET_STRAAT): "gemeenteVanInschrijving huisnummer huisletter huisnummertoevoeging straat",
    (apis.BEWONINGEN, apis.BEWONING_MET_PEILDATUM): "adresseerbaarObjectIdentificatie peildatum",
    (apis.BEWONINGEN, apis.BEWONING_MET_PERIODE): "adresseerbaarObjectIdentificatie datumVan datumTot",
    (apis.VERBLIJFPLAATSHISTORIE, apis.RAADPLEEG_MET_PEILDATUM): "burgerservicenummer peildatum",
    (apis.VERBLIJFPLAATSHISTORIE, apis.RAADPLEEG_MET_PERIODE): "burgerservicenummer datumVan datumTot",
    (apis.REISDOCUMENTEN, apis.RAADPLEEG_MET_REISDOCUMENTNUMMER): "reisdocumentnummer",
    (apis.REISDOCUMENTEN, apis.ZOEK_MET_BSN): "burgerservicenummer",
}

PARAMETERS: Final[dict[tuple[str, str], dict[str, frozenset[str]]]] = {
    question: {name: frozenset(_RUBRIEK_OF_PARAMETER[name].split()) for name in names.split()}
    for question, names in _PARAMETERS_OF_TYPE.items()
}
"""The rubrieken that a parameter searches in, per API and question type."""


def walk(tree: Tree, prefix: str = "") -> Iterator[tuple[str, frozenset[str]]]:
    """Every field of a tree by its whole name, with its rubrieken: its own, or those of all that lie below it."""
    for name, below in tree.items():
        path = prefix + name
        if isinstance(below, str):
            yield path, frozenset(below.split())
            continue
        inside = list(walk(below, f"{path}."))
        yield path, frozenset[str]().union(*(rubrieken for _, rubrieken in inside))
        yield from inside
