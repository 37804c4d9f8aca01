"""RvIG's validation of a question: every fault of a body, in RvIG's order and words, before anything is searched.

Only what RvIG checks is checked; no elfproef, for instance. Where RvIG would end in a 500 (an object where a text
is meant, a field two levels below a date) this finds a fault, and an unknown `type` never passes. Source: RvIG's
validation of the BRP APIs Personen, Bewoning, Verblijfplaatshistorie and Reisdocumenten.
"""

from itertools import islice
from typing import Final

from gateway.brp import apis
from gateway.brp.parameters import (
    AFTER_DATUM_VAN,
    HUISNUMMER,
    OVERLEDENEN,
    REQUIRED,
    Check,
    array,
    date,
    fields,
    text,
    unknown,
)
from gateway.brp.problems import InvalidParam

_MOST_BSNS: Final = 20
_MOST_FAULTS: Final = 1_000
"""RvIG names every unknown parameter; a body of a hundred thousand of them must not hold up the calls of others."""
_NAAM: Final = r"^[a-zA-Z0-9À-ž \.\-\']{1,200}$|^[a-zA-Z0-9À-ž \.\-\']{3,199}\*{1}$"
_NAAM_OR_BEGINNING: Final = r"^[a-zA-Z0-9À-ž \.\-\']{1,199}\*{0,1}$"
_STRAAT: Final = r"^[a-zA-Z0-9À-ž \-\'\.]{1,80}$|^[a-zA-Z0-9À-ž \-\'\.]{7,79}\*{1}$|^\*{1}[a-zA-Z0-9À-ž \-\'\.]{7,79}$"
_IDENTIFICATIE: Final = r"^(?!0{16})[0-9]{16}$"
_BSN: Final = r"^[0-9]{9}$"
_GEMEENTE: Final = r"^[0-9]{4}$"

_ADRESSEERBAAR_OBJECT: Final = text("adresseerbaarObjectIdentificatie", _IDENTIFICATIE, required=True)
_GESLACHTSNAAM: Final = text("geslachtsnaam", _NAAM, required=True)
_VOORVOEGSEL: Final = text("voorvoegsel", r"^[a-zA-Z \']{1,10}$")
_GESLACHT: Final = text("geslacht", r"^([Mm]|[Vv]|[Oo])$")
_HUISLETTER: Final = text("huisletter", r"^[a-zA-Z]{1}$", may_be_empty=True)
_TOEVOEGING: Final = text("huisnummertoevoeging", r"^[a-zA-Z0-9 \-]{1,4}$", may_be_empty=True)
_IN_GEMEENTE: Final = text("gemeenteVanInschrijving", _GEMEENTE)
_GEMEENTE_ASKED: Final = text("gemeenteVanInschrijving", _GEMEENTE, required=True)
_ONE_BSN: Final = text("burgerservicenummer", _BSN, required=True)
_PERIODE: Final = (date("datumTot"), date("datumVan"), AFTER_DATUM_VAN)

_OTHERS: Final = Check("", lambda _: iter(()))
"""Marks the place in the order where a type looks for names that it does not know."""


