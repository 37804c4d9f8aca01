"""Routes by which a certificate comes in: a request with a key made inside, its answer, or a file with a key.

Whatever work a file asks for is done elsewhere (`tenants.certificates_opening`), and while no connection is held.
"""

import hashlib
from collections.abc import Awaitable
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar, cast

import asyncpg
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tenants import certificates_life as life
from tenants.api.certificaten_answers import read, refusal, show, show_made, told
from tenants.api.certificaten_shapes import Keten, NieuweAanvraag, PemPaar, Pkcs12
from tenants.api.problems import Refused
from tenants.api.routing import Answer, Asked
from tenants.certificates_checks import Judged, Surroundings, check_certificate
from tenants.certificates_opening import OpeningBusy
from tenants.certificates_reading import CertificateRefused, Remark, Upload, public_bytes, read_certificates
from tenants.certificates_request import Subject
from tenants.model import Oin
from tenants.revocation.kept import verified_lists
from tenants.versions import hold_version

T = TypeVar("T")


async def vraag_certificaat_aan(asked: Asked) -> Answer:
    """POST: make a key and a request for it. The key is sealed at once, and forgotten here."""
    wanted = cast("NieuweAanvraag", asked.body)
    names = tuple(wanted.hostnamen or asked.rooms.trust.host_names)
    if not names:
        text = "Noem een hostnaam: de operator heeft er voor dit koppelpunt geen ingesteld."
        raise refusal(CertificateRefused([Remark("hostnaamOntbreekt", text)]), "/hostnamen")
    async with asked.scope() as connection:
        name = await told(life.organisation_name(connection, asked.tenant_id, wanted.oin), "/oin")
        await told(life.must_have_room(connection, asked.tenant_id), "", status=409)
    subject = Subject(wanted.organisatie or name[:64], Oin(wanted.oin), names)
    request = await _in_turn(asked.rooms.opening.make_request(asked.tenant_id, wanted.sleutel, subject))
    async with asked.scope() as connection:
        adding = life.add_request(connection, asked.tenant_id, asked.rooms.identity, wanted.oin, request)
        return await show_made(connection, asked, await told(adding, "", status=409))


async def breng_keten_in(asked: Asked) -> Answer:
    """PUT: the issued certificate of a request. It is staged then: only the built-in probe may leave with it."""
    wanted, number = cast("Keten", asked.body), asked.number()
    certificates = read(partial(read_certificates, wanted.certificaten.encode()), "/certificaten")
    async with asked.scope() as connection:
        await hold_version(connection, "certificate", asked.tenant_id, number, asked.version)
        request = await life.find_certificate(connection, asked.tenant_id, number)
        if request.state != "requested":
            raise Refused(
                409, "geenAanvraag", "Bij dit nummer hoort geen aanvraag waarop een certificaat gewacht wordt."
            )
        own = [one for one in certificates if hashlib.sha256(public_bytes(one)).digest() == request.public_key_hash]
        if not own:
            text = "Geen van de certificaten is uitgegeven op deze aanvraag: de publieke sleutel is een andere."
            raise refusal(CertificateRefused([Remark("sleutelPastNiet", text)]), "/certificaten")
        upload = Upload(certificates)
        judged = await _judge(connection, asked, upload, public_bytes(own[0]), request.oin, "/certificaten")
        await life.complete_request(connection, asked.tenant_id, number, judged)
        return await show(connection, asked, number, judged.warnings)


async def breng_pem_in(asked: Asked) -> Answer:
    """POST: a certificate and its key in PEM."""
    wanted = cast("PemPaar", asked.body)
    opening = asked.rooms.opening.open_pem(
        asked.tenant_id, wanted.certificaten.encode(), wanted.sleutel.encode(), _password(wanted.wachtwoord)
    )
    return await _import(asked, await _in_turn(told(opening, "")), wanted.oin, "/certificaten")


async def breng_pkcs12_in(asked: Asked) -> Answer:
    """POST: a PKCS#12 with its password."""
    wanted = cast("Pkcs12", asked.body)
    opening = asked.rooms.opening.open_pkcs12(asked.tenant_id, wanted.bestand, _password(wanted.wachtwoord))
    return await _import(asked, await _in_turn(told(opening, "/bestand")), wanted.oin, "/bestand")


async def _in_turn(doing: Awaitable[T]) -> T:
    try:
        return await doing
    except OpeningBusy:
        text = "Er wordt al een sleutel gemaakt of een bestand geopend; probeer het zo weer."
        raise Refused(503, "sleutelwerkLoopt", text, headers={"Retry-After": "5"}) from None


def _password(given: str | None) -> bytes | None:
    return None if given is None else given.encode()


async def _import(asked: Asked, upload: Upload, oin: str, pointer: str) -> Answer:
    key = upload.key
    if key is None:
        raise RuntimeError("An import has a key.")
    async with asked.scope() as connection:
        await told(life.organisation_name(connection, asked.tenant_id, oin), "/oin")
        judged = await _judge(connection, asked, upload, public_bytes(key), oin, pointer)
        key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        number = await life.add_imported(connection, asked.tenant_id, asked.rooms.identity, judged, key_pem)
        return await show_made(connection, asked, number, judged.warnings)


async def _judge(
    connection: asyncpg.Connection, asked: Asked, upload: Upload, public_key: bytes, oin: str, pointer: str
) -> Judged:
    trust = asked.rooms.trust
    anchors = [one for those in trust.anchors.values() for one in those]
    now = datetime.now(UTC)
    lists = await verified_lists(connection, (*upload.certificates, *anchors), now)
    around = Surroundings(trust.anchors, now, frozenset(trust.host_names), lists)
    return read(partial(check_certificate, upload.certificates, public_key, oin, around), pointer)
