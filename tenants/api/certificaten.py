"""Routes of certificates, from request to roll-back. What is wrong with a certificate is told all at once, in words."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeVar, cast

import asyncpg
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tenants import certificates_life as life
from tenants.api.certificaten_shapes import (
    Activering,
    Certificaat,
    Certificaten,
    CertificatenVraag,
    Intrekking,
    Keten,
    NieuweAanvraag,
    PemPaar,
    Pkcs12,
    Veranderd,
    Waarschuwing,
)
from tenants.api.problems import Refused, fault
from tenants.api.routing import Answer, Asked
from tenants.blokkades import GraceTimeout
from tenants.certificates_checks import Judged, Surroundings, check_certificate
from tenants.certificates_life import CertificateSeen
from tenants.certificates_reading import (
    CertificateRefused,
    Remark,
    Upload,
    public_bytes,
    read_certificates,
    read_pem_pair,
    read_pkcs12,
)
from tenants.certificates_request import Subject, make_request
from tenants.model import Oin
from tenants.revocation.kept import verified_lists
from tenants.versions import hold_version

_TOESTANDEN: Final = {
    "requested": "aangevraagd", "staged": "klaargezet", "active": "actief", "retiring": "uitlopend",
    "retired": "uitgefaseerd", "revoked": "ingetrokken",
}  # fmt: skip
T = TypeVar("T")
_PEM: Final = "application/x-pem-file"


async def toon_certificaten(asked: Asked) -> Answer:
    """GET: a page of the tenant's certificates."""
    query = cast("CertificatenVraag", asked.query)
    async with asked.scope() as connection:
        found = await life.list_certificates(connection, asked.tenant_id, after=query.na, limit=query.aantal + 1)
    shown = found[: query.aantal]
    following = shown[-1].certificate_id if len(found) > len(shown) else None
    return Answer(200, Certificaten(certificaten=[_shape(one) for one in shown], volgende=following))


async def toon_certificaat(asked: Asked) -> Answer:
    """GET: one."""
    async with asked.scope() as connection:
        return await _shown(connection, asked, asked.number())


async def vraag_certificaat_aan(asked: Asked) -> Answer:
    """POST: make a key and a request for it. The key is sealed at once, and forgotten here."""
    wanted = cast("NieuweAanvraag", asked.body)
    names = tuple(wanted.hostnamen or asked.rooms.trust.host_names)
    if not names:
        text = "Noem een hostnaam: de operator heeft er voor dit koppelpunt geen ingesteld."
        raise _refused(CertificateRefused([Remark("hostnaamOntbreekt", text)]), "/hostnamen")
    async with asked.scope() as connection:
        name = await _told(life.organisation_name(connection, asked.tenant_id, wanted.oin), "/oin")
        subject = Subject(wanted.organisatie or name[:64], Oin(wanted.oin), names)
        request = await asyncio.to_thread(make_request, wanted.sleutel, subject)
        number = await life.add_request(connection, asked.tenant_id, asked.rooms.identity, wanted.oin, request)
        return await _made(connection, asked, number)


async def breng_keten_in(asked: Asked) -> Answer:
    """PUT: the issued certificate of a request. It is staged then: only the built-in probe may leave with it."""
    wanted, number = cast("Keten", asked.body), asked.number()
    async with asked.scope() as connection:
        await hold_version(connection, "certificate", asked.tenant_id, number, asked.version)
        request = await life.find_certificate(connection, asked.tenant_id, number)
        if request.state != "requested":
            raise Refused(
                409, "geenAanvraag", "Bij dit nummer hoort geen aanvraag waarop een certificaat gewacht wordt."
            )
        certificates = _read(partial(read_certificates, wanted.certificaten.encode()), "/certificaten")
        own = [one for one in certificates if hashlib.sha256(public_bytes(one)).digest() == request.public_key_hash]
        if not own:
            text = "Geen van de certificaten is uitgegeven op deze aanvraag: de publieke sleutel is een andere."
            raise _refused(CertificateRefused([Remark("sleutelPastNiet", text)]), "/certificaten")
        upload = Upload(certificates)
        judged = await _judge(connection, asked, upload, public_bytes(own[0]), request.oin, "/certificaten")
        await life.complete_request(connection, asked.tenant_id, number, judged)
        return await _shown(connection, asked, number, judged.warnings)


async def breng_pem_in(asked: Asked) -> Answer:
    """POST: a certificate and its key in PEM."""
    wanted = cast("PemPaar", asked.body)
    password = None if wanted.wachtwoord is None else wanted.wachtwoord.encode()
    read = partial(read_pem_pair, wanted.certificaten.encode(), wanted.sleutel.encode(), password)
    return await _import(asked, _read(read, ""), wanted.oin, "/certificaten")


