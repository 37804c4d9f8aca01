"""`make release VERSION=x.y.z`: tags this commit as a release when everything says that it may be one. Pushes nothing.

A release is an annotated tag `vx.y.z`. From then on `tests/upgrades` runs that version beside every newer schema, so the first
release is what begins the promise.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
Run = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]
_VERSION: Final = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


def number(version: str) -> tuple[int, ...]:
    """A version as something to compare. Raises ValueError."""
    found = _VERSION.fullmatch(version)
    if found is None:
        raise ValueError(f"VERSION={version!r} is not of the form 1.2.3")
    return tuple(int(part) for part in found.groups())


def faults_before(version: str, root: Path, run: Run) -> list[str]:
    """What stands in the way of tagging, but for the tests: form, tree, branch, numbers. All of it at once."""
    try:
        asked = number(version)
    except ValueError as error:
        return [str(error)]
    faults = []
    named = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    if named != version:
        faults.append(f"pyproject.toml says {named}; set it to {version} and commit")
    if run(("git", "status", "--porcelain")).stdout.strip():
        faults.append("the working tree is not clean")
    branch = run(("git", "rev-parse", "--abbrev-ref", "HEAD")).stdout.strip()
    if branch != "main":
        faults.append(f"this is {branch or 'no branch'}, not main")
    tags = run(("git", "tag", "--list", "v*")).stdout.split()
    newest = max((number(tag[1:]) for tag in tags if _VERSION.fullmatch(tag[1:])), default=None)
    if newest is not None and asked <= newest:
        faults.append(f"{'.'.join(map(str, newest))} is released already, and {version} is not after it")
    return faults


def in_root(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Run a command in the repository, its output kept."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def main() -> None:
    """Check, run every test, tag. Ends with 1 and all that stands in the way."""
    version = sys.argv[1] if len(sys.argv) == 2 else ""
    faults = faults_before(version, ROOT, in_root)
    if faults:
        sys.exit("\n".join(faults))
    before = in_root(("git", "rev-parse", "HEAD")).stdout.strip()
    if subprocess.run(("make", "test"), cwd=ROOT, check=False).returncode:
        sys.exit("the tests are not green; nothing is tagged")
    after = in_root(("git", "rev-parse", "HEAD")).stdout.strip()
    if before != after or faults_before(version, ROOT, in_root):
        sys.exit("the tree changed while its tests ran; nothing is tagged")
    made = in_root(("git", "tag", "--annotate", f"v{version}", "--message", f"Koppelpunt {version}", before))
    if made.returncode:
        sys.exit(made.stderr.strip())
    print(f"v{version} is {before}. Push it with: git push origin v{version}")


if __name__ == "__main__":
    main()
