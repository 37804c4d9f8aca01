"""The names of RvIG's APIs and of the question types that each of them knows.

The order of the types is RvIG's own; it is also the order of the names in the texts about an unknown type.
"""

from typing import Final

PERSONEN: Final = "personen"
BEWONINGEN: Final = "bewoningen"
VERBLIJFPLAATSHISTORIE: Final = "verblijfplaatshistorie"
REISDOCUMENTEN: Final = "reisdocumenten"
BERICHTEN: Final = "berichten"

RAADPLEEG_MET_BSN: Final = "RaadpleegMetBurgerservicenummer"
ZOEK_MET_ADRESSEERBAAR_OBJECT: Final = "ZoekMetAdresseerbaarObjectIdentificatie"
ZOEK_MET_GESLACHTSNAAM: Final = "ZoekMetGeslachtsnaamEnGeboortedatum"
ZOEK_MET_NAAM: Final = "ZoekMetNaamEnGemeenteVanInschrijving"
ZOEK_MET_NUMMERAANDUIDING: Final = "ZoekMetNummeraanduidingIdentificatie"
ZOEK_MET_POSTCODE: Final = "ZoekMetPostcodeEnHuisnummer"
ZOEK_MET_STRAAT: Final = "ZoekMetStraatHuisnummerEnGemeenteVanInschrijving"

BEWONING_MET_PEILDATUM: Final = "BewoningMetPeildatum"
BEWONING_MET_PERIODE: Final = "BewoningMetPeriode"
RAADPLEEG_MET_PEILDATUM: Final = "RaadpleegMetPeildatum"
RAADPLEEG_MET_PERIODE: Final = "RaadpleegMetPeriode"
RAADPLEEG_MET_REISDOCUMENTNUMMER: Final = "RaadpleegMetReisdocumentnummer"
ZOEK_MET_BSN: Final = "ZoekMetBurgerservicenummer"

TYPES: Final[dict[str, tuple[str, ...]]] = {
    PERSONEN: (
        RAADPLEEG_MET_BSN,
        ZOEK_MET_GESLACHTSNAAM,
        ZOEK_MET_NAAM,
        ZOEK_MET_POSTCODE,
        ZOEK_MET_STRAAT,
        ZOEK_MET_NUMMERAANDUIDING,
        ZOEK_MET_ADRESSEERBAAR_OBJECT,
    ),
    BEWONINGEN: (BEWONING_MET_PEILDATUM, BEWONING_MET_PERIODE),
    VERBLIJFPLAATSHISTORIE: (RAADPLEEG_MET_PEILDATUM, RAADPLEEG_MET_PERIODE),
    REISDOCUMENTEN: (RAADPLEEG_MET_REISDOCUMENTNUMMER, ZOEK_MET_BSN),
}
