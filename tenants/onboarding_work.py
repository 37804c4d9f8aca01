"""What the steps of one onboarding share: connection, keyrings, and the count of what was done."""

from collections import Counter
from dataclasses import dataclass, field

import asyncpg

from tenants.certificates import CertificateFacts
from tenants.keyring import Keyring


@dataclass(frozen=True, slots=True)
class IssuedSecret:
    """A caller's secret that was made. kind: api-key or client-secret; `name` is the key's number or the client-ID."""

    tenant_oin: str
    taaksysteem: str
    kind: str
    name: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Opened:
    """What stands in the files that a tenant's part names, in the order of its certificates and credentials."""

    certificates: tuple[CertificateFacts, ...]
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Work:
    """One onboarding under way. `tenants` is number by OIN, of all that were met; `certificates` by OIN and name."""

    connection: asyncpg.Connection
    identity: Keyring
    register: Keyring
    actor: str
    tenants: dict[str, int] = field(default_factory=dict)
    made: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    secrets: list[IssuedSecret] = field(default_factory=list)
    certificates: dict[tuple[str, str], int] = field(default_factory=dict)
