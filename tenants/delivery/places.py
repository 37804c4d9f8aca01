"""The places that a tenant chose for its checkpoints, in the registry. In the tenant's scope, as its beheerder.

A place is a directory below the operator's file share (`file`), an https URL that takes a POST (`http`), or the address
of the tenant's officer (`email`). Refuses what could lead elsewhere: a path that climbs, a URL with credentials or a
query. Raises InputRefused with what is wrong, NotFound.
"""

import re
from dataclasses import dataclass
from typing import Final, Literal

import asyncpg

from tenants.faults import InputRefused, NotFound

PlaceKind = Literal["file", "http", "email"]
MISSING: Final = (
    "De organisatie heeft geen bestemming voor haar controlepunten. In productie moeten die ergens heen gaan waar de "
    "operator niet bij kan: kies eerst een map, een https-adres of een e-mailadres."
)
EVERY: Final[dict[str, int]] = {"file": 60, "http": 60, "email": 86_400}
"""Seconds between deliveries unless the tenant says otherwise: a mail a minute would be read by nobody."""

_FORMS: Final = {
    "file": re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*"),
    "http": re.compile(r"https://[^/@?#\s]+(/[^?#\s]*)?"),
    "email": re.compile(r"[^@\s<>,;\"]+@[A-Za-z0-9.-]+"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """One destination, and how far it is: the size of the last checkpoint that it has."""

    destination_id: int
    kind: PlaceKind
    target: str
    every_seconds: int
    delivered: int


def check_place(kind: str, target: str, every_seconds: int | None = None) -> list[str]:
    """Everything that is wrong with a place."""
    form = _FORMS.get(kind)
    if form is None:
        return [f"a checkpoint destination is one of {', '.join(_FORMS)}"]
    faults = []
    if len(target) > 500 or not form.fullmatch(target):
        faults.append(f"this is no place of kind {kind}")
    if every_seconds is not None and not 60 <= every_seconds <= 604_800:
        faults.append("checkpoints are delivered every 60 to 604800 seconds")
    return faults


async def add_place(
    connection: asyncpg.Connection, tenant_id: int, kind: PlaceKind, target: str, *, every_seconds: int | None = None
) -> int:
    """Let checkpoints go to a place from now on; return its number. The same place again is the place that is there."""
    if faults := check_place(kind, target, every_seconds):
        raise InputRefused(faults)
    seconds = EVERY[kind] if every_seconds is None else every_seconds
    found: int | None = await connection.fetchval(
        "SELECT destination_id FROM registry.checkpoint_destination "
        "WHERE tenant_id = $1 AND kind = $2 AND target = $3 AND state = 'active'",
        tenant_id, kind, target,
    )  # fmt: skip
    if found is not None:
        await connection.execute(
            "UPDATE registry.checkpoint_destination SET every_seconds = $3 "
            "WHERE tenant_id = $1 AND destination_id = $2 AND every_seconds <> $3",
            tenant_id, found, seconds,
        )  # fmt: skip
        return found
    made: int = await connection.fetchval(
        "INSERT INTO registry.checkpoint_destination (tenant_id, kind, target, every_seconds) VALUES ($1, $2, $3, $4) "
        "RETURNING destination_id",
        tenant_id, kind, target, seconds,
    )  # fmt: skip
    return made


async def has_place(connection: asyncpg.Connection, tenant_id: int) -> bool:
    """Whether checkpoints of a tenant go anywhere. Until its transaction ends, whoever asks keeps that so."""
    return bool(await _hold_places(connection, tenant_id))


async def end_place(connection: asyncpg.Connection, tenant_id: int, destination_id: int) -> None:
    """Let no checkpoint go there any more. Raises NotFound, and InputRefused for the last one of who is in productie."""
    is_last = await _hold_places(connection, tenant_id) == [destination_id]
    if is_last and await connection.fetchval(
        "SELECT EXISTS (SELECT 1 FROM registry.aansluiting a JOIN registry.environment e ON e.name = a.environment "
        "WHERE a.tenant_id = $1 AND a.state = 'productie' AND e.kind = 'productie')",
        tenant_id,
    ):
        raise InputRefused([f"Dit is de laatste bestemming, en er is een aansluiting in productie. {MISSING}"])
    status = await connection.execute(
        "UPDATE registry.checkpoint_destination SET state = 'ended' "
        "WHERE tenant_id = $1 AND destination_id = $2 AND state = 'active'",
        tenant_id, destination_id,
    )  # fmt: skip
    if status != "UPDATE 1":
        raise NotFound(f"There is no active checkpoint destination {destination_id}.")


async def _hold_places(connection: asyncpg.Connection, tenant_id: int) -> list[int]:
    """The active places, locked in one order: who ends one and who goes to productie cannot pass each other."""
    rows = await connection.fetch(
        "SELECT destination_id FROM registry.checkpoint_destination "
        "WHERE tenant_id = $1 AND state = 'active' ORDER BY destination_id FOR UPDATE",
        tenant_id,
    )
    return [row["destination_id"] for row in rows]


async def list_places(connection: asyncpg.Connection, tenant_id: int) -> list[Place]:
    """The places of a tenant that checkpoints go to."""
    rows = await connection.fetch(
        "SELECT d.destination_id, d.kind, d.target, d.every_seconds, COALESCE(v.size, 0) AS delivered "
        "FROM registry.checkpoint_destination d LEFT JOIN register.delivery v "
        "  ON v.tenant_id = d.tenant_id AND v.destination_id = d.destination_id "
        "WHERE d.tenant_id = $1 AND d.state = 'active' ORDER BY d.destination_id",
        tenant_id,
    )
    return [Place(**row) for row in rows]
