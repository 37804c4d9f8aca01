"""One round of revocation: look up every chain, fetch the lists that are due, look up again, ask OCSP where it is offered.

A list is asked for anew at least every four hours, each at its own moment, and before it ends; one that cannot be had is
tried again later each time, up to an hour. What cannot be had stops nothing here: RvIG looks too, and the age of every
list is shown. What was revoked is stopped at once and for ever.
"""

import asyncio
import hashlib
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import asyncpg
import structlog
from cryptography import x509

from tenants.certificates_chain import find_path
from tenants.fetch import FetchError, FetchRules, get
from tenants.revocation import rows
from tenants.revocation.lists import Link, ListRefused, RevocationList, issuer_digest, judge, links_of, read_list
from tenants.revocation.metrics import RevocationMetrics
from tenants.revocation.responders import Question, Responders
from tenants.revocation.rows import Chain, KeptList

MOST_BYTES: Final = 16 * 1024 * 1024
_AT_ONCE: Final = 4
_FIRST_BACK_OFF: Final = 60.0
_LAST_BACK_OFF: Final = 3600.0
log = structlog.get_logger("koppelpunt.revocation")


@dataclass(frozen=True, slots=True)
class Places:
    """Where lists come from. `rules` None: nothing is fetched. `authorities` complete chains up to their root.

    `urls` are lists to keep beside those that chains name, for callers' certificates. `refresh` in seconds.
    """

    rules: FetchRules | None
    authorities: tuple[x509.Certificate, ...] = ()
    urls: tuple[str, ...] = ()
    refresh: float = 14_400.0


@dataclass(frozen=True, slots=True)
class _Read:
    """A chain that was read: its certificates up to the last that is known, and its links."""

    path: tuple[x509.Certificate, ...]
    links: tuple[Link, ...]


