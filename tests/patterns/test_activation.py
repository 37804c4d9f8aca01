"""At activation everything that is wrong is said at once, and nothing is put to use."""

from datetime import UTC, date, datetime, timedelta

import pytest

from tenants import agreements, changes, registry
from tenants.agreements import NewAgreement
from tenants.faults import InputRefused, NotFound
from tenants.keyring import public_half
from tenants.naleving import Standing, naleving
from tenants.pattern_rows import read_pattern_facts
from tenants.scope import tenant_scope
from tests.patterns.conftest import OWN

TODAY = datetime.now(UTC).date()


@pytest.fixture
async def aansluiting(connection, customer, pki, keyrings):
    """A koppelpunt of the derde with its own certificate, in concept."""
    issued = pki.issue_client(OWN, "Pensioenfonds")
    async with tenant_scope(connection, customer.tenant_id, actor="test"):
        certificate_id = await registry.add_certificate(
            connection, customer.tenant_id, public_half(keyrings.identity), organisation_oin=OWN,
            chain_pem=issued.chain_pem, key_pem=issued.key_pem,
        )  # fmt: skip
        return await registry.create_aansluiting(
            connection, customer.tenant_id, afnemer_id="995001", organisation_oin=OWN, environment="productie",
            certificate_id=certificate_id, credential_id=customer.credential_id, pattern="koppelpunt",
        )  # fmt: skip


async def activate(connection, customer, aansluiting) -> tuple[str, ...]:
    """What stands in the way, or nothing."""
    try:
        async with tenant_scope(connection, customer.tenant_id, actor="test"):
            await changes.set_aansluiting_state(connection, customer.tenant_id, aansluiting, "productie")
    except InputRefused as refusal:
        return refusal.faults
    return ()


async def record(connection, customer, kind: str, signed_on: date = TODAY, until: date | None = None, **more) -> int:
    async with tenant_scope(connection, customer.tenant_id, actor="test"):
        made = NewAgreement(kind, "Leverancier B.V.", signed_on, until, **more)
        return await agreements.add_agreement(connection, customer.tenant_id, made)


async def test_all_findings_are_told_at_once_and_the_state_stays_as_it_was(connection, customer, aansluiting):
    faults = await activate(connection, customer, aansluiting)
    assert len(faults) == 2
    assert "contractOntbreekt" in faults[0]
    assert "verwerkersovereenkomstOntbreekt" in faults[1]
    async with tenant_scope(connection, customer.tenant_id, actor="test"):
        assert await connection.fetchval("SELECT state FROM registry.aansluiting") == "concept"


async def test_with_contract_and_verwerkersovereenkomst_it_is_put_to_use(connection, customer, aansluiting):
    contract = await record(connection, customer, "contract")
    await record(connection, customer, "verwerkersovereenkomst")
    assert await activate(connection, customer, aansluiting) == ()
    async with tenant_scope(connection, customer.tenant_id, actor="test"):
        await agreements.withdraw_agreement(connection, customer.tenant_id, contract)
    assert len(await activate(connection, customer, aansluiting)) == 1


async def test_a_grace_that_is_recorded_lets_an_ended_contract_go_on(connection, customer, aansluiting):
    await record(connection, customer, "verwerkersovereenkomst")
    contract = await record(connection, customer, "contract", TODAY - timedelta(days=50), TODAY - timedelta(days=1))
    assert "contractVerlopen" in (await activate(connection, customer, aansluiting))[0]
    async with tenant_scope(connection, customer.tenant_id, actor="test"):
        until = TODAY + timedelta(days=20)
        await agreements.grant_grace(connection, customer.tenant_id, contract, until=until, reason="verlenging loopt")
    assert await activate(connection, customer, aansluiting) == ()


async def test_an_agreement_begins_and_ends_at_midnight_in_the_netherlands(connection, customer, aansluiting):
    await record(connection, customer, "contract", date(2026, 7, 1), date(2027, 1, 1))
    async with tenant_scope(connection, customer.tenant_id, actor="test"):
        (facts,) = (await read_pattern_facts(connection, [customer.tenant_id]))[customer.tenant_id]
    (contract,) = facts.agreements
    assert contract.valid_from == datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert contract.valid_until == datetime(2026, 12, 31, 23, tzinfo=UTC)


async def test_what_is_not_there_is_said_to_be_not_there(connection, customer):
    for change in (
        agreements.withdraw_agreement(connection, customer.tenant_id, 999),
        agreements.grant_grace(connection, customer.tenant_id, 999, until=TODAY, reason="r"),
        agreements.withdraw_lending(connection, customer.tenant_id, 999),
        agreements.withdraw_exception(connection, customer.tenant_id, 999),
        agreements.set_header_choice(connection, customer.tenant_id, 999, allowed=True),
        agreements.use_certificate(connection, customer.tenant_id, 999, 1),
        agreements.set_installation(connection, "nergens", "elders"),
    ):
        with pytest.raises(NotFound):
            async with tenant_scope(connection, customer.tenant_id, actor="test"):
                await change


async def test_naleving_tells_what_stops_first_then_what_will_by_date(connection, customer, aansluiting):
    await record(connection, customer, "verwerkersovereenkomst", TODAY, TODAY + timedelta(days=20))
    now = datetime.now(UTC)
    async with tenant_scope(connection, customer.tenant_id, actor="test"):
        (facts,) = (await read_pattern_facts(connection, [customer.tenant_id]))[customer.tenant_id]
    standing = Standing(facts, "concept", now + timedelta(days=5), ("Werkplein",))
    (found,) = naleving([standing, Standing(facts, "beeindigd")], now)
    assert found.afnemer_id == "995001"
    assert not found.is_good
    assert [(one.code, one.severity, one.days) for _, _, one in found.findings] == [
        ("contractOntbreekt", "stops", None),
        ("certificaatLooptAf", "alarms", 7),
        ("verwerkersovereenkomstLooptAf", "alarms", 30),
        ("keuzeDoorHeader", "alarms", None),
    ]
    assert [one.kind for one in found.agreements] == ["verwerkersovereenkomst"]
    (expired,) = naleving([Standing(facts, "concept", now)], now)
    assert ("certificaatVerlopen", "stops") in {(one.code, one.severity) for _, _, one in expired.findings}
    until = now + timedelta(days=40)
    mandates = (("De operator", until), ("Te laat", now))
    (delegated,) = naleving([Standing(facts, "concept", administered_by=mandates)], now)
    assert [one.due for _, _, one in delegated.findings if one.code == "gedelegeerdBeheer"] == [until]
    for state, code in (("revoked", "certificaatIngetrokken"), ("retired", "certificaatUitgefaseerd")):
        (ended,) = naleving([Standing(facts, "concept", now + timedelta(days=400), certificate_state=state)], now)
        assert (code, "stops") in {(one.code, one.severity) for _, _, one in ended.findings}
