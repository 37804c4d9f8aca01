"""Reads what the rules of the aansluitpatronen look at. For the gateway of all tenants; inside a scope of that one.

Dates of agreements are days in the Netherlands: each begins and ends at midnight there.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import asyncpg

from tenants.faults import InputRefused
from tenants.model import AfnemerId, Oin
from tenants.pattern_facts import Agreement, CertificateException, PatternFacts, Use
from tenants.patterns import check_pattern, products_of, stops

_FACTS = """SELECT a.tenant_id, a.aansluiting_id, a.pattern, a.environment, a.afnemer_id, a.organisation_oin, n.kind AS organisation_kind,
    t.oin AS tenant_oin, t.kind AS tenant_kind, a.certificate_id, a.certificate_oin, a.holder_tenant_id, h.kind AS holder_kind,
    x.exception_id, x.afnemer_id AS exception_afnemer_id, x.organisation_oin AS exception_oin, x.holder_oin,
    GREATEST(x.valid_from, l.valid_from) AS exception_from, LEAST(x.valid_until, l.valid_until) AS exception_until,
    x.withdrawn_at IS NOT NULL OR l.withdrawn_at IS NOT NULL OR l.lending_id IS NULL OR h.state IS DISTINCT FROM 'active' AS exception_withdrawn,
    a.certificate_tenant_id, e.installation
  FROM registry.aansluiting a
  JOIN registry.tenant t ON t.tenant_id = a.tenant_id
  JOIN registry.environment e ON e.name = a.environment
  JOIN registry.afnemer n ON n.tenant_id = a.tenant_id AND n.afnemer_id = a.afnemer_id
  LEFT JOIN registry.tenant h ON h.tenant_id = a.holder_tenant_id
  LEFT JOIN registry.certificate_exception x ON x.tenant_id = a.tenant_id AND x.exception_id = a.exception_id
  LEFT JOIN registry.certificate_lending l ON l.tenant_id = x.holder_tenant_id AND l.lending_id = x.lending_id AND l.to_tenant_id = a.tenant_id
  WHERE ($1::bigint[] IS NULL OR a.tenant_id = ANY ($1)) AND a.state <> 'beeindigd'"""
# Where each certificate is in use: one look a certificate, however many aansluitingen use it.
_CERTIFICATES = """WITH used AS MATERIALIZED (
    SELECT DISTINCT a.certificate_tenant_id, a.certificate_id FROM registry.aansluiting a
    WHERE ($1::bigint[] IS NULL OR a.tenant_id = ANY ($1)) AND a.state <> 'beeindigd' AND a.certificate_id IS NOT NULL)
  SELECT DISTINCT u.certificate_tenant_id, u.certificate_id, o.name, o.installation FROM used u
  JOIN registry.aansluiting b ON b.certificate_tenant_id = u.certificate_tenant_id AND b.certificate_id = u.certificate_id
  JOIN registry.environment o ON o.name = b.environment
  WHERE b.state NOT IN ('concept', 'beeindigd') ORDER BY o.name"""
_AGREEMENTS = """SELECT tenant_id, kind, afnemer_id, party, products, signed_on::timestamp AT TIME ZONE 'Europe/Amsterdam' AS valid_from,
    valid_until::timestamp AT TIME ZONE 'Europe/Amsterdam' AS valid_until, grace_until::timestamp AT TIME ZONE 'Europe/Amsterdam' AS grace_until
  FROM registry.agreement WHERE ($1::bigint[] IS NULL OR tenant_id = ANY ($1)) AND withdrawn_at IS NULL"""
# A taaksysteem of another tenant is not visible inside a scope; then its machtiging counts.
_USES = """SELECT m.tenant_id, a.afnemer_id, a.environment, m.taaksysteem_tenant_id, m.taaksysteem_id,
    COALESCE(s.state, 'active') AS state, m.rights, m.valid_from, m.valid_until
  FROM registry.machtiging m
  JOIN registry.aansluiting a ON a.tenant_id = m.tenant_id AND a.aansluiting_id = m.aansluiting_id
  LEFT JOIN registry.taaksysteem s ON s.tenant_id = m.taaksysteem_tenant_id AND s.taaksysteem_id = m.taaksysteem_id
  WHERE ($1::bigint[] IS NULL OR m.tenant_id = ANY ($1)) AND m.withdrawn_at IS NULL AND a.state <> 'beeindigd'"""

_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
_FOREVER = datetime(9999, 1, 1, tzinfo=UTC)


async def read_pattern_facts(
    connection: asyncpg.Connection, tenant_ids: Sequence[int] | None
) -> dict[int, tuple[PatternFacts, ...]]:
    """The facts of every aansluiting of these tenants, or of all that are visible. Inside a transaction."""
    agreements: dict[int, list[Agreement]] = defaultdict(list)
    async for row in connection.cursor(_AGREEMENTS, tenant_ids, prefetch=500):
        agreements[row["tenant_id"]].append(_agreement(row))
    shared = {tenant_id: tuple(those) for tenant_id, those in agreements.items()}
    uses: dict[tuple[int, str, str], list[Use]] = defaultdict(list)
    products: dict[tuple[int, str, str], frozenset[str]] = {}
    async for row in connection.cursor(_USES, tenant_ids, prefetch=500):
        place = (row["tenant_id"], row["afnemer_id"], row["environment"])
        products[place] = products.get(place, frozenset()) | _named_products(row["rights"])
        if row["state"] == "active":
            uses[place].append(_use(row))
    places: dict[tuple[int, int], list[tuple[str, str]]] = defaultdict(list)
    async for row in connection.cursor(_CERTIFICATES, tenant_ids, prefetch=500):
        places[row["certificate_tenant_id"], row["certificate_id"]].append((row["name"], row["installation"]))
    facts: dict[int, list[PatternFacts]] = defaultdict(list)
    async for row in connection.cursor(_FACTS, tenant_ids, prefetch=500):
        place = (row["tenant_id"], row["afnemer_id"], row["environment"])
        those = shared.get(row["tenant_id"], ())
        in_use = places.get((row["certificate_tenant_id"], row["certificate_id"]), ())
        elsewhere = tuple(name for name, installation in in_use if installation != row["installation"])
        found = _facts(row, those, tuple(uses.get(place, ())), products.get(place, frozenset()))
        facts[row["tenant_id"]].append(replace(found, shared_with=elsewhere) if elsewhere else found)
    return {tenant_id: tuple(found) for tenant_id, found in facts.items()}


async def check_patterns(connection: asyncpg.Connection, tenant_id: int, aansluitingen: Collection[int]) -> None:
    """Raise InputRefused with every finding that stops calls over these aansluitingen. Inside the tenant's scope."""
    now = datetime.now(UTC)
    faults = [
        f"Aansluiting {facts.afnemer_id} {facts.pattern} ({facts.environment}): {one.code}: {one.text}"
        for facts in (await read_pattern_facts(connection, [tenant_id])).get(tenant_id, ())
        if facts.aansluiting_id in aansluitingen
        for one in stops(check_pattern(facts, now))
    ]
    if faults:
        raise InputRefused(faults)


