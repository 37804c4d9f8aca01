"""Writes what afnemers may ask by their autorisatiebesluit: their own rows of RvIG's autorisatietabel (tabel 35).

Scope, role and errors as in `tenants.registry`. A row holds from its first day until the day before its end; its medium
says whether it allows asking over the network (A or N). A gemeente needs no row. What is replaced or taken away stays in
the history of the tenant. Source: Wet BRP art. 3.2 and 3.3; LO BRP, tabel 35.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import asyncpg

from tenants.faults import InputRefused

_RUBRIEK = re.compile(r"[0-9]{5,6}|[A-Z]{4}[0-9]{2}")
_LENGTH = 6


@dataclass(frozen=True, slots=True)
class NewBesluit:
    """A row to register. `rubrieken` have six positions each; `end` None is without end."""

    afnemer_id: str
    start: date
    end: date | None
    medium: str
    rubrieken: tuple[str, ...]


def read_rubrieken(text: str) -> tuple[str, ...]:
    """The rubrieken of a row as the table writes them: by white space, without leading zero; distinct and ascending.

    Raises InputRefused that counts the pieces that are no rubriek.
    """
    pieces = text.split()
    wrong = sum(not _RUBRIEK.fullmatch(piece) for piece in pieces)
    if wrong:
        raise InputRefused([f"{wrong} of the rubrieken are not written as five or six digits, or as PAAD01."])
    return tuple(sorted({piece.zfill(_LENGTH) for piece in pieces}))


async def put_besluiten(connection: asyncpg.Connection, tenant_id: int, besluiten: Sequence[NewBesluit]) -> int:
    """Register rows; one with the same afnemer, first day and medium takes the new end and rubrieken.

    Returns how many were made or changed. Raises InputRefused for rows that begin on one day by the same medium.
    """
    if len({(one.afnemer_id, one.start, one.medium) for one in besluiten}) != len(besluiten):
        raise InputRefused(["Two rows of one afnemer begin on the same day by the same medium."])
    status: str = await connection.execute(
        "INSERT INTO registry.autorisatiebesluit AS b (tenant_id, afnemer_id, start_date, end_date, medium, rubrieken) "
        "SELECT $1, n.a, n.s, n.e, n.m, string_to_array(n.r, ' ') "
        "FROM unnest($2::text[], $3::date[], $4::date[], $5::text[], $6::text[]) n (a, s, e, m, r) "
        "ON CONFLICT (tenant_id, afnemer_id, start_date, medium) "
        "DO UPDATE SET end_date = EXCLUDED.end_date, rubrieken = EXCLUDED.rubrieken "
        "WHERE (b.end_date, b.rubrieken) IS DISTINCT FROM (EXCLUDED.end_date, EXCLUDED.rubrieken)",
        tenant_id,
        [one.afnemer_id for one in besluiten],
        [one.start for one in besluiten],
        [one.end for one in besluiten],
        [one.medium for one in besluiten],
        [" ".join(sorted(set(one.rubrieken))) for one in besluiten],
    )
    return int(status.rpartition(" ")[2])


async def replace_besluiten(
    connection: asyncpg.Connection, tenant_id: int, afnemer_id: str, besluiten: Iterable[NewBesluit]
) -> int:
    """Let an afnemer have these rows and no other; return how many were made, changed or taken away.

    Raises InputRefused for rows of another afnemer, and as `put_besluiten`.
    """
    kept = list(besluiten)
    if any(one.afnemer_id != afnemer_id for one in kept):
        raise InputRefused(["A row is of another afnemer."])
    status: str = await connection.execute(
        "DELETE FROM registry.autorisatiebesluit b WHERE b.tenant_id = $1 AND b.afnemer_id = $2 "
        "  AND NOT EXISTS (SELECT 1 FROM unnest($3::date[], $4::text[]) n (s, m) "
        "    WHERE (n.s, n.m) = (b.start_date, b.medium))",
        tenant_id,
        afnemer_id,
        [one.start for one in kept],
        [one.medium for one in kept],
    )
    return int(status.rpartition(" ")[2]) + await put_besluiten(connection, tenant_id, kept)
