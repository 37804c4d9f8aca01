"""The certificate of a caller's TLS connection, put into the ASGI scope as the ASGI TLS extension says it.

Hypercorn 0.18 leaves it out (its issue 62). The one place that needs it wraps the application once per connection; an
application on any other server that knows the extension gets the same. What the extension holds was verified by
OpenSSL against the listener's anchors during the handshake: a certificate that does not lead to one never gets here.

Source: ASGI TLS extension, version 0.2. The chain is the one that OpenSSL verified, from the leaf up to the anchor: before
Python 3.13 there is no public way to it, so the private one is used, pinned by a test.
"""

import ssl
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from cryptography import x509

from tenants.certificates_reading import UNREADABLE

Application = Callable[[Any, Any, Any], Awaitable[None]]

_DER: Final = 2
_VERSIONS: Final = {"TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}


def tls_extension(ssl_object: ssl.SSLObject | ssl.SSLSocket | None) -> dict[str, Any] | None:
    """Return the extension's value for a connection after its handshake; None for one without TLS."""
    if ssl_object is None:
        return None
    leaf = ssl_object.getpeercert(binary_form=True)
    return {
        "server_cert": None,
        "client_cert_chain": tuple(ssl.DER_cert_to_PEM_cert(one) for one in _chain_of(ssl_object, leaf)),
        "client_cert_name": None if leaf is None else _name_of(leaf),
        "client_cert_error": None,
        "tls_version": _VERSIONS.get(ssl_object.version() or ""),
        "cipher_suite": None,
    }


def with_tls(application: Application, extension: dict[str, Any] | None) -> Application:
    """Return the application with the extension in every scope of its connection; itself where there is none."""
    if extension is None:
        return application

    async def with_extension(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        scope.setdefault("extensions", {})["tls"] = dict(extension)
        await application(scope, receive, send)

    return with_extension


def _chain_of(ssl_object: Any, leaf: bytes | None) -> tuple[bytes, ...]:
    if leaf is None:
        return ()
    inner = getattr(ssl_object, "_sslobj", None)
    read = getattr(inner, "get_verified_chain", None)
    # Without the chain nothing is known of revocation, which is refused where it matters.
    return (leaf,) if read is None else tuple(one.public_bytes(_DER) for one in read() or ())


def _name_of(leaf: bytes) -> str | None:
    """The subject as RFC 4514 writes it; None for one that cannot be read."""
    try:
        return x509.load_der_x509_certificate(leaf).subject.rfc4514_string()
    except UNREADABLE:
        return None
