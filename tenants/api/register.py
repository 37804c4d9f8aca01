"""Routes of the register: searching it, by the tenant's own auditor, with a reason that is recorded first."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

from tenants import protocolregels
from tenants.api.heavy import heavy_read
from tenants.api.problems import Refused
from tenants.api.register_shapes import (
    Afsluiting,
    Inhoud,
    Protocolregel,
    Protocolregels,
    TaaksysteemGenoemd,
    TaaksysteemVan,
    Zoekvraag,
)
from tenants.api.routing import Answer, Asked
from tenants.finding import Filter
from tenants.model import Bsn
from tenants.reading import search
from tenants.sealing import SealingError
from tenants.searches import Found
from tenants.searches import Zoekvraag as Search
from tenants.subjects import ANummer
from tenants.words.rubrieken import carriers_of


async def zoek_protocolregels(asked: Asked) -> Answer:
    """POST: search by person, by period, or both. A POST because a BSN has no place in a URL."""
    wanted = cast("Zoekvraag", asked.body)
    made = Search(
        bsn=None if wanted.burgerservicenummer is None else Bsn(wanted.burgerservicenummer),
        a_nummer=None if wanted.a_nummer is None else ANummer(wanted.a_nummer),
        period=None if wanted.periode is None else (wanted.periode.van, wanted.periode.tot),
        contents=wanted.inhoud,
        before=wanted.voor,
        limit=wanted.aantal,
        user=wanted.gebruiker,
        asked=wanted.ook_gevraagd,
        wanted=filter_of(wanted.taaksysteem, wanted.certificaat, wanted.doelbinding, wanted.rubrieken, wanted.uitkomst),
    )
    async with heavy_read(asked) as connection, keys_must_open():
        found = await search(
            connection, asked.rooms.register, asked.tenant_id, made, actor=asked.by.actor, reason=wanted.reden
        )
    return Answer(200, _shape(found))


def filter_of(
    taaksysteem: TaaksysteemVan | None,
    certificaat: str | None,
    doelbinding: str | None = None,
    rubrieken: Sequence[str] | None = None,
    uitkomst: str | None = None,
) -> Filter:
    """What of the shapes narrows a search. A rubriek stands for what is derived from it too (Wet BRP art. 3.23)."""
    return Filter(
        taaksysteem=None if taaksysteem is None else (taaksysteem.tenant_id, taaksysteem.taaksysteem_id),
        fingerprint=None if certificaat is None else bytes.fromhex(certificaat),
        doelbinding=doelbinding,
        rubrieken=carriers_of(rubrieken) if rubrieken else frozenset(),
        outcome=uitkomst,
    )


@asynccontextmanager
async def keys_must_open() -> AsyncIterator[None]:
    """An answer that lacks a year would be a wrong answer: a key that should open and does not is told as trouble."""
    try:
        yield
    except SealingError:
        raise Refused(
            503,
            "sleutelOpentNiet",
            "Een sleutel van het register gaat niet open; een antwoord zou onvolledig zijn. De operator moet de "
            "registersleutelring nakijken.",
        ) from None


def _shape(found: Found) -> Protocolregels:
    return Protocolregels(
        lezing=found.reading,
        protocolregels=[regel_shape(one) for one in found.regels],
        volgende=found.more,
        vernietigde_jaren=list(found.destroyed_years),
        zonder_afsluiting=found.open_calls,
        uitkomst_onbekend=found.unknown_calls,
        niet_vast_te_stellen=found.unnamed,
    )


def regel_shape(one: protocolregels.Protocolregel) -> Protocolregel:
    """One row of the register as this API tells it."""
    return Protocolregel(
        id=one.id,
        geopend_op=one.opened_at,
        uitkomst=one.outcome,
        oorzaak=one.cause,
        weigering=one.refusal,
        afnemer_id=one.afnemer_id,
        organisatie_oin=one.organisation_oin,
        certificaat_oin=one.certificate_oin,
        certificaat_vingerafdruk=None if one.fingerprint is None else one.fingerprint.hex(),
        taaksysteem=TaaksysteemGenoemd(
            tenant_id=one.taaksysteem_tenant_id,
            taaksysteem_id=one.taaksysteem_id,
            naam=one.taaksysteem_name,
            oin=one.acting_oin,
        ),
        doelbinding=one.doelbinding,
        grondslag=one.grondslag,
        ontvanger=one.ontvanger,
        verwerkingsactiviteit=one.verwerkingsactiviteit,
        api=one.api,
        operatie=one.operation,
        vraagtype=one.question_type,
        zoekrubrieken=one.zoekrubrieken,
        gevraagde_rubrieken=one.rubrieken,
        trace_id=one.trace_id,
        inzage_geweigerd=one.inzage_refused,
        afsluiting=None if one.closing is None else _afsluiting(one.closing),
        inhoud=None if one.contents is None else _inhoud(one.contents),
    )


def _afsluiting(closing: protocolregels.Closing) -> Afsluiting:
    return Afsluiting(
        gesloten_op=closing.closed_at,
        status=closing.status,
        code=closing.code,
        aantal_personen=closing.persons,
        zonder_burgerservicenummer=closing.unidentified,
        antwoord_bytes=closing.answer_bytes,
        duur_microseconden=closing.total_us,
    )


def _inhoud(contents: protocolregels.Contents) -> Inhoud:
    return Inhoud(
        toestand=contents.state,
        opening=None if contents.opening is None else dict(contents.opening),
        afsluiting=None if contents.closing is None else dict(contents.closing),
    )
