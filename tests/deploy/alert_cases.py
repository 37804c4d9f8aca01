"""For each alert: series under which it fires, and series, as near as may be, under which it does not. In promtool's notation."""

from dataclasses import dataclass
from typing import Final

Series = dict[str, str]
_NS: Final = 'namespace="kp",pod="g-0",instance="g-0:9090"'


@dataclass(frozen=True, slots=True)
class Case:
    """What is scraped, one sample per `every`, and when is looked."""

    fires: Series
    quiet: Series
    first: Series | None = None
    """Series of which the first event is new at an hour, when nothing was there before; looked at soon after."""
    at: str = "2h"
    every: str = "1m"


def _one(name: str, labels: str, fires: str, quiet: str, at: str = "2h", every: str = "1m") -> Case:
    series = f"{name}{{{_NS}{',' if labels else ''}{labels}}}"
    return Case({series: fires}, {series: quiet}, at=at, every=every)


def _grows(name: str, labels: str) -> Case:
    """A counter of which one more is too many: it fires when it grows, not because it is there."""
    series = f"{name}{{{_NS}{',' if labels else ''}{labels}}}"
    return Case({series: "0+1x180"}, {series: "7x180"}, {series: "_x60 1x120"})


def _shared(name: str, labels: str, label: str, bad: str) -> Case:
    """Half of what is counted is bad, or one in a hundred is."""

    def series(good: str) -> Series:
        counts = {bad: "0+1x180", "beantwoord" if label == "outcome" else "2xx": good}
        return {f'{name}{{{_NS},{labels},{label}="{value}"}}': counted for value, counted in counts.items()}

    return Case(series("0+1x180"), series("0+99x180"))


def _bucket(name: str, labels: str) -> Case:
    """A tenth takes longer than a quarter of a second, or a thousandth does."""

    def series(slow: int) -> Series:
        given = f"{_NS},{labels}"
        counts = {"0.25": 1000 - slow, "0.5": 1000, "+Inf": 1000}
        return {f'{name}{{{given},le="{le}"}}': f"0+{count}x180" for le, count in counts.items()}

    return Case(series(100), series(1))


