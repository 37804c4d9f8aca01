"""An export as files: a directory, or a tar of it. Owns their names and forms; docs/register-format.md describes them.

    manifest.json         what it is, its proof and its checkpoints, and every file with its size and SHA-256
    rows-000001.ndjson    the rows in the order of their leaves, so many a file
    data-keys.ndjson      the keys of the sealed bytes: wrapped, or in the clear when the export was opened
    lezingen.ndjson       who read the register, when, why and about what
    verzoeken.ndjson      requests for inzage and what was done with them
    steekproeven.ndjson   samples and the verdicts on them
    progress.json         only while it is being made: what was asked and which files are whole

A file of rows is written under another name and renamed when it is whole, so that an export that was broken off goes on
at the file that it was at. Nobody but who made it can read it. One that is sealed to a recipient has each file but the manifest as
an envelope (`.cms`), made as it is written. Raises ArchiveError for what is no export.
"""

import base64
import hashlib
import json
import os
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from cryptography.x509 import Certificate

from tenants.export.envelope import SUFFIX, Envelope
from tenants.export.plan import FORMAT, Plan, Proof
from tenants.timestamps import Stamped

MANIFEST: Final = "manifest.json"
PROGRESS: Final = "progress.json"
DATA_KEYS: Final = "data-keys.ndjson"
LEZINGEN: Final = "lezingen.ndjson"
VERZOEKEN: Final = "verzoeken.ndjson"
STEEKPROEVEN: Final = "steekproeven.ndjson"


class ArchiveError(Exception):
    """Not an export, or not one that can be gone on with."""


@dataclass(frozen=True, slots=True)
class Written:
    """One whole file of an export."""

    name: str
    lines: int
    octets: int
    sha256: str

    @classmethod
    def read(cls, one: Mapping[str, Any]) -> "Written":
        """From how it stands in the manifest. Raises KeyError."""
        return cls(one["name"], one["lines"], one["bytes"], one["sha256"])

    def as_json(self) -> dict[str, Any]:
        """As it stands in the manifest."""
        return {"name": self.name, "lines": self.lines, "bytes": self.octets, "sha256": self.sha256}


@dataclass(frozen=True, slots=True)
class Progress:
    """What was asked, and what of it is whole."""

    head: Mapping[str, Any]
    files: tuple[Written, ...] = ()


@dataclass(slots=True)
class Part:
    """A file that is being written; it counts when it is whole. With a recipient only its envelope ever stands on disk."""

    path: Path
    recipient: Certificate | None = None
    lines: int = 0
    octets: int = 0
    _stream: IO[bytes] = field(init=False, repr=False)
    _envelope: Envelope | None = field(default=None, repr=False)
    _digest: Any = field(default_factory=hashlib.sha256, repr=False)

    def __post_init__(self) -> None:
        self._stream = open_own(self.path.with_suffix(".part"))
        if self.recipient is not None:
            self._envelope = Envelope(self._stream, self.recipient)

    def write(self, lines: Iterable[bytes]) -> None:
        """Append lines, which have no end of their own."""
        for line in lines:
            text = line + b"\n"
            (self._envelope or self._stream).write(text)
            self._digest.update(text)
            self.lines += 1
            self.octets += len(text)

    def complete(self) -> Written:
        """Make it durable under its own name; what is returned is of what was written to it, sealed or not."""
        if self._envelope is not None:
            self._envelope.close()
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()
        suffix = "" if self.recipient is None else SUFFIX
        self.path.with_suffix(".part").replace(self.path.with_name(self.path.name + suffix))
        return Written(self.path.name, self.lines, self.octets, self._digest.hexdigest())

    def abandon(self) -> None:
        """Close it as it is; it is begun again at the next try."""
        self._stream.close()


