"""Runs schemathesis against a running admin API, as the command that it is, and tells what it asked and found."""

import asyncio
import json
import re
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.admin.conftest import Api
from tests.worlds import World

# 412 and 428 are this API's words for an If-Match that is none, 408 and 431 for what never was a request.
_CHECKS = """
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 408, 409, 412, 413, 415, 422, 428, 431]
[checks.missing_required_header]
expected-statuses = [400, 401, 403, 404, 412, 428]
"""
# What may be asked says more than a schema can: that a certificate is one, that what is named is there.
_NOT_ASKED = "positive_data_acceptance,ignored_auth"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether nothing was found, what was told, and how often each operation gave each status."""

    passed: bool
    told: str
    answers: Mapping[tuple[str, int], int] = field(repr=False)

    @property
    def asked(self) -> set[str]:
        """The operations that were asked, by operationId."""
        return {name for name, _ in self.answers}

    @property
    def done(self) -> set[str]:
        """The operations that did what was asked at least once."""
        return {name for name, status in self.answers if status < 300}

    @property
    def links(self) -> int:
        """How many links of the document were followed."""
        found = re.search(r"API Links:\s+(\d+) covered", self.told)
        return int(found[1]) if found else 0

    @property
    def requests(self) -> int:
        return sum(self.answers.values())


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is asked: so many examples of each operation, and so many walks along the links of so many steps.

    Bounded by counts, so that a slow machine asks what a fast one asks. A walk may end sooner: what was made the first time
    clashes the second, and hypothesis takes that for another world.
    """

    examples: int = 0
    walks: int = 0
    steps: int = 8

    def written(self) -> str:
        """As configuration of schemathesis."""
        return (
            f"[phases.fuzzing]\nenabled = {str(self.examples > 0).lower()}\n"
            f"[phases.fuzzing.generation]\nmax-examples = {self.examples or 1}\n"
            f"[phases.stateful]\nenabled = {str(self.walks > 0).lower()}\nmax-steps = {self.steps}\n"
            f"[phases.stateful.generation]\nmax-examples = {self.walks or 1}\n"
            "[phases.coverage]\nenabled = false\n[phases.examples]\nenabled = false\n"
        )


def stock(world: World, other: World) -> str:
    """What stands in the registry, to fill in often: a number from the air is only ever not there."""
    values = {
        "header.Koppelpunt-Tenant": (0.9, [str(world.tenant_id)]),
        "header.If-Match": (0.7, ['"1"', '"2"']),
        "query.na": (0.9, [0]),
        "path.nummer": (0.6, [1, 2, 3]),
        "path.sleutel": (0.6, [1, 2, 3]),
        "path.tenantId": (0.9, [world.tenant_id]),
        "path.afnemerId": (0.8, [world.afnemer_id]),
        "path.naam": (0.8, ["eigen"]),
        "body.afnemerId": (0.8, [world.afnemer_id]),
        "body.oin": (0.8, [world.oin, other.oin]),
        "body.omgeving": (0.9, ["proef", "productie"]),
        "body.aansluiting": (0.8, [world.aansluiting_id]),
        "body.taaksysteem.nummer": (0.8, [world.taaksysteem_id]),
        "body.certificaat": (0.8, [world.certificate_id]),
        "body.credential": (0.8, [world.credential_id]),
        "body.reden": (0.8, ["Onderzoek"]),
        "body.toelichting": (0.8, ["Geen zaak gevonden"]),
        "body.burgerservicenummer": (0.8, ["999990019"]),
    }
    dictionaries = [f"d{index}.values = {json.dumps(given)}" for index, (_, given) in enumerate(values.values())]
    parameters = [
        f'"{name}" = {{ dictionary = "d{index}", probability = {often} }}'
        for index, (name, (often, _)) in enumerate(values.items())
    ]
    return "\n".join(["[dictionaries]", *dictionaries, "[parameters]", *parameters, ""])


async def ask_everything(
    api: Api,
    directory: Path,
    *options: str,
    key: str | None,
    bounds: Bounds | None,
    known: str = "",
    document: dict[str, Any] | None = None,
) -> Outcome:
    """Run schemathesis by the API's own document or by another one: within bounds, or as `options` say."""
    (directory / "schemathesis.toml").write_text(known + (bounds.written() if bounds else "") + _CHECKS)
    place = f"{api.url}/v1/openapi.json"
    if document is not None:
        (directory / "document.json").write_text(json.dumps(document))
        place = "document.json"
    arguments = [place, "--url", f"{api.url}/v1", "--no-color", "--exclude-checks", _NOT_ASKED, "--no-shrink"]
    if key is not None:
        arguments += ["--header", f"Authorization: Bearer {key}"]
    before = await answers_of(api)
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
    return Outcome(process.returncode == 0, told.decode(), await answers_of(api) - before)


async def answers_of(api: Api) -> Counter[tuple[str, int]]:
    """How often each operation gave each status, as the process itself counts."""
    async with api.session.get(f"{api.observed}/metrics") as reply:
        text = await reply.text()
    return Counter(
        {
            (sample.labels["route"], int(sample.labels["status"])): int(sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "koppelpunt_admin_requests_total"
        }
    )


def named(*names: str) -> list[str]:
    """The options that leave every other operation out."""
    return [option for name in names for option in ("--include-operation-id", name)]