CASES: Final[dict[str, Case]] = {
    "KoppelpuntIdentityContradiction": _grows(
        "koppelpunt_security_events_total", 'event="gemeentecodeBijNietGemeente"'
    ),
    "KoppelpuntTokensRefused": _one("koppelpunt_aansluitingen_without_token", 'tenant="3"', "1x180", "1x110 _x70"),
    "KoppelpuntCertificateExpires": _one(
        "koppelpunt_certificate_days_left", 'tenant="3",certificate="5",state="active"', "29x180", "31x180"
    ),
    "KoppelpuntCertificateEnds": _one(
        "koppelpunt_certificate_days_left", 'tenant="3",certificate="5",state="active"', "-1x180", "8x180"
    ),
    "KoppelpuntSecretExpires": _one("koppelpunt_secret_days_left", 'tenant="3",credential="5"', "29x180", "31x180"),
    "KoppelpuntSecretEnds": _one("koppelpunt_secret_days_left", 'tenant="3",credential="5"', "-1x180", "8x180"),
    "KoppelpuntCertificateRevoked": _grows("koppelpunt_sealer_certificates_revoked_total", ""),
    "KoppelpuntBlockNotClosed": _grows("koppelpunt_admin_refusals_total", 'code="blokkadeNogNietGesloten"'),
    "KoppelpuntPermissionsExpire": _one(
        "koppelpunt_refusals_total", 'code="toestemmingVerlopen"', "0+1x180", "0+0.3x180"
    ),
    "KoppelpuntSnapshotOld": _one("koppelpunt_snapshot_age_seconds", "", "1300x180", "600x180"),
    "KoppelpuntBlocksInForce": _one(
        "koppelpunt_blocks", 'kind="tenant"', "1x400", "1x100 0x300", at="25h", every="10m"
    ),
    "KoppelpuntRegisterUnwritable": _one("koppelpunt_ready", 'check="register productie"', "0x180", "1x180"),
    "KoppelpuntOutcomeUnknown": _grows("koppelpunt_calls_total", 'tenant="3",api="personen",outcome="onbekend"'),
    "KoppelpuntCallsWithoutClosing": _one(
        "koppelpunt_calls_without_closing", 'kind="productie",tenant="3"', "2x180", "0x180"
    ),
    "KoppelpuntRegisterRowsRefused": _grows("koppelpunt_register_rows_refused_total", 'register="productie"'),
    "KoppelpuntRegisterQueue": _one("koppelpunt_register_waiting", 'register="productie"', "501x180", "499x180"),
    "KoppelpuntRegisterSlow": _bucket("koppelpunt_register_batch_seconds_bucket", 'register="productie"'),
    "KoppelpuntTenantKeyMissing": _one("koppelpunt_tenants_without_key", 'year="current"', "1x180", "0x180"),
    "KoppelpuntTenantKeyOfNextYearMissing": _one(
        "koppelpunt_tenants_without_key", 'year="next"', "1x8200", "0x8200", at="8160h", every="1h"
    ),
    "KoppelpuntForeignTargets": _one(
        "koppelpunt_security_events_total", 'event="aansluitingNietToegestaan"', "0+6x180", "0+4x180"
    ),
    "KoppelpuntAdminKeysRefused": _one(
        "koppelpunt_admin_requests_total", 'route="toonBlokkades",status="401"', "0+3x180", "0+1x180"
    ),
    "KoppelpuntRegisterFault": _one("koppelpunt_register_faults", 'tenant="3",code="hash"', "1x180", "0x180"),
    "KoppelpuntTreeHalted": _one("koppelpunt_tree_halted", 'tenant="3"', "1x180", "0x180"),
    "KoppelpuntCheckpointMemoryContradicted": _one("koppelpunt_checkpoint_memory_contradicted", "", "1x180", "0x180"),
    "KoppelpuntPatrolLate": Case(
        {
            f"koppelpunt_patrol_age_seconds{{{_NS}}}": "2600000+600x400",
            f"koppelpunt_patrol_term_seconds{{{_NS}}}": "2592000x400",
        },
        {
            f"koppelpunt_patrol_age_seconds{{{_NS}}}": "1300000+600x400",
            f"koppelpunt_patrol_term_seconds{{{_NS}}}": "2592000x400",
        },
        at="25h",
        every="10m",
    ),
    "KoppelpuntSealingStopped": Case(
        {f"koppelpunt_sealing_last_round_seconds{{{_NS}}}": "0x180"},
        {
            f"koppelpunt_sealing_last_round_seconds{{{_NS}}}": "0+60x180",
            f"koppelpunt_unsigned_leaves_seconds{{{_NS}}}": "90x180",
        },
    ),
    "KoppelpuntSealerGone": _one("koppelpunt_sealer_leader", "", "0x180", "1x180"),
    "KoppelpuntSealerFailures": _one("koppelpunt_sealer_failures_total", 'chore="forget"', "0+1x180", "0x60 1x120"),
    "KoppelpuntCheckpointLate": _one(
        "koppelpunt_checkpoint_late_seconds", 'tenant="3",destination="1",kind="mail"', "400x180", "400x60 _x120"
    ),
    "KoppelpuntTimestampLate": _one("koppelpunt_timestamp_late_seconds", 'tenant="3"', "400x180", "400x60 _x120"),
    "KoppelpuntNoticesNotDelivered": _one("koppelpunt_notice_waiting_seconds", 'kind="mail"', "0+60x180", "1700x180"),
    "KoppelpuntLogboekLate": _one("koppelpunt_logboek_late_seconds", 'tenant="3"', "1000x180", "800x60 _x120"),
    "KoppelpuntCheckpointDestinationMissing": _one(
        "koppelpunt_checkpoint_destination_missing", 'tenant="3"', "1x180", "1x60 _x120"
    ),
    "KoppelpuntCallersRefused": Case(
        {
            f'koppelpunt_calls_total{{{_NS},tenant="3",outcome="geweigerd"}}': "0+60x180",
            f'koppelpunt_calls_total{{{_NS},tenant="3",outcome="beantwoord"}}': "0+50x180",
        },
        {
            f'koppelpunt_calls_total{{{_NS},tenant="3",outcome="geweigerd"}}': "0+50x180",
            f'koppelpunt_calls_total{{{_NS},tenant="3",outcome="beantwoord"}}': "0+60x180",
        },
    ),
    "KoppelpuntIdpKeysOld": _one("koppelpunt_idp_keys_age_seconds", "", "7300x180", "300x180"),
    "KoppelpuntGatewayFull": Case(
        {f"koppelpunt_calls_running{{{_NS}}}": "900x180", f"koppelpunt_calls_at_once{{{_NS}}}": "1024x180"},
        {f"koppelpunt_calls_running{{{_NS}}}": "700x180", f"koppelpunt_calls_at_once{{{_NS}}}": "1024x180"},
    ),
    "KoppelpuntOpeningsSlow": _bucket("koppelpunt_step_seconds_bucket", 'step="open"'),
    "KoppelpuntUpstreamInterrupted": _one("koppelpunt_places", 'state="interrupted"', "1x180", "0x180"),
    "KoppelpuntNotReady": Case(
        {f'koppelpunt_ready{{{_NS},check="klok"}}': "0x180"},
        {
            f'koppelpunt_ready{{{_NS},check="klok"}}': "1x180",
            f'koppelpunt_ready{{{_NS},check="register proef"}}': "0x180",
            f'koppelpunt_ready{{{_NS},check="ronde"}}': "0x180",
        },
    ),
    "KoppelpuntProefUnwritable": _one("koppelpunt_ready", 'check="register proef"', "0x180", "1x180"),
    "KoppelpuntGatewayGone": Case({}, {f"koppelpunt_calls_at_once{{{_NS}}}": "1024x180"}),
    "KoppelpuntTenantsGone": Case(
        {}, {f'koppelpunt_database_connections{{{_NS},pool="registry",state="idle"}}': "1x180"}
    ),
    "KoppelpuntClockWrong": Case(
        {f"koppelpunt_clock_offset_seconds{{{_NS}}}": "-3x180", f"koppelpunt_clock_seconds{{{_NS}}}": "0+60x180"},
        {f"koppelpunt_clock_offset_seconds{{{_NS}}}": "-1x180", f"koppelpunt_clock_seconds{{{_NS}}}": "0+60x180"},
        # Before the gateway has asked the database for the time.
        {f"koppelpunt_clock_seconds{{{_NS}}}": "30+60x180"},
    ),
    "KoppelpuntRevocationListEnded": _one("koppelpunt_sealer_crl_stale", 'issuer="0a1b"', "1x180", "0x180"),
    "KoppelpuntRetentionOverdue": _one(
        "koppelpunt_retention_overdue_months", 'tenant="3"', "1x400", "0x400", at="25h", every="10m"
    ),
    "KoppelpuntShutOutByRvig": _one("koppelpunt_rvig_stands", 'kind="account"', "1x180", "0x180"),
    "KoppelpuntWorkersLost": _grows("koppelpunt_workers_lost_total", ""),
    "KoppelpuntRevocationListEnds": _one(
        "koppelpunt_sealer_crl_next_update_seconds", 'issuer="0a1b"', f"{7200 + 40_000}x180", f"{7200 + 43_300}x180"
    ),
    "KoppelpuntAdminFails": _one(
        "koppelpunt_admin_requests_total", 'route="plaatsBlokkade",status="503"', "0+1x180", "0+0.5x180"
    ),
    "KoppelpuntServerCertificateExpires": _one("koppelpunt_server_certificate_days_left", "", "13x180", "15x180"),
    "KoppelpuntServerCertificateEnds": _one("koppelpunt_server_certificate_days_left", "", "1x180", "3x180"),
    "KoppelpuntRvigFails": _shared("koppelpunt_rvig_answers_total", 'kind="productie",api="personen"', "status", "5xx"),
    "KoppelpuntRvigLimits": _shared(
        "koppelpunt_rvig_answers_total", 'kind="productie",api="personen"', "status", "429"
    ),
    "KoppelpuntCallsFail": _shared("koppelpunt_calls_total", 'tenant="3",api="personen"', "outcome", "mislukt"),
    "KoppelpuntCallsUnexpected": _grows("koppelpunt_calls_total", 'tenant="3",api="personen",outcome="onverwacht"'),
}
