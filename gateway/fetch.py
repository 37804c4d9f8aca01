"""Every outbound fetch that is not RvIG goes through here: key sets of IDPs now; CRLs, checkpoints, webhooks later.

Owns the operator's list of hosts and the check of addresses. What a tenant may write in the registry (the URL of its
IDP's keys) must never make the gateway speak to something inside: so only https, only hosts that the operator listed,
only addresses that are public or listed, checked on the very address that is connected to. No redirect is followed, no
proxy or setting of the surroundings is used, no cookie is kept, and size and time are bounded. Raises FetchError, whose
code says what stood in the way; it never holds what was fetched.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

import tenants.fetch

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_SUITES: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
_NAT64: Final = ip_network("64:ff9b::/96")
_PIECE: Final = 64 * 1024


class FetchError(tenants.fetch.FetchError):
    """Nothing usable was fetched. `code` is one of: url, host, adres, verbinding, tijd, status, codering, omvang."""


@dataclass(frozen=True, slots=True)
class FetchRules:
    """What may be fetched. `hosts` are `name` (port 443) or `name:port`; `internal` are networks allowed beside public ones.

    `anchors_file` is PEM that replaces the system's trust anchors. Seconds bound a fetch as a whole; bytes its answer.
    """

    hosts: frozenset[str] = frozenset()
    internal: tuple[Network, ...] = ()
    anchors_file: Path | None = None
    seconds: float = 5.0
    most: int = 256 * 1024


@dataclass(slots=True)
class Fetcher:
    """Fetches by the rules, from inside one running loop. `close` ends it."""

    rules: FetchRules
    _session: aiohttp.ClientSession | None = field(default=None, repr=False)
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    async def get(self, url: str, *, accept: str = "application/json") -> bytes:
        """Return the body of a 200. Raises FetchError."""
        checked = check_url(url, self.rules)
        try:
            async with asyncio.timeout(self.rules.seconds):
                return await self._get(checked, accept)
        except TimeoutError:
            raise FetchError("tijd") from None
        except _AddressRefused:
            raise FetchError("adres") from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise FetchError("verbinding") from None

    async def close(self) -> None:
        """Close what is open."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _get(self, url: URL, accept: str) -> bytes:
        async with self._opening:
            # Of two first fetches at once each would open one, and nobody would ever close the other.
            if self._session is None:
                self._session = await self._open()
            session = self._session
        # Asking for no coding keeps a small answer from unpacking into a large one.
        headers = {"accept": accept, "accept-encoding": "identity", "user-agent": "Koppelpunt"}
        async with session.get(url, headers=headers, allow_redirects=False) as response:
            if response.status != 200:
                raise FetchError("status")
            if response.headers.get("content-encoding", "identity").lower() != "identity":
                raise FetchError("codering")
            return await _read(response, self.rules.most)

    async def _open(self) -> aiohttp.ClientSession:
        # The system's anchors take 20 ms to read: not on the loop.
        context = await asyncio.to_thread(_make_context, self.rules.anchors_file)
        connector = aiohttp.TCPConnector(
            ssl=context, resolver=_CheckedResolver(self.rules.internal), use_dns_cache=False, force_close=True, limit=32
        )
        return aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, auto_decompress=False
        )


def check_url(url: str, rules: FetchRules) -> URL:
    """Return a URL that may be fetched. Raises FetchError. Its host is checked here, its address when it is resolved."""
    try:
        read = URL(url)
        host, port = read.host, read.port
    except ValueError:
        raise FetchError("url") from None
    if read.scheme != "https" or not host or read.user is not None or read.password is not None or read.fragment:
        raise FetchError("url")
    if (host if port == 443 else f"{host}:{port}") not in rules.hosts and f"{host}:{port}" not in rules.hosts:
        raise FetchError("host")
    # aiohttp asks no resolver about a host that is an address already.
    address = _read_address(host)
    if address is not None and not is_allowed(address, rules.internal):
        raise FetchError("adres")
    return read


def is_allowed(address: Address, internal: Iterable[Network]) -> bool:
    """Whether an address may be connected to: public, or in a listed network. One that carries another is that other."""
    inner = _carried(address)
    if any(one in network for network in internal for one in (address, inner) if one.version == network.version):
        return True
    reserved = inner.is_multicast or inner.is_reserved or (isinstance(inner, IPv6Address) and inner.is_site_local)
    return inner.is_global and not reserved


class _AddressRefused(Exception):
    """A name leads to an address that may not be connected to. No OSError: aiohttp would make another error of it."""


class _CheckedResolver(AbstractResolver):
    """Resolves with the system's resolver and refuses a name of which any address is not allowed.

    What is returned is what aiohttp connects to: there is no second look-up that could answer otherwise.
    """

    def __init__(self, internal: tuple[Network, ...]) -> None:
        self._internal = internal

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        results = []
        for kind, _, number, _, place in found:
            text = str(place[0]).partition("%")[0]
            if not is_allowed(ip_address(text), self._internal):
                raise _AddressRefused
            results.append(
                ResolveResult(
                    hostname=host, host=text, port=port, family=kind, proto=number, flags=socket.AI_NUMERICHOST
                )
            )
        return results

    async def close(self) -> None:
        """Nothing is kept."""


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    async for piece in response.content.iter_chunked(_PIECE):
        size += len(piece)
        if size > most:
            raise FetchError("omvang")
        pieces.append(piece)
    return b"".join(pieces)


def _make_context(anchors_file: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_SUITES)
    if anchors_file is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        context.load_verify_locations(anchors_file)
    return context


def _read_address(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _carried(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one (mapped, 6to4, NAT64), which is where the packets end; else the address."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
