"""What docs/threat-model.md says of tests, settings and defaults is so."""

import ast
import dataclasses
import re
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from gateway.config import GatewayConfig
from gateway.connection import Times
from gateway.serve import ServeSettings
from tenants.config import SealerConfig, TenantsConfig

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "threat-model.md").read_text()
PROOFS = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)
SETTINGS = re.findall(r"`([A-Z][A-Z_]+)(?:=([^`\s]+))?`", PAGE)
CONSTANTS = re.findall(r"`((?:gateway|tenants)\.[\w.]+)=(\d+)`", PAGE)


@cache
def functions_in(path: str) -> set[str]:
    """The test functions of a file."""
    tree = ast.parse((ROOT / path).read_text())
    return {one.name for one in tree.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_threat_has_its_proof_and_each_proof_is_a_test():
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "---" not in line]
    rows = [line for line in rows if not re.match(r"\|[^|]*\| (threat|can) \|", line)]
    assert len(rows) > 30
    assert [line for line in rows if "`tests/" not in line] == []
    assert [f"{path}::{name}" for path, name in PROOFS if name not in functions_in(path)] == []


def test_every_letter_of_stride_is_there():
    assert {line[2] for line in PAGE.splitlines() if re.match(r"\| [STRIDE] \|", line)} == set("STRIDE")


@pytest.mark.parametrize(("name", "value"), sorted({one for one in SETTINGS if one[0] != "KOPPELPUNT_"}))
def test_a_setting_has_the_default_that_is_told(name: str, value: str):
    defaults = [
        config.model_fields[name.lower()].default
        for config in (GatewayConfig, TenantsConfig, SealerConfig)
        if name.lower() in config.model_fields
    ]
    assert defaults, f"no process has {name}"
    if value:
        shown = [f"{one:g}" if isinstance(one, float) else str(one) for one in defaults]
        assert value in shown
    else:
        # Named without a value: nothing, as the page says beside it.
        assert not any(defaults), (name, defaults)


@pytest.mark.parametrize(("name", "value"), CONSTANTS)
def test_a_limit_is_what_is_told(name: str, value: str):
    module, _, constant = name.rpartition(".")
    assert getattr(import_module(module), constant) == int(value)


def test_the_number_of_connections_is_what_is_told():
    fields = {one.name: one.default for one in dataclasses.fields(ServeSettings)}
    assert f"{fields['most_connections']:,} connections" in PAGE
    assert f"({Times().head:g} s for a head, {Times().idle:g} s idle)" in PAGE
