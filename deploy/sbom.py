"""Writes what is installed here as a CycloneDX 1.6 document: `python sbom.py requirements.lock TARGET`.

The list is of what the environment has, not of what somebody meant it to have; the lock gives the hashes. It stands alone,
so that the image needs no further package to say what is in it. Refuses (status 1) a package that the lock does not name.
"""  # noqa: INP001 - a program, no part of a package

import json
import re
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

OWN = "koppelpunt"
TOOLS = frozenset({"pip", "setuptools", "wheel"})
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def normal(name: str) -> str:
    """A package's name as registries compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(text: str) -> dict[tuple[str, str], list[str]]:
    """Hashes by name and version."""
    found: dict[tuple[str, str], list[str]] = {}
    now: list[str] = []
    for line in text.splitlines():
        if pinned := _PINNED.match(line):
            now = found.setdefault((normal(pinned[1]), pinned[2]), [])
        now.extend(_HASH.findall(line))
    return found


def make_component(distribution: Distribution, hashes: list[str]) -> dict[str, Any]:
    """One package. Its hashes are of the files that the lock allows, of which one was installed."""
    name, version = normal(distribution.metadata["Name"]), distribution.version
    licence = distribution.metadata.get("License-Expression") or distribution.metadata.get("License")
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": f"pkg:pypi/{name}@{version}",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
        "properties": [{"name": "koppelpunt:allowed-sha256", "value": one} for one in sorted(hashes)],
    }
    if licence and "\n" not in licence:
        component["licenses"] = [{"license": {"name": licence}}]
    return component


def make_document(lock: str, installed: list[Distribution]) -> dict[str, Any]:
    """The whole document. Raises ValueError for what is installed and not in the lock."""
    pinned = read_lock(lock)
    named = {normal(one.metadata["Name"]): one for one in installed}
    own = named.pop(OWN)
    unknown = sorted(f"{n}=={d.version}" for n, d in named.items() if n not in TOOLS and (n, d.version) not in pinned)
    if unknown:
        raise ValueError("installed and not in the lock: " + ", ".join(unknown))
    parts = [make_component(one, pinned[name, one.version]) for name, one in sorted(named.items()) if name not in TOOLS]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {"type": "application", "bom-ref": OWN, "name": OWN, "version": own.version},
            "tools": {"components": [{"type": "application", "name": "deploy/sbom.py"}]},
        },
        "components": parts,
        "dependencies": [{"ref": OWN, "dependsOn": [one["bom-ref"] for one in parts]}],
    }


def main(lock: str, target: str) -> None:
    """Write the document of this environment."""
    try:
        document = make_document(Path(lock).read_text(encoding="utf-8"), list(distributions()))
    except ValueError as error:
        sys.exit(str(error))
    Path(target).write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
