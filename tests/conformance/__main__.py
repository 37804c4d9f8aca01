"""The command: cases of a folder in, passed and failed per file out; exit 1 when one fails, 2 when there are none."""

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.conformance.cases import Case, read_file
from tests.conformance.judging import Verdict
from tests.conformance.running import run_files
from tests.databases import cluster

SHOWN = 5
"""Failures of a file that are shown without --verbose."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases and print the outcome; return the exit status."""
    options = _parser().parse_args(arguments)
    begun = time.monotonic()
    try:
        files = read_folder(options.cases, options.only)
    except FileNotFoundError as fault:
        print(fault, file=sys.stderr)
        return 2
    with cluster(os.environ.get("DATABASE_URL")) as made:
        verdicts = run_files(files, made)
    for line in report(verdicts, shown=None if options.verbose else SHOWN):
        print(line)
    failed = sum(not one.passed for those in verdicts.values() for one in those)
    total = sum(len(those) for those in verdicts.values())
    print(f"{total - failed} passed, {failed} failed, in {time.monotonic() - begun:.1f} s")
    return 1 if failed else 0


def read_folder(folder: Path, only: Sequence[str] = ()) -> Mapping[str, tuple[Case, ...]]:
    """Return the cases by file. Raises FileNotFoundError when there are none, or a named file is absent."""
    found = {path.stem: path for path in sorted(folder.glob("*.jsonl"))}
    missing = [name for name in only if name not in found]
    if missing:
        raise FileNotFoundError(f"There is no {', '.join(f'{name}.jsonl' for name in missing)} in {folder}.")
    files = {path.name: read_file(path) for name, path in found.items() if not only or name in only}
    if not any(files.values()):
        raise FileNotFoundError(f"There are no cases (*.jsonl) in {folder}.")
    return files


def report(verdicts: Mapping[str, Sequence[Verdict]], *, shown: int | None) -> list[str]:
    """One line per file, and below it the failed cases with their reasons: the first few, or all with their source."""
    lines = []
    width = max(len(name) for name in verdicts)
    for name, those in verdicts.items():
        failures = [one for one in those if not one.passed]
        lines.append(f"{name:<{width}}  {len(those) - len(failures):>5} passed  {len(failures):>5} failed")
        for one in failures[:shown]:
            lines.append(f"  {one.id}: {'; '.join(one.reasons)}")
            if shown is None and one.told:
                lines.append(f"    {one.told}")
        if shown is not None and len(failures) > shown:
            lines.append(f"  … and {len(failures) - shown} more (--verbose shows all)")
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("cases", type=Path, help="folder with files of cases (*.jsonl)")
    parser.add_argument("--only", type=_names, default=(), help="names of files without .jsonl, separated by commas")
    parser.add_argument("--verbose", action="store_true", help="show every failed case, and where it comes from")
    return parser


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip().removesuffix(".jsonl") for name in text.split(",") if name.strip())


if __name__ == "__main__":
    sys.exit(main())
