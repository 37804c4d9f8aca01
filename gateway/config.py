"""What differs per installation of the gateway: one frozen object, read once from the environment.

How it is read stands in `tenants.settings`. Times are in seconds, sizes in bytes.
"""

from pathlib import Path

from pydantic import Field

from tenants.settings import ConfigError, Settings

__all__ = ["ConfigError", "GatewayConfig"]


class GatewayConfig(Settings):
    """The gateway process."""

    database_url: str = Field(repr=False)
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
    calls_at_once: int = Field(default=512, ge=1)
    calls_per_tenant: int = Field(default=64, ge=1)
    answer_memory_per_tenant: int = Field(default=32 * 1024 * 1024, ge=1024)
    permission_seconds: float = Field(default=2.0, gt=0, le=2.0)
    open_timeout: float = Field(default=2.0, gt=0)
    close_timeout: float = Field(default=5.0, gt=0)
    drain_seconds: float = Field(default=40.0, gt=0)
    loop: str = Field(default="uvloop", pattern="^(uvloop|asyncio)$")
