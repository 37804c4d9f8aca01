"""The way to one server of a verbindingstest: its name looked up, a TCP connection made, a proxy asked for the way on.

As calls go: the same resolver, source address and proxy. Nothing is sent but what a proxy must hear.
"""

import asyncio
import contextlib
import socket
import ssl
from dataclasses import dataclass
from typing import Any

from aiohttp.abc import ResolveResult
from yarl import URL

from gateway.errors import IdentityUnavailable
from gateway.verbindingstest.steps import Step, good, wrong
from gateway.wire.routes import Way

_MOST_HEAD = 16 * 1024


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


async def look_up(target: Target) -> list[ResolveResult]:
    """The addresses of the server, or of the proxy before it. Raises OSError, TimeoutError."""
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


async def connect(target: Target, addresses: list[ResolveResult]) -> tuple[Streams | None, Step]:
    """A connection and the step that says so, or None and the step that says why not."""
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
        return made, good("tcp", detail, **seen_of(target, adres=peer[0], bronadres=own[0]))
    detail = (
        f"Geen van de adressen neemt een verbinding aan op poort {port} ({way_of(target)}). De operator controleert route en "
        "firewall; op DigiNetwerk moet het bronadres bij RvIG bekend zijn."
    )
    return None, wrong("tcp", "operator", detail, **seen_of(target, reden=trouble))


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
    return wrong("tcp", "operator", detail, **seen_of(target, statusVanProxy=status))


def _own_place(target: Target) -> tuple[str, int]:
    """Where the connection itself goes: to the proxy when there is one."""
    proxy = target.way.proxy
    return (target.host, target.port) if proxy is None else (proxy.host or "", proxy.port or 80)


def looked_up(target: Target) -> str:
    """What name was looked up, in words."""
    return target.host if target.way.proxy is None else f"De proxy {target.way.proxy.host}"


def way_of(target: Target) -> str:
    """Which way was taken, in words."""
    return target.way.words(target.host)


def seen_of(target: Target, **more: Any) -> dict[str, Any]:
    """The facts of a step, with the server and the way; those that are None are left out."""
    return {
        "host": target.host,
        "route": way_of(target),
        **{name: value for name, value in more.items() if value is not None},
    }


def _result(host: str, port: int, info: Any) -> ResolveResult:
    return ResolveResult(hostname=host, host=info[4][0], port=port, family=info[0], proto=0, flags=0)


def place_of(url: str) -> tuple[str, int]:
    """Host and port of a URL."""
    read = URL(url)
    return read.host or "", read.port or 443
