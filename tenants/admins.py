"""Administrators by key: who may use the admin API, in which role, and for which tenant.

Owns the keys (`kpa_…`), of which only a hash is kept, keyed by the identity keyring. Roles: *operator* (no tenant; never
the register), *beheerder* and *auditor* (one tenant each). A key always ends. Refuses keys of more than a year.
"""

import secrets
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal, cast

import asyncpg

from tenants.faults import InputRefused, NotFound
from tenants.keyring import Keyring, hash_secret
from tenants.scope import operator_scope, tenant_scope

Role = Literal["operator", "beheerder", "auditor"]
ROLES: tuple[Role, ...] = ("operator", "beheerder", "auditor")
Origin = Literal["persoon", "sleutel", "opdrachtregel"]
DECIDES = "besluit"
"""The route by which voorstellen are decided on. A key that is for some routes decides only when it names this one."""
PREFIX = "kpa_"
LONGEST = timedelta(days=366)
_ACTOR = "opdrachtregel"
_SEEN = "SELECT key_id, role, name, routes, person, valid_until, withdrawn_at, version FROM registry.admin_key"


@dataclass(frozen=True, slots=True)
class Admin:
    """An administrator as a key or a token proves it. `tenant_id` is None for the operator, and for nobody else.

    `routes` are the names of the only routes that its key opens; None for all of its role. Who administers for another tenant
    is a beheerder of that tenant here, by the mandate `mandaat_id`; `own_role` is what it is at home.
    """

    number: int
    role: Role
    tenant_id: int | None
    routes: frozenset[str] | None = None
    mandaat_id: int | None = None
    own_role: Role | None = None

    @property
    def actor(self) -> str:
        """How histories and records of readings name this administrator."""
        if self.mandaat_id is not None:
            return f"{self.own_role}/{self.number} (beheermandaat {self.mandaat_id})"
        return f"{self.role}/{self.number}"

    @property
    def delegated(self) -> bool:
        """Whether it administers for another tenant than its own."""
        return self.mandaat_id is not None

    def for_tenant(self, tenant_id: int, mandaat_id: int) -> "Admin":
        """The same, as beheerder of a tenant that gave a mandate. Never as its auditor."""
        return replace(self, role="beheerder", tenant_id=tenant_id, mandaat_id=mandaat_id, own_role=self.role)


@dataclass(frozen=True, slots=True)
class KeySeen:
    """A key as lists show it: everything but its secret.

    `person` is who made it: somebody whom a provider names, another key (`sleutel/…`), or None for the command line.
    """

    number: int
    role: Role
    name: str
    routes: tuple[str, ...] | None
    person: str | None
    valid_until: datetime
    withdrawn_at: datetime | None
    version: int

    @property
    def origin(self) -> Origin:
        """Where it comes from. What a key made that the command line made comes from there too."""
        if self.person is None:
            return "opdrachtregel"
        return "sleutel" if self.person.startswith("sleutel/") else "persoon"

    @property
    def counts(self) -> bool:
        """Whether it stands for a person of the tenant who can decide on voorstellen (`tenants.beheerders.has_auditor`)."""
        return self.origin == "persoon" and (self.routes is None or DECIDES in self.routes)


async def make_admin_key(
    connection: asyncpg.Connection,
    identity: Keyring,
    *,
    role: Role,
    tenant_id: int | None,
    name: str,
    valid_for: timedelta,
    routes: Sequence[str] | None = None,
    actor: str = _ACTOR,
) -> tuple[int, str]:
    """Make a key and return (number, secret), of which the secret is shown this once. Raises InputRefused.

    `routes`: the names of the only routes that it opens.
    """
    faults = _faults(role, tenant_id, name, valid_for)
    if faults:
        raise InputRefused(faults)
    secret = PREFIX + secrets.token_urlsafe(32)
    hashed, version = hash_secret(identity, secret)
    async with scope_of(connection, tenant_id, actor=actor):
        key_id: int = await connection.fetchval(
            "INSERT INTO registry.admin_key (tenant_id, role, name, hash, hash_version, valid_until, routes) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING key_id",
            tenant_id, role, name, hashed, version, datetime.now(UTC) + valid_for,
            None if routes is None else sorted(set(routes)),
        )  # fmt: skip
    return key_id, secret


