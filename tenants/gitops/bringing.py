"""Brings the registry to what a document says, or tells what that would do. For the command line.

One transaction for the whole document: all of it is done, or nothing. A diff is the same work, taken back at its end: it
shows what an apply would do because it is one. In productie what says who may call is asked, not done (`holding`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from tenants.faults import InputRefused
from tenants.gitops.changes import Change, read_changes
from tenants.gitops.holding import ACTOR, Proposed, Waiting, find_difference, propose_difference, split
from tenants.keyring import Keyring
from tenants.onboarding import Outcome, bring, outcome_of, read_files, refused_by_registry
from tenants.onboarding_document import Document, TenantPart, is_reference, read_document
from tenants.onboarding_patterns import check_document
from tenants.onboarding_work import Work
from tenants.scope import tenant_scope


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
) -> Brought:
    """Bring a document in, or (`keep` False) take it back when all is known. Raises InputRefused with every fault.

    `new_only` refuses a document that names a tenant which is there already.
    """
    read = read_document(document)
    if faults := list(_faults_of_secrets(read)):
        raise InputRefused(faults)
    opened = read_files(read, directory)
    work = Work(connection, identity, register, ACTOR)
    transaction = connection.transaction()
    await transaction.start()
    try:
        if new_only:
            await _must_be_new(connection, read)
        brought = await _bring(work, read, opened)
    except asyncpg.IntegrityConstraintViolationError as error:
        await transaction.rollback()
        raise refused_by_registry(error) from None
    except BaseException:
        await transaction.rollback()
        raise
    await (transaction.commit() if keep else transaction.rollback())
    return brought


async def _bring(work: Work, read: Document, opened: list[Any]) -> Brought:
    kinds = dict(await work.connection.fetch("SELECT name, kind FROM registry.environment"))
    parts = [split(part, kinds) for part in read.tenants]
    await bring(work, Document(tenants=tuple(now for now, _ in parts)), opened)
    await check_document(work, read)
    changes: list[Change] = []
    for part in read.tenants:
        tenant_id = work.tenants[part.oin]
        async with tenant_scope(work.connection, tenant_id, actor=ACTOR):
            changes += await read_changes(work.connection, part.oin, tenant_id)
    proposed, waiting = await _ask(work, [later for _, later in parts])
    return Brought(outcome_of(work), tuple(changes), tuple(proposed), tuple(waiting))


async def _ask(work: Work, parts: Iterable[TenantPart]) -> tuple[list[Proposed], list[Waiting]]:
    faults: list[str] = []
    proposed: list[Proposed] = []
    waiting: list[Waiting] = []
    for number, part in enumerate(parts):
        async with tenant_scope(work.connection, work.tenants[part.oin], actor=ACTOR):
            found = await find_difference(work, part)
        faults += (f"tenants.{number}: {fault}" for fault in found.faults)
        if found.faults:
            continue
        made, waits = await propose_difference(work, part.oin, found)
        proposed += made
        waiting += waits
    if faults:
        raise InputRefused(faults)
    return proposed, waiting


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


def counted(proposed: Iterable[Proposed]) -> Counter[str]:
    """What voorstellen ask, by what it is."""
    found: Counter[str] = Counter()
    for one in proposed:
        for name in ("idps", "taaksystemen", "mandates", "machtigingen"):
            found[name] += len(getattr(one.held, name))
    return found
