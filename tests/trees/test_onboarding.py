"""An onboarding document says where a tenant's checkpoints go."""

from typing import Any

import pytest

from tenants.faults import InputRefused
from tenants.keyring import public_half
from tenants.onboarding import apply
from tenants.onboarding_document import read_document

OIN = "00000001001234567000"
TENANT = {"oin": OIN, "name": "Gemeente Voorbeeld", "kind": "gemeente"}
PLACES: list[dict[str, Any]] = [
    {"kind": "file", "target": "voorbeeld/register"},
    {"kind": "email", "target": "fg@voorbeeld.example", "every_seconds": 604_800},
]


async def test_the_places_of_a_document_are_made_once_and_brought_to_what_it_says(registrar, admin, keyrings):
    async def applied(*places: dict[str, Any]) -> tuple[int, int]:
        document = {"tenants": [{**TENANT, "checkpoint_destinations": list(places)}]}
        outcome = await apply(registrar, document, public_half(keyrings.identity), public_half(keyrings.register))
        return outcome.made["checkpoint_destination"], outcome.changed["checkpoint_destination"]

    assert await applied(*PLACES) == (2, 0)
    assert await applied(*PLACES) == (0, 0)
    assert await applied({**PLACES[0], "every_seconds": 600}) == (0, 1)
    rows = await admin.fetch("SELECT kind, target, every_seconds FROM registry.checkpoint_destination ORDER BY 2")
    assert [tuple(row) for row in rows] == [
        ("email", "fg@voorbeeld.example", 604_800),
        ("file", "voorbeeld/register", 600),
    ]


@pytest.mark.parametrize(
    "place",
    [{"kind": "file", "target": "../x"}, {"kind": "fax", "target": "1"}, {"kind": "http", "target": "http://a"}],
)
def test_a_place_that_is_none_is_a_fault_of_the_document(place):
    with pytest.raises(InputRefused, match="checkpoint_destinations"):
        read_document({"tenants": [{**TENANT, "checkpoint_destinations": [place]}]})
