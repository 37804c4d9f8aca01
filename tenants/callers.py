"""Writes the part of the registry that says who may call: taaksystemen, their keys, mandates and machtigingen.

Scope, role and errors as in `tenants.registry`. A mandate and a machtiging belong to the afnemer's tenant, also when the
taaksysteem is another's. Secrets are made here, shown once, and kept as a keyed hash.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg

from tenants.faults import InputRefused, NotFound
from tenants.keyring import Keyring, hash_secret
from tenants.rights import (
    Policy,
    Rights,
    faults_of_conditions,
    faults_of_grounds,
    faults_of_policy,
    faults_of_rights,
)

NO_POLICY = Policy()


@dataclass(frozen=True, slots=True)
class NewMachtiging:
    """`taaksysteem` is (tenant_id, taaksysteem_id); another tenant's needs a mandate.

    `rights` and `conditions` are as `tenants.rights` describes them; `add_bsn` asks burgerservicenummer for the register.
    """

    aansluiting_id: int
    taaksysteem: tuple[int, int]
    doelbinding: str
    grondslag: str
    ontvanger: str
    verwerkingsactiviteit: str
    rights: Rights
    mandate_id: int | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    conditions: Mapping[str, Any] = field(default_factory=dict)
    add_bsn: bool = False
    policy: Policy = NO_POLICY


async def create_taaksystemen(
    connection: asyncpg.Connection, tenant_id: int, environment: str, names: Sequence[str]
) -> list[int]:
    """Make taaksystemen of one environment; return their numbers in the order given. Names must differ."""
    rows = await connection.fetch(
        "INSERT INTO registry.taaksysteem (tenant_id, environment, name) SELECT $1, $2, * FROM unnest($3::text[]) "
        "RETURNING taaksysteem_id, name",
        tenant_id, environment, names,
    )  # fmt: skip
    numbers = {row["name"]: row["taaksysteem_id"] for row in rows}
    if len(numbers) != len(names):
        raise InputRefused(["Taaksystemen that are made together must have different names."])
    return [numbers[name] for name in names]


async def create_taaksysteem(connection: asyncpg.Connection, tenant_id: int, *, name: str, environment: str) -> int:
    return (await create_taaksystemen(connection, tenant_id, environment, [name]))[0]


async def set_vaste_aansluiting(
    connection: asyncpg.Connection, tenant_id: int, taaksysteem_id: int, aansluiting: tuple[int, int] | None
) -> None:
    """Name the aansluiting (tenant_id, aansluiting_id) of a taaksysteem that names none itself. Raises NotFound."""
    other_tenant_id, aansluiting_id = aansluiting or (None, None)
    found = await connection.fetchval(
        "UPDATE registry.taaksysteem SET vaste_aansluiting_tenant_id = $3, vaste_aansluiting_id = $4 "
        "WHERE tenant_id = $1 AND taaksysteem_id = $2 RETURNING taaksysteem_id",
        tenant_id, taaksysteem_id, other_tenant_id, aansluiting_id,
    )  # fmt: skip
    _found(found, "taaksysteem", taaksysteem_id)


async def end_taaksysteem(connection: asyncpg.Connection, tenant_id: int, taaksysteem_id: int) -> None:
    """Let a taaksysteem call no more. Raises NotFound."""
    found = await connection.fetchval(
        "UPDATE registry.taaksysteem SET state = 'ended' WHERE tenant_id = $1 AND taaksysteem_id = $2 "
        "RETURNING taaksysteem_id",
        tenant_id, taaksysteem_id,
    )  # fmt: skip
    _found(found, "taaksysteem", taaksysteem_id)


async def issue_api_keys(
    connection: asyncpg.Connection,
    tenant_id: int,
    identity: Keyring,
    taaksysteem_ids: Sequence[int],
    *,
    valid_until: datetime | None = None,
) -> list[tuple[int, str]]:
    """Make an API key for each; return (key_id, secret) in the order given. The secret is shown this once."""
    made = ["kp_" + secrets.token_urlsafe(32) for _ in taaksysteem_ids]
    hashes = [hash_secret(identity, secret)[0] for secret in made]
    rows = await connection.fetch(
        "INSERT INTO registry.taaksysteem_key (tenant_id, kind, hash_version, valid_until, taaksysteem_id, hash) "
        "SELECT $1, 'api-key', $2, COALESCE($3, 'infinity'::timestamptz), * FROM unnest($4::bigint[], $5::bytea[]) "
        "RETURNING key_id, hash",
        tenant_id, identity.current, valid_until, taaksysteem_ids, hashes,
    )  # fmt: skip
    numbers = {row["hash"]: row["key_id"] for row in rows}
    return [(numbers[one], secret) for one, secret in zip(hashes, made, strict=True)]


async def issue_api_key(
    connection: asyncpg.Connection,
    tenant_id: int,
    identity: Keyring,
    taaksysteem_id: int,
    *,
    valid_until: datetime | None = None,
) -> tuple[int, str]:
    """Make an API key; return (key_id, secret), of which the secret is shown this once."""
    return (await issue_api_keys(connection, tenant_id, identity, [taaksysteem_id], valid_until=valid_until))[0]


async def issue_gateway_client(
    connection: asyncpg.Connection,
    tenant_id: int,
    identity: Keyring,
    taaksysteem_id: int,
    *,
    client_id: str | None = None,
    secret: str | None = None,
    valid_until: datetime | None = None,
) -> tuple[str, str]:
    """Make client credentials for the gateway's own token endpoint; return (client_id, secret), shown this once.

    Both may be given, for a demonstration that must be told beforehand.
    """
    name = client_id or "kp-" + secrets.token_hex(8)
    made = secret or secrets.token_urlsafe(32)
    hashed, version = hash_secret(identity, made)
    await connection.execute(
        "INSERT INTO registry.taaksysteem_key "
        "(tenant_id, taaksysteem_id, kind, client_id, hash, hash_version, valid_until) "
        "VALUES ($1, $2, 'client-secret', $3, $4, $5, COALESCE($6, 'infinity'::timestamptz))",
        tenant_id, taaksysteem_id, name, hashed, version, valid_until,
    )  # fmt: skip
    return name, made


async def withdraw_key(connection: asyncpg.Connection, tenant_id: int, key_id: int) -> None:
    """Let a key open nothing more, from now on and for ever. Raises NotFound."""
    found = await connection.fetchval(
        "UPDATE registry.taaksysteem_key SET state = 'withdrawn' WHERE tenant_id = $1 AND key_id = $2 "
        "RETURNING key_id",
        tenant_id, key_id,
    )  # fmt: skip
    _found(found, "key", key_id)


async def create_mandate(
    connection: asyncpg.Connection,
    tenant_id: int,
    *,
    to_tenant_id: int,
    reason: str,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
) -> int:
    """Let taaksystemen of another tenant act for this one's afnemers, as far as machtigingen say."""
    number: int = await connection.fetchval(
        "INSERT INTO registry.mandate (tenant_id, to_tenant_id, reason, valid_from, valid_until) "
        "VALUES ($1, $2, $3, COALESCE($4, now()), COALESCE($5, 'infinity'::timestamptz)) RETURNING mandate_id",
        tenant_id, to_tenant_id, reason, valid_from, valid_until,
    )  # fmt: skip
    return number


