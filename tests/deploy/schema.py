"""`make chart`: writes the chart's values.schema.json out of the processes' configuration classes.

What a setting may be, the schema says as the class does; what is not a setting, no values can name. A setting that holds a
password or a path is no value: it comes from a Secret, a ConfigMap or a volume.
"""

import json
from pathlib import Path
from typing import Any, Final

from gateway.config import GatewayConfig
from tenants.config import SealerConfig, TenantsConfig
from tenants.settings import _URLS, Settings

CHART: Final = Path(__file__).resolve().parents[2] / "deploy" / "helm" / "koppelpunt"
PROCESSES: Final[dict[str, type[Settings]]] = {
    "gateway": GatewayConfig,
    "tenants": TenantsConfig,
    "sealer": SealerConfig,
}
OWNED: Final = frozenset({"bind", "certificate_file", "key_file", "metrics_bind", "drain_seconds", "instance"})
"""What the chart itself decides, from values of its own."""

_KEPT: Final = frozenset({
    "type", "pattern", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "items",
})  # fmt: skip
_TEXT: Final[dict[str, Any]] = {"type": "string"}
_NAME: Final[dict[str, Any]] = {"type": "string", "pattern": "^([a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$", "maxLength": 253}
_GIVEN: Final[dict[str, Any]] = {**_NAME, "minLength": 1}
_KEY: Final[dict[str, Any]] = {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,253}$"}
_SWITCH: Final[dict[str, Any]] = {"type": "boolean"}
_OBJECT: Final[dict[str, Any]] = {"type": "object"}
_TEXTS: Final[dict[str, Any]] = {"type": "object", "additionalProperties": _TEXT}
# The chart's own labels are what services, budgets and network policies select by.
_LABELS: Final[dict[str, Any]] = {
    **_TEXTS,
    "propertyNames": {"not": {"pattern": "^(app\\.kubernetes\\.io|helm\\.sh)/"}},
}
_PORT: Final[dict[str, Any]] = {"type": "integer", "minimum": 1, "maximum": 65_535}
_COUNT: Final[dict[str, Any]] = {"type": "integer", "minimum": 0}
_OBJECTS: Final[dict[str, Any]] = {"type": "array", "items": _OBJECT}


def make_schema() -> dict[str, Any]:
    """The whole schema."""
    rules = _closed({"enabled": _SWITCH, "labels": _TEXTS})
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the koppelpunt chart; made by `make chart`, not by hand",
        **_closed({
            "image": _closed({
                "repository": {"type": "string", "pattern": "^[^ @]+$"},
                "tag": {"type": "string", "pattern": "^([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?$"},
                "digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
                "pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]}, "pullSecrets": _OBJECTS,
            }),
            "fullnameOverride": _NAME,
            "labels": _LABELS,
            "listenAddress": {"enum": ["0.0.0.0", "[::]"]},
            **{process: _process(process) for process in PROCESSES},
            "migrations": _closed({
                "enabled": _SWITCH, "existingSecret": _GIVEN, "databaseUrlKey": _KEY, "backoffLimit": _COUNT,
                "deadlineSeconds": {"type": "integer", "minimum": 60}, "resources": _OBJECT,
            }),
            "networkPolicy": _closed({
                "enabled": _SWITCH, "postgresql": _peers(), "dns": _peers(), "metricsFrom": _OBJECTS,
            }),
            "monitoring": _closed({
                "serviceMonitor": _closed({
                    "enabled": _SWITCH, "interval": {"type": "string", "pattern": "^[0-9]+s$"}, "labels": _TEXTS,
                }),
                "rules": rules, "dashboards": rules, "runbooks": {"type": "string", "pattern": "[^/]$"},
            }),
            "global": _OBJECT,
        }),
    }  # fmt: skip


def settings_by_way(process: str) -> dict[str, dict[str, Any]]:
    """How each setting of a process that is not the chart's own is given: config, files or volumes, with its schema."""
    ways: dict[str, dict[str, Any]] = {"config": {}, "files": {}, "volumes": {}}
    for name, shape in PROCESSES[process].model_json_schema()["properties"].items():
        one = _plain(shape)
        if name in OWNED:
            continue
        if name in _URLS:
            ways["files"][f"{name}_file".upper()] = _KEY
        elif one.get("format") in {"path", "file-path"}:
            ways["files" if name.endswith("_file") else "volumes"][name.upper()] = (
                _KEY if name.endswith("_file") else _GIVEN
            )
        else:
            ways["config"][name.upper()] = _value(one)
    return ways


