"""The registry in memory: what the gateway knows of tenants, aansluitingen, callers and machtigingen.

Owns nothing: PostgreSQL decides, again, at each opening. A stale snapshot therefore costs a second look and never lets
a call through. It is read whole at the start and every few minutes, and tenant by tenant as the registry notifies.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from gateway.caller_index import CallerIndex
from gateway.pattern_watch import PatternWatch
from gateway.profiles import CompiledProfile, compile_profile
from tenants.header_profiles import HeaderProfile
from tenants.limits import RateLimit
from tenants.model import (
    Aansluiting,
    Autorisatiebesluit,
    Blokkade,
    Idp,
    Machtiging,
    RvigStand,
    Taaksysteem,
    TaaksysteemKey,
    Tenant,
    TenantKey,
)
from tenants.pattern_facts import PatternFacts


@dataclass(frozen=True, slots=True)
class TenantPart:
    """Everything that one tenant owns in the registry, as read in one transaction."""

    tenant: Tenant
    keys: tuple[TenantKey, ...] = ()
    aansluitingen: tuple[Aansluiting, ...] = ()
    taaksystemen: tuple[Taaksysteem, ...] = ()
    taaksysteem_keys: tuple[TaaksysteemKey, ...] = ()
    machtigingen: tuple[Machtiging, ...] = ()
    besluiten: tuple[Autorisatiebesluit, ...] = ()
    pattern_facts: tuple[PatternFacts, ...] = field(default=(), kw_only=True)
    header_profiles: tuple[HeaderProfile, ...] = field(default=(), kw_only=True)
    idps: tuple[Idp, ...] = ()
    rvig_stands: tuple[RvigStand, ...] = field(default=(), kw_only=True)
    rate_limits: tuple[RateLimit, ...] = field(default=(), kw_only=True)


@dataclass(slots=True)
class Snapshot:
    """Indexes over all tenants' parts. Replaced tenant by tenant between two calls, never during one step."""

    parts: dict[int, TenantPart] = field(default_factory=dict)
    taaksystemen: dict[tuple[int, int], Taaksysteem] = field(default_factory=dict)
    aansluitingen: dict[tuple[int, int], Aansluiting] = field(default_factory=dict)
    machtigingen: dict[tuple[int, int], dict[tuple[int, int], Machtiging]] = field(default_factory=dict)
    keys_by_hash: dict[bytes, TaaksysteemKey] = field(default_factory=dict)
    clients: dict[str, tuple[TaaksysteemKey, ...]] = field(default_factory=dict)
    tenant_keys: dict[tuple[int, int], TenantKey] = field(default_factory=dict)
    blokkades: frozenset[Blokkade] = frozenset()
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    besluiten: dict[tuple[int, str], tuple[Autorisatiebesluit, ...]] = field(default_factory=dict)
    patterns: dict[tuple[int, int], PatternWatch] = field(default_factory=dict)
    profiles: dict[tuple[int, str], CompiledProfile] = field(default_factory=dict)
    callers: CallerIndex = field(default_factory=CallerIndex)
    rvig_stands: dict[tuple[int, int], RvigStand] = field(default_factory=dict)
    rate_limits: dict[tuple[int, int], RateLimit] = field(default_factory=dict)

    def replace_tenant(self, tenant_id: int, part: TenantPart | None) -> None:
        """Put a tenant's new part in place of its old one; None takes the tenant away. Synchronous, so atomic here."""
        old = self.parts.pop(tenant_id, None)
        if old is not None:
            self._take_out(old)
        if part is not None:
            self.parts[tenant_id] = part
            self._put_in(part)
        self.changed.set()

    def machtigingen_of(self, taaksysteem: Taaksysteem) -> Iterable[Machtiging]:
        """All machtigingen of a taaksysteem, whichever tenant gave them, withdrawn ones included."""
        return self.machtigingen.get((taaksysteem.tenant_id, taaksysteem.taaksysteem_id), {}).values()

    def tenant(self, tenant_id: int) -> Tenant | None:
        """The tenant itself."""
        part = self.parts.get(tenant_id)
        return None if part is None else part.tenant

    def _put_in(self, part: TenantPart) -> None:
        self.callers.put_in(part.idps, part.taaksysteem_keys)
        for key in part.keys:
            self.tenant_keys[key.tenant_id, key.year] = key
        for aansluiting in part.aansluitingen:
            self.aansluitingen[aansluiting.tenant_id, aansluiting.aansluiting_id] = aansluiting
        for taaksysteem in part.taaksystemen:
            self.taaksystemen[taaksysteem.tenant_id, taaksysteem.taaksysteem_id] = taaksysteem
        self._put_in_keys(part.taaksysteem_keys)
        for machtiging in part.machtigingen:
            of_taaksysteem = self.machtigingen.setdefault(
                (machtiging.taaksysteem_tenant_id, machtiging.taaksysteem_id), {}
            )
            of_taaksysteem[machtiging.tenant_id, machtiging.machtiging_id] = machtiging
        for besluit in part.besluiten:
            of_afnemer = (besluit.tenant_id, besluit.afnemer_id)
            self.besluiten[of_afnemer] = (*self.besluiten.get(of_afnemer, ()), besluit)

        for facts in part.pattern_facts:
            self.patterns[facts.tenant_id, facts.aansluiting_id] = PatternWatch(facts)
        for profile in part.header_profiles:
            self.profiles[part.tenant.tenant_id, profile.name] = compile_profile(profile)
        for stand in part.rvig_stands:
            self.rvig_stands[stand.tenant_id, stand.aansluiting_id] = stand
        for limit in part.rate_limits:
            self.rate_limits[limit.tenant_id, limit.taaksysteem_id or 0] = limit

    def _put_in_keys(self, keys: Iterable[TaaksysteemKey]) -> None:
        for key in keys:
            if key.hash is not None:
                self.keys_by_hash[key.hash] = key
            if key.client_id is not None:
                self.clients[key.client_id] = (*self.clients.get(key.client_id, ()), key)

    def _take_out(self, part: TenantPart) -> None:
        self.callers.take_out(part.idps, part.taaksysteem_keys)
        self._take_out_rules(part)
        for key in part.keys:
            self.tenant_keys.pop((key.tenant_id, key.year), None)
        for aansluiting in part.aansluitingen:
            self.aansluitingen.pop((aansluiting.tenant_id, aansluiting.aansluiting_id), None)
        for taaksysteem in part.taaksystemen:
            self.taaksystemen.pop((taaksysteem.tenant_id, taaksysteem.taaksysteem_id), None)
        for caller_key in part.taaksysteem_keys:
            if caller_key.hash is not None:
                self.keys_by_hash.pop(caller_key.hash, None)
            if caller_key.client_id is not None:
                self.clients.pop(caller_key.client_id, None)
        for machtiging in part.machtigingen:
            owner = (machtiging.taaksysteem_tenant_id, machtiging.taaksysteem_id)
            of_taaksysteem = self.machtigingen.get(owner, {})
            of_taaksysteem.pop((machtiging.tenant_id, machtiging.machtiging_id), None)
            if not of_taaksysteem:
                self.machtigingen.pop(owner, None)
        for besluit in part.besluiten:
            self.besluiten.pop((besluit.tenant_id, besluit.afnemer_id), None)

    def _take_out_rules(self, part: TenantPart) -> None:
        for facts in part.pattern_facts:
            self.patterns.pop((facts.tenant_id, facts.aansluiting_id), None)
        for profile in part.header_profiles:
            self.profiles.pop((part.tenant.tenant_id, profile.name), None)
        for stand in part.rvig_stands:
            self.rvig_stands.pop((stand.tenant_id, stand.aansluiting_id), None)
        for limit in part.rate_limits:
            self.rate_limits.pop((limit.tenant_id, limit.taaksysteem_id or 0), None)


def blocks_of(aansluiting: Aansluiting, taaksysteem: Taaksysteem, snapshot: Snapshot) -> tuple[Blokkade, ...]:
    """Every block that would stop this taaksysteem over this aansluiting; the same list as in the writing function."""
    tenants = (snapshot.tenant(aansluiting.tenant_id), snapshot.tenant(taaksysteem.tenant_id))
    return (
        Blokkade("tenant", str(aansluiting.tenant_id)),
        Blokkade("tenant", str(taaksysteem.tenant_id)),
        Blokkade("tenant", str(aansluiting.certificate.tenant_id)),
        Blokkade("afnemer", aansluiting.afnemer_id),
        Blokkade("oin", aansluiting.organisation_oin),
        Blokkade("oin", aansluiting.certificate.oin),
        *(Blokkade("oin", tenant.oin) for tenant in tenants if tenant is not None),
        Blokkade("certificate", aansluiting.certificate.fingerprint.hex()),
        Blokkade("taaksysteem", f"{taaksysteem.tenant_id}/{taaksysteem.taaksysteem_id}"),
    )


def is_within(now: datetime, start: datetime, end: datetime) -> bool:
    """Whether a moment lies in [start, end)."""
    return start <= now < end
