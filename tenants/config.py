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
    # As long as a request may take, so that none is cut off.
    drain_seconds: float = Field(default=60.0, gt=0)
    connections: int = Field(default=10, ge=1, le=100)
    # Judging certificates: `<environment>.pem` with PKIo anchors, and the names that RvIG knows the egress by.
    certificate_anchors_directory: Path | None = None
    egress_host_names: str = ""
    # Where the keys of administrators' identity providers may be fetched from; none means that nobody comes with a token.
    fetch_hosts: str = ""
    fetch_internal_networks: str = ""
    fetch_ca_file: Path | None = None
    # The keys that webhooks are signed with, the same file as the sealer's; without it no contact has a webhook.
    notice_keys_file: Path | None = None
    # Where the Logboek Dataverwerkingen may be sent to; how often it looks; when a call without closing is told as such.
    logboek_hosts: str = ""
    logboek_internal_networks: str = ""
    logboek_ca_file: Path | None = None
    logboek_every: float = Field(default=5.0, gt=0)
    logboek_open_after: float = Field(default=3_600.0, ge=300)
    contact_name: str = "De operator van dit koppelpunt"
    contact_url: str | None = Field(default=None, pattern=r"^https?://\S+$")
    contact_email: str | None = Field(default=None, pattern=r"^\S+@\S+$")


class SealerConfig(Settings):
    """The sealer process."""

    database_url: str = Field(repr=False)
    metrics_bind: str = "127.0.0.1:9092"
    every: float = Field(default=60.0, gt=0)
    orphan_after: float = Field(default=120.0, gt=0)
    # Retention: how often it looks, how many leaves go in one transaction, and how long backups of PostgreSQL are kept.
    retention_every: float = Field(default=600.0, gt=0)
    retention_step: int = Field(default=2_000, ge=1, le=5_000)
    backup_days: int = Field(default=35, ge=0, le=3_660)
    # Trees and checkpoints: without a key rows are sealed and nothing is signed, which rings.
    seal_every: float = Field(default=45.0, gt=0, le=60)
    seal_batch: int = Field(default=5_000, ge=1, le=50_000)
    # Rounds over what was sealed long ago: within how many days every row is hashed again, and leaves in one step.
    patrol_days: int = Field(default=30, ge=1, le=366)
    patrol_step: int = Field(default=500, ge=1, le=5_000)
    checkpoint_key_file: Path | None = None
    checkpoint_origin: str = Field(default="koppelpunt", pattern=r"^[^\s+]+$")
    checkpoint_directory: Path | None = None
    # Where checkpoints may leave to: a file share, hosts that take a POST, a mail server.
    delivery_share: Path | None = None
    delivery_hosts: str = ""
    delivery_internal: str = ""
    delivery_anchors_file: Path | None = None
    # Revocation lists and OCSP: of the own certificates' chains, and of what callers' certificates lead to.
    revocation_hosts: str = ""
    revocation_internal: str = ""
    revocation_ca_file: Path | None = None
    revocation_urls: str = ""
    revocation_refresh: float = Field(default=14_400.0, gt=0, le=14_400)
    revocation_every: float = Field(default=60.0, gt=0)
    # Timestamps over checkpoints (RFC 3161): an authority among the delivery hosts, and the roots of its certificates.
    timestamp_url: str | None = Field(default=None, pattern=r"^https?://\S+$")
    timestamp_roots_file: Path | None = None
    timestamp_every: float = Field(default=3600.0, ge=60)
    smtp_url: str | None = Field(default=None, repr=False, pattern=r"^(smtps|smtp|smtp-plain)://\S+$")
    smtp_from: str | None = Field(default=None, pattern=r"^\S+@\S+$")
    # Notices: where the operator is told (mail addresses), and the keys that webhooks are signed with.
    operator_contacts: str = Field(default="", pattern=r"^([^@\s,]+@[A-Za-z0-9.-]+(,[^@\s,]+@[A-Za-z0-9.-]+)*)?$")
    notice_keys_file: Path | None = None
