"""The steps of the connection: name, TCP, the server's certificate, and whether it takes the client's.

One connection of its own, made as calls make theirs: the same way, the same TLS context, the same anchors. Nothing is sent
over it but the handshake. When the server's certificate is not trusted, it is looked at once more without showing the
client's, for the words only.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp.abc import ResolveResult
from cryptography import x509
from cryptography.x509.oid import NameOID
from yarl import URL

from gateway.errors import IdentityUnavailable
from gateway.verbindingstest.steps import FRONTDESK, Step, Who, careful, good, skipped, word_of, wrong
from gateway.wire.routes import Way
from tenants.certificates_reading import UNREADABLE

_PATIENCE = 0.6
_SOON_DAYS = 30
_MOST_HEAD = 16 * 1024

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


@dataclass(frozen=True, slots=True)
class Target:
    """One server, and how it is reached. `context` is the identity's; None when there is none, `trouble` says why."""

    host: str
    port: int
    way: Way
    seconds: float
    anchors_pem: str | None
    context: ssl.SSLContext | None
    trouble: IdentityUnavailable | None = None


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect_in_steps(target: Target) -> AsyncGenerator[Step, None]:
    """The four steps of one server, those after a fault skipped."""
    addresses: list[ResolveResult] = []
    try:
        addresses = await _look_up(target)
        shown = [one["host"] for one in addresses]
        yield good(
            "naam",
            f"{_looked_up(target)} is {', '.join(shown[:4])} ({_way(target)}).",
            **_seen(target, adressen=shown[:20]),
        )
    except (OSError, TimeoutError):
        detail = (
            f"{_looked_up(target)} is niet te vinden ({_way(target)}). De operator controleert resolver en adressen."
        )
        yield wrong("naam", "operator", detail, **_seen(target))
        for name in ("tcp", "servercertificaat", "clientcertificaat"):
            yield skipped(name, host=target.host)
        return
    made: Streams | None = None
    try:
        made, step = await _connect(target, addresses)
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


async def _look_up(target: Target) -> list[ResolveResult]:
    host, port = _own_place(target)
    async with asyncio.timeout(target.seconds):
        with contextlib.suppress(OSError):
            # An address is no name; nobody is asked.
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
            )
            return [_result(host, port, one) for one in found]
        if target.way.resolver is not None:
            return await target.way.resolver.resolve(host, port, family=socket.AddressFamily.AF_UNSPEC)
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [_result(host, port, one) for one in found]


async def _connect(target: Target, addresses: list[ResolveResult]) -> tuple[Streams | None, Step]:
    local = None if target.way.source is None else (target.way.source, 0)
    _, port = _own_place(target)
    trouble = "geenVerbinding"
    for one in addresses[:4]:
        try:
            async with asyncio.timeout(target.seconds):
                made = await asyncio.open_connection(one["host"], port, local_addr=local)
        except TimeoutError:
            trouble = "verbindingTeLaat"
            continue
        except OSError:
            continue
        refusal = None if target.way.proxy is None else await _through_proxy(target, made)
        if refusal is not None:
            made[1].transport.abort()
            return None, refusal
        own, peer = made[1].get_extra_info("sockname"), made[1].get_extra_info("peername")
        through = "" if target.way.proxy is None else f", door proxy {target.way.proxy.host}"
        detail = f"Verbonden met {peer[0]} poort {peer[1]} vanaf {own[0]}{through}."
        return made, good("tcp", detail, **_seen(target, adres=peer[0], bronadres=own[0]))
    detail = (
        f"Geen van de adressen neemt een verbinding aan op poort {port} ({_way(target)}). De operator controleert route en "
        "firewall; op DigiNetwerk moet het bronadres bij RvIG bekend zijn."
    )
    return None, wrong("tcp", "operator", detail, **_seen(target, reden=trouble))


