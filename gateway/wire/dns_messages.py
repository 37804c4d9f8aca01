"""DNS messages (RFC 1035): the question for the addresses of a name, and the reading of its answer. Pure.

Refuses (DnsUnreadable) whatever is not the answer to this very question: another id or name, a pointer that leads
nowhere or forwards, lengths that do not fit. Follows aliases (CNAME) inside the answer only, as a resolver that recurses
gives them all.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

A: Final = 1
CNAME: Final = 5
AAAA: Final = 28
NAME_ERROR: Final = 3

_IN: Final = 1
_RECURSE: Final = 0x0100
_RESPONSE: Final = 0x8000
_TRUNCATED: Final = 0x0200
_KINDS: Final[Mapping[int, tuple[int, type[IPv4Address] | type[IPv6Address]]]] = {
    A: (4, IPv4Address), AAAA: (16, IPv6Address),
}  # fmt: skip
_MOST_RECORDS: Final = 200
_MOST_ALIASES: Final = 16
_LONGEST_NAME: Final = 253


class DnsUnreadable(ValueError):
    """No answer to the question, or none that can be read."""


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """What the resolver said. `rcode` 0 is no error, 3 says that there is no such name. `seconds` it may be kept."""

    rcode: int
    truncated: bool
    addresses: tuple[str, ...] = ()
    seconds: int = 0


def make_question(number: int, name: str, kind: int) -> bytes:
    """The question for records of one kind, with recursion wanted. Raises DnsUnreadable for what is no host name."""
    return struct.pack("!HHHHHH", number, _RECURSE, 1, 0, 0, 0) + _packed(name) + struct.pack("!HH", kind, _IN)


def read_answer(message: bytes, number: int, name: str, kind: int) -> DnsAnswer:
    """Read the answer to that question. Raises DnsUnreadable."""
    try:
        return _read(message, number, name, kind)
    except (struct.error, IndexError):
        raise DnsUnreadable("the message ends too soon") from None


def _read(message: bytes, number: int, name: str, kind: int) -> DnsAnswer:
    found, flags, questions, answers, _, _ = struct.unpack_from("!HHHHHH", message)
    if found != number or not flags & _RESPONSE or questions != 1 or flags & 0x7800:
        raise DnsUnreadable("not an answer to this question")
    asked, at = _name(message, 12)
    if (asked, *struct.unpack_from("!HH", message, at)) != (_plain(name), kind, _IN):
        raise DnsUnreadable("an answer to another question")
    rcode, truncated = flags & 0x000F, bool(flags & _TRUNCATED)
    if rcode or truncated:
        return DnsAnswer(rcode, truncated)
    if answers > _MOST_RECORDS:
        raise DnsUnreadable("more records than any host has")
    aliases, addresses = _records(message, at + 4, answers, kind)
    owner, seconds = asked, 2**31
    for _ in range(_MOST_ALIASES):
        if owner not in aliases:
            break
        owner, life = aliases[owner]
        seconds = min(seconds, life)
    else:
        raise DnsUnreadable("aliases without end")
    mine = [(address, life) for of, address, life in addresses if of == owner]
    lives = [life for _, life in mine]
    return DnsAnswer(rcode, truncated, tuple(address for address, _ in mine), min([seconds, *lives]) if mine else 0)


def _records(
    message: bytes, at: int, count: int, kind: int
) -> tuple[dict[str, tuple[str, int]], list[tuple[str, str, int]]]:
    """Aliases by owner, and addresses with their owners; each with its life in seconds."""
    aliases: dict[str, tuple[str, int]] = {}
    addresses: list[tuple[str, str, int]] = []
    size, make = _KINDS[kind]
    for _ in range(count):
        owner, at = _name(message, at)
        found, of_class, life, length = struct.unpack_from("!HHIH", message, at)
        at += 10
        data = message[at : at + length]
        if len(data) != length:
            raise DnsUnreadable("a record ends too soon")
        # RFC 2181, 8: a life with its highest bit set is none.
        life = 0 if life >= 2**31 else life
        if of_class == _IN and found == CNAME:
            aliases[owner] = (_name(message, at)[0], life)
        elif of_class == _IN and found == kind:
            if length != size:
                raise DnsUnreadable("an address of another size")
            addresses.append((owner, str(make(data)), life))
        at += length
    return aliases, addresses


def _packed(name: str) -> bytes:
    plain = _plain(name)
    labels = plain.split(".")
    if not plain.isascii() or len(plain) > _LONGEST_NAME or not all(0 < len(label) < 64 for label in labels):
        raise DnsUnreadable("not a host name")
    return b"".join(bytes([len(label)]) + label.encode("ascii") for label in labels) + b"\0"


def _plain(name: str) -> str:
    return name.rstrip(".").lower()


def _name(message: bytes, at: int) -> tuple[str, int]:
    """The name that begins at `at`, in small letters, and where what comes after it begins."""
    labels: list[str] = []
    after = 0
    size = 0
    while (length := message[at]) != 0:
        if length >= 0xC0:
            target = (length & 0x3F) << 8 | message[at + 1]
            after = after or at + 2
            # Only backwards, so that no pointer can lead to itself.
            if target >= at:
                raise DnsUnreadable("a pointer forwards")
            at = target
            continue
        label = message[at + 1 : at + 1 + length]
        size += length + 1
        if length > 63 or len(label) != length or size > _LONGEST_NAME + 1:
            raise DnsUnreadable("a label that does not fit")
        labels.append(label.decode("latin-1").lower())
        at += 1 + length
    return ".".join(labels), after or at + 1
