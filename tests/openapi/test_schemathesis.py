"""The API does what its OpenAPI document says, whatever is asked of it: schemathesis asks as every role, and as nobody.

What it finds is a status, a header, a media type or a shape that the document does not have; a 500; data that the document
forbids and the API takes; a method that should not be there; what opens without a key; a number that lives on after its
DELETE. In the suite it asks so many times, and each time the same; `make soak` lets it go on for minutes, at random.
"""

import copy
import os
from pathlib import Path
from typing import Any

import pytest

from tenants.api.routes import ROUTES
from tests.admin.conftest import Api
from tests.openapi.asking import Bounds, ask_everything, named, stock
from tests.worlds import World

SAME = ["--seed", "20260101", "--generation-deterministic"]
ROLES = ["operator", "beheerder", "auditor"]
# Without a gateway no test ends, and its steps are followed for minutes; and whoever withdraws its own key asks no more.
LEFT_OUT = {"volgVerbindingstest", "trekBeheersleutelIn"}


def operations_of(role: str) -> set[str]:
    return {route.name for route in ROUTES if role in route.roles} - LEFT_OUT


@pytest.mark.timeout(900)
@pytest.mark.parametrize("role", ROLES)
async def test_whatever_is_asked_is_answered_as_the_document_says(
    role: str, rich: Api, world: World, other: World, tmp_path: Path
):
    """Every operation that the role has: what the document allows, what it forbids, and on along its links."""
    outcome = await ask_everything(
        rich, tmp_path, *SAME, *named(*operations_of(role)), key=rich.keys[role], known=stock(world, other),
        bounds=Bounds(examples=2, walks=12),
    )  # fmt: skip
    assert outcome.passed, outcome.told
    assert outcome.asked >= operations_of(role)
    assert outcome.links > 0
    assert len(outcome.done) > len(outcome.asked) / 3, sorted(outcome.asked - outcome.done)


@pytest.mark.timeout(900)
async def test_without_a_key_nothing_is_answered_but_401(api: Api, tmp_path: Path):
    document = (await api.ask("GET", "/v1/openapi.json")).json
    for path in document["paths"].values():
        for operation in path.values():
            if operation["security"]:
                operation["responses"] = {"401": operation["responses"]["401"]}
    checks = ["--checks", "status_code_conformance,content_type_conformance,response_schema_conformance"]
    outcome = await ask_everything(
        api, tmp_path, *SAME, *checks, key=None, bounds=Bounds(examples=1), document=document
    )
    assert outcome.passed, outcome.told
    assert outcome.asked == {route.name for route in ROUTES}
    assert outcome.done == {"openapi"}


async def test_a_document_that_is_not_true_is_found_out(rich: Api, document: dict[str, Any], tmp_path: Path):
    false = copy.deepcopy(document)
    false["paths"] = {path: {"get": false["paths"][path]["get"]} for path in ("/taaksystemen", "/idps", "/contacten")}
    answers = {path: operations["get"]["responses"] for path, operations in false["paths"].items()}
    for given in answers.values():
        given["200"].pop("links", None)
    answers["/taaksystemen"]["404"] = answers["/taaksystemen"].pop("200")
    false["components"]["schemas"]["Idps"]["properties"]["volgende"] = {"type": "boolean"}
    answers["/contacten"]["200"]["headers"]["X-Er-Niet"] = {"required": True, "schema": {"type": "string"}}
    outcome = await ask_everything(
        rich, tmp_path, *SAME, key=rich.keys["beheerder"], bounds=Bounds(examples=5), document=false
    )
    assert not outcome.passed
    for finding in ("Undocumented status code", "violates schema", "Missing required response headers"):
        assert finding in outcome.told


@pytest.mark.soak
@pytest.mark.parametrize("role", ROLES)
async def test_for_minutes_at_random_the_document_stays_true(
    role: str, rich: Api, world: World, other: World, tmp_path: Path
):
    """The three roles share the minutes: `make soak MINUTES=5 SEED=1`."""
    seconds = 60 * float(os.environ.get("MINUTES") or 5) / len(ROLES)
    seed = ["--seed", os.environ["SEED"]] if os.environ.get("SEED") else []
    limits = ["--phases", "coverage,fuzzing,stateful", "--max-time", f"{seconds:.0f}"]
    outcome = await ask_everything(
        rich, tmp_path, *limits, *seed, *named(*operations_of(role)), key=rich.keys[role], known=stock(world, other),
        bounds=None,
    )  # fmt: skip
    print(role, outcome.told)
    assert outcome.passed, outcome.told
    assert outcome.requests > 50