def _process(process: str) -> dict[str, Any]:
    ways, serves = settings_by_way(process), "bind" in PROCESSES[process].model_fields
    network = {"egress": {"type": "object", "additionalProperties": _peers(protocols=True)}}
    parts: dict[str, Any] = {
        "replicas": {"type": "integer", "minimum": 1},
        "config": _closed(ways["config"]),
        "existingSecret": _GIVEN,
        "secretFiles": _closed(ways["files"]),
        "existingConfigMap": _NAME,
        "configFiles": _closed(ways["files"]),
        "metricsPort": _PORT,
        "preStopSeconds": {**_COUNT, "maximum": 600},
        "resources": _OBJECT,
        "disruption": _closed({"maxUnavailable": {"type": "integer", "minimum": 1}}),
        "podAnnotations": _TEXTS,
        "nodeSelector": _TEXTS,
        "tolerations": _OBJECTS,
    }
    if ways["volumes"]:
        parts["volumes"] = _closed(ways["volumes"])
    if serves:
        network["from"] = _OBJECTS
        parts |= {
            "port": {**_PORT, "minimum": 1024},
            "tls": _closed({"existingSecret": _GIVEN}),
            "service": _closed({
                "type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]}, "port": _PORT,
                "externalTrafficPolicy": {"enum": ["", "Cluster", "Local"]}, "annotations": _TEXTS,
            }),
            "exposure": _exposure(),
            "drainSeconds": {"type": "number", "exclusiveMinimum": 0},
        }  # fmt: skip
    if process == "gateway":
        parts |= {
            "autoscaling": _closed({
                "enabled": _SWITCH, "minReplicas": {"type": "integer", "minimum": 1},
                "maxReplicas": {"type": "integer", "minimum": 1},
                "cpuPercent": {"type": "integer", "minimum": 1, "maximum": 100},
            }),
        }  # fmt: skip
    parts["networkPolicy"] = _closed(network)
    return _closed(parts)


def _exposure() -> dict[str, Any]:
    hosts = {"type": "array", "items": {"type": "string", "minLength": 1}}
    shape = _closed({
        "kind": {"enum": ["none", "ingress", "tlsroute"]}, "hosts": hosts, "ingressClassName": _NAME,
        "annotations": _TEXTS, "parentRefs": _OBJECTS,
    })  # fmt: skip
    # Open to the outside means: under a name, and for a route at a gateway.
    named = {"properties": {"hosts": {"minItems": 1}}}
    shape["allOf"] = [
        {"if": {"properties": {"kind": {"enum": ["ingress", "tlsroute"]}}}, "then": named},
        {
            "if": {"properties": {"kind": {"const": "tlsroute"}}},
            "then": {"properties": {"parentRefs": {"minItems": 1}}},
        },
    ]
    return shape


def _peers(*, protocols: bool = False) -> dict[str, Any]:
    shape = {"to": _OBJECTS, "ports": {"type": "array", "items": _PORT, "minItems": 1}}
    if protocols:
        shape["protocols"] = {"type": "array", "items": {"enum": ["TCP", "UDP"]}, "minItems": 1, "uniqueItems": True}
    return _closed(shape)


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _plain(shape: dict[str, Any]) -> dict[str, Any]:
    """A setting's schema without the possibility that it is absent."""
    given = [one for one in shape.get("anyOf", ()) if one.get("type") != "null"]
    return given[0] if given else shape


def _value(shape: dict[str, Any]) -> dict[str, Any]:
    if shape.get("type") == "array":
        return {"type": ["array", "string"], "items": _TEXT}
    kept = {name: value for name, value in shape.items() if name in _KEPT}
    return kept or {"type": ["string", "number", "boolean"]}


def write_schema() -> Path:
    """Write it where Helm looks for it."""
    path = CHART / "values.schema.json"
    path.write_text(as_text(), encoding="utf-8")
    return path


def as_text() -> str:
    """The file's text."""
    return json.dumps(make_schema(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    print(write_schema())
