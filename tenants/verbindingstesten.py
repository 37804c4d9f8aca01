"""Asks a gateway to test a connection, and reads what it found.

A private key or client-secret opens in the gateway alone; so a test is a row here, that exactly one gateway takes, and whose
steps it writes as they happen. Owns the rules of asking: what is tested is the aansluiting's own certificate or a staged one
of the same organisation, and its own credential or another of the same afnemer and environment; one test at a time, and so
many an hour. For the role `koppelpunt_tenants`, inside the tenant's scope.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg

from tenants.faults import InputRefused, NotFound, RegistryError

APIS: Final = ("personen", "bewoningen", "verblijfplaatshistorie", "reisdocumenten", "berichten")
ENDED: Final = frozenset({"geslaagd", "mislukt", "afgebroken"})
MOST_AN_HOUR: Final = 30
TRY_HOURS: Final = 24


class TestUnderway(RegistryError):
    """A test over this aansluiting is under way; one at a time."""

    __test__ = False


class TooManyTests(RegistryError):
    """As many tests over this aansluiting as an hour may have."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What to test. Without a certificate or credential it is that of the aansluiting."""

    aansluiting_id: int
    certificate_id: int | None = None
    credential_id: int | None = None
    apis: tuple[str, ...] = ("personen",)


@dataclass(frozen=True, slots=True)
class TestSeen:
    """A test and how it stands. state: gevraagd, bezig, geslaagd, mislukt or afgebroken."""

    __test__ = False

    verbindingstest_id: int
    aansluiting_id: int
    certificate_id: int
    credential_id: int
    apis: tuple[str, ...]
    asked_by: str
    asked_at: datetime
    state: str
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class StepSeen:
    """One step, as the gateway wrote it."""

    number: int
    at: datetime
    name: str
    result: str
    who: str
    detail: str
    seen: Mapping[str, Any]
    milliseconds: int


async def ask_test(connection: asyncpg.Connection, tenant_id: int, wish: Wish, *, asked_by: str) -> int:
    """Ask for a test; its number. Raises NotFound, InputRefused with every fault, TestUnderway, TooManyTests."""
    await give_up(connection)
    subject = await _read_subject(connection, tenant_id, wish)
    faults = _faults(subject, wish)
    if faults:
        raise InputRefused(faults)
    asked = await connection.fetchval(
        "SELECT count(*) FROM registry.verbindingstest WHERE tenant_id = $1 AND aansluiting_id = $2 "
        "AND asked_at > now() - interval '1 hour'",
        tenant_id, wish.aansluiting_id,
    )  # fmt: skip
    if asked >= MOST_AN_HOUR:
        raise TooManyTests(f"Over deze aansluiting zijn het laatste uur al {asked} tests gevraagd.")
    number: int | None = await connection.fetchval(
        "INSERT INTO registry.verbindingstest (tenant_id, aansluiting_id, certificate_tenant_id, certificate_id, "
        "  fingerprint, credential_id, secret_digest, apis, asked_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) "
        "ON CONFLICT (tenant_id, aansluiting_id) WHERE state IN ('gevraagd', 'bezig') DO NOTHING "
        "RETURNING verbindingstest_id",
        tenant_id, wish.aansluiting_id, subject["certificate_tenant_id"], subject["certificate_id"],
        subject["fingerprint"], subject["credential_id"], subject["secret_digest"], list(wish.apis), asked_by,
    )  # fmt: skip
    if number is None:
        raise TestUnderway("Er loopt al een verbindingstest over deze aansluiting; wacht tot die klaar is.")
    return number


async def give_up(connection: asyncpg.Connection) -> None:
    """Give up tests that nobody took, and those whose gateway has been silent for a minute."""
    await connection.fetchval("SELECT registry.give_up_verbindingstesten()")


_TEST = (
    "SELECT verbindingstest_id, aansluiting_id, certificate_id, credential_id, apis, asked_by, asked_at, state, ended_at "
    "FROM registry.verbindingstest WHERE tenant_id = $1 AND aansluiting_id = $2"
)


async def find_test(
    connection: asyncpg.Connection,
    tenant_id: int,
    aansluiting_id: int,
    verbindingstest_id: int,
    *,
    gives_up: bool = True,
) -> TestSeen:
    """One test. `gives_up`: first give up what nobody does any more. Raises NotFound."""
    if gives_up:
        await give_up(connection)
    row = await connection.fetchrow(
        f"{_TEST} AND verbindingstest_id = $3", tenant_id, aansluiting_id, verbindingstest_id
    )
    if row is None:
        raise NotFound(f"There is no verbindingstest {verbindingstest_id} of aansluiting {aansluiting_id} here.")
    return _test(row)


async def list_tests(
    connection: asyncpg.Connection, tenant_id: int, aansluiting_id: int, *, before: int | None, limit: int
) -> list[TestSeen]:
    """Tests of an aansluiting, newest first, with a number below `before`."""
    await give_up(connection)
    rows = await connection.fetch(
        f"{_TEST} AND ($3::bigint IS NULL OR verbindingstest_id < $3) ORDER BY verbindingstest_id DESC LIMIT $4",
        tenant_id, aansluiting_id, before, limit,
    )  # fmt: skip
    return [_test(row) for row in rows]


