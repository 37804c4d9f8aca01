"""What a simulator is told at its start: afnemers, paths, files and limits. Owns the reading of an afnemers file.

Refuses unknown names in that file (ValueError), so that a typing error does not become a silent default.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import orjson

from gateway.brp.authorisation import AutorisatieRow

Environment = Literal["proef", "productie"]

LAP_SUFFIX: Final = "-lap"


@dataclass(frozen=True, slots=True)
class SimAfnemer:
    """An account at the token endpoint: whose data it opens, with which secret, over which certificates.

    `certificate_oins` None: the certificate must carry the afnemer's own OIN. `environment` None: that of the settings.
    `previous_secrets` are accepted beside `client_secret`, as during a rotation.
    """

    afnemer_id: str
    oin: str
    gemeente_code: str | None = None
    mailbox_id: str | None = None
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    certificate_oins: frozenset[str] | None = None
    blocked: bool = False
    environment: Environment | None = None
    previous_secrets: frozenset[str] = field(default=frozenset(), repr=False)

    def __post_init__(self) -> None:
        """Raise ValueError for empty credentials, which would let in whoever sends none."""
        if not self.client_id or not self.client_secret or "" in self.previous_secrets:
            raise ValueError("an afnemer needs a client_id and a client_secret")


@dataclass(frozen=True, slots=True)
class Base:
    """A path before the API's own, and the environment whose tokens it takes (None: both)."""

    prefix: str
    environment: Environment | None = None


DEFAULT_BASES: Final = (Base("/lap/api", "proef"), Base("/api", "productie"), Base("/haalcentraal/api"))


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """Everything that may differ between two simulators. Times in seconds, sizes in bytes.

    `resource_servers` says which `endpoint` claim a resourceServer gives; in the proefomgeving `-lap` is added.
    `existing_gezag_oins` are consumers that get the old gezag answer unless they ask for another. `clock` is Unix time.
    `autorisatietabel` gives the rows of an AfnemerID, `adressen` the gemeenten of an adresseerbaar object, now or in the
    past; without a table (None) everybody is authorised.
    """

    afnemers: tuple[SimAfnemer, ...] = ()
    environment: Environment = "proef"
    personen_file: Path | None = None
    bewoning_file: Path | None = None
    reisdocumenten_file: Path | None = None
    berichten_dir: Path | None = None
    token_path: str = "/nidp/oauth/nam/token"  # noqa: S105 - a path
    issuer: str = "https://auth.simulator.invalid/nidp/oauth/nam"
    bases: tuple[Base, ...] = DEFAULT_BASES
    berichten_path: str = "/brp/berichten/v1"
    resource_servers: Mapping[str, str] = field(
        default_factory=lambda: {"ResourceServer01": "brp", "ResourceServer02": "brp-berichten"}
    )
    token_seconds: int = 600
    expired_status: int = 401
    opaque_tokens: bool = False
    existing_gezag_oins: frozenset[str] = frozenset()
    autorisatietabel: Mapping[str, tuple[AutorisatieRow, ...]] | None = None
    adressen: Mapping[str, frozenset[str]] = field(default_factory=dict)
    keep_bodies: bool = False
    seen_limit: int = 100_000
    body_limit: int = 8 * 1024 * 1024
    gzip_minimum: int = 1024
    keepalive_seconds: float = 75.0
    retention_seconds: float = 7 * 24 * 3600.0
    clock: Callable[[], float] = time.time


def read_afnemers(path: Path) -> tuple[SimAfnemer, ...]:
    """Read a JSON array of afnemers, members named as those of `SimAfnemer`.

    Raises OSError for an unreadable file, ValueError for anything that is no such array.
    """
    return parse_afnemers(orjson.loads(path.read_bytes()))


def parse_afnemers(value: Any) -> tuple[SimAfnemer, ...]:
    """Make afnemers of decoded JSON. Raises ValueError, naming the member at fault and never its value."""
    if not isinstance(value, list):
        raise ValueError("afnemers: an array was expected")  # noqa: TRY004 - bad input is one kind of error here
    return tuple(_parse_afnemer(one, f"afnemers[{place}]") for place, one in enumerate(value))


_TEXTS: Final = {"afnemer_id", "oin", "gemeente_code", "mailbox_id", "client_id", "client_secret", "environment"}
_LISTS: Final = {"certificate_oins", "previous_secrets"}
_REQUIRED: Final = {"afnemer_id", "oin", "client_id", "client_secret"}


def _parse_afnemer(value: Any, where: str) -> SimAfnemer:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: an object was expected")  # noqa: TRY004 - bad input is one kind of error here
    known = {one.name for one in dataclasses.fields(SimAfnemer)}
    if unknown := sorted(value.keys() - known):
        raise ValueError(f"{where}: unknown members {', '.join(unknown)}")
    if missing := sorted(_REQUIRED - value.keys()):
        raise ValueError(f"{where}: missing members {', '.join(missing)}")
    members: dict[str, Any] = {}
    for name, given in value.items():
        if given is None and name not in _REQUIRED:
            continue
        if not _fits(name, given):
            raise ValueError(f"{where}.{name}: wrong kind of value")
        members[name] = frozenset(given) if name in _LISTS else given
    return SimAfnemer(**members)


def _fits(name: str, given: Any) -> bool:
    if name == "environment":
        return given in {"proef", "productie"}
    if name in _TEXTS:
        return isinstance(given, str)
    if name in _LISTS:
        return isinstance(given, list) and all(isinstance(one, str) for one in given)
    return isinstance(given, bool)
