"""The chart, rendered by Helm's own engine."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml

from tests.deploy.schema import CHART

Manifest = dict[str, Any]
VALUES = Path(__file__).parent / "values"
FILES = sorted(path.stem for path in VALUES.glob("*.yaml"))


def read_values(name: str) -> dict[str, Any]:
    """One of the value files beside this."""
    return helm_python.values_from_yaml((VALUES / f"{name}.yaml").read_text(encoding="utf-8"))


def render(values: dict[str, Any]) -> dict[str, list[Manifest]]:
    """Template to manifests."""
    with helm_python.Chart.load(str(CHART)) as chart:
        rendered = chart.render(values, name="kp", namespace="koppelpunt", is_install=True)
    return {
        Path(path).name: [one for one in yaml.safe_load_all(text) if one]
        for path, text in rendered.items()
        if path.endswith(".yaml")
    }


@pytest.fixture(scope="session")
def rendered() -> Callable[[str], dict[str, list[Manifest]]]:
    """Each value file is rendered once."""
    made: dict[str, dict[str, list[Manifest]]] = {}

    def of(name: str) -> dict[str, list[Manifest]]:
        if name not in made:
            made[name] = render(read_values(name))
        return made[name]

    return of


def manifests(templates: dict[str, list[Manifest]], kind: str | None = None) -> list[Manifest]:
    """All of them, or those of a kind."""
    return [one for some in templates.values() for one in some if kind in {None, one["kind"]}]


def pods(templates: dict[str, list[Manifest]]) -> dict[str, Manifest]:
    """The pod templates by process."""
    found = [one["spec"]["template"] for one in manifests(templates) if one["kind"] in {"Deployment", "Job"}]
    return {one["metadata"]["labels"]["app.kubernetes.io/component"]: one for one in found}
