"""Every metric that the code makes, with its labels, as the code says it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
_MAKERS: Final = {"Counter": "counter", "Gauge": "gauge", "Histogram": "histogram"}
_SHOWN: Final = {"show": "gauge", "show_each": "gauge", "show_by": "gauge", "count_each": "counter"}


@dataclass(frozen=True, slots=True, order=True)
class Metric:
    """One family. `labels` are in the order of the code."""

    name: str
    kind: str
    labels: tuple[str, ...]

    @property
    def series(self) -> frozenset[str]:
        """The names under which Prometheus has it."""
        match self.kind:
            case "counter":
                return frozenset({f"{self.name}_total"})
            case "histogram":
                return frozenset({f"{self.name}_{part}" for part in ("bucket", "sum", "count")})
            case _:
                return frozenset({self.name})


@cache
def all_metrics() -> dict[str, Metric]:
    """By name. A name that is made in two places must be one metric; the test of the page sees to that."""
    return {
        one.name: one
        for package in ("gateway", "tenants")
        for path in sorted((ROOT / package).rglob("*.py"))
        for one in _metrics_of(ast.parse(path.read_text(encoding="utf-8")))
    }


@cache
def all_series() -> frozenset[str]:
    """Every name that a query may use."""
    return frozenset(name for one in all_metrics().values() for name in one.series)


def _metrics_of(tree: ast.AST) -> Iterator[Metric]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and (name := _metric_name(node.args[0])):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            kind = _MAKERS.get(called) or _SHOWN.get(called)
            if kind is not None:
                labels = tuple(_labels(node.args[2])) if len(node.args) > 2 and called != "show" else ()
                yield Metric(name, kind, labels)
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2 and (name := _metric_name(node.elts[0])):
            # A table of counters whose values are kept elsewhere.
            yield Metric(name, "counter", ("register",))


def _metric_name(node: ast.expr) -> str | None:
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("koppelpunt_")
    return str(node.value) if is_text and isinstance(node, ast.Constant) else None


def _labels(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.List(elts=parts) | ast.Tuple(elts=parts):
            for part in parts:
                yield from _labels(part)
        case ast.Constant(value=str(label)):
            yield label
        case ast.Starred(value=ast.Name(id=label)) | ast.Name(id=label):
            # A list that is called after its one label.
            yield label
