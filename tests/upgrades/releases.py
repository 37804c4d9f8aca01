"""The newest release out of git: its wheel, or else the packages that the wheel is made of, in a directory of its own."""

import io
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
_RELEASE: Final = re.compile(r"v(\d+)\.(\d+)\.(\d+)")


def git(*arguments: str) -> bytes:
    """What git says. Raises CalledProcessError, or FileNotFoundError where there is none."""
    return subprocess.run(("git", *arguments), cwd=ROOT, capture_output=True, check=True).stdout


def newest_release() -> str | None:
    """The tag with the highest number that this commit stands on; `UPGRADE_FROM` names another commit. None without any."""
    asked = os.environ.get("UPGRADE_FROM")
    if asked:
        return asked
    try:
        tags = git("tag", "--list", "v*", "--merged", "HEAD").decode().split()
    except (OSError, subprocess.CalledProcessError):
        return None
    found = [(tuple(map(int, match.groups())), tag) for tag in tags if (match := _RELEASE.fullmatch(tag))]
    return max(found)[1] if found else None


def unpack(release: str, directory: Path) -> str:
    """Put the release's packages into `directory`; returns whether that was a "wheel" or, where none can be built, its "source"."""
    source = directory / "source"
    with tarfile.open(fileobj=io.BytesIO(git("archive", "--format=tar", release))) as archive:
        archive.extractall(source, filter="data")
    made = subprocess.run(
        (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--retries", "0", "--timeout", "10", "--wheel-dir", directory / "wheel", source),
        capture_output=True, check=False, timeout=90,
    )  # fmt: skip
    if made.returncode == 0:
        (wheel,) = (directory / "wheel").glob("koppelpunt-*.whl")
        with zipfile.ZipFile(wheel) as archive_of_wheel:
            archive_of_wheel.extractall(directory / "packages")  # noqa: S202 - made here, a line above
        return "wheel"
    # Without a package registry there is no hatchling to build it. The wheel holds these three and nothing else.
    packages = directory / "packages"
    packages.mkdir()
    for package in ("gateway", "tenants", "migrations"):
        (source / package).rename(packages / package)
    return "source"
