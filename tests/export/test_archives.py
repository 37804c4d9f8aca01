"""An export that was tampered with on its way is named for what was done to it, offline."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


async def test_another_tenants_export_is_not_taken_for_this_ones(stage, other, tmp_path):
    await stage.calls.record(other, 3)
    await stage.seal()
    path = await dataclasses.replace(stage, world=other).export(tmp_path / "export")
    verdict = stage.judge(path, oin=stage.world.oin)
    assert {"bad_signature", "wrong_register"} <= {fault.code for fault in verdict.faults}


Change = Callable[[list[Any]], None]


def change_lines(path: Path, change: Change) -> None:
    """Change the lines of an export as a whole, and write them into its first file."""
    files = sorted(path.glob("rows-*.ndjson"))
    lines = [json.loads(line) for file in files for line in file.read_bytes().splitlines()]
    change(lines)
    for file in files[1:]:
        file.unlink()
    files[0].write_text("".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines))


def take_out(lines: list[Any]) -> None:
    del lines[77]


def take_out_and_number_anew(lines: list[Any]) -> None:
    del lines[77]
    for number, line in enumerate(lines):
        line["leaf"] = number


def swap(lines: list[Any]) -> None:
    lines[76], lines[77] = lines[77], lines[76]


def double(lines: list[Any]) -> None:
    lines.insert(77, lines[76])


def cut(lines: list[Any]) -> None:
    del lines[-5:]


def alter(lines: list[Any]) -> None:
    lines[77]["row"]["acting_oin" if lines[77]["kind"] == "opening" else "outcome"] = "x"


def alter_and_hash(lines: list[Any]) -> None:
    line = lines[77]
    line["row"]["acting_oin" if line["kind"] == "opening" else "outcome"] = "x"
    text = json.dumps(list(line["row"].values()), ensure_ascii=False)
    line["hash"] = hashlib.sha256(text.encode()).hexdigest()
    leaf = f"\x00{line['kind']}:{line['row']['id']}:{line['hash']}"
    line["leaf_hash"] = hashlib.sha256(leaf.encode()).hexdigest()


def garbage(lines: list[Any]) -> None:
    lines[77] = {"leaf": "77"}


def rename(lines: list[Any]) -> None:
    lines[77]["row"] = {f"x{name}": value for name, value in lines[77]["row"].items()}


def drop_sealed(lines: list[Any]) -> None:
    del lines[77]["sealed"]


def say_gone(lines: list[Any]) -> None:
    lines[77] = {name: lines[77][name] for name in ("leaf", "kind", "leaf_hash")} | {"row": None, "number": "x"}


LINES: dict[str, tuple[Change, str, int | None]] = {
    "a line taken out": (take_out, "missing_row", 77),
    "a line taken out and the rest numbered anew": (take_out_and_number_anew, "missing_row", None),
    "two lines swapped": (swap, "reordered_row", 76),
    "a line twice": (double, "reordered_row", 76),
    "the tail cut off": (cut, "cut_tail", None),
    "a value altered": (alter, "altered_row", 77),
    "a value altered and hashed again": (alter_and_hash, "tree_differs", None),
    "garbage": (garbage, "unreadable_line", 77),
    "fields of other names": (rename, "unreadable_line", 77),
    "sealed bytes left out": (drop_sealed, "unreadable_line", 77),
    "a row that is said to be gone": (say_gone, "missing_row", 77),
}


@pytest.mark.parametrize("what", LINES)
async def test_an_export_that_was_tampered_with_is_named(stage, tmp_path, what):
    change, code, leaf = LINES[what]
    path = await stage.export(tmp_path / "export")
    change_lines(path, change)
    verdict = stage.judge(path)
    assert verdict.first is not None
    assert verdict.first.code in {code, "altered_row" if code == "tree_differs" else code}, verdict.faults
    if leaf is not None:
        assert verdict.first.leaf == leaf
    if code == "tree_differs":
        assert code in {fault.code for fault in verdict.faults}


async def test_a_line_of_another_tenants_export_is_named_as_such(stage, other, tmp_path):
    await stage.calls.record(other, 100)
    await stage.seal()
    theirs = await dataclasses.replace(stage, world=other).export(tmp_path / "theirs")
    path = await stage.export(tmp_path / "mine")
    foreign = json.loads((theirs / "rows-000001.ndjson").read_bytes().splitlines()[50])

    def put(lines: list[Any]) -> None:
        lines[50] = {**foreign, "leaf": 50}

    change_lines(path, put)
    verdict = stage.judge(path)
    assert verdict.first is not None
    assert (verdict.first.code, verdict.first.leaf) == ("foreign_row", 50)
