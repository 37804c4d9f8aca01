"""What differs per installation of the gateway: one frozen object, read once from the environment.

How it is read stands in `tenants.settings`. Times are in seconds, sizes in bytes.
"""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from tenants.settings import ConfigError, Settings

__all__ = ["ConfigError", "GatewayConfig"]


def _listed(value: Any) -> Any:
    """A text with commas as a list of what stands between them."""
    return [part.strip().lower() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_listed)]
Hosts = Annotated[frozenset[Annotated[str, Field(pattern=r"^[a-z0-9.:\[\]-]+$")]], BeforeValidator(_listed)]


class GatewayConfig(Settings):
    """The gateway process.

    `client_certificates` says what its own listener asks of callers (off, optional, required), `client_ca_file` which
    anchors their certificates must lead to, `client_revocation` what must be known of their revocation, `trusted_proxies` who may speak for callers and `forwarded_header` in which
    header. `durability` is what productie's register must survive: the loss of a server, of its power, or nothing.
    `fetch_…` bounds what is fetched from elsewhere, `idp_keys_…` how old the keys of IDPs may be.
    """

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
    calls_at_once: int = Field(default=1024, ge=1)
    calls_per_tenant: int = Field(default=320, ge=1)
    handshakes_at_once: int = Field(default=1024, ge=2)
    taaksysteem_rate: float = Field(default=0.0, ge=0, le=100_000)
    taaksysteem_burst: int = Field(default=20, ge=1, le=1_000_000)
    clock_bound: float = Field(default=5.0, gt=0, le=30)
    answer_memory_per_tenant: int = Field(default=32 * 1024 * 1024, ge=1024)
    permission_seconds: float = Field(default=2.0, gt=0, le=2.0)
    open_timeout: float = Field(default=2.0, gt=0)
    close_timeout: float = Field(default=5.0, gt=0)
    drain_seconds: float = Field(default=40.0, gt=0)
    drain_idle_seconds: float = Field(default=2.0, ge=0)
    client_certificates: str = Field(default="off", pattern="^(off|optional|required)$")
    client_ca_file: Path | None = None
    client_revocation: str = Field(default="named", pattern="^(off|named|required)$")
    trusted_proxies: Networks = ()
    forwarded_header: str = Field(default="x-forwarded-for", pattern="^(x-forwarded-for|forwarded)$")
    fetch_hosts: Hosts = frozenset()
    fetch_internal_networks: Networks = ()
    fetch_ca_file: Path | None = None
    fetch_timeout: float = Field(default=5.0, gt=0, le=30)
    idp_keys_refresh: float = Field(default=300.0, ge=1)
    idp_keys_interval: float = Field(default=30.0, ge=1)
    idp_keys_max_age: float = Field(default=86_400.0, ge=60)
    durability: Literal["standby", "disk", "none"] = "standby"
    share_tokens: bool = True
    workers: int = Field(default=1, ge=1, le=64)
    loop: str = Field(default="uvloop", pattern="^(uvloop|asyncio)$")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.client_certificates != "off" and (self.client_ca_file is None or self.certificate_file is None):
            raise ValueError("asking callers for certificates needs client_ca_file and certificate_file")
        return self
