"""What the steps of one onboarding share: connection, keyrings, and the count of what was done."""

from collections import Counter
from dataclasses import dataclass, field

import asyncpg

from tenants.certificates import CertificateFacts
from tenants.keyring import Keyring
from tenants.notices.signing import NoticeKeys


@dataclass(frozen=True, slots=True)
class IssuedSecret:
    """A secret that was made. kind: api-key, client-secret or webhook; `name` is the key's number, the client-ID or the URL.

    `taaksysteem` is that of the caller; of a webhook the name of the contact.
    """

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
    """One onboarding under way. `tenants` is number by OIN, of all that were met; `certificates` by OIN and name.

    `asks`: whoever does it may not do everything, and what a tenant must accept is left as it is (`tenants.gitops`).
    `restores`: what is brought was the registry's own, and is put back as it was.
    `proef` are the environments in which nothing is asked; `fresh` are aansluitingen that were made there, with their states.
    `rotated` are the numbers of aansluitingen that got another certificate, credential or exception.
    `touched` are the parts that anything was made or changed for, of those that come by the thousand.
    """

    connection: asyncpg.Connection
    identity: Keyring
    register: Keyring
    actor: str
    asks: bool = False
    restores: bool = False
    notices: NoticeKeys | None = field(default=None, repr=False)
    tenants: dict[str, int] = field(default_factory=dict)
    made: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    secrets: list[IssuedSecret] = field(default_factory=list)
    certificates: dict[tuple[str, str], int] = field(default_factory=dict)
    proef: frozenset[str] = frozenset()
    fresh: dict[int, str] = field(default_factory=dict)
    rotated: set[int] = field(default_factory=set)
    touched: list[object] = field(default_factory=list, repr=False)

    @property
    def count(self) -> int:
        """How much was made and changed until now."""
        return self.made.total() + self.changed.total()
