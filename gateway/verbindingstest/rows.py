"""The gateway's queries for verbindingstesten: take one, read what it is about, write its steps, end it."""

import json
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from gateway.registry_rows import AANSLUITING_COLUMNS, make_aansluiting
from gateway.verbindingstest.steps import Step
from tenants.model import Aansluiting

CHANNEL = "koppelpunt_verbindingstest"


@dataclass(frozen=True, slots=True)
class Taken:
    """A test that is this gateway's: `take` proves it, until it is given up."""

    tenant_id: int
    verbindingstest_id: int
    take: UUID
    aansluiting_id: int
    certificate_tenant_id: int
    certificate_id: int
    fingerprint: bytes | None
    credential_id: int
    secret_digest: bytes
    apis: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Subject:
    """The aansluiting with the certificate and credential that are tested; whether a blokkade stands on it, and whether
    both are its own, so that its calls leave with them too.
    """

    aansluiting: Aansluiting
    is_blocked: bool
    is_own: bool


async def take(connection: asyncpg.Connection, taken_by: str) -> Taken | None:
    """Take the oldest test that nobody has; None when there is none."""
    row = await connection.fetchrow("SELECT * FROM registry.take_verbindingstest($1)", taken_by)
    return None if row is None else Taken(**{**row, "apis": tuple(row["apis"])})


async def read_subject(connection: asyncpg.Connection, taken: Taken) -> Subject | None:
    """What is tested, as it is now.

    None when they are not, or not any more, what was asked about: another organisation's certificate, another afnemer's
    credential, a secret that was replaced, a tenant that ended.
    """
    row = await connection.fetchrow(
        f"SELECT {AANSLUITING_COLUMNS}, "  # noqa: S608 - the columns are the registry's reader's
        "  (a.certificate_tenant_id, a.certificate_id, a.credential_id) "
        "    IS NOT DISTINCT FROM (c.tenant_id, c.certificate_id, r.credential_id) AS own, "
        "  EXISTS (SELECT 1 FROM registry.blokkade k WHERE (k.kind, k.value) IN (('tenant', a.tenant_id::text), "
        "    ('tenant', a.certificate_tenant_id::text), ('afnemer', a.afnemer_id), ('oin', a.organisation_oin), "
        "    ('oin', c.oin), ('oin', t.oin), ('certificate', encode(c.fingerprint, 'hex')))) AS blocked "
        "FROM registry.aansluiting a "
        "JOIN registry.tenant t ON t.tenant_id = a.tenant_id AND t.state = 'active' "
        "JOIN registry.afnemer n ON n.tenant_id = a.tenant_id AND n.afnemer_id = a.afnemer_id "
        "JOIN registry.certificate c ON c.tenant_id = $3 AND c.certificate_id = $4 AND ($5::bytea IS NULL OR c.fingerprint = $5) "
        "  AND c.key_sealed IS NOT NULL AND ((c.tenant_id = a.certificate_tenant_id AND c.organisation_oin = a.certificate_oin)"
        "    OR (c.tenant_id = a.tenant_id AND c.organisation_oin = a.organisation_oin)) "
        "JOIN registry.credential r ON r.tenant_id = a.tenant_id AND r.credential_id = $6 AND r.afnemer_id = a.afnemer_id "
        "  AND r.environment = a.environment AND r.state <> 'retired' AND sha256(r.secret_sealed) = $7 "
        "WHERE a.tenant_id = $1 AND a.aansluiting_id = $2 AND a.state <> 'beeindigd'",
        taken.tenant_id, taken.aansluiting_id, taken.certificate_tenant_id, taken.certificate_id, taken.fingerprint,
        taken.credential_id, taken.secret_digest,
    )  # fmt: skip
    return None if row is None else Subject(make_aansluiting(row), row["blocked"], row["own"])


async def note_step(connection: asyncpg.Connection, taken: Taken, number: int, step: Step) -> bool:
    """Write a step; False when the test is not this gateway's any more, and nothing may leave for it."""
    return bool(
        await connection.fetchval(
            "SELECT registry.note_verbindingstest_stap($1, $2, $3, $4::smallint, $5, $6, $7, $8, $9::jsonb, $10)",
            taken.tenant_id,
            taken.verbindingstest_id,
            taken.take,
            number,
            step.name,
            step.result,
            step.who,
            step.detail[:1000],
            json.dumps(dict(step.seen)),
            step.milliseconds,
        )
    )


async def end(connection: asyncpg.Connection, taken: Taken, state: str) -> bool:
    return bool(
        await connection.fetchval(
            "SELECT registry.end_verbindingstest($1, $2, $3, $4)",
            taken.tenant_id,
            taken.verbindingstest_id,
            taken.take,
            state,
        )
    )
