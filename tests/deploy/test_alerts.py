"""Alerts fire when they should and only then, stand on metrics that exist, and each says on a page what to do."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import orjson
import pytest
import yaml

from gateway.__main__ import main
from tests.deploy.alert_cases import CASES
from tests.deploy.conftest import manifests
from tests.deploy.metrics_in_code import ROOT, all_metrics, all_series
from tests.deploy.schema import CHART

RULES = CHART / "files" / "alerts.yaml"
PAGES = ROOT / "docs" / "operations"
GROUPS: list[dict[str, Any]] = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
ALERTS: dict[str, dict[str, Any]] = {rule["alert"]: rule for group in GROUPS for rule in group["rules"]}
DASHBOARDS = sorted((CHART / "files" / "dashboards").glob("*.json"))
NAMES = re.compile(r"\bkoppelpunt_[a-z_]+")
BOUNDED = {
    "tenant", "certificate", "destination", "issuer", "api", "outcome", "step", "code", "event", "environment", "kind",
    "state", "check", "year", "register", "route", "status", "pool", "chore", "cause", "credential",
}  # fmt: skip
"""Labels whose values are numbers of the registry, or names and codes of this software and the catalogue."""


def promtool(*arguments: str) -> str:
    """Run it; absent is a failure, because nothing else knows Prometheus' language."""
    program = shutil.which("promtool") or shutil.which("promtool", path=str(ROOT / ".venv" / "tools" / "bin"))
    assert program is not None, "promtool is missing: `make test` installs it (tests/install-tools)."
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_rules():
    assert f"{len(ALERTS)} rules found" in promtool("check", "rules", str(RULES))


def test_every_alert_fires_when_it_should_and_only_then(tmp_path):
    assert CASES.keys() == ALERTS.keys()
    promtool("test", "rules", *(str(write_test(tmp_path, alert)) for alert in ALERTS))


def write_test(directory: Path, alert: str) -> Path:
    """One test of one rule: a rule that is not asked about costs time only."""
    case = CASES[alert]
    rules = directory / f"{alert}.rules.yaml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": alert, "rules": [ALERTS[alert]]}]}))
    asked = [(case.fires, True, case.at), (case.quiet, False, case.at)]
    asked += [] if case.first is None else [(case.first, True, "65m")]
    tests = [
        {
            "interval": case.every,
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [
                {
                    "expr": 'count by (alertname) (ALERTS{alertstate="firing"}) > bool 0',
                    "eval_time": at,
                    "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1}] if fires else [],
                }
            ],
        }
        for series, fires, at in asked
    ]
    path = directory / f"{alert}.test.yaml"
    document = {"rule_files": [rules.name], "evaluation_interval": case.every, "tests": tests}
    path.write_text(yaml.safe_dump(document))
    return path


def test_an_alert_stands_on_metrics_that_exist():
    known = all_series()
    for alert, rule in ALERTS.items():
        named = set(NAMES.findall(rule["expr"]))
        assert named, alert
        assert named <= known, alert


@pytest.mark.parametrize("number", range(1, 8))
def test_each_of_the_seven_promises_has_alerts(number):
    (group,) = (one for one in GROUPS if one["name"].startswith(f"koppelpunt-{number}-"))
    assert len(group["rules"]) >= 2


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_a_page_that_names_its_metrics_and_commands_that_exist(alert):
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["runbook_url"] == f"docs/operations/{alert}.md"
    text = (PAGES / f"{alert}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {alert}\n")
    families = {series: one.name for one in all_metrics().values() for series in one.series}
    named = set(NAMES.findall(text))
    unknown = {one for one in named if one not in families and one not in families.values()}
    assert unknown == set()
    # What rings is named on the page, or on the one that it refers to.
    referred = [PAGES / name for name in re.findall(r"\]\((\w+\.md)\)", text)]
    assert all(path.exists() for path in referred)
    said = named.union(*(NAMES.findall(path.read_text(encoding="utf-8")) for path in referred))
    assert {families[one] for one in NAMES.findall(rule["expr"])} & {families.get(one, one) for one in said}
    commands = set(commands_of(main))
    for found in re.findall(r"`koppelpunt ([a-z -]+)", text):
        assert any(found.strip().startswith(one) for one in commands), found


def commands_of(group: click.Group, before: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands_of(command, f"{before}{name} ")
        else:
            yield f"{before}{name}"


def test_no_page_is_left_of_an_alert_that_is_gone():
    assert {path.stem for path in PAGES.glob("Koppelpunt*.md")} == set(ALERTS)


def test_every_metric_stands_on_its_page_as_the_code_has_it():
    page = (PAGES / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(koppelpunt_[a-z_]+)` \| (\w+) \| (.+?) \| .+ \|$", page, re.MULTILINE)
    assert len({name for name, *_ in rows}) == len(rows), "A metric stands there twice."
    told = {name: (kind, () if labels == "–" else tuple(labels.split(", "))) for name, kind, labels in rows}
    assert told == {one.name: (one.kind, one.labels) for one in all_metrics().values()}


def test_no_label_is_unbounded_or_about_a_person():
    assert {label for one in all_metrics().values() for label in one.labels} <= BOUNDED


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_asks_only_for_what_exists_in_prometheus_language(path, tmp_path):
    board = orjson.loads(path.read_bytes())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert board["uid"] == path.stem
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    known = all_series()
    assert {name for one in asked for name in NAMES.findall(one)} <= known
    # What Grafana fills in.
    filled = [one.replace("$__rate_interval", "5m").replace("$namespace", ".*") for one in asked]
    rules = [{"record": f"panel:{number}", "expr": one} for number, one in enumerate(filled)]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"{len(asked)} rules found" in promtool("check", "rules", str(tmp_path / "rules.yaml"))


def test_the_chart_brings_rules_and_dashboards_with_the_pages_address(rendered):
    templates = rendered("productie")
    (rule,) = manifests(templates, "PrometheusRule")
    shipped = {one["alert"]: one for group in rule["spec"]["groups"] for one in group["rules"]}
    assert shipped.keys() == ALERTS.keys()
    for alert, one in shipped.items():
        # Of another installation in the same Prometheus nothing is known by its absence here.
        assert one["expr"] == ALERTS[alert]["expr"].replace('namespace=~".+"', 'namespace="koppelpunt"')
        assert ("absent(" in one["expr"]) == ('namespace="koppelpunt"' in one["expr"])
        address = f"https://docs.example.org/koppelpunt/operations/{alert}.md"
        assert one["annotations"]["runbook_url"] == address
    (boards,) = (one for one in manifests(templates, "ConfigMap") if one["metadata"]["name"] == "kp-dashboards")
    assert set(boards["data"]) == {path.name for path in DASHBOARDS}
    assert boards["metadata"]["labels"]["grafana_dashboard"] == "1"
    for name, text in boards["data"].items():
        assert orjson.loads(text) == orjson.loads(Path(CHART / "files" / "dashboards" / name).read_bytes())