_ORDER: Final[dict[tuple[str, str], tuple[Check, ...]]] = {
    (apis.PERSONEN, apis.RAADPLEEG_MET_BSN): (
        _OTHERS,
        array("burgerservicenummer", _BSN, _MOST_BSNS),
        _IN_GEMEENTE,
        fields(apis.PERSONEN, apis.RAADPLEEG_MET_BSN),
    ),
    (apis.PERSONEN, apis.ZOEK_MET_ADRESSEERBAAR_OBJECT): (
        _OTHERS,
        _ADRESSEERBAAR_OBJECT,
        OVERLEDENEN,
        _IN_GEMEENTE,
        fields(apis.PERSONEN, apis.ZOEK_MET_ADRESSEERBAAR_OBJECT),
    ),
    (apis.PERSONEN, apis.ZOEK_MET_GESLACHTSNAAM): (
        _OTHERS,
        date("geboortedatum"),
        _GESLACHTSNAAM,
        text("voornamen", _NAAM_OR_BEGINNING),
        _VOORVOEGSEL,
        _GESLACHT,
        OVERLEDENEN,
        _IN_GEMEENTE,
        fields(apis.PERSONEN, apis.ZOEK_MET_GESLACHTSNAAM),
    ),
    (apis.PERSONEN, apis.ZOEK_MET_NAAM): (
        _OTHERS,
        _GEMEENTE_ASKED,
        _GESLACHTSNAAM,
        text("voornamen", _NAAM, required=True),
        _VOORVOEGSEL,
        _GESLACHT,
        OVERLEDENEN,
        fields(apis.PERSONEN, apis.ZOEK_MET_NAAM),
    ),
    (apis.PERSONEN, apis.ZOEK_MET_NUMMERAANDUIDING): (
        _OTHERS,
        text("nummeraanduidingIdentificatie", _IDENTIFICATIE, required=True),
        OVERLEDENEN,
        _IN_GEMEENTE,
        fields(apis.PERSONEN, apis.ZOEK_MET_NUMMERAANDUIDING),
    ),
    (apis.PERSONEN, apis.ZOEK_MET_POSTCODE): (
        text("postcode", r"^[1-9]{1}[0-9]{3}[ ]?[A-Za-z]{2}$", required=True),
        HUISNUMMER,
        _HUISLETTER,
        _TOEVOEGING,
        OVERLEDENEN,
        _OTHERS,
        fields(apis.PERSONEN, apis.ZOEK_MET_POSTCODE),
        date("geboortedatum", required=False),
        text("geslachtsnaam", _NAAM),
        _IN_GEMEENTE,
    ),
    (apis.PERSONEN, apis.ZOEK_MET_STRAAT): (
        _GEMEENTE_ASKED,
        HUISNUMMER,
        text("straat", _STRAAT, required=True),
        _HUISLETTER,
        _TOEVOEGING,
        OVERLEDENEN,
        _OTHERS,
        fields(apis.PERSONEN, apis.ZOEK_MET_STRAAT),
    ),
    (apis.BEWONINGEN, apis.BEWONING_MET_PEILDATUM): (_OTHERS, _ADRESSEERBAAR_OBJECT, date("peildatum")),
    (apis.BEWONINGEN, apis.BEWONING_MET_PERIODE): (_OTHERS, _ADRESSEERBAAR_OBJECT, *_PERIODE),
    (apis.VERBLIJFPLAATSHISTORIE, apis.RAADPLEEG_MET_PEILDATUM): (_OTHERS, _ONE_BSN, date("peildatum")),
    (apis.VERBLIJFPLAATSHISTORIE, apis.RAADPLEEG_MET_PERIODE): (_OTHERS, _ONE_BSN, *_PERIODE),
    (apis.REISDOCUMENTEN, apis.RAADPLEEG_MET_REISDOCUMENTNUMMER): (
        _OTHERS,
        array("reisdocumentnummer", r"^[A-Z0-9]{9}$", 1),
        fields(apis.REISDOCUMENTEN, apis.RAADPLEEG_MET_REISDOCUMENTNUMMER),
    ),
    (apis.REISDOCUMENTEN, apis.ZOEK_MET_BSN): (
        _OTHERS,
        _ONE_BSN,
        fields(apis.REISDOCUMENTEN, apis.ZOEK_MET_BSN),
    ),
}


def _with_others(order: tuple[Check, ...]) -> tuple[Check, ...]:
    names = frozenset({"type", *(check.name for check in order)} - {""})
    return tuple(unknown(names) if check is _OTHERS else check for check in order)


_CHECKS: Final[dict[str, dict[str, tuple[Check, ...]]]] = {
    api: {kind: _with_others(_ORDER[api, kind]) for kind in kinds} for api, kinds in apis.TYPES.items()
}


def validate(api: str, body: object) -> tuple[InvalidParam, ...]:
    """The faults of a decoded body, none for a question that RvIG would take; an unknown API has no rules."""
    checks = _CHECKS.get(api)
    if checks is None:
        return ()
    question = body if isinstance(body, dict) else {}
    kind = question.get("type")
    if kind is None:
        return (InvalidParam("type", "required", REQUIRED),)
    chosen = checks.get(kind) if isinstance(kind, str) else None
    if chosen is None:
        return (InvalidParam("type", "value", "Waarde is geen geldig zoek type."),)
    return tuple(islice((fault for check in chosen for fault in check.faults(question)), _MOST_FAULTS))
