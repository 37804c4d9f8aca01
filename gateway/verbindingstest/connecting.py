"""The steps of a connection: name, TCP, the server's certificate, and whether it takes the client's.

One connection of its own, made as calls make theirs: the same way, the same TLS context, the same anchors. Nothing is sent
over it but the handshake. When the server's certificate is not trusted, it is looked at once more without showing the
client's, for the words only.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

from aiohttp.abc import ResolveResult
from cryptography import x509
from cryptography.x509.oid import NameOID

from gateway.errors import IdentityUnavailable
from gateway.verbindingstest.reaching import Streams, Target, connect, look_up, looked_up, seen_of, way_of
from gateway.verbindingstest.steps import FRONTDESK, Step, Who, careful, good, skipped, word_of, wrong
from tenants.certificates_reading import UNREADABLE

_PATIENCE = 0.6
_SOON_DAYS = 30
_UNTRUSTED: dict[int, tuple[Who, str]] = {
    # By OpenSSL's X509_V_ERR_ codes.
    9: ("rvig", "Het certificaat van de server is nog niet geldig. " + FRONTDESK),
    10: ("rvig", "Het certificaat van de server is verlopen. " + FRONTDESK),
    62: ("rvig", "Het certificaat van de server hoort bij een andere naam. " + FRONTDESK),
}
_UNKNOWN_ISSUER = (
    "Het certificaat van de server leidt niet naar de vertrouwde stamcertificaten van deze omgeving. De operator "
    "controleert trust_anchors_file in de catalogus, en of er onderweg TLS wordt onderbroken."
)
_REFUSED_CLIENT: dict[str, tuple[Who, str]] = {
    # By OpenSSL's names of TLS alerts (RFC 8446 section 6.2).
    "CERTIFICATE_REVOKED": ("leverancier", "De server zegt dat het clientcertificaat is ingetrokken; vraag een nieuw aan."),
    "CERTIFICATE_EXPIRED": ("leverancier", "De server zegt dat het clientcertificaat is verlopen; vraag een nieuw aan."),
    "UNKNOWN_CA": ("rvig", "De server vertrouwt de uitgever van het clientcertificaat niet. " + FRONTDESK),
    "CERTIFICATE_REQUIRED": ("operator", "De server kreeg geen clientcertificaat; er zit iets tussen dat TLS onderbreekt."),
    "BAD_CERTIFICATE": ("rvig", "De server weigert het clientcertificaat. Is het bij RvIG aangemeld? " + FRONTDESK),
    "CERTIFICATE_UNKNOWN": ("rvig", "De server kent het clientcertificaat niet. Is het bij RvIG aangemeld? " + FRONTDESK),
    "UNSUPPORTED_CERTIFICATE": ("leverancier", "De server kan met deze soort clientcertificaat niets."),
    "ACCESS_DENIED": ("rvig", "De server laat dit clientcertificaat niet toe. " + FRONTDESK),
    "DECRYPT_ERROR": ("operator", "De server kan de handtekening van het clientcertificaat niet controleren."),
}  # fmt: skip


async def connect_in_steps(target: Target) -> AsyncGenerator[Step, None]:
    """The four steps of one server, those after a fault skipped."""
    addresses: list[ResolveResult] = []
    try:
        addresses = await look_up(target)
        shown = [one["host"] for one in addresses]
        yield good(
            "naam",
            f"{looked_up(target)} is {', '.join(shown[:4])} ({way_of(target)}).",
            **seen_of(target, adressen=shown[:20]),
        )
    except (OSError, TimeoutError):
        detail = (
            f"{looked_up(target)} is niet te vinden ({way_of(target)}). De operator controleert resolver en adressen."
        )
        yield wrong("naam", "operator", detail, **seen_of(target))
        for name in ("tcp", "servercertificaat", "clientcertificaat"):
            yield skipped(name, host=target.host)
        return
    made: Streams | None = None
    try:
        made, step = await connect(target, addresses)
        yield step
        if made is None:
            yield skipped("servercertificaat", host=target.host)
            yield skipped("clientcertificaat", host=target.host)
            return
        for step in await _shake_hands(target, addresses, made):
            yield step
    finally:
        if made is not None:
            made[1].transport.abort()


async def _shake_hands(target: Target, addresses: list[ResolveResult], made: Streams) -> list[Step]:
    if target.anchors_pem is None:
        detail = (
            "Voor deze omgeving zijn geen vertrouwde stamcertificaten ingesteld (trust_anchors_file in de catalogus)."
        )
        return [
            wrong("servercertificaat", "operator", detail, **seen_of(target)),
            skipped("clientcertificaat", host=target.host),
        ]
    reader, writer = made
    context = target.context or _without_client(target.anchors_pem)
    try:
        await writer.start_tls(context, server_hostname=target.host, ssl_handshake_timeout=target.seconds)
    except ssl.SSLCertVerificationError as error:
        who, detail = _UNTRUSTED.get(error.verify_code, ("operator", _UNKNOWN_ISSUER))
        seen = await _peek(target, addresses)
        return [
            wrong("servercertificaat", who, detail, **seen_of(target, openssl=error.verify_code, **seen)),
            skipped("clientcertificaat", host=target.host),
        ]
    except ssl.SSLError as error:
        return _refused_in_handshake(target, error)
    except (OSError, TimeoutError):
        detail = "De server verbrak de verbinding of zweeg tijdens de TLS-handshake. De operator controleert of er onderweg iets tussen zit."
        return [
            wrong("servercertificaat", "operator", detail, **seen_of(target)),
            skipped("clientcertificaat", host=target.host),
        ]
    server = _server_step(target, writer)
    if target.trouble is not None:
        return [server, _trouble_step(target, target.trouble)]
    return [server, await _client_step(target, reader)]


def _server_step(target: Target, writer: asyncio.StreamWriter) -> Step:
    tls = writer.get_extra_info("ssl_object")
    facts = _facts(tls.getpeercert(True))
    cipher = tls.cipher()
    seen = seen_of(target, tls=tls.version(), suite=cipher[0] if cipher else None, **facts)
    days = facts.get("dagen", _SOON_DAYS)
    words = f"{tls.version()}, {seen['suite']}; geldig tot {str(facts.get('geldigTot', '?'))[:10]}, voor {target.host}"
    if days < _SOON_DAYS:
        return careful(
            "servercertificaat", "rvig", f"Vertrouwd, maar het verloopt over {days} dagen ({words}).", **seen
        )
    return good("servercertificaat", f"Vertrouwd ({words}).", **seen)


async def _client_step(target: Target, reader: asyncio.StreamReader) -> Step:
    """In TLS 1.3 a server says after the handshake that it does not take the certificate; so wait a moment for that."""
    try:
        async with asyncio.timeout(_PATIENCE):
            said = await reader.read(1)
    except TimeoutError:
        return good(
            "clientcertificaat", "De server nam de verbinding met het clientcertificaat aan.", **seen_of(target)
        )
    except ssl.SSLError as error:
        return _refused_client(target, error)
    except OSError:
        said = b""
    if said:
        return good(
            "clientcertificaat", "De server nam de verbinding met het clientcertificaat aan.", **seen_of(target)
        )
    detail = (
        "De server sloot de verbinding meteen na de handshake: waarschijnlijk neemt hij het clientcertificaat niet aan. "
        + FRONTDESK
    )
    return wrong("clientcertificaat", "rvig", detail, **seen_of(target))


def _refused_in_handshake(target: Target, error: ssl.SSLError) -> list[Step]:
    if _alert(error) is None:
        detail = "De TLS-handshake mislukte voordat er een certificaat was: geen gemeenschappelijke versie of suite, of iets anders dan TLS."
        return [
            wrong("servercertificaat", "operator", detail, **seen_of(target, openssl=word_of(error.reason))),
            skipped("clientcertificaat", host=target.host),
        ]
    # In TLS 1.2 the server looks at our certificate after we have accepted its own.
    server = good("servercertificaat", "Vertrouwd; de server brak de handshake daarna af.", **seen_of(target))
    if target.trouble is not None:
        return [server, _trouble_step(target, target.trouble)]
    return [server, _refused_client(target, error)]


def _refused_client(target: Target, error: ssl.SSLError) -> Step:
    who, detail = _REFUSED_CLIENT[_alert(error) or "BAD_CERTIFICATE"]
    return wrong("clientcertificaat", who, detail, **seen_of(target, openssl=word_of(error.reason)))


def _alert(error: ssl.SSLError) -> str | None:
    reason = error.reason or ""
    found = [name for name in _REFUSED_CLIENT if reason.endswith("ALERT_" + name)]
    if not found and reason.endswith("ALERT_HANDSHAKE_FAILURE"):
        return "BAD_CERTIFICATE"
    return found[0] if found else None


def _trouble_step(target: Target, trouble: IdentityUnavailable) -> Step:
    who: Who = {"certificaatVerlopen": "leverancier", "certificaatNietActief": "tenant"}.get(trouble.code, "operator")  # type: ignore[assignment]
    return wrong("clientcertificaat", who, trouble.detail, **seen_of(target, code=trouble.code))


async def _peek(target: Target, addresses: list[ResolveResult]) -> dict[str, Any]:
    """The facts of a certificate that is not trusted. Nothing is shown to the server, and nothing believed of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    made: Streams | None = None
    with contextlib.suppress(OSError, TimeoutError):
        made, _ = await connect(target, addresses)
    if made is None:
        return {}
    try:
        await made[1].start_tls(context, server_hostname=target.host, ssl_handshake_timeout=target.seconds)
        return _facts(made[1].get_extra_info("ssl_object").getpeercert(True))
    except (OSError, TimeoutError):
        return {}
    finally:
        made[1].transport.abort()


def _facts(der: bytes | None) -> dict[str, Any]:
    if der is None:
        return {}
    try:
        leaf = x509.load_der_x509_certificate(der)
        ends = leaf.not_valid_after_utc
        try:
            names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
                x509.DNSName
            )
        except x509.ExtensionNotFound:
            names = []
        subject, issuer = leaf.subject, leaf.issuer
    except UNREADABLE:
        return {}
    return {
        "onderwerp": _common_name(subject),
        "uitgever": _common_name(issuer),
        "namen": [word for word in map(word_of, names[:20]) if word],
        "geldigTot": ends.isoformat(),
        "dagen": (ends - datetime.now(UTC)).days,
    }


def _common_name(name: x509.Name) -> str | None:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return word_of(found[0].value) if found else None


def _without_client(anchors_pem: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=anchors_pem)
    return context
