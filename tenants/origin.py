"""Where a request came from, as the security log names it (BIO2: oorsprong). Pure.

The address of the machine that asked is what tells two attackers apart, and what a firewall can act on. It is written in
its canonical form and only when it is an address: a text that a proxy was made to pass on never becomes a log value.
"""

from ipaddress import IPv6Address, ip_address
from typing import Final

UNKNOWN: Final = "onbekend"


def origin_of(address: str | None) -> str:
    """The address in canonical form, an IPv4 one within IPv6 as IPv4; `onbekend` for what is no address."""
    if address is None:
        return UNKNOWN
    try:
        read = ip_address(address.partition("%")[0])
    except ValueError:
        return UNKNOWN
    mapped = read.ipv4_mapped if isinstance(read, IPv6Address) else None
    return str(mapped or read)