async def list_steps(
    connection: asyncpg.Connection, tenant_id: int, verbindingstest_id: int, *, after: int = 0
) -> list[StepSeen]:
    """The steps after that number, in order."""
    rows = await connection.fetch(
        "SELECT number, at, name, result, who, detail, seen, milliseconds FROM registry.verbindingstest_stap "
        "WHERE tenant_id = $1 AND verbindingstest_id = $2 AND number > $3 ORDER BY number",
        tenant_id, verbindingstest_id, after,
    )  # fmt: skip
    return [StepSeen(**{**row, "seen": json.loads(row["seen"])}) for row in rows]


async def was_tried(connection: asyncpg.Connection, tenant_id: int, credential_id: int, aansluiting_id: int) -> bool:
    """Whether this credential, with the secret that it has now, got a token over this aansluiting in the last 24 hours."""
    return bool(
        await connection.fetchval(
            "SELECT EXISTS (SELECT 1 FROM registry.verbindingstest t "
            "  JOIN registry.credential r ON r.tenant_id = t.tenant_id AND r.credential_id = t.credential_id "
            "    AND sha256(r.secret_sealed) = t.secret_digest "
            "  WHERE t.tenant_id = $1 AND t.credential_id = $2 AND t.aansluiting_id = $3 AND t.state = 'geslaagd' "
            "    AND t.ended_at > now() - make_interval(hours => $4))",
            tenant_id, credential_id, aansluiting_id, TRY_HOURS,
        )
    )  # fmt: skip


async def _read_subject(connection: asyncpg.Connection, tenant_id: int, wish: Wish) -> asyncpg.Record:
    row = await connection.fetchrow(
        "SELECT a.state, a.organisation_oin, "
        "  COALESCE(c.tenant_id, a.certificate_tenant_id) AS certificate_tenant_id, "
        # One that is lent belongs to another tenant, and is not seen from here; the gateway judges it.
        "  CASE WHEN $3::bigint IS NULL THEN a.certificate_id ELSE c.certificate_id END AS certificate_id, c.fingerprint, "
        "  $3::bigint IS NULL AND a.holder_tenant_id IS NOT NULL AND a.holder_tenant_id <> a.tenant_id AS is_lent, "
        "  c.organisation_oin AS certificate_of, c.state AS certificate_state, r.credential_id, "
        "  r.afnemer_id = a.afnemer_id AND r.environment = a.environment AS credential_fits, r.state AS credential_state, "
        "  sha256(r.secret_sealed) AS secret_digest "
        "FROM registry.aansluiting a "
        "LEFT JOIN registry.certificate c ON c.tenant_id = a.tenant_id AND c.certificate_id = COALESCE($3, a.certificate_id) "
        "LEFT JOIN registry.credential r ON r.tenant_id = a.tenant_id AND r.credential_id = COALESCE($4, a.credential_id) "
        "WHERE a.tenant_id = $1 AND a.aansluiting_id = $2",
        tenant_id, wish.aansluiting_id, wish.certificate_id, wish.credential_id,
    )  # fmt: skip
    if row is None:
        raise NotFound(
            f"There is no aansluiting {wish.aansluiting_id} here{await _which_there_are(connection, tenant_id)}."
        )
    return row


async def _which_there_are(connection: asyncpg.Connection, tenant_id: int) -> str:
    rows = await connection.fetch(
        "SELECT aansluiting_id, afnemer_id, environment FROM registry.aansluiting "
        "WHERE tenant_id = $1 AND state <> 'beeindigd' ORDER BY aansluiting_id LIMIT 20",
        tenant_id,
    )
    told = ", ".join(f"{row['aansluiting_id']} ({row['afnemer_id']} in {row['environment']})" for row in rows)
    return f", but {told}" if told else "; this tenant has none that has not ended"


def _faults(subject: asyncpg.Record, wish: Wish) -> Sequence[str]:
    faults = []
    if subject["state"] == "beeindigd":
        faults.append("De aansluiting is beëindigd.")
    if subject["certificate_id"] is None:
        faults.append(
            "De aansluiting heeft nog geen certificaat; noem er een om te testen."
            if wish.certificate_id is None
            else "Dit certificaat is er niet."
        )
    elif subject["is_lent"]:
        pass
    elif subject["certificate_of"] != subject["organisation_oin"]:
        faults.append("Het certificaat is van een andere organisatie dan de aansluiting.")
    elif subject["certificate_state"] not in {"staged", "active", "retiring"} or subject["fingerprint"] is None:
        faults.append("Het certificaat is niet klaargezet of actief.")
    if subject["credential_id"] is None:
        faults.append(
            "De aansluiting heeft nog geen credential; noem er een om te testen."
            if wish.credential_id is None
            else "Deze credential is er niet."
        )
    elif not subject["credential_fits"]:
        faults.append("De credential is van een andere afnemer of omgeving dan de aansluiting.")
    elif subject["credential_state"] == "retired":
        faults.append("De credential is vervallen.")
    if not wish.apis or not set(wish.apis) <= set(APIS) or len(set(wish.apis)) != len(wish.apis):
        faults.append(f"Te testen zijn, elk één keer: {', '.join(APIS)}.")
    return faults


def _test(row: asyncpg.Record) -> TestSeen:
    return TestSeen(**{**row, "apis": tuple(row["apis"])})
