"""What differs per installation: one frozen object per process, read once from the environment.

Names begin with KOPPELPUNT_. Unknown names are refused; all problems are reported together. A secret is given as a
file (`…_FILE`), never as a value. Times are in seconds, sizes in bytes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

PREFIX = "KOPPELPUNT_"


class ConfigError(ValueError):
    """The environment does not make a configuration; the message names every problem and who must act."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Read all KOPPELPUNT_ names. Raises ConfigError with every unknown, missing or wrong one."""
        given: dict[str, Any] = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in environ.items()
            if name.startswith(PREFIX) and value != ""
        }
        url_file = given.pop("database_url_file", None)
        faults = []
        if url_file is not None:
            try:
                given["database_url"] = Path(url_file).read_text(encoding="utf-8").strip()
            except OSError as error:
                faults.append(f"{PREFIX}DATABASE_URL_FILE: cannot be read ({error.strerror})")
        try:
            settings = cls.model_validate(given)
        except ValidationError as error:
            # The value itself is never repeated: it may be a secret.
            faults += [f"{PREFIX}{'_'.join(str(p) for p in e['loc']).upper()}: {e['msg']}" for e in error.errors()]
            settings = None
        if faults or settings is None:
            raise ConfigError("The operator must mend the environment: " + "; ".join(faults))
        return settings


class GatewayConfig(_Settings):
    """The gateway process."""

    database_url: str
    identity_keyring_file: Path
    token_keys_file: Path
    catalogue_file: Path | None = None
    issuer: str = "https://localhost/nidp/oauth/nam"
    bind: str = "127.0.0.1:8443"
    certificate_file: Path | None = None
    key_file: Path | None = None
    metrics_bind: str = "127.0.0.1:9090"
    instance: str = Field(default="gateway", pattern=r"^[A-Za-z0-9._-]{1,100}$")
    body_limit: int = Field(default=2 * 1024 * 1024, ge=1024)
    body_deadline: float = Field(default=10.0, gt=0)
    answer_limit: int = Field(default=8 * 1024 * 1024, ge=1024)
    calls_at_once: int = Field(default=64, ge=1)
    calls_per_tenant: int = Field(default=48, ge=1)
    answer_memory_per_tenant: int = Field(default=32 * 1024 * 1024, ge=1024)
    permission_seconds: float = Field(default=2.0, gt=0, le=2.0)
    open_timeout: float = Field(default=2.0, gt=0)
    close_timeout: float = Field(default=5.0, gt=0)
    drain_seconds: float = Field(default=40.0, gt=0)
    loop: str = Field(default="uvloop", pattern="^(uvloop|asyncio)$")


class TenantsConfig(_Settings):
    """The tenants process: admin API and inzage."""

    database_url: str
    inzage_url: str
    identity_public_file: Path
    register_keyring_file: Path
    bind: str = "127.0.0.1:8444"
    certificate_file: Path | None = None
    key_file: Path | None = None
    metrics_bind: str = "127.0.0.1:9091"
    grace_timeout: float = Field(default=5.0, gt=0)


class SealerConfig(_Settings):
    """The sealer process."""

    database_url: str
    metrics_bind: str = "127.0.0.1:9092"
    every: float = Field(default=60.0, gt=0)
    orphan_after: float = Field(default=120.0, gt=0)
