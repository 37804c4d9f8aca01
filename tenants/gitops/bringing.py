"""Brings the registry to what a document says, or tells what that would do. For the command line.

One transaction for the whole document: all of it is done, or nothing. A diff is the same work, taken back at its end: it
shows what an apply would do because it is one. What a tenant must accept is asked, not done (`holding`, `proposing`).

A restore is the one exception: into a registry without any tenant an operator puts back what an export held, all of it, with
a reason that stands with every change in each tenant's own history (decision 0027).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import asyncpg

from tenants.faults import InputRefused
from tenants.gitops.changes import Change, read_changes
from tenants.gitops.holding import Waiting, find_difference, put_to_use, split
from tenants.gitops.proposing import ACTOR, Proposed, propose_difference
from tenants.gitops.terms import find_other_terms
from tenants.keyring import Keyring
from tenants.notices.signing import NoticeKeys
from tenants.onboarding import Outcome, bring, hold_registry, outcome_of, read_files, refused_by_registry
from tenants.onboarding_document import Document, TenantPart, read_document
from tenants.onboarding_files import is_reference
from tenants.onboarding_patterns import check_document
from tenants.onboarding_register import faults_of_register
from tenants.onboarding_work import Work
from tenants.scope import tenant_scope

_LONGEST_REASON: Final = 200


@dataclass(frozen=True, slots=True)
class Brought:
    """What was done (or would be), what is asked of tenants, and what cannot be asked yet."""

    outcome: Outcome
    changes: tuple[Change, ...]
    proposed: tuple[Proposed, ...]
    waiting: tuple[Waiting, ...] = field(default=())

    @property
    def nothing(self) -> bool:
        """Whether registry and document say the same."""
        return not (self.changes or self.proposed or self.waiting)


async def bring_document(
    connection: asyncpg.Connection,
    document: Mapping[str, Any],
    identity: Keyring,
    register: Keyring,
    *,
    directory: Path,
    keep: bool,
    new_only: bool = False,
    restore: str | None = None,
    notices: NoticeKeys | None = None,
) -> Brought:
    """Bring a document in, or (`keep` False) take it back when all is known. Raises InputRefused with every fault.

    `new_only` refuses a document that names a tenant which is there already; `restore` is the reason to put back everything
    without asking, and refused when there is any tenant. `notices` are only needed to restore the webhooks of contacts.
    """
    read = read_document(document)
    weak = () if restore is not None else faults_of_register(read)
    if faults := [*_faults_of_secrets(read), *weak, *_faults_of_reason(restore)]:
        raise InputRefused(faults)
    opened = read_files(read, directory)
    actor = ACTOR if restore is None else f"{ACTOR} (herstel: {restore})"
    work = Work(
        connection, identity, register, actor, asks=restore is None, restores=restore is not None, notices=notices
    )
    transaction = connection.transaction()
    await transaction.start()
    try:
        if new_only:
            await _must_be_new(connection, read)
        brought = await (_bring if restore is None else _restore)(work, read, opened)
    except asyncpg.IntegrityConstraintViolationError as error:
        await transaction.rollback()
        raise refused_by_registry(error) from None
    except BaseException:
        await transaction.rollback()
        raise
    await (transaction.commit() if keep else transaction.rollback())
    return brought


async def _bring(work: Work, read: Document, opened: list[Any]) -> Brought:
    rows = await work.connection.fetch("SELECT name FROM registry.environment WHERE kind = 'proef'")
    work = replace(work, proef=frozenset(row["name"] for row in rows))
    parts = [split(part, work.proef) for part in read.tenants]
    await bring(work, Document(tenants=tuple(now for now, _ in parts)), opened)
    waiting: list[Waiting] = []
    changes: list[Change] = []
    for part in read.tenants:
        tenant_id = work.tenants[part.oin]
        async with tenant_scope(work.connection, tenant_id, actor=ACTOR):
            waiting += await put_to_use(work, part)
            changes += await read_changes(work.connection, part.oin, tenant_id)
    await check_document(work, read)
    proposed, later = await _ask(work, [part for _, part in parts])
    return Brought(outcome_of(work), tuple(changes), tuple(proposed), (*waiting, *later))


async def _restore(work: Work, read: Document, opened: list[Any]) -> Brought:
    # First, so that nobody makes a tenant in between.
    await hold_registry(work.connection)
    if await work.connection.fetchval("SELECT EXISTS (SELECT 1 FROM registry.tenant)"):
        raise InputRefused(
            ["There are tenants already: a restore is for an empty registry. `registry apply` asks them."]
        )
    await bring(work, read, opened)
    changes: list[Change] = []
    for part in read.tenants:
        tenant_id = work.tenants[part.oin]
        async with tenant_scope(work.connection, tenant_id, actor=work.actor):
            changes += await read_changes(work.connection, part.oin, tenant_id)
    return Brought(outcome_of(work), tuple(changes), ())


async def _ask(work: Work, parts: Iterable[TenantPart]) -> tuple[list[Proposed], list[Waiting]]:
    faults: list[str] = []
    proposed: list[Proposed] = []
    waiting: list[Waiting] = []
    for number, part in enumerate(parts):
        async with tenant_scope(work.connection, work.tenants[part.oin], actor=ACTOR):
            found = await find_difference(work, part)
            waiting += await find_other_terms(work, part)
        faults += (f"tenants.{number}: {fault}" for fault in found.faults)
        if found.faults:
            continue
        made, waits = await propose_difference(work, part, found)
        proposed += made
        waiting += waits
    if faults:
        raise InputRefused(faults)
    return proposed, waiting


def _faults_of_reason(reason: str | None) -> Iterable[str]:
    """It stands in the history for good, in the clear."""
    if reason is None:
        return
    if not reason.strip() or len(reason) > _LONGEST_REASON or not reason.isprintable():
        yield f"restore: say why in one line of at most {_LONGEST_REASON} characters."
    if re.search(r"[0-9]{9}", reason):
        yield "restore: the reason may hold no burgerservicenummer, and this looks like one."


def _faults_of_secrets(read: Document) -> Iterable[str]:
    """A file that is kept and shared holds no secret: it says where each lies."""
    for number, tenant in enumerate(read.tenants):
        for index, certificate in enumerate(tenant.certificates):
            if "-----BEGIN" in certificate.key:
                yield f"tenants.{number}.certificates.{index}.key: say where the key lies (file:… or env:…), not the key."
        for index, credential in enumerate(tenant.credentials):
            if credential.secret is not None and not is_reference(credential.secret):
                yield f"tenants.{number}.credentials.{index}.secret: say where it lies (file:… or env:…), not the secret."
        for index, one in enumerate(tenant.taaksystemen):
            if any(client.secret is not None for client in one.gateway_clients):
                yield f"tenants.{number}.taaksystemen.{index}.gateway_clients: a secret is made here, and shown once."


async def _must_be_new(connection: asyncpg.Connection, read: Document) -> None:
    oins = [part.oin for part in read.tenants]
    rows = await connection.fetch("SELECT oin FROM registry.tenant WHERE oin = ANY ($1)", oins)
    known = {row["oin"] for row in rows}
    if known:
        raise InputRefused(
            f"tenants.{number}: this tenant is there already; `registry apply` changes it."
            for number, oin in enumerate(oins)
            if oin in known
        )
