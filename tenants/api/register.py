"""Routes of the register: searching it, by the tenant's own auditor, with a reason that is recorded first."""

from typing import cast

from tenants import protocolregels
from tenants.api.problems import Refused
from tenants.api.register_shapes import Afsluiting, Inhoud, Protocolregel, Protocolregels, TaaksysteemGenoemd, Zoekvraag
from tenants.api.routing import Answer, Asked
from tenants.model import Bsn
from tenants.reading import Found, search
from tenants.reading import Zoekvraag as Search
from tenants.sealing import SealingError


async def zoek_protocolregels(asked: Asked) -> Answer:
    """POST: search by person, by period, or both. A POST because a BSN has no place in a URL."""
    wanted = cast("Zoekvraag", asked.body)
    made = Search(
        bsn=None if wanted.burgerservicenummer is None else Bsn(wanted.burgerservicenummer),
        period=None if wanted.periode is None else (wanted.periode.van, wanted.periode.tot),
        contents=wanted.inhoud,
        before=wanted.voor,
        limit=wanted.aantal,
    )
    async with asked.rooms.inzage.acquire() as connection:
        try:
            found = await search(
                connection, asked.rooms.register, asked.tenant_id, made, actor=asked.by.actor, reason=wanted.reden
            )
        except SealingError:
            raise Refused(
                503,
                "sleutelOpentNiet",
                "Een sleutel van het register gaat niet open; een antwoord zou onvolledig zijn. De operator moet de "
                "registersleutelring nakijken.",
            ) from None
    return Answer(200, _shape(found))


def _shape(found: Found) -> Protocolregels:
    return Protocolregels(
        lezing=found.reading,
        protocolregels=[_regel(one) for one in found.regels],
        volgende=found.more,
        vernietigde_jaren=list(found.destroyed_years),
        zonder_afsluiting=found.open_calls,
    )


def _regel(one: protocolregels.Protocolregel) -> Protocolregel:
    return Protocolregel(
        id=one.id,
        geopend_op=one.opened_at,
        uitkomst=one.outcome,
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
