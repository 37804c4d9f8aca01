"""From where a call really came, and with which certificate: the connection's own word, or a trusted proxy's.

Owns what a TLS-terminating ingress may say for a caller: `Client-Cert` and `Client-Cert-Chain` (RFC 9440), and the one
header for the source (`X-Forwarded-For`, or `Forwarded`, RFC 7239). Only a connection from a configured proxy address
is believed; from everyone else the certificate headers are taken away unread. Over a connection from a proxy the
connection's own certificate is the proxy's, so it never counts as the caller's.

A trusted proxy must itself remove these headers from what it receives (RFC 9440, 4; RFC 7239, 8.1): it speaks for its
callers, and nobody can tell its words from theirs. Raises Malformed for words that cannot be read.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final

from gateway.errors import Malformed
from gateway.presented import ClientCertificates, PresentedCertificate

Network = IPv4Network | IPv6Network

CERTIFICATE: Final = "client-cert"
CHAIN: Final = "client-cert-chain"
_MOST_IN_CHAIN: Final = 6
_MOST_HOPS: Final = 32
_MOST_KNOWN: Final = 4096
# RFC 8941, 3.3.5: a byte sequence is base64 between colons. Parameters mean nothing here and are not accepted.
_BYTES: Final = re.compile(r":([A-Za-z0-9+/]+={0,2}):", re.ASCII)
# One element of Forwarded; quoted strings may hold commas and semicolons (RFC 7239, 4).
_ELEMENT: Final = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*+")++')
_ELEMENTS: Final = re.compile(r'(?:[^"]|"(?:[^"\\]|\\.)*+")*+')
_FOR: Final = re.compile(r'(?:^|;)\s*for\s*=\s*("(?:[^"\\]|\\.)*"|[^";,\s]+)\s*(?=;|$)', re.IGNORECASE)
_NODE: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?|([0-9.]+)(?::[0-9]{1,5})?|([0-9A-Fa-f:.]+)", re.ASCII)


@dataclass(slots=True)
class Arrivals:
    """Reads arrivals. `header` is the one that the proxies write the source into: the other is never looked at.

    `certificates` is None where the operator named no anchors for callers: then nobody presents anything.
    """

    proxies: tuple[Network, ...] = ()
    header: str = "x-forwarded-for"
    certificates: ClientCertificates | None = None
    _known: dict[str, bool] = field(default_factory=dict, repr=False)

    def read(self, scope: Mapping[str, Any], headers: dict[str, str]) -> tuple[str, PresentedCertificate | None]:
        """Return the source and the certificate; `headers` lose the certificate headers. Raises as the module says."""
        leaf, chain = headers.pop(CERTIFICATE, None), headers.pop(CHAIN, None)
        client = scope.get("client")
        peer = "" if client is None else client[0]
        if self.proxies and self._is_proxy(peer):
            source = self._source_behind(peer, headers.get(self.header))
            if self.certificates is None or (leaf is None and chain is None):
                return source, None
            return source, self.certificates.verify(*read_client_cert(leaf, chain))
        if self.certificates is None:
            return peer, None
        presented = scope.get("extensions", {}).get("tls", {}).get("client_cert_chain")
        return peer, self.certificates.read_verified(*presented) if presented else None

    def _is_proxy(self, peer: str) -> bool:
        known = self._known.get(peer)
        if known is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            known = self._known[peer] = is_within(peer, self.proxies)
        return known

    def _source_behind(self, peer: str, value: str | None) -> str:
        """The last address that is no proxy of ours, read from the right: whatever stands left of it is hearsay."""
        if value is None:
            return peer
        hops = read_forwarded(value) if self.header == "forwarded" else [hop.strip() for hop in value.split(",")]
        source = peer
        for hop in reversed(hops[-_MOST_HOPS:]):
            address = read_node(hop)
            if address is None:
                break
            source = address
            if not self._is_proxy(address):
                break
        return source


def is_within(address: str, networks: tuple[Network, ...]) -> bool:
    """Whether an address lies in one of the networks. An IPv4 address in an IPv6 one is the IPv4 address."""
    try:
        read = ip_address(address)
    except ValueError:
        return False
    if isinstance(read, IPv6Address) and read.ipv4_mapped is not None:
        read = read.ipv4_mapped
    return any(read.version == network.version and read in network for network in networks)


def read_client_cert(leaf: str | None, chain: str | None) -> tuple[bytes, tuple[bytes, ...]]:
    """Read both headers as DER. Raises Malformed, also for a chain without a leaf."""
    between = [] if chain is None else [part.strip() for part in chain.split(",")]
    if leaf is None or len(between) > _MOST_IN_CHAIN:
        raise _unreadable()
    return _read_bytes(leaf.strip()), tuple(_read_bytes(part) for part in between)


def read_forwarded(value: str) -> list[str]:
    """The `for` of each element, in order; '' for an element without one. Nothing where a quotation does not end.

    A caller could otherwise open one that swallows what the proxy adds.
    """
    if not _ELEMENTS.fullmatch(value):
        return []
    found = (_FOR.search(element.strip()) for element in _ELEMENT.findall(value))
    return ["" if one is None else one.group(1).strip('"').replace("\\", "") for one in found]


def read_node(text: str) -> str | None:
    """The address of a node, its port left out; None for a name, an obfuscated one, or anything else."""
    found = _NODE.fullmatch(text.strip())
    if found is None:
        return None
    try:
        return str(ip_address(next(group for group in found.groups() if group)))
    except ValueError:
        return None


def _read_bytes(text: str) -> bytes:
    found = _BYTES.fullmatch(text)
    if found is None:
        raise _unreadable()
    try:
        return base64.b64decode(found.group(1), validate=True)
    except binascii.Error:
        raise _unreadable() from None


def _unreadable() -> Malformed:
    return Malformed("clientCertOngeldig", "Client-Cert of Client-Cert-Chain is niet zoals RFC 9440 het voorschrijft.")
