"""What the command line does to the registry: documents in and out, and an admin key for the first start.

Both work as a user in the role koppelpunt_tenants, with the public halves of the keyrings only.
"""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg

from tenants.admins import Role, make_admin_key
from tenants.beheerders import has_beheerder
from tenants.durable import DURABLE
from tenants.faults import InputRefused
from tenants.gitops.bringing import Brought, bring_document
from tenants.gitops.lines import read_text
from tenants.gitops.reading import read_document_of, write_yaml
from tenants.keyring import read_keyring
from tenants.notices.signing import read_notice_keys
from tenants.scope import tenant_scope

_HAS_ITS_OWN = (
    "This tenant has a beheerder, who makes further keys and names its people itself: POST /v1/beheersleutels and "
    "/v1/beheerders. The operator proposes there."
)
_NO_AUDITOR = (
    "The command line makes no auditor's key: who looks on is named by the tenant's beheerder (POST /v1/beheerders), so "
    "that nobody outside the tenant reads its register."
)


async def bring_file(
    database_url: str,
    file: Path,
    identity_public: Path,
    register_public: Path,
    *,
    keep: bool,
    new_only: bool = False,
    restore: str | None = None,
    notice_keys: Path | None = None,
) -> Brought:
    """Bring in a YAML document, or tell what that would do. Raises InputRefused with every fault and its line."""
    identity = read_keyring(identity_public, name="identity", private=False)
    register = read_keyring(register_public, name="register", private=False)
    text = read_text(file.name, await asyncio.to_thread(file.read_text, encoding="utf-8"))
    connection = await asyncpg.connect(database_url, server_settings=dict(DURABLE))
    try:
        return await bring_document(
            connection, text.document, identity, register, directory=file.parent, keep=keep, new_only=new_only,
            restore=restore, notices=read_notice_keys(notice_keys),
        )  # fmt: skip
    except InputRefused as refusal:
        raise InputRefused(text.with_lines(refusal.faults)) from None
    finally:
        await connection.close()


async def export_registry(database_url: str, *, tenant_oin: str | None, at: datetime | None) -> str:
    """The registry as the YAML document that `apply` reads, now or as it stood at a moment. Raises InputRefused."""
    connection = await asyncpg.connect(database_url, server_settings=dict(DURABLE))
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            document = await read_document_of(connection, tenant_oin=tenant_oin, at=at)
    finally:
        await connection.close()
    return write_yaml(document)


async def make_key(
    database_url: str, identity_public: Path, *, role: Role, tenant_oin: str | None, name: str, days: int
) -> str:
    """Make an admin key and return its secret, shown this once. Raises InputRefused, KeyringError.

    For a tenant only a beheerder's, and only as long as it has none: from then on it names its own people, and accepts who
    is proposed.
    """
    if role == "auditor":
        raise InputRefused([_NO_AUDITOR])
    identity = read_keyring(identity_public, name="identity", private=False)
    connection = await asyncpg.connect(database_url, server_settings=dict(DURABLE))
    try:
        tenant_id = None
        if tenant_oin is not None:
            tenant_id = await connection.fetchval("SELECT tenant_id FROM registry.tenant WHERE oin = $1", tenant_oin)
            if tenant_id is None:
                raise InputRefused([f"No tenant has OIN {tenant_oin}"])
            async with tenant_scope(connection, tenant_id, actor="opdrachtregel"):
                if await has_beheerder(connection, tenant_id):
                    raise InputRefused([_HAS_ITS_OWN])
        _, secret = await make_admin_key(
            connection, identity, role=role, tenant_id=tenant_id, name=name, valid_for=timedelta(days=days)
        )
    finally:
        await connection.close()
    return secret
