"""The rows of the registry as values: one query a noun, one maker a noun.

Only what could serve a call is read: withdrawn keys, ended aansluitingen and destroyed tenant keys stay where they are.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from sys import intern
from typing import Any

import asyncpg

from gateway.snapshot import TenantPart
from tenants.caller_rows import IDPS, KEYS, make_idp, make_key
from tenants.model import (
    Aansluiting,
    AfnemerId,
    Autorisatiebesluit,
    Blokkade,
    Certificate,
    Credential,
    Machtiging,
    Mandate,
    Oin,
    Taaksysteem,
    Tenant,
    TenantKey,
)
from tenants.pattern_rows import read_pattern_facts
from tenants.rate_limits import read_rate_limits
from tenants.rights import read_terms
from tenants.rvig_stand import read_stands
from tenants.taaksysteem_headers import read_header_profiles

FOREVER = datetime(9999, 1, 1, tzinfo=UTC)
ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)

_TENANTS = """SELECT tenant_id, oin, name, kind, record_content, state, version
  FROM registry.tenant WHERE $1::bigint[] IS NULL OR tenant_id = ANY ($1)"""
_KEYS = """SELECT tenant_id, year, public_key, index_key_for_gateway
  FROM registry.tenant_key WHERE ($1::bigint[] IS NULL OR tenant_id = ANY ($1)) AND destroyed_at IS NULL"""
AANSLUITING_COLUMNS = """a.tenant_id, a.aansluiting_id, a.version, a.afnemer_id, a.organisation_oin, n.gemeentecode, n.mailbox_id,
    a.environment, a.pattern, a.state, a.scope_template, a.resource_server, a.valid_from, a.valid_until,
    c.tenant_id AS certificate_tenant_id, c.certificate_id, c.oin AS certificate_oin, c.fingerprint, c.chain_pem, COALESCE(c.key_sealed, '') AS key_sealed, c.not_before, c.not_after, c.made_inside,
    c.state AS certificate_state, r.credential_id, r.client_id, r.secret_sealed, r.authentication,
    r.state AS credential_state, r.version AS credential_version"""
"""Of registry.aansluiting a, its afnemer n, certificate c and credential r."""
_AANSLUITINGEN = f"""SELECT {AANSLUITING_COLUMNS}
  FROM registry.aansluiting a
  JOIN registry.afnemer n ON n.tenant_id = a.tenant_id AND n.afnemer_id = a.afnemer_id
  JOIN registry.certificate c ON c.tenant_id = a.certificate_tenant_id AND c.certificate_id = a.certificate_id
  JOIN registry.credential r ON r.tenant_id = a.tenant_id AND r.credential_id = a.credential_id
  WHERE ($1::bigint[] IS NULL OR a.tenant_id = ANY ($1)) AND a.state <> 'beeindigd'
    -- A key that was destroyed is that of a certificate whose state lets nothing leave, and that is what is told.
    AND c.fingerprint IS NOT NULL"""  # noqa: S608 - the columns are those above
_TAAKSYSTEMEN = """SELECT tenant_id, taaksysteem_id, version, name, environment, state, vaste_aansluiting_tenant_id, vaste_aansluiting_id,
    header_profile, requires
  FROM registry.taaksysteem WHERE $1::bigint[] IS NULL OR tenant_id = ANY ($1)"""
_MACHTIGINGEN = """SELECT m.tenant_id, m.machtiging_id, m.version, m.aansluiting_id, m.taaksysteem_tenant_id, m.taaksysteem_id,
    m.doelbinding, m.rights, m.conditions, m.add_bsn, m.leave_out_geheimhouding,
    m.protocol_note = 'yes' OR m.policy_granted_by IS NULL AS protocol_note, m.valid_from, m.valid_until, m.withdrawn_at,
    d.mandate_id, d.to_tenant_id, d.valid_from AS mandate_from, d.valid_until AS mandate_until,
    d.withdrawn_at AS mandate_withdrawn_at, d.version AS mandate_version, d.header_choice
  FROM registry.machtiging m
  LEFT JOIN registry.mandate d ON d.tenant_id = m.tenant_id AND d.mandate_id = m.mandate_id
  WHERE ($1::bigint[] IS NULL OR m.tenant_id = ANY ($1)) AND m.withdrawn_at IS NULL"""
_BESLUITEN = """SELECT tenant_id, besluit_id, afnemer_id, start_date, end_date, medium, array_to_string(rubrieken, ' ') AS rubrieken
  FROM registry.autorisatiebesluit
  WHERE ($1::bigint[] IS NULL OR tenant_id = ANY ($1)) AND COALESCE(end_date, 'infinity') >= current_date"""


async def read_blokkades(connection: asyncpg.Connection) -> frozenset[Blokkade]:
    """All active blocks."""
    rows = await connection.fetch("SELECT kind, value FROM registry.blokkade")
    return frozenset(Blokkade(row["kind"], row["value"]) for row in rows)


async def read_parts(connection: asyncpg.Connection, tenant_ids: list[int] | None) -> dict[int, TenantPart]:
    """The parts of these tenants, or of all. Streams, and yields to the event loop as it goes."""
    makers: tuple[tuple[str, Callable[[Mapping[str, Any]], Any]], ...] = (
        (_KEYS, _tenant_key),
        (_AANSLUITINGEN, make_aansluiting),
        (_TAAKSYSTEMEN, _taaksysteem),
        (KEYS, make_key),
        (_MACHTIGINGEN, _machtiging),
        (_BESLUITEN, _besluit),
        (IDPS, make_idp),
    )
    grouped: list[dict[int, list[Any]]] = []
    for query, make in makers:
        of_tenant: dict[int, list[Any]] = defaultdict(list)
        number = 0
        async for row in connection.cursor(query, tenant_ids, prefetch=500):
            of_tenant[row["tenant_id"]].append(make(row))
            number += 1
            if number % 200 == 0:
                await asyncio.sleep(0)
        grouped.append(of_tenant)
    facts = await read_pattern_facts(connection, tenant_ids)
    profiles = await read_header_profiles(connection, tenant_ids)
    stands = await read_stands(connection, tenant_ids)
    limits = await read_rate_limits(connection, tenant_ids)
    parts: dict[int, TenantPart] = {}
    for row in await connection.fetch(_TENANTS, tenant_ids):
        tenant_id = row["tenant_id"]
        # The makers stand in the order of the members of a part.
        parts[tenant_id] = TenantPart(
            _tenant(row),
            *(tuple(g.get(tenant_id, ())) for g in grouped),
            pattern_facts=facts.get(tenant_id, ()),
            header_profiles=profiles.get(tenant_id, ()),
            rvig_stands=stands.get(tenant_id, ()),
            rate_limits=limits.get(tenant_id, ()),
        )
    return parts


def _tenant(row: Mapping[str, Any]) -> Tenant:
    return Tenant(
        row["tenant_id"], Oin(row["oin"]), row["name"], row["kind"], row["record_content"], row["state"], row["version"]
    )


def _tenant_key(row: Mapping[str, Any]) -> TenantKey:
    return TenantKey(row["tenant_id"], row["year"], row["public_key"], row["index_key_for_gateway"])


def _moment(value: datetime | None, otherwise: datetime) -> datetime:
    # PostgreSQL's infinity arrives as the naive extremes of datetime.
    return otherwise if value is None or value.tzinfo is None or value.year in {1, 9999} else value


def make_aansluiting(row: Mapping[str, Any]) -> Aansluiting:
    """An aansluiting, of a row with the columns that the query above names."""
    return Aansluiting(
        tenant_id=row["tenant_id"],
        aansluiting_id=row["aansluiting_id"],
        version=row["version"],
        afnemer_id=AfnemerId(row["afnemer_id"]),
        organisation_oin=Oin(row["organisation_oin"]),
        gemeentecode=row["gemeentecode"],
        mailbox_id=row["mailbox_id"],
        environment=row["environment"],
        pattern=row["pattern"],
        state=row["state"],
        certificate=Certificate(
            tenant_id=row["certificate_tenant_id"],
            certificate_id=row["certificate_id"],
            oin=Oin(row["certificate_oin"]),
            fingerprint=row["fingerprint"],
            chain_pem=row["chain_pem"],
            key_sealed=row["key_sealed"],
            not_before=row["not_before"],
            not_after=row["not_after"],
            state=row["certificate_state"],
            made_inside=row["made_inside"],
        ),
        credential=Credential(
            tenant_id=row["tenant_id"],
            credential_id=row["credential_id"],
            client_id=row["client_id"],
            secret_sealed=row["secret_sealed"],
            authentication=row["authentication"],
            state=row["credential_state"],
            version=row["credential_version"],
        ),
        scope_template=row["scope_template"],
        resource_server=row["resource_server"],
        valid_from=_moment(row["valid_from"], ALWAYS),
        valid_until=_moment(row["valid_until"], FOREVER),
    )


def _taaksysteem(row: Mapping[str, Any]) -> Taaksysteem:
    fixed = row["vaste_aansluiting_id"]
    return Taaksysteem(
        tenant_id=row["tenant_id"],
        taaksysteem_id=row["taaksysteem_id"],
        version=row["version"],
        name=row["name"],
        environment=row["environment"],
        state=row["state"],
        vaste_aansluiting=None if fixed is None else (row["vaste_aansluiting_tenant_id"], fixed),
        header_profile=row["header_profile"],
        requires=frozenset(row["requires"]),
    )


def _machtiging(row: Mapping[str, Any]) -> Machtiging:
    mandate = None
    if row["mandate_id"] is not None:
        mandate = Mandate(
            tenant_id=row["tenant_id"],
            mandate_id=row["mandate_id"],
            to_tenant_id=row["to_tenant_id"],
            valid_from=_moment(row["mandate_from"], ALWAYS),
            valid_until=_moment(row["mandate_until"], FOREVER),
            withdrawn_at=row["mandate_withdrawn_at"],
            version=row["mandate_version"],
            header_choice=row["header_choice"],
        )
    rights, conditions = read_terms(json.loads(row["rights"]), json.loads(row["conditions"]))
    return Machtiging(
        tenant_id=row["tenant_id"],
        machtiging_id=row["machtiging_id"],
        version=row["version"],
        aansluiting_id=row["aansluiting_id"],
        taaksysteem_tenant_id=row["taaksysteem_tenant_id"],
        taaksysteem_id=row["taaksysteem_id"],
        mandate=mandate,
        doelbinding=row["doelbinding"],
        rights=rights,
        valid_from=_moment(row["valid_from"], ALWAYS),
        valid_until=_moment(row["valid_until"], FOREVER),
        withdrawn_at=row["withdrawn_at"],
        conditions=conditions,
        add_bsn=row["add_bsn"],
        leave_out_geheimhouding=row["leave_out_geheimhouding"],
        protocol_note=row["protocol_note"],
    )


def _besluit(row: Mapping[str, Any]) -> Autorisatiebesluit:
    return Autorisatiebesluit(
        tenant_id=row["tenant_id"],
        besluit_id=row["besluit_id"],
        afnemer_id=AfnemerId(row["afnemer_id"]),
        start=row["start_date"],
        end=row["end_date"],
        medium=row["medium"],
        # Many afnemers have the same rubrieken, and the text is long.
        rubrieken=intern(row["rubrieken"]),
    )
