"""Whether a caller's certificate was revoked, by lists that the sealer fetched and PostgreSQL keeps. No I/O.

A list is believed only with the signature of the very authority that stands in the caller's chain, which was verified
itself. Revoked at any level is refused; so is a certificate whose list has ended, and one that names where its list is
while nobody has it: the sealer must keep it (`KOPPELPUNT_REVOCATION_…`). A certificate that names no list passes, unless
the operator asks for one of every level (`required`); `off` asks for nothing. Raises NotAuthenticated.
"""

import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509

from gateway.errors import NotAuthenticated
from tenants.revocation.lists import Link, ListRefused, RevocationList, issuer_digest, judge, links_of, read_list

_MOST_REMEMBERED: Final = 1024


@dataclass(frozen=True, slots=True)
class Chain:
    """A verified chain as revocation looks at it: links, and the authority of each."""

    links: tuple[Link, ...] = ()
    authorities: tuple[x509.Certificate, ...] = field(default=(), repr=False)


NO_CHAIN: Final = Chain()


@dataclass(slots=True)
class Revocations:
    """The lists that are known, by issuer, as they came; each is verified once with each authority that shows itself."""

    demand: str = "named"
    _kept: dict[bytes, tuple[bytes, ...]] = field(default_factory=dict, repr=False)
    _verified: dict[tuple[bytes, bytes], RevocationList | None] = field(default_factory=dict, repr=False)

    def replace(self, lists: Iterable[tuple[bytes, bytes]]) -> None:
        """Put these (issuer, list in DER) in place of all."""
        found: dict[bytes, list[bytes]] = {}
        for issuer, der in lists:
            found.setdefault(issuer, []).append(der)
        self._kept = {issuer: tuple(those) for issuer, those in found.items()}
        self._verified.clear()

    def check(self, chain: Chain, now: float) -> None:
        """Refuse a chain that is revoked, or of which it is not known. `now` in seconds since 1970."""
        if self.demand == "off":
            return
        moment = dt.datetime.fromtimestamp(now, dt.UTC)
        lists = {
            link.issuer: self._lists(authority, link.issuer, moment)
            for link, authority in zip(chain.links, chain.authorities, strict=True)
        }
        standing = judge(chain.links, lists, moment)
        if standing.revoked is not None:
            raise NotAuthenticated(
                "certificaatIngetrokken", "Het clientcertificaat of een uitgever ervan is ingetrokken."
            )
        lacking = [link for link in standing.unknown if self.demand == "required" or link.urls]
        if standing.stale or lacking or (self.demand == "required" and not chain.links):
            text = "Of het clientcertificaat is ingetrokken is niet na te gaan; de operator moet de lijsten verversen."
            raise NotAuthenticated("intrekkingOnbekend", text)

    def _lists(self, authority: x509.Certificate, issuer: bytes, now: dt.datetime) -> Sequence[RevocationList]:
        found = []
        for der in self._kept.get(issuer, ()):
            key = (issuer, hashlib.sha256(der).digest()) if len(self._kept[issuer]) > 1 else (issuer, b"")
            if key not in self._verified:
                if len(self._verified) >= _MOST_REMEMBERED:
                    self._verified.clear()
                self._verified[key] = _read(der, authority, now)
            read = self._verified[key]
            if read is not None:
                found.append(read)
        return found


def chain_of(path: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate]) -> Chain:
    """What revocation looks at of a chain, leaf first. Its last certificate is trusted, or issued by an anchor."""
    last = path[-1]
    if last not in anchors:
        issuer = next((one for one in anchors if one.subject == last.issuer), None)
        if issuer is not None:
            path = (*path, issuer)
    links = links_of(path)
    if not links and path[0] not in anchors:
        # Nobody knows who issued it: that is a link whose list nobody has.
        urls = links_of((path[0], path[0]))[0].urls
        return Chain((Link(path[0].serial_number, issuer_digest(path[0]), False, urls),), (path[0],))
    return Chain(links, tuple(path[1:]))


def _read(der: bytes, authority: x509.Certificate, now: dt.datetime) -> RevocationList | None:
    try:
        return read_list(der, authority, now)
    except ListRefused:
        return None
