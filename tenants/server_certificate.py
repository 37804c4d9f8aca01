"""How long the certificate lasts that a server shows to its callers: the operator's own, which no registry knows of."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from prometheus_client import CollectorRegistry, Gauge

_DAY = 86_400.0


class ServerCertificate:
    """The first certificate of a PEM file, read again each time that it is asked for: a server takes a new one in too."""

    def __init__(self, path: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path = path
        self._clock = clock
        self._ends: datetime | None = None

    def days_left(self) -> float:
        """Days until it ends, negative when it has; of the one that was read last where the file is none now, else NaN."""
        # While it is being replaced, or is no good, the server goes on with the one that it has; so does this.
        with suppress(OSError, ValueError):
            self._ends = x509.load_pem_x509_certificate(self._path.read_bytes()).not_valid_after_utc
        return float("nan") if self._ends is None else (self._ends - self._clock()).total_seconds() / _DAY


def show_server_certificate(registry: CollectorRegistry, path: Path | None) -> None:
    """Show how long it lasts; nothing where the server has none."""
    if path is not None:
        gauge = Gauge(
            "koppelpunt_server_certificate_days_left",
            "Days until the certificate ends that this server shows to its callers",
            registry=registry,
        )
        gauge.set_function(ServerCertificate(path).days_left)
