"""Reads the configuration of all tenants for a document, and writes the document as YAML."""

from datetime import UTC, datetime
from typing import Any

import asyncpg
import yaml

from tenants.faults import InputRefused
from tenants.gitops.export_rows import Rows
from tenants.gitops.exporting import document_of
from tenants.history.standing import standing_at, standing_now
from tenants.scope import tenant_scope

ACTOR = "opdrachtregel"


async def read_document_of(
    connection: asyncpg.Connection, *, tenant_oin: str | None = None, at: datetime | None = None
) -> dict[str, Any]:
    """The document of all tenants or of one, now or `at` a moment. Raises InputRefused for a tenant that was not there."""
    found: dict[int, Rows] = {}
    for row in await connection.fetch("SELECT tenant_id FROM registry.tenant ORDER BY tenant_id"):
        number = row["tenant_id"]
        async with tenant_scope(connection, number, actor=ACTOR):
            standing = await (standing_now(connection, number) if at is None else standing_at(connection, number, at))
        if standing.get("tenant"):
            found[number] = Rows(standing)
    document = document_of(found, at or datetime.now(UTC), only=tenant_oin)
    if not document["tenants"] and tenant_oin is not None:
        raise InputRefused([f"There is no tenant with OIN {tenant_oin}{'' if at is None else ' at that moment'}."])
    return document


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as such: a certificate is read by people too. No aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - as the library names it
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


def _moment(dumper: yaml.SafeDumper, moment: datetime) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", moment.isoformat(), style='"')


_Dumper.add_representer(str, _text)
_Dumper.add_representer(datetime, _moment)


def write_yaml(document: dict[str, Any]) -> str:
    """The text of a document."""
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text
