"""`make licences`: writes docs/licences.md, the licence of every package in requirements.lock, out of what is installed.

The list is of what runs; what only builds and tests is not passed on to anybody.
"""

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = ROOT / "docs" / "licences.md"

FITTING: Final = {
    "MIT": "permissive",
    "MIT-0": "permissive",
    "BSD-2-Clause": "permissive",
    "BSD-3-Clause": "permissive",
    "Apache-2.0": "permissive, with a grant of patents",
    "PSF-2.0": "permissive",
    "MPL-2.0": "its own files stay open; used as they are",
    "LGPL-3.0-only": "used as a library, unchanged and replaceable",
}
"""SPDX identifiers of the licences that fit, and why. Another one is a decision, made here."""

_BY_OLD_NAME: Final = {
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
    "The MIT License (MIT)": "MIT",
    "3-Clause BSD License": "BSD-3-Clause",
    "Python Software Foundation License": "PSF-2.0",
}
_LOCKED: Final = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^ \\;]+)", re.MULTILINE)


def locked(text: str) -> list[tuple[str, str]]:
    """Names and versions in a lock file, in its order."""
    return _LOCKED.findall(text)


def licence_of(one: Distribution) -> str:
    """The SPDX expression of a package; empty when its metadata name none that is known here."""
    said = one.metadata["License-Expression"]
    if said:
        return said
    first = (one.metadata["License"] or "").strip().partition("\n")[0].strip()
    if first in FITTING:
        return first
    if first in _BY_OLD_NAME:
        return _BY_OLD_NAME[first]
    classifiers = one.metadata.get_all("Classifier") or []
    names = [name.rpartition(" :: ")[2] for name in classifiers if name.startswith("License :: ")]
    known = [_BY_OLD_NAME.get(name, "") for name in names]
    return " AND ".join(known) if known and all(known) else ""


def fits(expression: str) -> bool:
    """Whether one may live with an SPDX expression: AND needs both, OR needs one."""
    flat = expression.replace("(", " ( ").replace(")", " ) ").split()
    said = " ".join(word.lower() if word in {"AND", "OR"} else word for word in flat)
    inner = re.search(r"\( ([^()]*) \)", said)
    while inner is not None:
        said = (
            said[: inner.start()]
            + ("MIT" if fits(inner[1].replace("and", "AND").replace("or", "OR")) else "?")
            + said[inner.end() :]
        )
        inner = re.search(r"\( ([^()]*) \)", said)
    return any(all(name.strip() in FITTING for name in way.split(" and ")) for way in said.split(" or "))


def table(packages: list[tuple[str, str]]) -> tuple[list[tuple[str, str, str]], list[str]]:
    """Rows of name, version and licence; and in words what is wrong with any of them."""
    rows, faults = [], []
    for name, version in packages:
        try:
            one = distribution(name)
        except PackageNotFoundError:
            faults.append(f"{name} is locked and not installed: make the virtual environment anew")
            continue
        if one.version != version:
            faults.append(f"{name} is locked at {version}, and {one.version} is installed")
        expression = licence_of(one)
        if not fits(expression):
            faults.append(f"{name} {version}: {expression or 'no licence in its metadata'} is not among those that fit")
        rows.append((name, version, expression))
    return rows, faults


def page(rows: list[tuple[str, str, str]]) -> str:
    """The text of docs/licences.md."""
    lines = [
        "# Licences of what runs",
        "",
        "Made by `make licences` from `requirements.lock` and the metadata of the packages; a test holds it. A package with a",
        "licence that is not in the second table turns the build red: whether it fits is then decided in `tests/supply/licences.py`.",
        "",
        "| package | version | licence (SPDX) |",
        "|---|---|---|",
        *(f"| {name} | {version} | {licence} |" for name, version, licence in rows),
        "",
        "| licence | why it fits |",
        "|---|---|",
        *(f"| {name} | {why} |" for name, why in FITTING.items()),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    made, wrong = table(locked((ROOT / "requirements.lock").read_text()))
    if wrong:
        sys.exit("\n".join(wrong))
    PAGE.write_text(page(made))
