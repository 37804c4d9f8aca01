"""From values of inzage to the shapes of the API. Pure."""

from collections.abc import Sequence
from datetime import datetime

from tenants.api import inzage_shapes as shapes
from tenants.api.register_shapes import Periode
from tenants.api.routing import Answer
from tenants.inzage.correctie import Ontvanger, untold_in
from tenants.inzage.rapport import MEDEDELING, VINDBAAR, Rapport
from tenants.inzage.verstrekkingen import Gathered
from tenants.inzage.verzoek import Inzageverzoek, Stap
from tenants.recording import Period
from tenants.words.rubrieken import describe

_MOST_IDS = 100


def verzoek_shape(one: Inzageverzoek, now: datetime) -> shapes.Inzageverzoek:
    """A request without who asks."""
    return shapes.Inzageverzoek(
        nummer=one.number,
        wet=one.law,
        ontvangen_op=one.received_on,
        uiterlijk_op=one.due_on,
        toestand=one.toestand,
        te_laat=one.is_late(now),
        periode=periode(one.period),
        vertegenwoordigd=one.represented,
        stappen=[stap_shape(stap) for stap in one.stappen],
        vastgelegd_op=one.at,
        vastgelegd_door=one.actor,
    )


def verzoek_with_whom(one: Inzageverzoek, now: datetime) -> shapes.InzageverzoekMetBetrokkene:
    """A request with who asks."""
    whom = one.betrokkenen
    acting = None if whom is None else whom.vertegenwoordiger
    plain = verzoek_shape(one, now)
    return shapes.InzageverzoekMetBetrokkene(
        **{name: getattr(plain, name) for name in type(plain).model_fields},
        betrokkene=None
        if whom is None
        else shapes.Betrokkene(
            naam=whom.betrokkene.naam,
            adres=list(whom.betrokkene.adres),
            burgerservicenummer=None if whom.subject.bsn is None else whom.subject.bsn.digits,
            a_nummer=None if whom.subject.a_nummer is None else whom.subject.a_nummer.digits,
        ),
        vertegenwoordiger=None
        if acting is None
        else shapes.Vertegenwoordiger(
            naam=acting.wie.naam, adres=list(acting.wie.adres), hoedanigheid=acting.hoedanigheid
        ),
    )


def stap_shape(one: Stap) -> shapes.Stap:
    """One step."""
    return shapes.Stap(
        soort=one.kind,
        wijze=one.method,
        door=one.by_whom,
        op=one.done_at,
        toelichting=one.note,
        lezing=one.reading,
        vastgelegd_op=one.at,
        vastgelegd_door=one.actor,
    )


def overzicht(rapport: Rapport) -> shapes.Overzicht:
    """The outcome of a request."""
    return shapes.Overzicht(
        kenmerk=rapport.kenmerk,
        wet=rapport.wet,
        organisatie=rapport.organisatie,
        voor=rapport.lezer,
        ontvangen_op=rapport.ontvangen_op,
        gemaakt_op=rapport.gemaakt_op,
        periode=periode(rapport.periode),
        regels=[
            shapes.OverzichtRegel(
                op=one.op,
                uitkomst=one.uitkomst,
                organisatie=one.organisatie,
                ontvanger=one.ontvanger,
                grondslag=one.grondslag,
                doelbinding=one.doelbinding,
                bevraging=one.bevraging,
                gegevens=list(one.gegevens),
                gezocht_op=list(one.gezocht_op),
                protocolregel=one.id,
                inzage_geweigerd=one.geweigerd,
            )
            for one in rapport.regels
        ],
        mededelingen=[MEDEDELING, VINDBAAR],
        vernietigde_jaren=list(rapport.vernietigde_jaren),
        onbekend=rapport.onbekend,
    )


def correctielijst(gathered: Gathered, rubrieken: Sequence[str], found: Sequence[Ontvanger]) -> shapes.Correctielijst:
    """The recipients after a correction."""
    return shapes.Correctielijst(
        lezing=gathered.reading,
        rubrieken=[describe(one) for one in rubrieken],
        ontvangers=[
            shapes.OntvangerVan(
                organisatie=one.organisatie,
                ontvanger=one.ontvanger,
                grondslag=one.grondslag,
                doelbinding=one.doelbinding,
                uitkomst=one.uitkomst,
                gegevens=None if one.gegevens is None else list(one.gegevens),
                eerste=one.eerste,
                laatste=one.laatste,
                aantal=len(one.ids),
                protocolregels=list(one.ids[:_MOST_IDS]),
            )
            for one in found
        ],
        vernietigde_jaren=list(gathered.destroyed_years),
        onbekend=untold_in(gathered),
    )


def file_of(content: bytes, media_type: str, name: str) -> Answer:
    """A file to keep. Its name holds numbers of requests and readings, never of persons."""
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Answer(200, content, disposition, media_type=media_type)


def periode(period: Period) -> Periode:
    """A period as a shape."""
    return Periode(van=period[0], tot=period[1])
