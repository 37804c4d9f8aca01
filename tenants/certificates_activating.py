"""Lets aansluitingen leave with another certificate, and takes that back in one step.

In productie it is first tried: with a verbindingstest of the last day over that environment, by this very certificate. And its
host name is one of ours, as RvIG compares it. Who cannot wait for that says why, and the history keeps it. For the role
`koppelpunt_tenants`, in the tenant's scope. Raises NotFound, and CertificateRefused with everything that stands in the way.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import asyncpg

from tenants.certificates_checks import WRONG_HOST, Anchors, environments_of, remarks_of_chain
from tenants.certificates_life import CertificateSeen, find_certificate
from tenants.certificates_reading import CertificateRefused, Remark
from tenants.certificates_trust import Trust
from tenants.changes import rotate_certificate
from tenants.pattern_facts import Finding
from tenants.pattern_rows import read_pattern_facts
from tenants.patterns import check_pattern, stops

TRIED_HOURS: Final = 24
_REASON: Final = "Moet het toch nu, noem dan een reden."


@dataclass(frozen=True, slots=True)
class Activation:
    """What is asked: which certificate, for which aansluitingen (None: all of its organisation), and why without a test."""

    number: int
    aansluitingen: Sequence[int] | None = None
    reason: str | None = None


async def activate(connection: asyncpg.Connection, tenant_id: int, wish: Activation, trust: Trust) -> list[int]:
    """Let these aansluitingen leave with it from the next call on; return which.

    The certificate that each had until now is retiring when nobody uses it any more, so that it can be gone back to.
    """
    certificate = await find_certificate(connection, tenant_id, wish.number)
    rows = await _read_aansluitingen(connection, tenant_id, wish, certificate)
    faults = await _faults_of_certificate(connection, certificate)
    faults += _faults_of_aansluitingen(rows, certificate, wish.aansluitingen, trust.anchors)
    # What was activated for these already is no new step.
    new = [row for row in rows if row["certificate_id"] != wish.number and row["is_productie"]]
    if wish.reason is None and new:
        faults += await _untried(connection, tenant_id, certificate, {row["environment"] for row in new})
        faults += _faults_of_host(certificate, trust)
    if faults:
        raise CertificateRefused(faults)
    numbers = [row["aansluiting_id"] for row in rows]
    before = await _stopping(connection, tenant_id, numbers)
    # The reason first, so that it stands in the history from the first call on.
    await connection.execute(
        "UPDATE registry.certificate SET activation_reason = $3 "
        "WHERE tenant_id = $1 AND certificate_id = $2 AND activation_reason IS DISTINCT FROM $3",
        tenant_id, wish.number, wish.reason,
    )  # fmt: skip
    await _rotate(connection, tenant_id, wish.number, rows)
    # What stopped these aansluitingen already is another matter; what the change itself would stop is not done.
    stopping = [one for one in await _stopping(connection, tenant_id, numbers) if one not in before]
    if stopping:
        raise CertificateRefused([Remark(one.code, one.text) for _, one in stopping])
    return numbers


async def roll_back(connection: asyncpg.Connection, tenant_id: int, number: int) -> list[int]:
    """Give every aansluiting that uses this certificate the one back that it had before; return which."""
    await find_certificate(connection, tenant_id, number)
    rows = await connection.fetch(
        "SELECT DISTINCT ON (v.aansluiting_id) v.aansluiting_id, v.previous_certificate_id, p.state, "
        "  p.not_before <= now() AND now() < p.not_after AS is_valid "
        "FROM registry.certificate_activation v "
        "JOIN registry.aansluiting a ON a.tenant_id = v.tenant_id AND a.aansluiting_id = v.aansluiting_id "
        "  AND a.certificate_id = v.certificate_id AND a.certificate_tenant_id = v.tenant_id AND a.state <> 'beeindigd' "
        "JOIN registry.certificate p ON p.tenant_id = v.tenant_id AND p.certificate_id = v.previous_certificate_id "
        "WHERE v.tenant_id = $1 AND v.certificate_id = $2 AND v.rolled_back_at IS NULL "
        "ORDER BY v.aansluiting_id, v.activation_id DESC",
        tenant_id, number,
    )  # fmt: skip
    if not rows:
        text = "Er is geen aansluiting die dit certificaat gebruikt en er hiervoor een ander had."
        raise CertificateRefused([Remark("nietsTerugTeDraaien", text)])
    faults = [
        Remark(
            "vorigeNietBruikbaar",
            f"Het vorige certificaat {row['previous_certificate_id']} van aansluiting {row['aansluiting_id']} "
            "is ingetrokken, uitgefaseerd of niet geldig.",
        )
        for row in rows
        if row["state"] not in {"active", "retiring"} or not row["is_valid"]
    ]
    if faults:
        raise CertificateRefused(faults)
    for row in rows:
        await rotate_certificate(connection, tenant_id, row["aansluiting_id"], row["previous_certificate_id"])
    await connection.execute(
        "UPDATE registry.certificate_activation SET rolled_back_at = now() "
        "WHERE tenant_id = $1 AND certificate_id = $2 AND rolled_back_at IS NULL",
        tenant_id, number,
    )  # fmt: skip
    return [row["aansluiting_id"] for row in rows]


async def _read_aansluitingen(
    connection: asyncpg.Connection, tenant_id: int, wish: Activation, certificate: CertificateSeen
) -> Sequence[asyncpg.Record]:
    rows: Sequence[asyncpg.Record] = await connection.fetch(
        "SELECT a.aansluiting_id, a.environment, a.certificate_id, a.organisation_oin, a.exception_id, a.state, "
        "  e.kind = 'productie' AS is_productie "
        "FROM registry.aansluiting a JOIN registry.environment e ON e.name = a.environment "
        "WHERE a.tenant_id = $1 AND CASE WHEN $2::bigint[] IS NULL "
        "  THEN a.organisation_oin = $3 AND a.exception_id IS NULL AND a.state <> 'beeindigd' "
        "  ELSE a.aansluiting_id = ANY ($2) END ORDER BY a.aansluiting_id FOR UPDATE OF a",
        tenant_id, None if wish.aansluitingen is None else list(wish.aansluitingen), certificate.oin,
    )  # fmt: skip
    return rows


async def _rotate(connection: asyncpg.Connection, tenant_id: int, number: int, rows: Iterable[asyncpg.Record]) -> None:
    for row in rows:
        if row["certificate_id"] == number:
            continue
        await rotate_certificate(connection, tenant_id, row["aansluiting_id"], number)
        if row["certificate_id"] is not None:
            await connection.execute(
                "INSERT INTO registry.certificate_activation (tenant_id, certificate_id, aansluiting_id, "
                "  previous_certificate_id) VALUES ($1, $2, $3, $4)",
                tenant_id, number, row["aansluiting_id"], row["certificate_id"],
            )  # fmt: skip


async def _untried(
    connection: asyncpg.Connection, tenant_id: int, certificate: CertificateSeen, environments: Iterable[str]
) -> list[Remark]:
    """Environments over which this certificate did not bring an answer of RvIG within a day."""
    rows = await connection.fetch(
        "SELECT DISTINCT a.environment FROM registry.verbindingstest t JOIN registry.aansluiting a "
        "  ON a.tenant_id = t.tenant_id AND a.aansluiting_id = t.aansluiting_id "
        "WHERE t.tenant_id = $1 AND t.fingerprint = $2 AND t.state = 'geslaagd' "
        "  AND t.ended_at > now() - make_interval(hours => $3)",
        tenant_id, certificate.fingerprint, TRIED_HOURS,
    )  # fmt: skip
    tried = {row["environment"] for row in rows}
    text = "Met dit certificaat is over omgeving {} in de laatste {} uur geen verbindingstest geslaagd. {}"
    return [
        Remark("nietGetest", text.format(one, TRIED_HOURS, _REASON)) for one in sorted(environments) if one not in tried
    ]


def _faults_of_host(certificate: CertificateSeen, trust: Trust) -> list[Remark]:
    if certificate.chain_pem is None:
        return []
    remarks = remarks_of_chain(certificate.chain_pem, frozenset(trust.host_names), datetime.now(UTC))
    return [Remark(one.code, f"{one.text} {_REASON}") for one in remarks if one.code in WRONG_HOST]


async def _faults_of_certificate(connection: asyncpg.Connection, certificate: CertificateSeen) -> list[Remark]:
    if certificate.state not in {"staged", "active", "retiring"}:
        return [Remark("nietKlaargezet", "Dit certificaat is niet klaargezet, of al uitgefaseerd of ingetrokken.")]
    # The database's own clock decides at each call, so it decides here.
    valid = await connection.fetchval(
        "SELECT $1::timestamptz <= now() AND now() < $2::timestamptz", certificate.not_before, certificate.not_after
    )
    return [] if valid else [Remark("nietGeldig", "Dit certificaat is verlopen of nog niet geldig.")]


def _faults_of_aansluitingen(
    rows: Sequence[asyncpg.Record], certificate: CertificateSeen, asked: Sequence[int] | None, anchors: Anchors
) -> list[Remark]:
    if asked is None and not rows:
        text = "De organisatie van dit certificaat heeft geen aansluiting die het kan gebruiken."
        return [Remark("geenAansluiting", text)]
    missing = sorted(set(asked or ()) - {row["aansluiting_id"] for row in rows})
    faults = [Remark("aansluitingOnbekend", f"Aansluiting {one} bestaat hier niet.") for one in missing]
    good = environments_of(certificate.chain_pem, anchors, datetime.now(UTC)) if certificate.chain_pem else ()
    for row in rows:
        number = row["aansluiting_id"]
        if row["state"] == "beeindigd":
            faults.append(Remark("aansluitingBeeindigd", f"Aansluiting {number} is beëindigd."))
        if row["organisation_oin"] != certificate.oin:
            text = f"Aansluiting {number} is van een andere organisatie: een certificaat dient er één."
            faults.append(Remark("andereOrganisatie", text))
        if row["exception_id"] is not None:
            text = f"Aansluiting {number} gebruikt bij uitzondering het certificaat van een houder; beëindig die eerst."
            faults.append(Remark("uitzondering", text))
        if row["environment"] not in anchors:
            text = (
                f"Voor omgeving {row['environment']} (aansluiting {number}) heeft de operator geen stamcertificaten "
                "ingesteld, dus dit certificaat is niet na te gaan."
            )
            faults.append(Remark("stamcertificatenOntbreken", text))
        elif row["environment"] not in good:
            text = f"Het certificaat leidt niet tot een stamcertificaat van omgeving {row['environment']} (aansluiting {number})."
            faults.append(Remark("stamcertificaatVanAndereOmgeving", text))
    return faults


async def _stopping(
    connection: asyncpg.Connection, tenant_id: int, numbers: Sequence[int]
) -> list[tuple[int, Finding]]:
    now = datetime.now(UTC)
    return [
        (facts.aansluiting_id, finding)
        for facts in (await read_pattern_facts(connection, [tenant_id])).get(tenant_id, ())
        if facts.aansluiting_id in numbers
        for finding in stops(check_pattern(facts, now))
    ]