async def breng_pkcs12_in(asked: Asked) -> Answer:
    """POST: a PKCS#12 with its password."""
    wanted = cast("Pkcs12", asked.body)
    password = None if wanted.wachtwoord is None else wanted.wachtwoord.encode()
    return await _import(
        asked, _read(partial(read_pkcs12, wanted.bestand, password), "/bestand"), wanted.oin, "/bestand"
    )


async def activeer(asked: Asked) -> Answer:
    """POST: let aansluitingen leave with it from the next call on. Running calls end over the old one."""
    wanted = cast("Activering", asked.body)
    named = None if wanted.aansluitingen == "alle" else sorted(set(wanted.aansluitingen))

    async def change(connection: asyncpg.Connection) -> list[int]:
        return await life.activate(connection, asked.tenant_id, asked.number(), named, asked.rooms.trust.anchors)

    return await _changed(asked, change)


async def draai_terug(asked: Asked) -> Answer:
    """POST: every aansluiting that uses it gets the certificate back that it had before. One step."""

    async def change(connection: asyncpg.Connection) -> list[int]:
        return await life.roll_back(connection, asked.tenant_id, asked.number())

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
        await _told(life.declare_revoked(connection, asked.tenant_id, number, wanted.reden), "", status=409)
        answer = await _shown(connection, asked, number)
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


async def _import(asked: Asked, upload: Upload, oin: str, pointer: str) -> Answer:
    key = upload.key
    if key is None:
        raise RuntimeError("An import has a key.")
    async with asked.scope() as connection:
        await _told(life.organisation_name(connection, asked.tenant_id, oin), "/oin")
        judged = await _judge(connection, asked, upload, public_bytes(key), oin, pointer)
        key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        number = await life.add_imported(connection, asked.tenant_id, asked.rooms.identity, judged, key_pem)
        return await _made(connection, asked, number, judged.warnings)


async def _judge(
    connection: asyncpg.Connection, asked: Asked, upload: Upload, public_key: bytes, oin: str, pointer: str
) -> Judged:
    trust = asked.rooms.trust
    anchors = [one for those in trust.anchors.values() for one in those]
    now = datetime.now(UTC)
    lists = await verified_lists(connection, (*upload.certificates, *anchors), now)
    around = Surroundings(trust.anchors, now, frozenset(trust.host_names), lists)
    return _read(partial(check_certificate, upload.certificates, public_key, oin, around), pointer)


async def _changed(asked: Asked, change: Callable[[asyncpg.Connection], Awaitable[list[int]]]) -> Answer:
    number = asked.number()
    async with asked.scope() as connection:
        await hold_version(connection, "certificate", asked.tenant_id, number, asked.version)
        numbers = await _told(change(connection), "", status=409)
        seen = await life.find_certificate(connection, asked.tenant_id, number)
    return Answer(200, Veranderd(certificaat=_shape(seen), veranderd=numbers), version=seen.version)


async def _made(connection: asyncpg.Connection, asked: Asked, number: int, warnings: Sequence[Remark] = ()) -> Answer:
    answer = await _shown(connection, asked, number, warnings)
    return Answer(201, answer.body, {"Location": f"/v1/certificaten/{number}"}, version=answer.version)


async def _shown(connection: asyncpg.Connection, asked: Asked, number: int, warnings: Sequence[Remark] = ()) -> Answer:
    seen = await life.find_certificate(connection, asked.tenant_id, number)
    return Answer(200, _shape(seen, warnings), version=seen.version)


async def _told(doing: Awaitable[T], pointer: str, *, status: int = 400) -> T:
    try:
        return await doing
    except CertificateRefused as refused:
        raise _refused(refused, pointer, status) from None


def _read(read: Callable[[], T], pointer: str) -> T:
    try:
        return read()
    except CertificateRefused as refused:
        raise _refused(refused, pointer) from None


def _refused(refused: CertificateRefused, pointer: str, status: int = 400) -> Refused:
    faults = [fault("body", pointer, one.code, one.text) for one in refused.faults]
    text = "Dit kan zo niet met dit certificaat; 'errors' zegt alles wat in de weg staat."
    return Refused(status, "certificaatGeweigerd", text, faults=faults)


def _shape(seen: CertificateSeen, warnings: Sequence[Remark] = ()) -> Certificaat:
    values: Mapping[str, Any] = {
        "nummer": seen.certificate_id,
        "oin": seen.oin,
        "toestand": _TOESTANDEN[seen.state],
        "herkomst": "aanvraag" if seen.made_inside else "ingebracht",
        "vingerafdruk": None if seen.fingerprint is None else seen.fingerprint.hex(),
        "geldig_van": seen.not_before,
        "geldig_tot": seen.not_after,
        "aansluitingen": list(seen.aansluitingen),
        "intrekking": seen.revocation,
        "uitgefaseerd_op": seen.retired_at,
        "sleutel_vernietigd_op": seen.key_destroyed_at,
        "waarschuwingen": [Waarschuwing(code=one.code, tekst=one.text) for one in warnings],
    }
    return Certificaat(**values)
