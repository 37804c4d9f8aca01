"""What the sealer shows of revocation. Issuers by the first sixteen digits of their digest: they are few and public."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge

from tenants.revocation.rows import KeptList

_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class RevocationMetrics:
    age: Gauge
    next_update: Gauge
    stale: Gauge
    fetches: Counter
    revoked: Counter
    ocsp: Counter
    keys_destroyed: Counter
    failures: Counter
    leads: Gauge

    def show(self, lists: Iterable[KeptList], now: datetime) -> None:
        """Show each list; one that was never fetched is infinitely old."""
        for gauge in (self.age, self.next_update, self.stale):
            gauge.clear()
        freshest: dict[str, KeptList] = {}
        for one in lists:
            name = one.issuer.hex()[:16]
            known = freshest.get(name)
            # What an issuer says at two places is one list; the fresher one counts.
            if known is None or (one.this_update or datetime.min.replace(tzinfo=now.tzinfo)) > (
                known.this_update or datetime.min.replace(tzinfo=now.tzinfo)
            ):
                freshest[name] = one
        for name, one in freshest.items():
            until = one.next_update
            self.age.labels(name).set(_NEVER if one.this_update is None else (now - one.this_update).total_seconds())
            self.next_update.labels(name).set(0 if until is None else until.timestamp())
            self.stale.labels(name).set(int(until is None or until <= now))


def make_revocation_metrics(registry: CollectorRegistry) -> RevocationMetrics:
    issuer = ["issuer"]
    return RevocationMetrics(
        age=Gauge(
            "koppelpunt_sealer_crl_age_seconds", "Since the newest revocation list was made", issuer, registry=registry
        ),
        next_update=Gauge(
            "koppelpunt_sealer_crl_next_update_seconds",
            "Unix time at which the newest revocation list ends; 0 when there is none",
            issuer,
            registry=registry,
        ),
        stale=Gauge(
            "koppelpunt_sealer_crl_stale", "1 when the newest revocation list has ended", issuer, registry=registry
        ),
        fetches=Counter(
            "koppelpunt_sealer_crl_fetches", "Tries to fetch a revocation list", ["outcome"], registry=registry
        ),
        revoked=Counter(
            "koppelpunt_sealer_certificates_revoked", "Certificates that were found revoked", registry=registry
        ),
        ocsp=Counter("koppelpunt_sealer_ocsp_answers", "What OCSP responders said", ["outcome"], registry=registry),
        keys_destroyed=Counter(
            "koppelpunt_sealer_certificate_keys_destroyed", "Keys of ended certificates destroyed", registry=registry
        ),
        failures=Counter("koppelpunt_sealer_revocation_failures", "Rounds that were not whole", registry=registry),
        leads=Gauge("koppelpunt_sealer_revocation_leads", "1 in the one sealer that looks", registry=registry),
    )