async def withdraw_mandate(connection: asyncpg.Connection, tenant_id: int, mandate_id: int) -> None:
    """End a mandate, and with it every machtiging that leans on it. Raises NotFound."""
    found = await connection.fetchval(
        "UPDATE registry.mandate SET withdrawn_at = COALESCE(withdrawn_at, now()) "
        "WHERE tenant_id = $1 AND mandate_id = $2 RETURNING mandate_id",
        tenant_id, mandate_id,
    )  # fmt: skip
    _found(found, "mandate", mandate_id)


async def create_machtigingen(
    connection: asyncpg.Connection, tenant_id: int, machtigingen: Sequence[NewMachtiging]
) -> list[int]:
    """Make machtigingen; return their numbers. Raises InputRefused with everything that is wrong with them.

    What weakens the register (`policy`) is only asked here: it holds when another actor has granted it.
    """
    if faults := await _faults_of(connection, tenant_id, machtigingen):
        raise InputRefused(faults)
    rows = await connection.fetch(
        "INSERT INTO registry.machtiging (tenant_id, aansluiting_id, taaksysteem_tenant_id, taaksysteem_id, mandate_id, "
        "  doelbinding, grondslag, ontvanger, verwerkingsactiviteit, rights, valid_from, valid_until, conditions, add_bsn, "
        "  leave_out_geheimhouding, protocol_note, protocol_note_article, inzage, inzage_article) "
        "SELECT $1, a, st, s, m, d, g, o, v, r, COALESCE(f, now()), COALESCE(u, 'infinity'), c, b, l, p, pa, i, ia "
        "FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[], "
        "  $9::text[], $10::jsonb[], $11::timestamptz[], $12::timestamptz[], $13::jsonb[], $14::boolean[], "
        "  $15::boolean[], $16::text[], $17::text[], $18::text[], $19::text[]) WITH ORDINALITY "
        "  n (a, st, s, m, d, g, o, v, r, f, u, c, b, l, p, pa, i, ia, place) ORDER BY place "
        "RETURNING machtiging_id",
        tenant_id,
        [one.aansluiting_id for one in machtigingen],
        [one.taaksysteem[0] for one in machtigingen],
        [one.taaksysteem[1] for one in machtigingen],
        [one.mandate_id for one in machtigingen],
        [one.doelbinding for one in machtigingen],
        [one.grondslag for one in machtigingen],
        [one.ontvanger for one in machtigingen],
        [one.verwerkingsactiviteit for one in machtigingen],
        [json.dumps(one.rights) for one in machtigingen],
        [one.valid_from for one in machtigingen],
        [one.valid_until for one in machtigingen],
        [json.dumps(one.conditions) for one in machtigingen],
        [one.add_bsn for one in machtigingen],
        [one.policy.leave_out_geheimhouding for one in machtigingen],
        [one.policy.protocol_note for one in machtigingen],
        [one.policy.protocol_note_article for one in machtigingen],
        [one.policy.inzage for one in machtigingen],
        [one.policy.inzage_article for one in machtigingen],
    )
    return [row["machtiging_id"] for row in rows]