def open_own(path: Path) -> IO[bytes]:
    """A file that nobody else can read, empty, for writing."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    # One that stood there keeps its own mode.
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "wb")


def rows_name(number: int) -> str:
    """The name of a file of rows; numbers begin at 1."""
    return f"rows-{number:06d}.ndjson"


def head_of(
    plan: Plan, *, period: tuple[str, str] | None, opened: bool, lines_per_file: int, sealed_to: str | None = None
) -> dict[str, Any]:
    """What an export says of itself, all but its files."""
    proof = plan.proof
    return {
        "format": FORMAT,
        "oin": plan.oin,
        "tenant_id": plan.tenant_id,
        "period": period,
        "contents": "opened" if opened else "sealed",
        "lines_per_file": lines_per_file,
        "sealed_to": sealed_to,
        "tree_size": plan.tree_size,
        "proof": {
            "checkpoint": proof.checkpoint,
            "first": proof.first,
            "until": proof.until,
            "before": [hash_.hex() for hash_ in proof.before],
            "after": [hash_.hex() for hash_ in proof.after],
            "consistency": [{"size": size, "proof": [one.hex() for one in path]} for size, path in proof.consistency],
        },
        "checkpoints": list(plan.notes),
        "keys": list(plan.keys),
        "timestamps": [
            {"checkpoint": one.note, "timestamp": base64.b64encode(one.token).decode()} for one in plan.timestamps
        ],
        "vernietigingen": list(plan.proofs),
    }


def plan_of(head: Mapping[str, Any]) -> Plan:
    """What an export says of itself, as a value. Raises ArchiveError."""
    try:
        if head["format"] != FORMAT:
            raise ArchiveError(f"This export has form {head['format']!r}; known here is {FORMAT!r}.")
        proof = head["proof"]
        return Plan(
            head["tenant_id"], head["oin"], head["tree_size"],
            Proof(
                proof["checkpoint"], proof["first"], proof["until"],
                tuple(map(bytes.fromhex, proof["before"])), tuple(map(bytes.fromhex, proof["after"])),
                tuple((one["size"], tuple(map(bytes.fromhex, one["proof"]))) for one in proof["consistency"]),
            ),
            tuple(head["checkpoints"]), tuple(head["keys"]), (),
            # Exports that were made before there were timestamps and proofs have none.
            tuple(
                Stamped(one["checkpoint"], base64.b64decode(one["timestamp"], validate=True))
                for one in head.get("timestamps", ())
            ),
            tuple(head.get("vernietigingen", ())),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError):
        raise ArchiveError("The manifest of this export lacks what it must have.") from None


def read_progress(directory: Path) -> Progress | None:
    """How far an export that was broken off is; None when none was begun here. Raises ArchiveError."""
    if (directory / MANIFEST).exists():
        raise ArchiveError("There is a whole export here already.")
    try:
        found = json.loads((directory / PROGRESS).read_text(encoding="utf-8"))
        return Progress(found["head"], tuple(map(Written.read, found["files"])))
    except FileNotFoundError:
        if directory.exists() and any(directory.iterdir()):
            raise ArchiveError("This directory holds something else than an export.") from None
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise ArchiveError("What was begun here cannot be gone on with; take the directory away.") from None


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a file so that a crash leaves the old one or the new one."""
    beside = path.with_suffix(".part")
    with open_own(beside) as stream:
        stream.write(json.dumps(value, indent=1, ensure_ascii=False).encode())
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(path)


def pack(directory: Path, target: Path, on_file: Callable[[str], None] = lambda _name: None) -> None:
    """Make a tar of a whole export, the manifest first, so that it can be read as a stream."""
    beside = target.with_name(target.name + ".packing")
    with open_own(beside) as stream, tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as packed:
        for path in sorted(directory.iterdir(), key=lambda one: (one.name != MANIFEST, one.name)):
            on_file(path.name)
            packed.add(path, path.name, recursive=False)
    beside.replace(target)


@contextmanager
def open_archive(path: Path) -> Iterator[tuple[Mapping[str, Any], Iterator[bytes]]]:
    """An export's manifest and its lines of rows, one after the other; nothing is held. Raises ArchiveError."""
    if path.is_dir():
        try:
            text = (path / MANIFEST).read_bytes()
        except OSError:
            raise ArchiveError("There is no whole export here: it has no manifest.") from None
        yield _manifest(text), _lines_of_directory(path)
        return
    with ExitStack() as stack:
        try:
            packed = stack.enter_context(tarfile.open(path, "r"))
            text = _member(packed, MANIFEST).read()
        except (KeyError, tarfile.TarError, OSError):
            raise ArchiveError("This is neither a directory nor a tar with an export in it.") from None
        yield _manifest(text), _lines_of_tar(packed)


def lines_of_file(path: Path, name: str) -> list[bytes] | None:
    """The lines of another file of an export; None when it has none of that name, as those of before it had."""
    if path.is_dir():
        found = path / name
        return found.read_bytes().splitlines() if found.exists() else None
    with tarfile.open(path, "r") as packed:
        try:
            return _member(packed, name).read().splitlines()
        except KeyError:
            return None


def _member(packed: tarfile.TarFile, name: str) -> IO[bytes]:
    """A file of a tar. Raises KeyError."""
    stream = packed.extractfile(name)
    if stream is None:
        raise KeyError(name)
    return stream


def _manifest(text: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        raise ArchiveError("The manifest of this export is no JSON.") from None
    if not isinstance(found, dict):
        raise ArchiveError("The manifest of this export is no object.")
    return found


def _must_be_open(names: Iterable[str]) -> None:
    if any(name.startswith("rows-") and name.endswith(SUFFIX) for name in names):
        raise ArchiveError(
            f"This export is sealed to a certificate: open its files first (openssl cms -decrypt), without {SUFFIX}, into one directory."
        )


def _lines_of_directory(path: Path) -> Iterator[bytes]:
    if not any(path.glob("rows-*.ndjson")):
        _must_be_open(one.name for one in path.iterdir())
    for name in sorted(one.name for one in path.glob("rows-*.ndjson")):
        with (path / name).open("rb") as stream:
            yield from stream


def _lines_of_tar(packed: tarfile.TarFile) -> Iterator[bytes]:
    _must_be_open(packed.getnames())
    for name in sorted(name for name in packed.getnames() if name.startswith("rows-") and name.endswith(".ndjson")):
        yield from _member(packed, name)
