"""What differs per installation of the tenants and sealer processes. Times are in seconds."""

from pathlib import Path

from pydantic import Field

from tenants.settings import Settings


class TenantsConfig(Settings):
    """The tenants process: admin API and inzage."""

    database_url: str = Field(repr=False)
    inzage_url: str = Field(repr=False)
    identity_public_file: Path
    register_keyring_file: Path
    bind: str = "127.0.0.1:8444"
    certificate_file: Path | None = None
    key_file: Path | None = None
    metrics_bind: str = "127.0.0.1:9091"
    grace_timeout: float = Field(default=5.0, gt=0)
    connections: int = Field(default=10, ge=1, le=100)
    contact_name: str = "De operator van dit koppelpunt"
    contact_url: str | None = Field(default=None, pattern=r"^https?://\S+$")
    contact_email: str | None = Field(default=None, pattern=r"^\S+@\S+$")


class SealerConfig(Settings):
    """The sealer process."""

    database_url: str = Field(repr=False)
    metrics_bind: str = "127.0.0.1:9092"
    every: float = Field(default=60.0, gt=0)
    orphan_after: float = Field(default=120.0, gt=0)
