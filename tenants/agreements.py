"""Writes what aansluitpatronen are judged by: agreements, and exceptions to the certificate rule with their lending.

Scope, role and errors as in `tenants.registry`. An agreement belongs to the afnemer's tenant. A lending belongs to the
holder of the certificate, an exception to the afnemer's tenant: neither alone lets anything leave. Nothing here makes an
exception for a gemeente; the database has no room for one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import asyncpg

from tenants.faults import InputRefused, NotFound

KINDS = ("contract", "verwerkersovereenkomst", "convenant", "aanvullende_autorisatie")


@dataclass(frozen=True, slots=True)
class NewAgreement:
    """Dates are days in the Netherlands; `valid_until` is the first day on which it no longer holds.

    `products` are the informatieproducten of an aanvullende_autorisatie, and of nothing else.
    """

    kind: str
    party: str
    signed_on: date
    valid_until: date | None = None
    afnemer_id: str | None = None
    reference: str = ""
    products: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class NewException:
    """`lending` is (holder's tenant_id, lending_id). `article` is what allows it, `granted_by` who did."""

    afnemer_id: str
    lending: tuple[int, int]
    holder_oin: str
    reason: str
    article: str
    granted_by: str
    valid_until: datetime
    valid_from: datetime | None = None


async def add_agreement(connection: asyncpg.Connection, tenant_id: int, agreement: NewAgreement) -> int:
    """Record an agreement; return its number."""
    number: int = await connection.fetchval(
        "INSERT INTO registry.agreement (tenant_id, kind, afnemer_id, party, reference, products, signed_on, valid_until) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING agreement_id",
        tenant_id,
        agreement.kind,
        agreement.afnemer_id,
        agreement.party,
        agreement.reference,
        list(agreement.products),
        agreement.signed_on,
        agreement.valid_until,
    )
    return number


async def grant_grace(
    connection: asyncpg.Connection, tenant_id: int, agreement_id: int, *, until: date, reason: str
) -> None:
    """Record until when an agreement whose time is over stops nothing. Raises NotFound."""
    found = await connection.fetchval(
        "UPDATE registry.agreement SET grace_until = $3, grace_reason = $4 "
        "WHERE tenant_id = $1 AND agreement_id = $2 AND withdrawn_at IS NULL RETURNING agreement_id",
        tenant_id, agreement_id, until, reason,
    )  # fmt: skip
    _found(found, "agreement", agreement_id)


async def withdraw_agreement(connection: asyncpg.Connection, tenant_id: int, agreement_id: int) -> None:
    """Let an agreement count no more, from now on. Raises NotFound."""
    found = await connection.fetchval(
        "UPDATE registry.agreement SET withdrawn_at = COALESCE(withdrawn_at, now()) "
        "WHERE tenant_id = $1 AND agreement_id = $2 RETURNING agreement_id",
        tenant_id, agreement_id,
    )  # fmt: skip
    _found(found, "agreement", agreement_id)


async def lend_certificates(
    connection: asyncpg.Connection,
    tenant_id: int,
    *,
    to_tenant_id: int,
    reason: str,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
) -> int:
    """Let another tenant's aansluitingen leave with this tenant's certificates, as far as exceptions say; its number."""
    number: int = await connection.fetchval(
        "INSERT INTO registry.certificate_lending (tenant_id, to_tenant_id, reason, valid_from, valid_until) "
        "VALUES ($1, $2, $3, COALESCE($4, now()), COALESCE($5, 'infinity'::timestamptz)) RETURNING lending_id",
        tenant_id, to_tenant_id, reason, valid_from, valid_until,
    )  # fmt: skip
    return number


async def withdraw_lending(connection: asyncpg.Connection, tenant_id: int, lending_id: int) -> None:
    """End a lending, and with it every exception that leans on it. Raises NotFound."""
    found = await connection.fetchval(
        "UPDATE registry.certificate_lending SET withdrawn_at = COALESCE(withdrawn_at, now()) "
        "WHERE tenant_id = $1 AND lending_id = $2 RETURNING lending_id",
        tenant_id, lending_id,
    )  # fmt: skip
    _found(found, "lending", lending_id)


async def grant_exception(connection: asyncpg.Connection, tenant_id: int, made: NewException) -> int:
    """Record an exception; return its number. Raises InputRefused for a gemeente, NotFound for an unknown afnemer."""
    row = await connection.fetchrow(
        "SELECT n.kind, n.oin, t.kind AS tenant_kind FROM registry.afnemer n "
        "JOIN registry.tenant t ON t.tenant_id = n.tenant_id WHERE n.tenant_id = $1 AND n.afnemer_id = $2",
        tenant_id, made.afnemer_id,
    )  # fmt: skip
    if row is None:
        raise NotFound(f"There is no afnemer {made.afnemer_id} here.")
    if "gemeente" in {row["kind"], row["tenant_kind"]}:
        raise InputRefused(["A gemeente always uses a certificate of its own organisation; there is no exception."])
    number: int = await connection.fetchval(
        "INSERT INTO registry.certificate_exception (tenant_id, tenant_kind, afnemer_id, organisation_oin, afnemer_kind, "
        "  holder_tenant_id, holder_oin, lending_id, reason, article, granted_by, valid_from, valid_until) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, COALESCE($12, now()), $13) RETURNING exception_id",
        tenant_id, row["tenant_kind"], made.afnemer_id, row["oin"], row["kind"], made.lending[0], made.holder_oin,
        made.lending[1], made.reason, made.article, made.granted_by, made.valid_from, made.valid_until,
    )  # fmt: skip
    return number


async def withdraw_exception(connection: asyncpg.Connection, tenant_id: int, exception_id: int) -> None:
    """End an exception: from now on nothing leaves by it. Raises NotFound."""
    found = await connection.fetchval(
        "UPDATE registry.certificate_exception SET withdrawn_at = COALESCE(withdrawn_at, now()) "
        "WHERE tenant_id = $1 AND exception_id = $2 RETURNING exception_id",
        tenant_id, exception_id,
    )  # fmt: skip
    _found(found, "exception", exception_id)


async def use_certificate(
    connection: asyncpg.Connection,
    tenant_id: int,
    aansluiting_id: int,
    certificate_id: int,
    *,
    exception_id: int | None = None,
) -> None:
    """Let an aansluiting leave with a certificate by an exception, or again with one of its own. Raises NotFound.

    Also the rotation of a holder's certificate, which the holder cannot do in another's registry.
    """
    found = await connection.fetchval(
        "UPDATE registry.aansluiting a SET certificate_id = $3, exception_id = x.exception_id, "
        "  holder_tenant_id = x.holder_tenant_id, holder_oin = x.holder_oin "
        "FROM (SELECT 1) one LEFT JOIN registry.certificate_exception x ON x.tenant_id = $1 AND x.exception_id = $4 "
        "WHERE a.tenant_id = $1 AND a.aansluiting_id = $2 AND a.state <> 'beeindigd' "
        "  AND ($4::bigint IS NULL OR x.exception_id IS NOT NULL) RETURNING a.aansluiting_id",
        tenant_id, aansluiting_id, certificate_id, exception_id,
    )  # fmt: skip
    _found(found, "aansluiting or exception", aansluiting_id)


async def set_header_choice(connection: asyncpg.Connection, tenant_id: int, mandate_id: int, *, allowed: bool) -> None:
    """Say whether a header alone may choose this tenant, for calls under a mandate of it. Raises NotFound."""
    found = await connection.fetchval(
        "UPDATE registry.mandate SET header_choice = $3 WHERE tenant_id = $1 AND mandate_id = $2 RETURNING mandate_id",
        tenant_id, mandate_id, allowed,
    )  # fmt: skip
    _found(found, "mandate", mandate_id)


async def set_installation(connection: asyncpg.Connection, environment: str, installation: str) -> None:
    """Say which installation serves an environment. The operator's. Raises NotFound."""
    found = await connection.fetchval(
        "UPDATE registry.environment SET installation = $2 WHERE name = $1 RETURNING name", environment, installation
    )
    if found is None:
        raise NotFound(f"There is no environment {environment!r}.")


def _found(number: int | None, noun: str, asked: int) -> None:
    if number is None:
        raise NotFound(f"There is no {noun} {asked} here that this can be done to.")
