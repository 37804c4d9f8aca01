"""Environments and APIs, as data: path in, URL out, and how tokens are asked for. Pure but for reading one file.

The defaults (`catalogue.toml` beside this module) hold RvIG's published hosts and paths. An operator's own file replaces
or adds environments and APIs; unknown names in it are refused, all at once. Paths disagree between RvIG's sources, so
nothing here is decided in code.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

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
    """One answer by which RvIG says *your token does not work*: exact, never searched for in a text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: int
    detail: str | None = None
    code: str | None = None


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
    connect_timeout: float = 5.0
    answer_timeout: float = 30.0
    token_timeout: float = 10.0
    concurrency: int = 32
    validation: Literal["refuse", "observe", "off"] = "refuse"
    authorisation: Literal["refuse", "observe"] = "refuse"
    apis: tuple[Api, ...]


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
