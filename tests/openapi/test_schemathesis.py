"""The API does what its OpenAPI document says, whatever is asked of it: schemathesis asks as every role, and as nobody.

What it finds is a status, a header, a media type or a shape that the document does not have; a 500; data that the document
forbids and the API takes; a method that should not be there; what opens without a key; a number that lives on after its
DELETE. In the suite the runs are short and each time the same; `make soak` lets them go on, at random.
"""

import asyncio
import copy
import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.admin.conftest import Api
from tests.worlds import World

# 412 and 428 are this API's words for an If-Match that is none, 408 and 431 for what never was a request.
CONFIGURATION = """
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 408, 409, 412, 413, 415, 422, 428, 431]
[checks.missing_required_header]
expected-statuses = [400, 401, 403, 404, 412, 428]
"""
# What may be asked says more than a schema can: that a certificate is one, that what is named is there.
NOT_ASKED = "positive_data_acceptance"
SEED = "20260101"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether nothing was found, in how many requests, and what was told."""

    passed: bool
    asked: int
    told: str


async def ask_everything(
    api: Api, directory: Path, *options: str, key: str | None, document: dict[str, Any] | None = None
) -> Outcome:
    """Run schemathesis against the API, by its own document or by another one. Takes as long as it is allowed."""
    (directory / "schemathesis.toml").write_text(CONFIGURATION)
    place = f"{api.url}/v1/openapi.json"
    if document is not None:
        (directory / "document.json").write_text(json.dumps(document))
        place = "document.json"
    arguments = [place, "--url", f"{api.url}/v1", "--no-color", "--exclude-checks", NOT_ASKED, "--no-shrink"]
    if key is not None:
        arguments += ["--header", f"Authorization: Bearer {key}"]
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")), "run", *arguments, *options,
        cwd=directory, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        told, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    text = told.decode()
    counted = re.search(r"(\d+) generated", text)
    return Outcome(process.returncode == 0, int(counted[1]) if counted else 0, text)


def short(phase: str, *, most: int, seconds: int | None = None) -> list[str]:
    """The same requests each time: at most so many of an operation, again and again for so many seconds."""
    limits = ["--max-examples", str(most)] + ([] if seconds is None else ["--max-time", str(seconds)])
    return ["--phases", phase, "--seed", SEED, "--generation-deterministic", *limits]


@pytest.mark.soak
@pytest.mark.parametrize("role", ["operator", "beheerder", "auditor"])
async def test_what_is_made_read_changed_and_ended_is_as_the_document_says(
    role: str, rich: Api, world: World, tmp_path: Path
):
    named = ["--header", f"Koppelpunt-Tenant: {world.tenant_id}"] if role == "operator" else []
    outcome = await ask_everything(rich, tmp_path, *short("stateful", most=60, seconds=6), *named, key=rich.keys[role])
    assert outcome.passed, outcome.told
    assert outcome.asked > 50


@pytest.mark.soak
@pytest.mark.parametrize("role", ["operator", "beheerder", "auditor"])
async def test_whatever_is_asked_is_answered_as_the_document_says(role: str, rich: Api, world: World, tmp_path: Path):
    named = ["--header", f"Koppelpunt-Tenant: {world.tenant_id}"] if role == "operator" else []
    outcome = await ask_everything(rich, tmp_path, *short("fuzzing", most=5, seconds=6), *named, key=rich.keys[role])
    assert outcome.passed, outcome.told
    assert outcome.asked > 50


@pytest.mark.parametrize("key", [None, "kpa_" + "a" * 43], ids=["none", "unknown"])
async def test_without_a_key_that_stands_nothing_is_answered_but_401(key: str | None, api: Api, tmp_path: Path):
    document = (await api.ask("GET", "/v1/openapi.json")).json
    for path in document["paths"].values():
        for operation in path.values():
            if operation["security"]:
                operation["responses"] = {"401": operation["responses"]["401"]}
    checks = ["--checks", "status_code_conformance,content_type_conformance,response_schema_conformance"]
    outcome = await ask_everything(api, tmp_path, *short("fuzzing", most=1), *checks, key=key, document=document)
    assert outcome.passed, outcome.told
    assert outcome.asked > 50


@pytest.mark.parametrize(
    ("place", "falsehood", "finding"),
    [
        (
            ("paths", "/taaksystemen", "get", "responses"),
            {"404": {"description": "x"}},
            "Undocumented status code",
        ),
        (("components", "schemas", "Taaksystemen", "properties"), {"volgende": {"type": "boolean"}}, "violates schema"),
        (
            ("paths", "/taaksystemen", "get", "responses", "200", "headers"),
            {"X-Er-Niet": {"required": True, "schema": {"type": "string"}}},
            "Missing required response headers",
        ),
    ],
    ids=["status", "shape", "header"],
)
async def test_a_document_that_is_not_true_is_found_out(
    place: tuple[str, ...], falsehood: dict[str, Any], finding: str, rich: Api, document: dict[str, Any], tmp_path: Path
):
    false = copy.deepcopy(document)
    false["paths"] = {"/taaksystemen": {"get": false["paths"]["/taaksystemen"]["get"]}}
    for response in false["paths"]["/taaksystemen"]["get"]["responses"].values():
        response.pop("links", None)
    found: Any = false
    for step in place:
        found = found[step]
    found.update(falsehood) if place[-1] != "responses" else (found.clear(), found.update(falsehood))
    outcome = await ask_everything(
        rich, tmp_path, *short("fuzzing", most=5), key=rich.keys["beheerder"], document=false
    )
    assert not outcome.passed
    assert finding in outcome.told


@pytest.mark.soak
@pytest.mark.parametrize("role", ["operator", "beheerder", "auditor"])
async def test_for_minutes_at_random_the_document_stays_true(role: str, rich: Api, world: World, tmp_path: Path):
    seconds = float(os.environ.get("SOAK_SECONDS", "300"))
    seed = ["--seed", os.environ["SOAK_SEED"]] if "SOAK_SEED" in os.environ else []
    named = ["--header", f"Koppelpunt-Tenant: {world.tenant_id}"] if role == "operator" else []
    limits = ["--phases", "coverage,fuzzing,stateful", "--max-time", f"{seconds:.0f}"]
    outcome = await ask_everything(rich, tmp_path, *limits, *seed, *named, key=rich.keys[role])
    print(outcome.told)
    assert outcome.passed, outcome.told
