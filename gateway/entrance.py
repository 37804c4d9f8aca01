"""How many connections may be on their way in: accepted, and not yet past their TLS handshake. Pure.

A handshake costs a millisecond of this process and tens of kilobytes, and needs nothing of who asks for it. So there is a
bound on all of them together, and each source gets a share that shrinks as places get scarce (`gateway.fairness`): whoever
opens thousands of connections and says nothing shuts out nobody but itself. A source is an IPv4 address or an IPv6 /64,
which is what one subscriber has.
"""

from dataclasses import dataclass, field
from ipaddress import IPv6Address

from gateway.fairness import OF_HANDSHAKES, has_room


@dataclass(slots=True)
class Entrance:
    """`most` connections on their way in. `refused` counts those that were closed unheard."""

    most: int
    pending: int = 0
    refused: int = 0
    _of_source: dict[str, int] = field(default_factory=dict, repr=False)

    def enter(self, source: str) -> bool:
        """Take a place for a connection; False when there is none for this source."""
        held = self._of_source.get(source, 0)
        if not has_room(held, self.most - self.pending, OF_HANDSHAKES):
            self.refused += 1
            return False
        self._of_source[source] = held + 1
        self.pending += 1
        return True

    def leave(self, source: str) -> None:
        """Give the place back: the handshake is done, or has failed."""
        self.pending -= 1
        left = self._of_source[source] - 1
        if left:
            self._of_source[source] = left
        else:
            del self._of_source[source]


def source_of(address: str) -> str:
    """The source that an address belongs to."""
    if ":" not in address:
        return address
    found = IPv6Address(address.partition("%")[0])
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return f"{IPv6Address(int(found) >> 64 << 64)}/64"
