"""The part of an onboarding that is a tenant itself, and how its register is kept.

A document chooses no weaker register than the kind of a tenant is given, as the API does not: what is less is asked of the
tenant's auditor, what is more of its beheerder, and what the document leaves open stays. A gemeente is refused less than
twenty years. Only a restore puts back what was kept, as then there is nobody to ask.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import asyncpg

from tenants import registry
from tenants.faults import InputRefused
from tenants.onboarding_document import Document, TenantPart
from tenants.onboarding_work import Work
from tenants.register_asking import RegisterAsked, ask_for_register
from tenants.register_presets import kept_at_first, preset_of, years_kept
from tenants.scope import operator_scope, tenant_scope


def faults_of_register(document: Document) -> Iterator[str]:
    """Where a document asks for less than anybody may grant."""
    for number, part in enumerate(document.tenants):
        fewest = preset_of(part.kind).fewest_years
        if part.retention_years is not None and part.retention_years < fewest:
            words = f"a {part.kind} keeps its register for {fewest} years at least (Wet BRP art. 3.22)"
            yield f"tenants.{number}.retention_years: {words}."


async def bring_tenant(work: Work, part: TenantPart) -> int:
    """Make a tenant, or bring its name and kind to what the document says; its number. Its register is asked apart."""
    found: int | None = await work.connection.fetchval("SELECT tenant_id FROM registry.tenant WHERE oin = $1", part.oin)
    is_new = found is None
    if found is None:
        found = await _make(work, part)
    year = datetime.now(UTC).year
    async with tenant_scope(work.connection, found, actor=work.actor):
        await registry.ensure_tenant_years(work.connection, found, work.identity, work.register, [year, year + 1])
        if not is_new:
            work.changed["tenant"] += await _rename(work.connection, found, part)
    return found


async def ask_register(work: Work, part: TenantPart) -> RegisterAsked | None:
    """Ask the tenant what the document says otherwise of its register; the voorstel, None when there is nothing to ask."""
    tenant_id = work.tenants[part.oin]
    async with tenant_scope(work.connection, tenant_id, actor=work.actor):
        return await ask_for_register(work.connection, tenant_id, part.record_content, part.retention_years)


async def ask_registers(work: Work, document: Document) -> None:
    """Ask every tenant of a document."""
    for part in document.tenants:
        await ask_register(work, part)


def must_be_kept(document: Document) -> None:
    """Raise InputRefused with all that `faults_of_register` tells."""
    if faults := list(faults_of_register(document)):
        raise InputRefused(faults)


async def _make(work: Work, part: TenantPart) -> int:
    content, years = kept_at_first(part.kind, part.record_content, part.retention_years)
    if work.restores:
        content, years = part.record_content or content, years_kept(part.kind, part.retention_years or years)
    async with operator_scope(work.connection, actor=work.actor):
        made = await registry.create_tenant(
            work.connection, oin=part.oin, name=part.name, kind=part.kind, record_content=content, retention_years=years
        )
    work.made["tenant"] += 1
    return made


async def _rename(connection: asyncpg.Connection, tenant_id: int, part: TenantPart) -> bool:
    row = await connection.fetchrow(
        "SELECT name, kind, retention_years FROM registry.tenant WHERE tenant_id = $1", tenant_id
    )
    if (row["name"], row["kind"]) == (part.name, part.kind):
        return False
    # Who becomes another kind keeps what it kept in truth.
    years = years_kept(row["kind"], row["retention_years"]) if row["kind"] != part.kind else row["retention_years"]
    await connection.execute(
        "UPDATE registry.tenant SET name = $2, kind = $3, retention_years = $4 WHERE tenant_id = $1",
        tenant_id, part.name, part.kind, years,
    )  # fmt: skip
    return True