def _facts(
    row: Mapping[str, Any], agreements: tuple[Agreement, ...], uses: tuple[Use, ...], products: frozenset[str]
) -> PatternFacts:
    return PatternFacts(
        tenant_id=row["tenant_id"],
        aansluiting_id=row["aansluiting_id"],
        pattern=row["pattern"],
        environment=row["environment"],
        afnemer_id=AfnemerId(row["afnemer_id"]),
        organisation_oin=Oin(row["organisation_oin"]),
        organisation_kind=row["organisation_kind"],
        tenant_oin=Oin(row["tenant_oin"]),
        tenant_kind=row["tenant_kind"],
        certificate_oin=None if row["certificate_id"] is None else Oin(row["certificate_oin"]),
        borrowed=row["holder_tenant_id"] not in {None, row["tenant_id"]},
        exception=_exception(row),
        agreements=agreements,
        uses=uses,
        products=products,
    )


def _exception(row: Mapping[str, Any]) -> CertificateException | None:
    if row["exception_id"] is None:
        return None
    return CertificateException(
        afnemer_id=AfnemerId(row["exception_afnemer_id"]),
        organisation_oin=Oin(row["exception_oin"]),
        holder_oin=Oin(row["holder_oin"]),
        holder_kind=row["holder_kind"] or "",
        valid_from=_moment(row["exception_from"], _ALWAYS),
        valid_until=_moment(row["exception_until"], _FOREVER),
        withdrawn=row["exception_withdrawn"],
    )


def _agreement(row: Mapping[str, Any]) -> Agreement:
    afnemer_id = row["afnemer_id"]
    return Agreement(
        kind=row["kind"],
        afnemer_id=None if afnemer_id is None else AfnemerId(afnemer_id),
        party=row["party"],
        products=frozenset(row["products"]),
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
        grace_until=row["grace_until"],
    )


def _use(row: Mapping[str, Any]) -> Use:
    return Use(
        (row["taaksysteem_tenant_id"], row["taaksysteem_id"]),
        _moment(row["valid_from"], _ALWAYS),
        _moment(row["valid_until"], _FOREVER),
    )


def _named_products(rights: str) -> frozenset[str]:
    """The informatieproducten that a machtiging names itself; one without a list of fields names none."""
    return products_of((json.loads(rights).get("personen") or {}).get("fields") or ())


def _moment(value: datetime, otherwise: datetime) -> datetime:
    # PostgreSQL's infinity arrives as the naive extremes of datetime.
    return otherwise if value.tzinfo is None or value.year in {1, 9999} else value
