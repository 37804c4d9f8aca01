"""A beheerder gives doelbindingen their words in the onboarding document, once."""

from typing import Any

import asyncpg
import pytest

from tenants.doelbindingen import list_doelbindingen
from tenants.faults import InputRefused
from tenants.onboarding import Outcome, apply
from tenants.scope import tenant_scope
from tests.worlds import Keyrings

OIN = "00000001001234567000"


async def applied(connection: asyncpg.Connection, keyrings: Keyrings, *parts: dict[str, str]) -> Outcome:
    tenant: dict[str, Any] = {"oin": OIN, "name": "Gemeente Testdam", "kind": "gemeente", "doelbindingen": list(parts)}
    return await apply(connection, {"tenants": [tenant]}, keyrings.identity, keyrings.register)


async def test_words_are_given_changed_and_left_alone(registrar: asyncpg.Connection, keyrings: Keyrings):
    first = await applied(registrar, keyrings, {"doelbinding": "taak-1", "words": "Een taak"})
    assert first.made["doelbinding"] == 1
    again = await applied(registrar, keyrings, {"doelbinding": "taak-1", "words": "Een taak"})
    assert (again.made.get("doelbinding", 0), again.changed.get("doelbinding", 0)) == (0, 0)
    other = await applied(registrar, keyrings, {"doelbinding": "taak-1", "words": "Een andere taak"})
    assert other.changed["doelbinding"] == 1
    await applied(registrar, keyrings)
    async with tenant_scope(registrar, first.tenants[OIN], actor="test"):
        assert await list_doelbindingen(registrar, first.tenants[OIN]) == {"taak-1": "Een andere taak"}


@pytest.mark.parametrize("words", ["123", "", "- 7 -"])
async def test_a_number_is_no_words(registrar: asyncpg.Connection, keyrings: Keyrings, words: str):
    with pytest.raises(InputRefused, match="doelbindingen"):
        await applied(registrar, keyrings, {"doelbinding": "taak-1", "words": words})


async def test_one_doelbinding_is_called_one_thing(registrar: asyncpg.Connection, keyrings: Keyrings):
    twice = [{"doelbinding": "taak-1", "words": word} for word in ("Het een", "Het ander")]
    with pytest.raises(InputRefused, match="twice"):
        await applied(registrar, keyrings, *twice)
