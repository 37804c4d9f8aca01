"""RvIG's own test cases, read from beside the project; tests that need them are skipped where they are absent."""

from pathlib import Path
from typing import Any

import orjson
import pytest

CASES = Path(__file__).resolve().parents[2].parent / "shared" / "brp" / "cases"


def read_cases(name: str) -> list[dict[str, Any]]:
    path = CASES / name
    if not path.is_file():
        pytest.skip(f"no test cases of RvIG beside the project: {name}")
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]
