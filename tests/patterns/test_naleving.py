"""Naleving reads how a tenant stands from the registry, certificates that another keeps included."""

from datetime import UTC, datetime, timedelta

from tenants.naleving import Standing, naleving
from tenants.naleving_rows import TenantNaleving, read_naleving
from tenants.naleving_tenant import TenantStanding, tenant_findings
from tenants.scope import tenant_scope
from tests.patterns.test_exceptions import borrowed  # noqa: F401 - fixture

NOW = datetime(2027, 3, 1, tzinfo=UTC)
GOOD = TenantStanding(in_productie=True, contacts=frozenset({"technisch", "fg", "nood"}), places=1, late=0, overdue=0)


async def read(connection, tenant_id: int, **later: float) -> TenantNaleving:
    async with tenant_scope(connection, tenant_id, actor="beheerder/1"):
        return await read_naleving(connection, tenant_id, datetime.now(UTC) + timedelta(**later))


def codes(found: TenantNaleving) -> set[str]:
    return {one.code for afnemer in found.afnemers for _, _, one in afnemer.findings}


async def test_the_state_of_a_lent_certificate_is_seen_by_who_leaves_with_it_and_nothing_more(
    connection,
    vendor,
    customer,
    borrowed,  # noqa: F811
):
    found = await read(connection, customer.tenant_id)
    (standing,) = found.aansluitingen["995001"]
    assert (standing.own, standing.certificate_state, standing.state) == (False, "active", "productie")
    assert {"certificaatVanAndereOrganisatie"} <= codes(found)
    assert "certificaatIngetrokken" not in codes(found)
    async with tenant_scope(connection, vendor.tenant_id, actor="beheerder/1"):
        await connection.execute(
            "UPDATE registry.certificate SET state = 'revoked' WHERE certificate_id = $1", vendor.certificate_id
        )
    assert "certificaatIngetrokken" in codes(await read(connection, customer.tenant_id))
    async with tenant_scope(connection, customer.tenant_id, actor="beheerder/1"):
        assert await connection.fetchval("SELECT count(*) FROM registry.certificate WHERE certificate_id = $1", vendor.certificate_id) == 0  # fmt: skip
    async with tenant_scope(connection, vendor.tenant_id, actor="beheerder/1"):
        assert await connection.fetch("SELECT * FROM registry.certificate_standings()") == []


async def test_of_an_own_certificate_state_and_end_are_the_registrys(connection, gemeente):
    found = await read(connection, gemeente.tenant_id)
    (standing,) = found.aansluitingen[gemeente.afnemer_id]
    assert (standing.own, standing.certificate_state) == (True, "active")
    assert codes(found) == set()
    assert "certificaatVerlopen" in codes(await read(connection, gemeente.tenant_id, days=4000))
    async with tenant_scope(connection, gemeente.tenant_id, actor="beheerder/1"):
        await connection.execute("UPDATE registry.certificate SET state = 'retired'")
        await connection.execute("UPDATE registry.credential SET secret_valid_until = now() + interval '5 days'")
    assert codes(await read(connection, gemeente.tenant_id)) == {"certificaatUitgefaseerd", "clientSecretLooptAf"}


async def test_who_administers_and_who_chooses_by_a_header_is_seen(connection, gemeente, vendor):
    async with tenant_scope(connection, gemeente.tenant_id, actor="beheerder/1"):
        await connection.execute(
            "INSERT INTO registry.beheermandaat (tenant_id, reason, given_by, valid_until) "
            "VALUES ($1, 'Storing', '', now() + interval '20 days')",
            gemeente.tenant_id,
        )
        await connection.execute(
            "INSERT INTO registry.mandate (tenant_id, to_tenant_id, reason, header_choice, valid_until) "
            "VALUES ($1, $2, 'Samenwerking', true, now() + interval '20 days')",
            gemeente.tenant_id, vendor.tenant_id,
        )  # fmt: skip
    found = await read(connection, gemeente.tenant_id)
    assert codes(found) == {"gedelegeerdBeheer", "keuzeDoorHeader"}
    assert {one.code for one in found.findings} >= {"mandaatLooptAf", "contactOntbreekt", "controlebestemmingOntbreekt"}
    assert not found.is_good


def test_a_tenant_that_has_everything_is_in_order():
    assert tenant_findings(GOOD, NOW) == ()


def test_each_thing_that_a_tenant_lacks_is_a_finding_of_who_must_act():
    lacking = TenantStanding(
        in_productie=True, contacts=frozenset({"fg"}), places=0, late=0, overdue=2,
        mandates=(("Het mandaat aan B", NOW + timedelta(days=80)), ("Het mandaat aan A", NOW + timedelta(days=5)), ("C", NOW), ("D", NOW + timedelta(days=91))),
        foreign_auditors=((8, NOW + timedelta(days=9)),),
    )  # fmt: skip
    assert [(one.code, one.who, one.days) for one in tenant_findings(lacking, NOW)] == [
        ("controlebestemmingOntbreekt", "tenant-beheerder", None),
        ("bewaartermijnOverschreden", "operator", None),
        ("contactOntbreekt", "tenant-beheerder", None),
        ("contactOntbreekt", "tenant-beheerder", None),
        ("mandaatLooptAf", "tenant-beheerder", 7),
        ("mandaatLooptAf", "tenant-beheerder", 90),
        ("auditorsleutelVanOpdrachtregel", "tenant-beheerder", None),
    ]


async def test_a_certificate_that_was_not_activated_stops_what_is_in_use_and_not_a_concept(connection, gemeente):
    found = await read(connection, gemeente.tenant_id)
    (standing,) = found.aansluitingen[gemeente.afnemer_id]
    for state, is_told in (("productie", True), ("concept", False)):
        (seen,) = naleving([Standing(standing.facts, state, certificate_state="staged")], NOW)
        assert ("certificaatNietActief" in {one.code for _, _, one in seen.findings}) is is_told
