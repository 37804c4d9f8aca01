"""A release is tagged on a clean main with a new number that the package itself names, and else all is told that is wrong."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.supply.release import faults_before, number


@pytest.fixture
def repository(tmp_path: Path):
    def run(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        who = ("-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "core.hooksPath=/dev/null")
        assert command[0] == "git"
        return subprocess.run(
            ("git", *who, *command[1:]), cwd=tmp_path, capture_output=True, text=True, check=False
        )  # fmt: skip

    run(("git", "init", "-q", "-b", "main"))
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "koppelpunt"\nversion = "1.10.0"\n')
    run(("git", "add", "pyproject.toml"))
    run(("git", "commit", "-q", "-m", "one"))
    return tmp_path, run


def test_nothing_stands_in_the_way_of_a_first_release(repository):
    assert faults_before("1.10.0", *repository) == []


@pytest.mark.parametrize("version", ["", "v1.10.0", "1.10", "1.10.0-rc1", "01.1.0", "1.10.0; rm -rf ."])
def test_a_version_has_three_numbers(repository, version):
    assert len(faults_before(version, *repository)) == 1


def test_all_that_is_wrong_is_told_at_once(repository):
    root, run = repository
    run(("git", "tag", "v1.9.0"))
    run(("git", "tag", "v1.11.0"))
    run(("git", "tag", "very-good"))
    run(("git", "checkout", "-q", "-b", "other"))
    (root / "left").write_text("behind")
    faults = faults_before("1.10.1", root, run)
    assert len(faults) == 4
    assert "1.11.0 is released already" in faults[3]


def test_versions_are_compared_as_numbers():
    assert number("1.10.0") > number("1.9.9")
