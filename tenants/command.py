"""What the command line does to the registry: apply an onboarding document, make an admin key for the first start.

Both work as a user in the role koppelpunt_tenants, with the public halves of the keyrings only.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import yaml

from tenants.admins import Role, make_admin_key
from tenants.beheerders import has_standing
from tenants.faults import InputRefused
from tenants.keyring import read_keyring
from tenants.onboarding import Outcome, apply
from tenants.scope import tenant_scope

_HAS_ITS_OWN = (
    "This tenant has a beheerder, who makes further keys and names its people itself: POST /v1/beheersleutels and "
    "/v1/beheerders. The operator proposes there. An auditor's key that comes from here is made before the beheerder's."
)


async def apply_file(database_url: str, file: Path, identity_public: Path, register_public: Path) -> Outcome:
    """Apply a YAML document, in one transaction. Raises InputRefused with every fault, KeyringError, OSError."""
    identity = read_keyring(identity_public, name="identity", private=False)
    register = read_keyring(register_public, name="register", private=False)
    document = read_yaml(file)
    connection = await asyncpg.connect(database_url)
    try:
        return await apply(connection, document, identity, register, actor="command line", directory=file.parent)
    finally:
        await connection.close()


def read_yaml(file: Path) -> dict[str, Any]:
    """The document of a YAML file. Raises InputRefused, with the line, when it is none; OSError."""
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        where = "" if place is None else f" (line {place.line + 1})"
        raise InputRefused([f"{file.name} is not YAML{where}."]) from None
    if not isinstance(document, dict):
        raise InputRefused([f"{file.name} holds no document with `tenants`."])
    return document


async def make_key(
    database_url: str, identity_public: Path, *, role: Role, tenant_oin: str | None, name: str, days: int
) -> str:
    """Make an admin key and return its secret, shown this once. Raises InputRefused, KeyringError.

    For a tenant only as long as it has no beheerder: from then on it names its own people, and accepts who is proposed.
    """
    identity = read_keyring(identity_public, name="identity", private=False)
    connection = await asyncpg.connect(database_url)
    try:
        tenant_id = None
        if tenant_oin is not None:
            tenant_id = await connection.fetchval("SELECT tenant_id FROM registry.tenant WHERE oin = $1", tenant_oin)
            if tenant_id is None:
                raise InputRefused([f"No tenant has OIN {tenant_oin}"])
            async with tenant_scope(connection, tenant_id, actor="opdrachtregel"):
                if await has_standing(connection, tenant_id, "beheerder"):
                    raise InputRefused([_HAS_ITS_OWN])
        _, secret = await make_admin_key(
            connection, identity, role=role, tenant_id=tenant_id, name=name, valid_for=timedelta(days=days)
        )
    finally:
        await connection.close()
    return secret
