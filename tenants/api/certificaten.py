"""Routes of certificates that are there: shown, activated, rolled back, ended. How one comes in: `certificaten_inbrengen`."""

from collections.abc import Awaitable, Callable
from typing import Final, cast

import asyncpg

from tenants import certificates_life as life
from tenants.api.certificaten_answers import host_names, shape, show, told
from tenants.api.certificaten_shapes import Activering, Certificaten, CertificatenVraag, Intrekking, Veranderd
from tenants.api.problems import Refused
from tenants.api.routing import Answer, Asked
from tenants.blokkades import GraceTimeout
from tenants.certificates_activating import Activation, activate, roll_back
from tenants.certificates_life import CertificateSeen
from tenants.versions import hold_version

_PEM: Final = "application/x-pem-file"


async def toon_certificaten(asked: Asked) -> Answer:
    """GET: a page of the tenant's certificates."""
    query = cast("CertificatenVraag", asked.query)
    async with asked.scope() as connection:
        found = await life.list_certificates(connection, asked.tenant_id, after=query.na, limit=query.aantal + 1)
    shown = found[: query.aantal]
    following = shown[-1].certificate_id if len(found) > len(shown) else None
    return Answer(200, Certificaten(certificaten=[shape(one, host_names(asked)) for one in shown], volgende=following))


async def toon_certificaat(asked: Asked) -> Answer:
    """GET: one."""
    async with asked.scope() as connection:
        return await show(connection, asked, asked.number())


async def activeer(asked: Asked) -> Answer:
    """POST: let aansluitingen leave with it from the next call on. Running calls end over the old one."""
    wanted = cast("Activering", asked.body)
    named = None if wanted.aansluitingen == "alle" else sorted(set(wanted.aansluitingen))

    async def change(connection: asyncpg.Connection) -> list[int]:
        wish = Activation(asked.number(), named, wanted.reden)
        return await activate(connection, asked.tenant_id, wish, asked.rooms.trust)

    return await _changed(asked, change)


async def draai_terug(asked: Asked) -> Answer:
    """POST: every aansluiting that uses it gets the certificate back that it had before. One step."""

    async def change(connection: asyncpg.Connection) -> list[int]:
        return await roll_back(connection, asked.tenant_id, asked.number())

    return await _changed(asked, change)


async def faseer_uit(asked: Asked) -> Answer:
    """POST: end one that nothing uses. Its key is destroyed thirty days later."""

    async def change(connection: asyncpg.Connection) -> list[int]:
        await life.retire(connection, asked.tenant_id, asked.number())
        return []

    return await _changed(asked, change)


async def trek_in(asked: Asked) -> Answer:
    """POST: by the tenant's own word nothing leaves with it any more. Answered when that is so on every replica."""
    wanted, number = cast("Intrekking", asked.body), asked.number()
    async with asked.scope() as connection:
        await hold_version(connection, "certificate", asked.tenant_id, number, asked.version)
        await told(life.declare_revoked(connection, asked.tenant_id, number, wanted.reden), "", status=409)
        answer = await show(connection, asked, number)
    try:
        await asked.rooms.wait_until_closed()
    except GraceTimeout:
        text = (
            "Het certificaat is ingetrokken en dient geen bevraging die nu begint. Een schrijftransactie van daarvoor "
            "is nog niet geëindigd; daaruit kan nog een bevraging vertrekken."
        )
        raise Refused(503, "intrekkingNogNietGesloten", text, headers={"Retry-After": "1"}) from None
    return answer


async def download_csr(asked: Asked) -> Answer:
    """GET: the request, to take to the supplier."""
    return await _download(asked, lambda seen: seen.csr_pem)


async def download_keten(asked: Asked) -> Answer:
    """GET: the certificate with its chain."""
    return await _download(asked, lambda seen: seen.chain_pem)


async def _download(asked: Asked, which: Callable[[CertificateSeen], str | None]) -> Answer:
    async with asked.scope() as connection:
        text = which(await life.find_certificate(connection, asked.tenant_id, asked.number()))
    if text is None:
        raise Refused(404, "nietGevonden", "Dit certificaat heeft dat niet.")
    return Answer(200, text.encode(), media_type=_PEM)


async def _changed(asked: Asked, change: Callable[[asyncpg.Connection], Awaitable[list[int]]]) -> Answer:
    number = asked.number()
    async with asked.scope() as connection:
        await hold_version(connection, "certificate", asked.tenant_id, number, asked.version)
        numbers = await told(change(connection), "", status=409)
        seen = await life.find_certificate(connection, asked.tenant_id, number)
    return Answer(200, Veranderd(certificaat=shape(seen, host_names(asked)), veranderd=numbers), version=seen.version)
