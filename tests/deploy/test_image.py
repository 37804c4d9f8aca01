"""What a machine without a container engine can say of the Dockerfile: its steps, taken in an environment of their own."""

import fnmatch
import json
import re
import runpy
import subprocess
import sys
import zipfile
from importlib.metadata import distributions
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.deploy.metrics_in_code import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
STEPS = [line.split(maxsplit=1) for line in DOCKERFILE.splitlines() if re.match("[A-Z]+ ", line)]
SBOM = ROOT / "deploy" / "sbom.py"


class Installed:
    """A package as `importlib.metadata` shows one."""

    def __init__(self, name: str, version: str = "0.1.0") -> None:
        self.metadata, self.version = {"Name": name}, version


def run(*command: str, cwd: Path | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, cwd=cwd)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """Built as the Dockerfile builds it, out of what it copies and nothing else."""
    source, target = tmp_path_factory.mktemp("src"), tmp_path_factory.mktemp("wheels")
    for name in ("pyproject.toml", "README.md"):
        (source / name).write_bytes((ROOT / name).read_bytes())
    for name in ("gateway", "tenants", "migrations"):
        (source / name).symlink_to(ROOT / name)
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(target), ".", cwd=source)
    made: Path = next(target.glob("koppelpunt-*.whl"))
    return made


def test_everything_that_is_copied_is_there_and_passes_the_ignore_file():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [one for step, rest in STEPS if step == "COPY" and "--from" not in rest for one in rest.split()[:-1]]
    assert {"requirements.lock", "pyproject.toml", "gateway", "tenants", "migrations", "deploy/sbom.py"} <= set(copied)
    for path in copied:
        assert (ROOT / path).exists(), path
        passes = False
        for rule in (one for one in ignored if one and not one.startswith("#")):
            if fnmatch.fnmatch(path, rule.removeprefix("!")):
                passes = rule.startswith("!")
        assert passes, path


def test_the_image_runs_as_nobody_in_particular_and_is_pinned():
    stages = [rest for step, rest in STEPS if step == "FROM"]
    assert stages == ["${BASE} AS build", "${BASE}"]
    (base,) = (rest for step, rest in STEPS if step == "ARG")
    assert re.fullmatch(r"BASE=python:3\.\d+\.\d+-slim-[a-z]+(@sha256:[0-9a-f]{64})?", base)
    last = DOCKERFILE.split("FROM ${BASE}\n")[1]
    assert "USER 10001:10001" in last
    assert "pip install" not in last
    assert "--require-hashes --only-binary :all: -r requirements.lock" in DOCKERFILE
    assert not any(step in {"ADD", "HEALTHCHECK", "VOLUME"} for step, _ in STEPS)
    assert json.loads(next(rest for step, rest in STEPS if step == "ENTRYPOINT")) == ["koppelpunt"]


def test_the_wheel_holds_what_runs_and_what_it_reads(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for package in ("gateway", "tenants", "migrations"):
        # Files that are being written have no place in git yet; what git knows must be in.
        known = run("git", "ls-files", package, cwd=ROOT, check=False).stdout.split()
        assert {one for one in known if (ROOT / one).exists()} <= names
    assert {"gateway/catalogue.toml", "tenants/inzage/brief.typ", "migrations/script.py.mako"} <= names
    assert any(name.startswith("migrations/sql/0001_") for name in names)
    assert not any(name.startswith(("tests", "deploy")) for name in names)


def test_the_program_runs_from_the_wheel_alone(wheel, tmp_path):
    """The packages are those of this environment, which `make` installed from the lock; the program is the wheel's."""
    run(sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv"))
    inside = tmp_path / "venv" / "bin" / "python"
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(inside),
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        str(wheel),
    )
    here = Path(json.__file__).parents[1]
    packages = Path(sys.prefix) / "lib" / here.name / "site-packages"
    (site / "locked.pth").write_text(f"{packages}\n")
    told = run(str(tmp_path / "venv" / "bin" / "koppelpunt"), "--help", cwd=tmp_path).stdout
    assert all(process in told for process in ("gateway", "tenants", "sealer", "migrate"))
    newest = "import gateway, migrations.command as m; print(gateway.__file__); print(m.newest_revision())"
    place, revision = run(str(inside), "-c", newest, cwd=tmp_path).stdout.split()
    assert place.startswith(str(site))
    assert revision in {path.name[:4] for path in (ROOT / "migrations" / "versions").glob("[0-9]*.py")}


def test_the_sbom_is_valid_and_names_what_the_lock_names(tmp_path):
    sbom = runpy.run_path(str(SBOM))
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = sbom["read_lock"](lock)
    assert all(pinned.values())
    installed = [
        one
        for one in distributions()
        if (sbom["normal"](one.metadata["Name"]), one.version) in pinned or one.metadata["Name"] == "koppelpunt"
    ]
    own = [] if any(one.metadata["Name"] == "koppelpunt" for one in installed) else [Installed("koppelpunt")]
    document = sbom["make_document"](lock, [*installed, *own])
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document)) is None
    assert {one["name"] for one in document["components"]} >= {"aiohttp", "asyncpg", "cryptography", "hypercorn"}
    assert all(one["properties"] for one in document["components"])


def test_what_the_lock_does_not_name_breaks_the_build():
    sbom = runpy.run_path(str(SBOM))

    class Smuggled:
        version = "6.6.6"
        metadata = {"Name": "Smuggled_In"}  # noqa: RUF012

    with pytest.raises(ValueError, match=r"smuggled-in==6\.6\.6"):
        sbom["make_document"](
            "aiohttp==1.0 \\\n  --hash=sha256:" + "0" * 64, [Installed("koppelpunt"), Installed("Smuggled_In", "6.6.6")]
        )