async def create_machtiging(connection: asyncpg.Connection, tenant_id: int, machtiging: NewMachtiging) -> int:
    return (await create_machtigingen(connection, tenant_id, [machtiging]))[0]


async def withdraw_machtiging(connection: asyncpg.Connection, tenant_id: int, machtiging_id: int) -> None:
    """End a machtiging from now on. Raises NotFound."""
    found = await connection.fetchval(
        "UPDATE registry.machtiging SET withdrawn_at = COALESCE(withdrawn_at, now()) "
        "WHERE tenant_id = $1 AND machtiging_id = $2 RETURNING machtiging_id",
        tenant_id, machtiging_id,
    )  # fmt: skip
    _found(found, "machtiging", machtiging_id)


async def grant_policy(connection: asyncpg.Connection, tenant_id: int, machtiging_id: int) -> None:
    """Let a machtiging leave out of the register what it asks for, from now on. By another actor than who made it.

    Raises NotFound; asyncpg.CheckViolationError when it asks for nothing, has it, or the actor asked for it itself.
    """
    found = await connection.fetchval(
        "UPDATE registry.machtiging SET policy_granted_by = current_setting('koppelpunt.actor') "
        "WHERE tenant_id = $1 AND machtiging_id = $2 AND withdrawn_at IS NULL RETURNING machtiging_id",
        tenant_id, machtiging_id,
    )  # fmt: skip
    _found(found, "machtiging", machtiging_id)


async def _faults_of(
    connection: asyncpg.Connection, tenant_id: int, machtigingen: Sequence[NewMachtiging]
) -> list[str]:
    rows = await connection.fetch(
        "SELECT a.aansluiting_id, n.kind FROM registry.aansluiting a "
        "JOIN registry.afnemer n ON n.tenant_id = a.tenant_id AND n.afnemer_id = a.afnemer_id "
        "WHERE a.tenant_id = $1 AND a.aansluiting_id = ANY ($2)",
        tenant_id, [one.aansluiting_id for one in machtigingen],
    )  # fmt: skip
    kinds = {row["aansluiting_id"]: row["kind"] for row in rows}
    faults: list[str] = []
    for one in machtigingen:
        kind = kinds.get(one.aansluiting_id, "")
        faults += faults_of_rights(one.rights) + faults_of_conditions(one.conditions)
        faults += faults_of_grounds(kind, one.grondslag, one.ontvanger)
        faults += faults_of_policy(one.policy, one.rights, kind, one.grondslag)
    return faults


def _found(number: int | None, noun: str, asked: int) -> None:
    if number is None:
        raise NotFound(f"There is no {noun} {asked} here that this can be done to.")
