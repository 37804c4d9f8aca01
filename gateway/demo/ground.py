"""What a gateway stands on, made afresh in one directory: keyrings, signing keys, a test PKI and a catalogue.

Owns files only. The demo and the tests stand on the same ground, so that what is shown is what is tested.
"""

import socket
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from gateway.issued import make_signing_keys
from gateway.pki import Pki, make_pki
from tenants.keyring import Keyring, dump, make_keyring, public_half

HOST = "localhost"


@dataclass(frozen=True, slots=True)
class Ground:
    """Paths of the files, and the secrets behind them. `upstream` is where RvIG's stand-in listens."""

    directory: Path
    upstream: str
    pki: Pki = field(repr=False)
    identity: Keyring = field(repr=False)
    register: Keyring = field(repr=False)

    @property
    def catalogue(self) -> Path:
        """The catalogue of which every URL points to the stand-in."""
        return self.directory / "catalogue.toml"

    @property
    def trust_anchors(self) -> Path:
        """The root of the test PKI."""
        return self.directory / "root.pem"

    def file(self, name: str) -> Path:
        """A file of the ground: identity.keyring, identity.public, register.keyring, register.public, token.keys."""
        return self.directory / name

    def gateway_environment(self, database_url: str, **more: str) -> dict[str, str]:
        """The KOPPELPUNT_ environment of a gateway process on this ground."""
        return {
            "KOPPELPUNT_DATABASE_URL": database_url,
            "KOPPELPUNT_IDENTITY_KEYRING_FILE": str(self.file("identity.keyring")),
            "KOPPELPUNT_TOKEN_KEYS_FILE": str(self.file("token.keys")),
            "KOPPELPUNT_CATALOGUE_FILE": str(self.catalogue),
            "KOPPELPUNT_BIND": "127.0.0.1:0",
            "KOPPELPUNT_METRICS_BIND": "127.0.0.1:0",
            # The embedded PostgreSQL is gone afterwards; what it confirms need not survive it.
            "KOPPELPUNT_DURABILITY": "none",
            **{f"KOPPELPUNT_{name.upper()}": value for name, value in more.items()},
        }


def lay_ground(directory: Path, *, upstream_port: int | None = None, catalogue: str | None = None) -> Ground:
    """Make everything in `directory`, which must be private. `catalogue` replaces RvIG's own paths by others (TOML)."""
    directory.mkdir(parents=True, exist_ok=True)
    upstream = f"https://{HOST}:{upstream_port or free_port()}"
    ground = Ground(directory, upstream, make_pki(), make_keyring("identity"), make_keyring("register"))
    _write(ground.trust_anchors, ground.pki.root_pem.decode())
    ground.pki.issue_server([HOST, "127.0.0.1"]).save(directory, "upstream")
    ground.pki.issue_server([HOST, "127.0.0.1"]).save(directory, "gateway")
    for name, keyring in (("identity", ground.identity), ("register", ground.register)):
        _write(ground.file(f"{name}.keyring"), dump(keyring))
        _write(ground.file(f"{name}.public"), dump(public_half(keyring)))
    _write(ground.file("token.keys"), make_signing_keys())
    _write(ground.catalogue, _pointed(catalogue or (files("gateway") / "catalogue.toml").read_text(), ground))
    return ground


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _pointed(catalogue: str, ground: Ground) -> str:
    """The catalogue with every host replaced by the stand-in, and its root as the only trust anchor."""
    lines: list[str] = []
    for line in catalogue.splitlines():
        if line.startswith("base_url"):
            lines += [f'base_url = "{ground.upstream}"', f'trust_anchors_file = "{ground.trust_anchors}"']
        elif line.startswith("token_url"):
            lines.append(f'token_url = "{ground.upstream}/nidp/oauth/nam/token"')
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
