"""The key files of an installation: made once, checked at will.

Two keyrings, because two processes need different secrets: the identity keyring (gateway) opens private keys and
client-secrets, the register keyring (tenants) opens the register. Each process gets the whole of its own and the public
half of the other. A file that exists is never overwritten: a lost private half is a lost register.
"""

from pathlib import Path

from gateway.issued import make_signing_keys, read_signing_keys
from tenants.keyring import dump, make_keyring, public_half, read_keyring

NAMES = ("identity", "register")
TOKEN_KEYS = "token.keys"  # noqa: S105 - a file name


def make_all(directory: Path) -> list[Path]:
    """Make every file in `directory`, mode 0600. Raises FileExistsError when one of them exists; then makes none."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    contents = {TOKEN_KEYS: make_signing_keys()}
    for name in NAMES:
        keyring = make_keyring(name)
        contents[f"{name}.keyring"] = dump(keyring)
        contents[f"{name}.public"] = dump(public_half(keyring))
    present = [name for name in contents if (directory / name).exists()]
    if present:
        raise FileExistsError(f"Not overwritten: {', '.join(sorted(present))} in {directory}. Nothing was made.")
    for name, text in contents.items():
        path = directory / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
    return [directory / name for name in sorted(contents)]


def check_all(directory: Path) -> list[str]:
    """Say of each file that it is whole, and that public halves belong to private ones. Raises ValueError, OSError."""
    said = []
    for name in NAMES:
        whole = read_keyring(directory / f"{name}.keyring", name=name, private=True)
        half = read_keyring(directory / f"{name}.public", name=name, private=False)
        if public_half(whole) != half:
            raise ValueError(
                f"{name}.public is not the public half of {name}.keyring: give tenants and gateway the same pair."
            )
        said.append(f"{name}: {len(whole.versions)} version(s), current {whole.current}, public half fits")
    read_signing_keys(directory / TOKEN_KEYS)
    said.append("token signing keys: readable")
    return said
