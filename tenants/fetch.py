"""What the admin side sends out of the house goes through here: to places that tenants chose, and for keys of their IDPs.

What a tenant writes in the registry must never make the product speak to something inside: only https, only hosts that
the operator listed, only addresses that are public or listed, checked on the very address that is connected to. No
redirect is followed, no proxy or setting of the surroundings is used, and size and time are bounded. Blocks: meant for a
thread. Raises FetchError, whose code says what stood in the way; it never holds what was sent or answered.
"""

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_SUITES: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
# Ranges of IPv6 that carry an address of IPv4, which may be an internal one: mapped, NAT64, 6to4, Teredo.
_CARRYING: Final = tuple(ip_network(one) for one in ("::ffff:0:0/96", "64:ff9b::/96", "2002::/16", "2001::/32"))
_MOST_ANSWERED: Final = 64 * 1024
_PORTS: Final = {"https": 443, "http": 80}


class FetchError(Exception):
    """Nothing was sent, taken or fetched. `code` is one of: url, host, adres, verbinding, tls, tijd, status, codering, omvang."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class FetchRules:
    """Where to. `hosts` are `name` (the scheme's own port) or `name:port`; `internal` are networks allowed beside public addresses.

    `anchors_file` is PEM that replaces the system's trust anchors. `seconds` bound the whole. `plain` lets http be used too
    (port 80), for what carries a signature of its own and says nothing about anybody: revocation lists and OCSP.
    """

    hosts: frozenset[str] = frozenset()
    internal: tuple[Network, ...] = ()
    anchors_file: Path | None = None
    seconds: float = 10.0
    plain: bool = False


def read_rules(hosts: str, internal: str, anchors_file: Path | None, *, plain: bool = False) -> FetchRules:
    """Rules from settings: names and networks, with commas between. Raises ValueError."""
    return FetchRules(
        frozenset(part.strip().lower() for part in hosts.split(",") if part.strip()),
        tuple(ip_network(part.strip()) for part in internal.split(",") if part.strip()),
        anchors_file,
        plain=plain,
    )


def post(rules: FetchRules, url: str, body: bytes, headers: Mapping[str, str]) -> int:
    """POST once; return the status, which is 2xx. Raises FetchError."""
    status, _ = _exchange(rules, url, "POST", body, headers)
    return status


def get(rules: FetchRules, url: str, *, accept: str = "application/json", most: int = 256 * 1024) -> bytes:
    """The body of a 200, of at most so many bytes. Raises FetchError."""
    # Asking for no coding keeps a small answer from unpacking into a large one.
    headers = {"Accept": accept, "Accept-Encoding": "identity", "User-Agent": "Koppelpunt"}
    status, body = _exchange(rules, url, "GET", None, headers, most=most, whole=True)
    if status != 200:
        raise FetchError("status")
    return body


def ask(rules: FetchRules, url: str, body: bytes, headers: Mapping[str, str], *, most: int = _MOST_ANSWERED) -> bytes:
    """POST a question; the body of a 200, of at most so many bytes. Raises FetchError."""
    headers = {"Accept-Encoding": "identity", "User-Agent": "Koppelpunt", **headers}
    status, answered = _exchange(rules, url, "POST", body, headers, most=most, whole=True)
    if status != 200:
        raise FetchError("status")
    return answered


def _exchange(
    rules: FetchRules,
    url: str,
    method: str,
    body: bytes | None,
    headers: Mapping[str, str],
    *,
    most: int = _MOST_ANSWERED,
    whole: bool = False,
) -> tuple[int, bytes]:
    """Ask once; the status, which is 2xx, and what was answered: when `whole`, as a whole or not at all. Raises FetchError."""
    parts = _allowed(rules, url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    context = ssl.create_default_context(cafile=rules.anchors_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_SUITES)
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(_connected(rules, _resolved(rules, host, port), port))
        # Each wait of a socket is bounded; a peer that sends a byte at a time is cut off here. TLS takes the socket over,
        # so it is cut by a second handle.
        late = threading.Event()
        timer = threading.Timer(rules.seconds, _cut, [stack.enter_context(plain.dup()), late])
        stack.callback(timer.cancel)
        timer.start()
        try:
            asking = http.client.HTTPConnection(host, port, timeout=rules.seconds)
            asking.sock = plain
            if parts.scheme == "https":
                asking.sock = stack.enter_context(context.wrap_socket(plain, server_hostname=host))
            asking.request(
                method, parts.path or "/", body, {"Host": _authority(parts), **headers, "Connection": "close"}
            )
            answer = asking.getresponse()
            answered = answer.read(most + 1)
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, TimeoutError) or late.is_set():
                raise FetchError("tijd") from None
            raise FetchError("tls" if isinstance(error, ssl.SSLError) else "verbinding") from None
    if not 200 <= answer.status < 300:
        raise FetchError("status")
    if whole:
        _must_be_whole(answer, answered, most)
    return answer.status, answered


def _must_be_whole(answer: http.client.HTTPResponse, answered: bytes, most: int) -> None:
    """What is cut short, too long or packed is not used. A length that was told is held to."""
    if len(answered) > most:
        raise FetchError("omvang")
    told = answer.headers.get("Content-Length", "")
    if told.isascii() and told.isdigit() and int(told) != len(answered):
        raise FetchError("verbinding")
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise FetchError("codering")


def _allowed(rules: FetchRules, url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        raise FetchError("url") from None
    host = (parts.hostname or "").lower()
    schemes = {"https", "http"} if rules.plain else {"https"}
    if parts.scheme not in schemes or not host or parts.username is not None or parts.query or parts.fragment:
        raise FetchError("url")
    if not url.isascii() or any(character <= " " for character in url):
        raise FetchError("url")
    if f"{host}:{port}" not in rules.hosts and not (port == _PORTS[parts.scheme] and host in rules.hosts):
        raise FetchError("host")
    return parts


def _authority(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]


def _resolved(rules: FetchRules, host: str, port: int) -> list[Address]:
    """Every address of the name; one that is not allowed spoils them all."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise FetchError("adres") from None
    addresses = list(dict.fromkeys(ip_address(str(one[4][0]).partition("%")[0]) for one in found))
    if not addresses or not all(_is_allowed(address, rules.internal) for address in addresses):
        raise FetchError("adres")
    return addresses


def _is_allowed(address: Address, internal: Iterable[Network]) -> bool:
    if any(address in network for network in internal):
        return True
    if any(address in network for network in _CARRYING):
        return False
    return address.is_global and not address.is_multicast


@contextlib.contextmanager
def _connected(rules: FetchRules, addresses: Iterable[Address], port: int) -> Iterator[socket.socket]:
    """A connection to the first address that takes one."""
    code = "verbinding"
    for address in addresses:
        try:
            made = socket.create_connection((str(address), port), timeout=rules.seconds)
        except TimeoutError:
            code = "tijd"
            continue
        except OSError:
            code = "verbinding"
            continue
        with made:
            yield made
        return
    raise FetchError(code)


def _cut(connected: socket.socket, late: threading.Event) -> None:
    late.set()
    with contextlib.suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)
