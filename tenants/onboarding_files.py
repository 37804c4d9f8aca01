"""What an onboarding document says by where it lies: PEM, secrets, files beside it, variables of the environment."""

import os
from pathlib import Path

from tenants.faults import InputRefused


def read_pem(text: str, directory: Path) -> bytes:
    """Return PEM that was given, or that of what was named. Raises InputRefused."""
    return text.encode() if "-----BEGIN" in text else read_reference(text, directory)


def is_reference(text: str) -> bool:
    """Whether a secret is said by where it lies: `file:…`, a path of its own or below the document's, or `env:…`."""
    return text.startswith(("file:", "env:"))


def read_reference(text: str, directory: Path) -> bytes:
    """What lies at `file:path`, `env:NAME`, or at a path. Raises InputRefused."""
    kind, _, name = text.partition(":")
    if kind == "env":
        found = os.environb.get(name.encode())
        if found is None:
            raise InputRefused([f"env:{name}: there is no such variable in the environment."])
        return found
    return read_file(name if kind == "file" else text, directory)


def read_file(name: str, directory: Path) -> bytes:
    try:
        return (directory / name).read_bytes()
    except (OSError, ValueError) as error:
        raise InputRefused([f"{name}: the file cannot be read ({type(error).__name__})."]) from None
