"""Environments and APIs, as data: path in, URL out, and how tokens are asked for. Pure but for reading one file.

The defaults (`catalogue.toml` beside this module) hold RvIG's published hosts and paths. An operator's own file replaces
or adds environments and APIs; unknown names in it are refused, all at once. Paths disagree between RvIG's sources, so
nothing here is decided in code.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

Kind = Literal["personen", "bewoningen", "verblijfplaatshistorie", "reisdocumenten", "berichten", "other"]


class CatalogueError(ValueError):
    """The operator's catalogue file is wrong; the message names every fault."""


class Api(BaseModel):
    """One API of an environment. `path` is what callers use; `upstream_path` what RvIG uses (the same unless given)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Kind
    path: str = Field(pattern=r"^/[A-Za-z0-9/_.-]*[A-Za-z0-9]$")
    upstream_path: str | None = None
    methods: tuple[str, ...] = ("POST",)
    subpaths: bool = False
    endpoint: str | None = None
    resource_server: str | None = None
    scope_template: str | None = None
    headers: Mapping[str, str] = Field(default_factory=dict)
    pass_headers: tuple[str, ...] = ()

    @property
    def right(self) -> str:
        """The name by which a machtiging allows it: a BRP API whatever its path, any other by its own name."""
        return self.name if self.kind == "other" else self.kind


class TokenTexts(BaseModel):
    """One answer by which RvIG says *your token does not work*, or *you are shut out*: exact, never searched for in a text.

    `error` is that of a token endpoint (RFC 6749 section 5.2).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: int
    detail: str | None = None
    code: str | None = None
    error: str | None = None


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _address(text: str) -> str:
    return str(ip_address(text))


Address = Annotated[str, AfterValidator(_address)]


class Network(BaseModel):
    """The way to an environment's servers where it is not that of the surroundings: DigiNetwerk's.

    `resolver` (address, or address:port) or fixed `addresses` by host name; `source_address` that connections leave from;
    `proxy` (http://host:port) that connects by CONNECT, with `user:password` in a file where it asks for them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    resolver: str | None = None
    addresses: Mapping[str, tuple[Address, ...]] = Field(default_factory=dict)
    source_address: Address | None = None
    proxy: str | None = Field(default=None, pattern=r"^http://[A-Za-z0-9.\[\]:-]+:[0-9]{1,5}$")
    proxy_credentials_file: str | None = None

    @property
    def resolver_place(self) -> tuple[str, int] | None:
        """Address and port of the resolver."""
        if self.resolver is None:
            return None
        parts = urlsplit(
            f"//{self.resolver}" if self.resolver.count(":") < 2 or "[" in self.resolver else f"//[{self.resolver}]"
        )
        return parts.hostname or "", parts.port or 53

    def source_for(self, address: str) -> str | None:
        """The source address, where it is of the same kind as this one."""
        source = self.source_address
        return source if source is not None and ip_address(source).version == ip_address(address).version else None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        try:
            place = self.resolver_place
            if place is not None:
                ip_address(place[0])
        except ValueError:
            raise ValueError("resolver: an address, or address:port; its own name nobody could look up") from None
        if self.proxy_credentials_file is not None and self.proxy is None:
            raise ValueError("proxy_credentials_file: there is no proxy")
        if any(not those for those in self.addresses.values()):
            raise ValueError("addresses: a host without an address")
        return self


class Environment(BaseModel):
    """One of RvIG's environments, with its network places and its APIs. Operator-only. Times in seconds.

    `validation` and `authorisation` say what happens to a question that RvIG would refuse, by its form (400) or by the
    autorisatiebesluit (403): refuse it here, or let it through and count and log it. A machtiging is never switched.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")
    kind: Literal["proef", "productie"]
    base_url: str = Field(pattern=r"^https://[^/]+$")
    token_url: str = Field(pattern=r"^https://[^/]+/.*$")
    trust_anchors_file: str | None = None
    scope_template: str = "{afnemer_id}-{oin}"
    resource_server: str = "ResourceServer01"
    token_fields: Mapping[str, str] = Field(default_factory=dict)
    token_refused: tuple[TokenTexts, ...] = ()
    account_blocked: tuple[TokenTexts, ...] = ()
    access_refused: tuple[TokenTexts, ...] = ()
    network: Network | None = None
    connect_timeout: float = 5.0
    answer_timeout: float = 30.0
    token_timeout: float = 10.0
    concurrency: int = 32
    validation: Literal["refuse", "observe", "off"] = "refuse"
    authorisation: Literal["refuse", "observe"] = "refuse"
    apis: tuple[Api, ...]

    @property
    def hosts(self) -> tuple[str, ...]:
        """The host names of its servers: that of the APIs first, then that of the token endpoint if it is another."""
        return tuple(dict.fromkeys(urlsplit(url).hostname or "" for url in (self.base_url, self.token_url)))

    @model_validator(mode="after")
    def _can_be_found(self) -> Self:
        network = self.network
        if network is None or not network.addresses or network.resolver is not None:
            return self
        # With fixed addresses nobody else is asked: a host that has none would never be reached.
        needed = self.hosts if network.proxy is None else (urlsplit(network.proxy).hostname or "",)
        missing = [host for host in needed if host not in network.addresses and not _is_address(host)]
        if missing:
            raise ValueError(f"network.addresses: no address of {', '.join(missing)}, and no resolver")
        return self


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All environments; `exact` finds a path without subpaths, `prefixes` the rest, longest first."""

    environments: Mapping[str, Environment]
    exact: Mapping[str, tuple[Environment, Api]] = field(repr=False)
    prefixes: tuple[tuple[str, Environment, Api], ...] = field(repr=False)

    def find(self, path: str) -> tuple[Environment, Api, str] | None:
        """Return environment, API and the rest of the path after the API's own, or None. Compares whole segments."""
        found = self.exact.get(path)
        if found is not None:
            return found[0], found[1], ""
        for prefix, environment, api in self.prefixes:
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] == "/":
                return environment, api, path[len(prefix) :]
        return None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    environments: tuple[Environment, ...]


def read_catalogue(path: Path | None = None) -> Catalogue:
    """Read the operator's file, or the shipped defaults. Raises CatalogueError naming all faults."""
    text = (files("gateway") / "catalogue.toml").read_text() if path is None else path.read_text(encoding="utf-8")
    try:
        return make_catalogue(_File.model_validate(tomllib.loads(text)).environments)
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"The catalogue is not TOML: {error}") from None
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors())
        raise CatalogueError(f"The catalogue is wrong: {faults}") from None


def make_catalogue(environments: tuple[Environment, ...]) -> Catalogue:
    """Index environments by path. Raises CatalogueError when two APIs or environments claim the same name or path."""
    names = [environment.name for environment in environments]
    paths = [api.path for environment in environments for api in environment.apis]
    twice = sorted({item for item in names + paths if (names + paths).count(item) > 1})
    if twice:
        raise CatalogueError(f"The catalogue names twice: {', '.join(twice)}")
    pairs = [(api.path, environment, api) for environment in environments for api in environment.apis]
    return Catalogue(
        environments={environment.name: environment for environment in environments},
        exact={path: (environment, api) for path, environment, api in pairs},
        prefixes=tuple(
            sorted(((p, e, a) for p, e, a in pairs if a.subpaths), key=lambda entry: len(entry[0]), reverse=True)
        ),
    )
