"""From values of what an auditor checks to the shapes of the API. Pure."""

from collections import Counter
from collections.abc import Mapping

from tenants.api import controle_shapes as shapes
from tenants.api.inzage_answers import periode
from tenants.inzage.datalek import Bereikt, Omvang
from tenants.inzage.datalek_rows import Telling, Zoektocht
from tenants.inzage.gebruik import MOST, Bevindingen, Gebruiker, Geraadpleegd, Uitschieter
from tenants.inzage.gebruik_rows import Onderzoek
from tenants.inzage.steekproeven import Steekproef


def steekproef_shape(one: Steekproef) -> shapes.Steekproef:
    """A sample; a call that was judged twice counts by its last verdict."""
    judged = one.judged
    return shapes.Steekproef(
        nummer=one.number,
        op=one.at,
        door=one.actor,
        lezing=one.reading,
        periode=periode(one.period),
        omvang=one.population,
        protocolregels=list(one.ids),
        te_beoordelen=len(one.ids) - len(judged),
        uitslag=dict(Counter(judged.values())),
        beoordelingen=[
            shapes.Beoordeling(
                protocolregel=verdict.id,
                oordeel=verdict.verdict,
                toelichting=verdict.note,
                op=verdict.at,
                door=verdict.actor,
            )
            for verdict in one.beoordelingen
        ],
    )


def gebruiksrapport(made: Onderzoek, found: Bevindingen, wanted: shapes.GebruiksrapportVraag) -> shapes.Gebruiksrapport:
    """The findings, the first hundred of each kind."""
    names, colleagues = found.names, frozenset(wanted.collegas)
    return shapes.Gebruiksrapport(
        lezing=made.reading,
        periode=wanted.periode,
        geraadpleegd=[_geraadpleegd(one, names, colleagues) for one in found.consulted[:MOST]],
        pogingen=[_geraadpleegd(one, names, colleagues) for one in found.in_vain[:MOST]],
        pogingen_vanaf=found.in_vain_since,
        buiten_werktijd=[
            shapes.BuitenWerktijd(
                door=_door(one.gebruiker, names), aantal=one.outside, van_totaal=one.calls, dagen=one.days
            )
            for one in found.outside[:MOST]
        ],
        uitschieters=[_uitschieter(one, found, place) for place, one in enumerate(found.outliers[:MOST])],
        door_velen=[
            shapes.DoorVelen(persoon=found.numbers.get(one.person), gebruikers=one.users, aantal=one.calls)
            for one in found.by_many
        ],
        aantallen={
            "geraadpleegd": len(found.consulted),
            "pogingen": len(found.in_vain),
            "buitenWerktijd": len(found.outside),
            "uitschieters": len(found.outliers),
            "doorVelen": found.how_many_by_many,
        },
        vernietigde_jaren=list(made.destroyed),
    )


def datalek_counted(made: Zoektocht, telling: Telling, wanted: shapes.DatalekVraag) -> shapes.Datalekrapport:
    """How much it is."""
    return shapes.Datalekrapport(
        lezing=made.reading,
        vorm="aantal",
        periode=wanted.periode,
        bevragingen=telling.bevragingen,
        personen=telling.personen,
        zonder_nummer=telling.zonder_nummer,
        zonder_afsluiting=telling.zonder_afsluiting,
        uitkomst_onbekend=telling.uitkomst_onbekend,
        onbekend_over_wie=None,
        niet_te_openen=0,
        vernietigde_jaren=list(made.destroyed),
        bereikt=None,
    )


def datalek_measured(made: Zoektocht, omvang: Omvang, wanted: shapes.DatalekVraag) -> shapes.Datalekrapport:
    """Who they are."""
    return shapes.Datalekrapport(
        lezing=made.reading,
        vorm="json",
        periode=wanted.periode,
        bevragingen=omvang.bevragingen,
        personen=len(omvang.personen),
        zonder_nummer=omvang.zonder_nummer,
        zonder_afsluiting=omvang.zonder_afsluiting,
        uitkomst_onbekend=omvang.uitkomst_onbekend,
        onbekend_over_wie=omvang.onbekend_over_wie,
        niet_te_openen=omvang.niet_te_openen,
        vernietigde_jaren=list(made.destroyed),
        bereikt=[_bereikt(one) for _, one in sorted(omvang.personen.items())],
    )


def _geraadpleegd(
    one: Geraadpleegd, names: Mapping[Gebruiker, str], colleagues: frozenset[str]
) -> shapes.GeraadpleegdePersoon:
    by_bsn = len(one.number) == 9
    return shapes.GeraadpleegdePersoon(
        lijst="collegas" if one.number in colleagues else "publiekeFiguren",
        burgerservicenummer=one.number if by_bsn else None,
        a_nummer=None if by_bsn else one.number,
        door=_door(one.gebruiker, names),
        aantal=one.calls,
        laatste=one.last,
        protocolregels=list(one.ids),
    )


def _bereikt(one: Bereikt) -> shapes.BereiktePersoon:
    by_bsn = len(one.number) == 9
    return shapes.BereiktePersoon.model_validate(
        {
            "burgerservicenummer": one.number if by_bsn else None,
            "aNummer": None if by_bsn else one.number,
            "verstrekt": one.verstrekt,
            "alleenOpgehaald": one.opgehaald,
            "mogelijkVerstrekt": one.mogelijk,
            "eerste": one.eerste,
            "laatste": one.laatste,
            "gegevens": list(one.gegevens),
        }
    )


def _uitschieter(one: Uitschieter, found: Bevindingen, place: int) -> shapes.Uitschieter:
    return shapes.Uitschieter(
        door=_door(one.gebruiker or Gebruiker(one.taaksysteem, None), found.names),
        dag=one.day,
        aantal=one.calls,
        mediaan=one.median,
        protocolregels=list(found.examples.get(place, ())),
    )


def _door(who: Gebruiker, names: Mapping[Gebruiker, str]) -> shapes.GebruikerVan:
    tenant_id, taaksysteem_id = who.taaksysteem
    return shapes.GebruikerVan(tenant_id=tenant_id, taaksysteem_id=taaksysteem_id, gebruiker=names.get(who))
