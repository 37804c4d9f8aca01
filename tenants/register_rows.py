"""Reads openings with their closings from the register, and opens what they hold. For one step of a recorded reading."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import asyncpg

from tenants.keyring import Keyring
from tenants.protocolregels import Cause, Protocolregel, SealedRegel, closing_of, open_contents, regel_of
from tenants.register_keys import DataKeys, read_data_keys

_OPENINGS = (
    "SELECT o.id, o.opened_at, o.afnemer_id, o.organisation_oin, o.certificate_oin, o.fingerprint, o.aansluiting_id, "
    "  o.machtiging_id, o.machtiging_version, o.mandate_id, o.taaksysteem_tenant_id, o.taaksysteem_id, "
    "  s.name AS taaksysteem_name, o.acting_oin, o.doelbinding, o.grondslag, o.ontvanger, o.verwerkingsactiviteit, "
    "  o.refusal, o.api, o.operation, o.question_type, o.zoekrubrieken, o.rubrieken, o.trace_id, o.writer_id, o.number, "
    # Refused is inzage from the version on at which somebody granted that (Besluit BRP 46).
    "  o.hash, CASE WHEN m.inzage = 'refused' AND o.machtiging_version >= m.policy_version THEN m.inzage_article END "
    "  AS inzage_refused, o.data_key_id, o.sealed "
    "FROM register.opening_whole o LEFT JOIN registry.taaksysteem s "
    "  ON s.tenant_id = o.taaksysteem_tenant_id AND s.taaksysteem_id = o.taaksysteem_id "
    "LEFT JOIN registry.machtiging m ON m.tenant_id = o.tenant_id AND m.machtiging_id = o.machtiging_id "
    "WHERE o.tenant_id = $1 AND o.id = ANY ($2)"
)
_CLOSINGS = (
    "SELECT id, closed_at, outcome, status, code, persons, unidentified, question_bytes, answer_bytes, token_us, "
    "  upstream_us, total_us, number, hash, data_key_id, sealed "
    "FROM register.closing WHERE tenant_id = $1 AND id = ANY ($2)"
)


async def read_sealed(connection: asyncpg.Connection, tenant_id: int, ids: Sequence[UUID]) -> list[SealedRegel]:
    """Openings and closings by id, each in one statement; the order of `ids` is kept. An id that is not there is not."""
    openings = await connection.fetch(_OPENINGS, tenant_id, ids)
    closings = {row["id"]: row for row in await connection.fetch(_CLOSINGS, tenant_id, ids)}
    by_id = {row["id"]: row for row in openings}
    causes = await _causes_of(connection, [id_ for id_ in by_id if id_ not in closings])
    return [
        SealedRegel(
            regel=regel_of(
                by_id[id_], None if (closing := closings.get(id_)) is None else closing_of(closing), causes.get(id_)
            ),
            opening=(by_id[id_]["data_key_id"], by_id[id_]["sealed"]),
            closing=None if closing is None else (closing["data_key_id"], closing["sealed"]),
        )
        for id_ in ids
        if id_ in by_id
    ]


async def _causes_of(connection: asyncpg.Connection, ids: Sequence[UUID]) -> dict[UUID, Cause]:
    """Why these calls have no closing; a refused attempt needs none."""
    if not ids:
        return {}
    return {row["id"]: row["cause"] for row in await connection.fetch("SELECT * FROM register.causes_of($1)", ids)}


async def keys_for(
    connection: asyncpg.Connection, register: Keyring, tenant_id: int, sealed: Sequence[SealedRegel]
) -> DataKeys:
    """Open the data keys that these rows need. Raises SealingError when a year's key does not open."""
    needed = {one.opening[0] for one in sealed} | {one.closing[0] for one in sealed if one.closing is not None}
    return await read_data_keys(connection, register, tenant_id, needed)


async def open_all(sealed: Sequence[SealedRegel], keys: DataKeys, tenant_id: int) -> list[Protocolregel]:
    """The rows with what they hold. In a thread: a page of whole answers is a second of decompression at worst."""
    return await asyncio.to_thread(lambda: [one.regel.showing(open_contents(one, keys, tenant_id)) for one in sealed])


async def count_open_calls(connection: asyncpg.Connection, tenant_id: int, floor: UUID, ceiling: UUID) -> int:
    """How many calls of a period have no closing."""
    found: int = await connection.fetchval(
        "SELECT count(*) FROM register.running WHERE tenant_id = $1 AND id >= $2 AND id < $3",
        tenant_id, floor, ceiling,
    )  # fmt: skip
    return found
