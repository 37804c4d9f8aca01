"""Reads a process's settings from the environment: one frozen object per process, read once.

Names begin with KOPPELPUNT_. Unknown names are refused; all problems are reported together. The database URL, which
holds a password, may be given as a file (`KOPPELPUNT_DATABASE_URL_FILE`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

PREFIX = "KOPPELPUNT_"
_URLS = frozenset({"database_url", "inzage_url", "smtp_url"})
"""Settings that hold a password, and so may come from a file."""


class ConfigError(ValueError):
    """The environment does not make a configuration; the message names every problem and who must act."""


class Settings(BaseModel):
    """What every process's configuration is made of: fields with types and bounds, given by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Read all KOPPELPUNT_ names. Raises ConfigError with every unknown, missing or wrong one."""
        given: dict[str, Any] = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in environ.items()
            if name.startswith(PREFIX) and value != ""
        }
        faults = []
        for name in sorted(_URLS & cls.model_fields.keys()):
            file = given.pop(f"{name}_file", None)
            if file is None:
                continue
            if name in given:
                faults.append(f"{PREFIX}{name.upper()}: given twice, by value and by file")
            try:
                given[name] = Path(file).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                faults.append(f"{PREFIX}{name.upper()}_FILE: cannot be read ({type(error).__name__})")
        try:
            settings = cls.model_validate(given)
        except ValidationError as error:
            # The value itself is never repeated: it may be a secret.
            faults += [f"{PREFIX}{'_'.join(str(p) for p in e['loc']).upper()}: {e['msg']}" for e in error.errors()]
            settings = None
        if faults or settings is None:
            raise ConfigError("The operator must mend the environment: " + "; ".join(faults))
        return settings
