"""A document ends an afnemer or a header profile that nothing uses; what has ended is in no export and never comes back."""

from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tenants.faults import InputRefused
from tenants.gitops.reading import read_document_of
from tests.gitops.test_gitops import brought, connection, directory, document  # noqa: F401 - fixtures

AFNEMER = {"afnemer_id": "990077", "gemeentecode": "0077", "name": "Tweede"}
PROFIEL = {"name": "eigen", "based_on": "iconnect"}


async def test_a_document_ends_what_nothing_uses_and_an_export_leaves_it_out(
    connection: asyncpg.Connection, document: Any, directory: Path  # noqa: F811
):  # fmt: skip
    tenant = document["tenants"][0]
    tenant["afnemers"].append(dict(AFNEMER))
    tenant["header_profiles"] = [*tenant.get("header_profiles", ()), dict(PROFIEL)]
    await brought(connection, document, directory)
    tenant["afnemers"][-1]["ended"] = True
    tenant["header_profiles"][-1]["ended"] = True
    told = await brought(connection, document, directory, keep=False)
    assert {(one.object, one.name) for one in told.changes} >= {
        ("afnemer", "990077"), ("header_profile", "eigen"),
    }  # fmt: skip
    await brought(connection, document, directory)
    # Bringing it in again changes nothing.
    assert not (await brought(connection, document, directory)).changes
    exported = await read_document_of(connection, tenant_oin=tenant["oin"], at=None)
    (read,) = (one for one in exported["tenants"] if one["oin"] == tenant["oin"])
    assert "990077" not in {one["afnemer_id"] for one in read["afnemers"]}
    assert "eigen" not in {one["name"] for one in read.get("header_profiles", ())}
    tenant["afnemers"][-1] = dict(AFNEMER)
    with pytest.raises(InputRefused, match="990077 has ended"):
        await brought(connection, document, directory)


async def test_a_document_that_ends_an_afnemer_with_aansluitingen_is_refused_with_their_numbers(
    connection: asyncpg.Connection, document: Any, directory: Path  # noqa: F811
):  # fmt: skip
    await brought(connection, document, directory)
    tenant = document["tenants"][0]
    tenant["afnemers"][0]["ended"] = True
    with pytest.raises(InputRefused, match=r"used by aansluiting [0-9]+(, [0-9]+)*: end these first"):
        await brought(connection, document, directory)