async def _through_proxy(target: Target, made: Streams) -> Step | None:
    """Ask the proxy for the way on; what it says against it, or None."""
    reader, writer = made
    place = f"{target.host}:{target.port}"
    head = {"Host": place, **target.way.proxy_headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    writer.write(f"CONNECT {place} HTTP/1.1\r\n{lines}\r\n".encode("latin-1"))
    status = None
    with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
        async with asyncio.timeout(target.seconds):
            answer = await reader.readuntil(b"\r\n\r\n")
        status = int(answer[:_MOST_HEAD].split(b" ", 2)[1])
    if status == 200:
        return None
    asks = " De proxy vraagt om aanmelden: proxy_credentials_file." if status == 407 else ""
    detail = f"De proxy geeft geen weg naar {place}.{asks} De operator controleert de proxy."
    return wrong("tcp", "operator", detail, **_seen(target, statusVanProxy=status))


async def _shake_hands(target: Target, addresses: list[ResolveResult], made: Streams) -> list[Step]:
    if target.anchors_pem is None:
        detail = (
            "Voor deze omgeving zijn geen vertrouwde stamcertificaten ingesteld (trust_anchors_file in de catalogus)."
        )
        return [
            wrong("servercertificaat", "operator", detail, **_seen(target)),
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
            wrong("servercertificaat", who, detail, **_seen(target, openssl=error.verify_code, **seen)),
            skipped("clientcertificaat", host=target.host),
        ]
    except ssl.SSLError as error:
        return _refused_in_handshake(target, error)
    except (OSError, TimeoutError):
        detail = "De server verbrak de verbinding of zweeg tijdens de TLS-handshake. De operator controleert of er onderweg iets tussen zit."
        return [
            wrong("servercertificaat", "operator", detail, **_seen(target)),
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
    seen = _seen(target, tls=tls.version(), suite=cipher[0] if cipher else None, **facts)
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
        return good("clientcertificaat", "De server nam de verbinding met het clientcertificaat aan.", **_seen(target))
    except ssl.SSLError as error:
        return _refused_client(target, error)
    except OSError:
        said = b""
    if said:
        return good("clientcertificaat", "De server nam de verbinding met het clientcertificaat aan.", **_seen(target))
    detail = (
        "De server sloot de verbinding meteen na de handshake: waarschijnlijk neemt hij het clientcertificaat niet aan. "
        + FRONTDESK
    )
    return wrong("clientcertificaat", "rvig", detail, **_seen(target))


def _refused_in_handshake(target: Target, error: ssl.SSLError) -> list[Step]:
    if _alert(error) is None:
        detail = "De TLS-handshake mislukte voordat er een certificaat was: geen gemeenschappelijke versie of suite, of iets anders dan TLS."
        return [
            wrong("servercertificaat", "operator", detail, **_seen(target, openssl=word_of(error.reason))),
            skipped("clientcertificaat", host=target.host),
        ]
    # In TLS 1.2 the server looks at our certificate after we have accepted its own.
    server = good("servercertificaat", "Vertrouwd; de server brak de handshake daarna af.", **_seen(target))
    if target.trouble is not None:
        return [server, _trouble_step(target, target.trouble)]
    return [server, _refused_client(target, error)]


def _refused_client(target: Target, error: ssl.SSLError) -> Step:
    who, detail = _REFUSED_CLIENT[_alert(error) or "BAD_CERTIFICATE"]
    return wrong("clientcertificaat", who, detail, **_seen(target, openssl=word_of(error.reason)))


def _alert(error: ssl.SSLError) -> str | None:
    reason = error.reason or ""
    found = [name for name in _REFUSED_CLIENT if reason.endswith("ALERT_" + name)]
    if not found and reason.endswith("ALERT_HANDSHAKE_FAILURE"):
        return "BAD_CERTIFICATE"
    return found[0] if found else None


def _trouble_step(target: Target, trouble: IdentityUnavailable) -> Step:
    who: Who = {"certificaatVerlopen": "leverancier", "certificaatNietActief": "tenant"}.get(trouble.code, "operator")  # type: ignore[assignment]
    return wrong("clientcertificaat", who, trouble.detail, **_seen(target, code=trouble.code))


async def _peek(target: Target, addresses: list[ResolveResult]) -> dict[str, Any]:
    """The facts of a certificate that is not trusted. Nothing is shown to the server, and nothing believed of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    made: Streams | None = None
    with contextlib.suppress(OSError, TimeoutError):
        made, _ = await _connect(target, addresses)
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


def _own_place(target: Target) -> tuple[str, int]:
    """Where the connection itself goes: to the proxy when there is one."""
    proxy = target.way.proxy
    return (target.host, target.port) if proxy is None else (proxy.host or "", proxy.port or 80)


def _looked_up(target: Target) -> str:
    return target.host if target.way.proxy is None else f"De proxy {target.way.proxy.host}"


def _way(target: Target) -> str:
    return target.way.words(target.host)


def _seen(target: Target, **more: Any) -> dict[str, Any]:
    return {
        "host": target.host,
        "route": _way(target),
        **{name: value for name, value in more.items() if value is not None},
    }


def _result(host: str, port: int, info: Any) -> ResolveResult:
    return ResolveResult(hostname=host, host=info[4][0], port=port, family=info[0], proto=0, flags=0)


def place_of(url: str) -> tuple[str, int]:
    """Host and port of a URL."""
    read = URL(url)
    return read.host or "", read.port or 443
