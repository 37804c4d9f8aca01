"""Of everything that runs the licence is known, fits, and stands in docs/licences.md."""

from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from tests.supply.licences import PAGE, ROOT, fits, licence_of, locked, page, table


def test_the_list_is_that_of_what_is_locked():
    rows, faults = table(locked((ROOT / "requirements.lock").read_text()))
    assert faults == []
    assert len(rows) > 40
    assert PAGE.read_text() == page(rows), "run `make licences`"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", True),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only", False),
        ("MIT AND AGPL-3.0-only", False),
        ("MIT AND (SSPL-1.0 AND BSD-3-Clause)", False),
        ("(GPL-2.0-only OR SSPL-1.0) AND MIT", False),
        ("", False),
    ],
)
def test_an_expression_fits_when_each_of_its_parts_must_and_does(expression, expected):
    assert fits(expression) is expected


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ("License-Expression: BSD-3-Clause", "BSD-3-Clause"),
        ("License: MIT License", "MIT"),
        ("License: Ask my lawyer", ""),
        ("Classifier: License :: OSI Approved :: Apache Software License", "Apache-2.0"),
        ("Classifier: License :: Other/Proprietary License", ""),
        ("Classifier: Topic :: Office", ""),
    ],
)
def test_an_unknown_licence_is_none(tmp_path: Path, metadata, licence):
    (tmp_path / "METADATA").write_text(f"Metadata-Version: 2.4\nName: iets\nVersion: 1\n{metadata}\n")
    assert licence_of(PathDistribution(tmp_path)) == licence


def test_a_package_that_is_not_installed_or_another_version_is_told():
    _, faults = table([("bestaat-niet-hier", "1.0"), ("click", "0.1")])
    assert [fault.split(" is locked")[0] for fault in faults] == ["bestaat-niet-hier", "click"]