@dataclass(slots=True)
class Rounds:
    """Works in the session of the one sealer that leads; remembers between rounds what it has read."""

    places: Places
    metrics: RevocationMetrics
    _chains: dict[tuple[int, int, int], _Read] = field(default_factory=dict)
    _lists: dict[tuple[bytes, str], tuple[bytes, RevocationList]] = field(default_factory=dict)
    _unknown_due: dict[str, datetime] = field(default_factory=dict)
    responders: Responders = field(init=False)

    def __post_init__(self) -> None:
        self.responders = Responders(self.places.rules, self.metrics, self.places.refresh)

    async def work(self, connection: asyncpg.Connection) -> None:
        """One round. Raises what the database raises; a place that fails is counted.

        What is known stops first; then what new lists say; and then what OCSP says. No place that hangs keeps a certificate
        going that something already says was revoked.
        """
        now = datetime.now(UTC)
        chains = await rows.list_chains(connection)
        read = await asyncio.to_thread(self._read_chains, chains, now)
        authorities = self._authorities(read.values())
        lists = self._verified(await rows.list_kept(connection), authorities, now, tells=False)
        chains = await self._look_up(connection, chains, read, lists, now)
        wanted = {*self._wanted(read.values(), authorities), *await self._recognise(connection, authorities, now)}
        await rows.want(connection, wanted)
        # What nobody wants any more is neither fetched nor alarmed about; it goes by itself.
        kept = [one for one in await rows.list_kept(connection) if (one.issuer, one.url) in wanted]
        await self._fetch_due(connection, [one for one in kept if one.is_due], authorities)
        kept = [one for one in await rows.list_kept(connection) if (one.issuer, one.url) in wanted]
        lists = self._verified(kept, authorities, now)
        chains = await self._look_up(connection, chains, read, lists, now)
        self.metrics.show(kept, datetime.now(UTC))
        self.metrics.keys_destroyed.inc(await rows.destroy_retired_keys(connection))
        await self._ask(connection, chains, read)

    def _read_chains(self, chains: Iterable[Chain], now: datetime) -> dict[tuple[int, int, int], _Read]:
        found = {}
        for chain in chains:
            key = _key(chain)
            found[key] = self._chains.get(key) or self._read_chain(chain, now)
        self._chains = found
        return found

    def _read_chain(self, chain: Chain, now: datetime) -> _Read:
        try:
            leaf, *others = x509.load_pem_x509_certificates(chain.chain_pem.encode())
            path = find_path(leaf, (*others, *self.places.authorities), [], now).certificates
            return _Read(path, links_of(path))
        except ValueError:
            log.warning("chain_unreadable", tenant=chain.tenant_id, certificate=chain.certificate_id)
            return _Read((), ())

    def _authorities(self, read: Iterable[_Read]) -> dict[bytes, x509.Certificate]:
        known = [*self.places.authorities, *(one for each in read for one in each.path[1:])]
        return {issuer_digest(one): one for one in dict.fromkeys(known)}

    def _wanted(
        self, read: Iterable[_Read], authorities: Mapping[bytes, x509.Certificate]
    ) -> Iterable[tuple[bytes, str]]:
        links = [link for each in read for link in each.links]
        # What the operator's own authorities name of each other, for callers' certificates.
        for one in self.places.authorities:
            links += links_of(find_path(one, authorities.values(), [], datetime.now(UTC)).certificates)
        return [(link.issuer, url) for link in links for url in link.urls]

    async def _recognise(
        self, connection: asyncpg.Connection, authorities: Mapping[bytes, x509.Certificate], now: datetime
    ) -> set[tuple[bytes, str]]:
        """Lists that the operator named: whose they are is known when they were fetched once."""
        named = set()
        rules = self.places.rules
        kept = await rows.list_kept(connection) if self.places.urls else []
        for url in self.places.urls:
            known = {(one.issuer, url) for one in kept if one.url == url and one.issuer in authorities}
            named |= known
            if known or rules is None or self._unknown_due.get(url, now) > now:
                continue
            self._unknown_due[url] = now + timedelta(seconds=_FIRST_BACK_OFF)
            try:
                der = await asyncio.to_thread(partial(get, rules, url, accept="application/pkix-crl", most=MOST_BYTES))
            except FetchError as error:
                self._failed("-", url, error.code)
                continue
            found = next((digest for digest, one in authorities.items() if _is_of(der, one, now)), None)
            if found is None:
                self._failed("-", url, "uitgever")
            else:
                named.add((found, url))
        return named

    async def _fetch_due(
        self, connection: asyncpg.Connection, due: Sequence[KeptList], authorities: Mapping[bytes, x509.Certificate]
    ) -> None:
        rules = self.places.rules
        if rules is None:
            return
        at_once = asyncio.Semaphore(_AT_ONCE)

        async def fetch(one: KeptList) -> tuple[bytes, RevocationList] | str:
            async with at_once:
                authority = authorities.get(one.issuer)
                if authority is None:
                    return "uitgever"
                try:
                    der = await asyncio.to_thread(
                        partial(get, rules, one.url, accept="application/pkix-crl", most=MOST_BYTES)
                    )
                    return der, _current(der, authority)
                except FetchError as error:
                    return error.code
                except ListRefused as refused:
                    return refused.code

        for one, got in zip(due, await asyncio.gather(*(fetch(one) for one in due)), strict=True):
            if isinstance(got, str):
                await self._note_failure(connection, one, got)
                continue
            der, found = got
            dates = (found.this_update, found.next_update)
            if await rows.keep_list(connection, one.issuer, one.url, der, dates, self._again(found)):
                self.metrics.fetches.labels("kept").inc()
            else:
                # An older list than the one there is would bring back what was revoked since.
                await self._note_failure(connection, one, "terug")

    async def _note_failure(self, connection: asyncpg.Connection, one: KeptList, fault: str) -> None:
        self._failed(one.issuer.hex()[:16], one.url, fault)
        seconds = min(_FIRST_BACK_OFF * 2 ** min(one.failures, 10), _LAST_BACK_OFF, self.places.refresh)
        await rows.note_failure(
            connection, one.issuer, one.url, fault, timedelta(seconds=seconds * random.uniform(0.75, 1.0))
        )

    def _failed(self, issuer: str, url: str, fault: str) -> None:
        self.metrics.fetches.labels(fault).inc()
        log.warning("crl_not_fetched", issuer=issuer, url=url, fault=fault)

    def _again(self, found: RevocationList) -> timedelta:
        """Within four hours, each list at its own moment, and before it ends."""
        left = (found.next_update - datetime.now(UTC)).total_seconds()
        return timedelta(seconds=max(min(self.places.refresh, left / 2), 1.0) * random.uniform(0.75, 1.0))

    def _verified(
        self,
        kept: Iterable[KeptList],
        authorities: Mapping[bytes, x509.Certificate],
        now: datetime,
        *,
        tells: bool = True,
    ) -> dict[bytes, list[RevocationList]]:
        """The kept lists, each verified again when it is another than before: what stands in a database can be changed.

        One that cannot be believed is told of once a round.
        """
        found: dict[bytes, list[RevocationList]] = {}
        remembered = {}
        for one in kept:
            authority = authorities.get(one.issuer)
            if one.der is None or authority is None:
                continue
            digest = hashlib.sha256(one.der).digest()
            known = self._lists.get((one.issuer, one.url))
            if known is None or known[0] != digest:
                try:
                    known = digest, read_list(one.der, authority, now)
                except ListRefused as refused:
                    if tells:
                        self._failed(one.issuer.hex()[:16], one.url, refused.code)
                    continue
            remembered[one.issuer, one.url] = known
            found.setdefault(one.issuer, []).append(known[1])
        self._lists = remembered
        return found

    async def _look_up(
        self,
        connection: asyncpg.Connection,
        chains: Iterable[Chain],
        read: Mapping[tuple[int, int, int], _Read],
        lists: Mapping[bytes, Sequence[RevocationList]],
        now: datetime,
    ) -> list[Chain]:
        """Stop what the lists say was revoked; return the others."""
        others = []
        for chain in chains:
            revoked = judge(read[_key(chain)].links, lists, now).revoked
            if revoked is None:
                others.append(chain)
                continue
            which = "de uitgever in de keten" if revoked.is_authority else "het certificaat"
            await self._stop(connection, chain, f"CRL: {which} met nummer {revoked.serial:x} is ingetrokken")
        return others

    async def _ask(
        self, connection: asyncpg.Connection, chains: Iterable[Chain], read: Mapping[tuple[int, int, int], _Read]
    ) -> None:
        """Stop what OCSP says was revoked."""
        by_number = {(one.tenant_id, one.certificate_id): (one, read[_key(one)]) for one in chains}
        questions = [
            Question(number, it.path, it.links[0].ocsp[0])
            for number, (_, it) in by_number.items()
            if it.links and it.links[0].ocsp
        ]
        async for number in self.responders.find_revoked(questions):
            chain, it = by_number[number]
            await self._stop(
                connection, chain, f"OCSP: het certificaat met nummer {it.links[0].serial:x} is ingetrokken"
            )

    async def _stop(self, connection: asyncpg.Connection, chain: Chain, says: str) -> None:
        if await rows.revoke(connection, chain, says):
            self.metrics.revoked.inc()
            log.error("certificate_revoked", tenant=chain.tenant_id, certificate=chain.certificate_id, says=says)


def _key(chain: Chain) -> tuple[int, int, int]:
    return chain.tenant_id, chain.certificate_id, chain.version


def _is_of(der: bytes, authority: x509.Certificate, now: datetime) -> bool:
    try:
        read_list(der, authority, now)
    except ListRefused:
        return False
    return True


def _current(der: bytes, authority: x509.Certificate) -> RevocationList:
    """A list as it came in. Raises ListRefused, also for one that has ended: somebody may be giving an old one."""
    now = datetime.now(UTC)
    found = read_list(der, authority, now)
    if found.next_update <= now:
        raise ListRefused("verlopen")
    return found
