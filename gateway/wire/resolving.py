"""From the name of RvIG's server to its addresses, where the surroundings' own resolver does not know it.

DigiNetwerk has names of its own. An environment says which resolver knows them, or gives their addresses itself; then
nobody else is ever asked: a name that this resolver does not know is unknown. Answers are kept for as long as they say,
within bounds; whoever answers must be the resolver that was asked, at the port and with the number that the question had.
"""

import asyncio
import contextlib
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.wire.dns_messages import AAAA, NAME_ERROR, A, DnsAnswer, DnsUnreadable, make_question, read_answer

_KINDS: Final = {socket.AF_INET: (A,), socket.AF_INET6: (AAAA,), socket.AF_UNSPEC: (A, AAAA)}
_FAMILIES: Final = {4: socket.AF_INET, 6: socket.AF_INET6}
_LEAST_SECONDS: Final = 1.0
_MOST_SECONDS: Final = 300.0
_MOST_NAMES: Final = 256

Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Asking:
    """Where questions go, and from which address. `seconds` bounds one try; there are three."""

    server: Place
    source: str | None = None
    seconds: float = 1.5
    tries: int = 3


class OwnResolver(AbstractResolver):
    """Fixed addresses first, then the one resolver; `asking` None: fixed addresses are all there is.

    `version` 4 or 6: only such addresses, because connections leave from one of that kind.
    """

    def __init__(
        self,
        addresses: Mapping[str, tuple[str, ...]],
        asking: Asking | None,
        *,
        version: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._addresses = {name.lower(): those for name, those in addresses.items()}
        self._asking = asking
        self._version = version
        self._clock = clock
        self._kept: dict[tuple[str, int], tuple[float, tuple[str, ...]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host. Raises OSError when it has none, or nobody says."""
        kind = family if self._version is None else _FAMILIES[self._version]
        found = [one for one in await self._find(host.lower(), kind) if _fits(one, kind)]
        if not found:
            raise OSError(None, "The name has no address.")
        return [
            ResolveResult(
                hostname=host, host=one, port=port, proto=0, flags=socket.AI_NUMERICHOST,
                family=socket.AF_INET6 if ":" in one else socket.AF_INET,
            )
            for one in found
        ]  # fmt: skip

    async def close(self) -> None:
        """Nothing is held between two questions."""

    async def _find(self, host: str, family: socket.AddressFamily) -> tuple[str, ...]:
        fixed = self._addresses.get(host)
        if fixed is not None or self._asking is None:
            return fixed or ()
        kept = self._kept.get((host, family))
        if kept is not None and self._clock() < kept[0]:
            return kept[1]
        asked = await asyncio.gather(
            *(ask(self._asking, host, kind) for kind in _KINDS[family]), return_exceptions=True
        )
        answers = [one for one in asked if isinstance(one, DnsAnswer)]
        found = tuple(address for answer in answers for address in answer.addresses)
        for one in asked:
            # A resolver that fails on one kind of address is good enough if it has the other.
            if isinstance(one, BaseException) and not found:
                raise one
        if found:
            seconds = min(answer.seconds for answer in answers if answer.addresses)
            if len(self._kept) >= _MOST_NAMES:
                self._kept.clear()
            until = self._clock() + min(max(seconds, _LEAST_SECONDS), _MOST_SECONDS)
            self._kept[host, family] = (until, found)
        return found


async def ask(asking: Asking, host: str, kind: int) -> DnsAnswer:
    """Ask the resolver, over UDP and, when its answer does not fit there, over TCP. Raises OSError.

    That there is no such name is an answer; that the resolver cannot or will not say is none.
    """
    for _ in range(asking.tries):
        try:
            async with asyncio.timeout(asking.seconds):
                answer = await _over_udp(asking, host, kind)
                if answer.truncated:
                    answer = await _over_tcp(asking, host, kind)
        except TimeoutError:
            continue
        except DnsUnreadable as error:
            raise OSError(None, "The resolver's answer cannot be read.") from error
        if answer.rcode not in {0, NAME_ERROR}:
            raise OSError(None, "The resolver gives no answer.")
        return answer
    raise OSError(None, "The resolver did not answer in time.")


class _Waiting(asyncio.DatagramProtocol):
    """Waits for the datagram that answers; others (a forger's, a late one) are passed by."""

    def __init__(self, read: Callable[[bytes], DnsAnswer]) -> None:
        self._read = read
        self.answer: asyncio.Future[DnsAnswer] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, _address: object) -> None:
        if not self.answer.done():
            with contextlib.suppress(DnsUnreadable):
                self.answer.set_result(self._read(data))

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


async def _over_udp(asking: Asking, host: str, kind: int) -> DnsAnswer:
    number = secrets.randbelow(1 << 16)
    question = make_question(number, host, kind)
    local = None if asking.source is None else (asking.source, 0)
    # Connected, so that the kernel drops what comes from anywhere else; the port is the kernel's, new each time.
    transport, waiting = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Waiting(lambda data: read_answer(data, number, host, kind)),
        remote_addr=asking.server,
        local_addr=local,
    )
    try:
        transport.sendto(question)
        return await waiting.answer
    finally:
        waiting.answer.cancel()
        transport.close()


async def _over_tcp(asking: Asking, host: str, kind: int) -> DnsAnswer:
    number = secrets.randbelow(1 << 16)
    question = make_question(number, host, kind)
    local = None if asking.source is None else (asking.source, 0)
    reader, writer = await asyncio.open_connection(*asking.server, local_addr=local)
    try:
        writer.write(len(question).to_bytes(2) + question)
        length = int.from_bytes(await reader.readexactly(2))
        return read_answer(await reader.readexactly(length), number, host, kind)
    except asyncio.IncompleteReadError:
        raise DnsUnreadable("the answer ends too soon") from None
    finally:
        writer.close()


def _fits(address: str, family: socket.AddressFamily) -> bool:
    version = ip_address(address).version
    return family == socket.AF_UNSPEC or (version == 6) == (family == socket.AF_INET6)
