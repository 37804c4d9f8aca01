"""A registry that is exported, restored elsewhere and exported again is the same file, whatever stood in it."""

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
import yaml
from hypothesis import HealthCheck, Phase, given, settings

from tenants.gitops.bringing import Brought, bring_document
from tenants.gitops.reading import read_document_of, write_yaml
from tenants.keyring import public_half
from tenants.notices.signing import NoticeKeys
from tests.databases import Cluster, Database, fresh_database
from tests.gitops.registries import SECRET, registries, write_files
from tests.worlds import Keyrings

KEYRINGS = Keyrings()
IDENTITY, REGISTER = public_half(KEYRINGS.identity), public_half(KEYRINGS.register)
NOTICES = NoticeKeys("0a1b2c3d", {"0a1b2c3d": b"k" * 32})


async def restored(database: Database, document: dict[str, Any], directory: Path) -> str:
    """Restore a document; tell what is exported. Brought again by whatever way it changes nothing, and asks nothing."""
    write_files(document, directory)
    connection = await asyncpg.connect(database.url("tenants"))
    try:
        first = await bring(connection, document, directory, restore="na uitval")
        assert first.changes
        exported = write_yaml(await read_document_of(connection))
        for given_ in (document, yaml.safe_load(exported)):
            write_files(given_, directory)
            seen = await bring(connection, given_, directory, keep=False)
            assert (seen.changes, seen.proposed) == ((), ()), seen
            done = await bring(connection, given_, directory)
            assert (done.changes, done.proposed, done.outcome.secrets) == ((), (), ())
        assert write_yaml(await read_document_of(connection)) == exported
    finally:
        await connection.close()
    return exported


async def bring(connection: asyncpg.Connection, document: Any, directory: Path, **how: Any) -> Brought:
    how = {"keep": True, **how}
    return await bring_document(connection, document, IDENTITY, REGISTER, directory=directory, notices=NOTICES, **how)


# Each example is two databases: what fails is told as it was found, for making it smaller would take minutes.
@settings(
    max_examples=5 if settings().derandomize else 60,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
@given(document=registries())
def test_an_export_that_is_restored_elsewhere_is_exported_octet_by_octet(
    postgres_cluster: Cluster, tmp_path: Path, document: dict[str, Any]
) -> None:
    with fresh_database(postgres_cluster) as here, fresh_database(postgres_cluster) as elsewhere:
        exported = asyncio.run(restored(here, document, tmp_path))
        assert SECRET not in exported
        assert "PRIVATE KEY" not in exported
        assert asyncio.run(restored(elsewhere, yaml.safe_load(exported), tmp_path)) == exported