async def withdraw_admin_key(
    connection: asyncpg.Connection, key_id: int, *, tenant_id: int | None, actor: str = _ACTOR
) -> None:
    """Let a key open nothing more. Raises NotFound when the tenant (None: the operator) has no such key."""
    async with scope_of(connection, tenant_id, actor=actor):
        found = await connection.fetchval(
            "UPDATE registry.admin_key SET withdrawn_at = COALESCE(withdrawn_at, now()) "
            "WHERE tenant_id IS NOT DISTINCT FROM $1 AND key_id = $2 RETURNING key_id",
            tenant_id, key_id,
        )  # fmt: skip
    if found is None:
        raise NotFound(f"There is no admin key {key_id} here.")


async def list_admin_keys(
    connection: asyncpg.Connection, tenant_id: int | None, *, after: int = 0, limit: int = 200
) -> list[KeySeen]:
    """Keys of a tenant (None: of the operator), by number. In its scope."""
    rows = await connection.fetch(
        f"{_SEEN} WHERE tenant_id IS NOT DISTINCT FROM $1 AND key_id > $2 ORDER BY key_id LIMIT $3",
        tenant_id, after, limit,
    )  # fmt: skip
    return [_seen(row) for row in rows]


async def find_admin_key(connection: asyncpg.Connection, tenant_id: int | None, number: int) -> KeySeen:
    """One key. Raises NotFound."""
    row = await connection.fetchrow(
        f"{_SEEN} WHERE tenant_id IS NOT DISTINCT FROM $1 AND key_id = $2", tenant_id, number
    )
    if row is None:
        raise NotFound(f"There is no admin key {number} here.")
    return _seen(row)


def scope_of(connection: asyncpg.Connection, tenant_id: int | None, *, actor: str) -> AbstractAsyncContextManager[None]:
    """The scope of an administrator: a tenant's, or the operator's, in which no tenant's rows are visible."""
    if tenant_id is None:
        return operator_scope(connection, actor=actor)
    return tenant_scope(connection, tenant_id, actor=actor)


async def recognise(connection: asyncpg.Connection, identity: Keyring, presented: str) -> Admin | None:
    """Return whose key this is, or None for an unknown, ended or withdrawn one.

    Found by its keyed hash: what the time of the search tells is about a hash that the asker cannot compute.
    """
    if not presented.startswith(PREFIX) or not presented.isascii():
        return None
    row = await connection.fetchrow(
        "SELECT k.key_id, k.role, k.tenant_id, k.routes, k.hash, k.hash_version FROM registry.admin_key k "
        "LEFT JOIN registry.tenant t ON t.tenant_id = k.tenant_id "
        "JOIN unnest($1::bytea[], $2::integer[]) p (hash, hash_version) "
        "  ON p.hash = k.hash AND p.hash_version = k.hash_version "
        "WHERE k.withdrawn_at IS NULL AND now() < k.valid_until "
        # An ended tenant changes nothing more, but its register stays its own for twenty years.
        "  AND (k.role IN ('operator', 'auditor') OR t.state = 'active')",
        *_hashes(identity, presented),
    )
    if row is None:
        return None
    if row["hash_version"] < identity.current:
        # Only now is the secret here with which its hash can move to the newer version of the keyring.
        hashed, version = hash_secret(identity, presented)
        await connection.fetchval(
            "SELECT registry.rehash_admin_key($1, $2, $3, $4)", row["key_id"], row["hash"], hashed, version
        )
    routes = None if row["routes"] is None else frozenset(row["routes"])
    return Admin(number=row["key_id"], role=cast("Role", row["role"]), tenant_id=row["tenant_id"], routes=routes)


def _seen(row: asyncpg.Record) -> KeySeen:
    return KeySeen(
        number=row["key_id"],
        role=cast("Role", row["role"]),
        name=row["name"],
        routes=None if row["routes"] is None else tuple(row["routes"]),
        person=row["person"],
        valid_until=row["valid_until"],
        withdrawn_at=row["withdrawn_at"],
        version=row["version"],
    )


def _hashes(identity: Keyring, presented: str) -> tuple[Sequence[bytes], Sequence[int]]:
    made = [hash_secret(identity, presented, version) for version in identity.versions]
    return [hashed for hashed, _ in made], [version for _, version in made]


def _faults(role: str, tenant_id: int | None, name: str, valid_for: timedelta) -> list[str]:
    faults = []
    if role not in ROLES:
        faults.append(f"A role is {', '.join(ROLES)}.")
    if (role == "operator") != (tenant_id is None):
        faults.append("An operator has no tenant; every other role has one.")
    if not name.strip() or len(name) > 500 or not name.isprintable():
        faults.append("A key has a name of one line, at most 500 characters.")
    if not timedelta(0) < valid_for <= LONGEST:
        faults.append(f"A key is valid for {LONGEST.days} days at most.")
    return faults
