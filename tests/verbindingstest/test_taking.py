"""Exactly one gateway takes a test; one that dies leaves it to be given up; what is tested is what was asked."""

import asyncio

import asyncpg
import pytest

from gateway.simulator.faults import FaultKind, FaultRule, Match
from tenants.blokkades import block
from tenants.faults import InputRefused, NotFound
from tenants.registry import add_certificate, add_credential
from tenants.scope import operator_scope, tenant_scope
from tenants.verbindingstesten import MOST_AN_HOUR, TestUnderway, TooManyTests, Wish, ask_test
from tests.e2e.ledgers import until
from tests.verbindingstest.conftest import outcomes


@pytest.fixture
async def admin(database):
    connection = await asyncpg.connect(database.url("admin"))
    yield connection
    await connection.close()


async def test_of_many_gateways_one_takes_each_test(here, tester, admin):
    members = await here.add_members(4)
    async with here.gateway(instance="een"), here.gateway(instance="twee"), here.gateway(instance="drie"):
        done = await asyncio.gather(*(tester.run(members[0]) for _ in range(1)))
        numbers = [await tester.ask(one) for one in members[1:]]

        async def all_ended() -> bool:
            return not await admin.fetchval("SELECT count(*) FROM registry.verbindingstest WHERE ended_at IS NULL")

        await until(all_ended, 20)
        done += [await tester.read(one, number) for one, number in zip(members[1:], numbers, strict=True)]
    assert {test.state for test, _ in done} == {"geslaagd"}
    assert {len(steps) for _, steps in done} == {8}
    assert len(here.simulator.seen.tokens()) == 4


async def test_a_gateway_that_dies_half_way_leaves_a_test_that_is_given_up(here, member, tester, admin):
    here.simulator.faults.add(FaultRule(FaultKind.HANG, Match(api="token")))
    async with here.gateways(1) as (gateway,):
        number = await tester.ask(member)
        await until(lambda: bool(here.simulator.seen.tokens()))
        gateway.kill()
        await gateway.process.wait()
    test, steps = await tester.read(member, number)
    assert (test.state, steps[-1].name) == ("bezig", "clientcertificaat")
    take = await admin.fetchval("SELECT take FROM registry.verbindingstest")
    await admin.execute("UPDATE registry.verbindingstest SET beat_at = now() - interval '61 s'")
    test, _ = await tester.read(member, number)
    assert test.state == "afgebroken"
    # Should it come back, it writes nothing more.
    note = "SELECT registry.note_verbindingstest_stap($1, $2, $3, 6::smallint, 'token', 'goed', 'niemand', '', '{}', 1)"
    assert await admin.fetchval(note, member.tenant_id, number, take) is False
    assert await admin.fetchval(
        "SELECT registry.end_verbindingstest($1, $2, $3, 'geslaagd')", member.tenant_id, number, take
    ) is False  # fmt: skip
    row = await admin.fetchrow(
        "SELECT actor, after FROM registry.wijziging WHERE object = 'verbindingstest' ORDER BY number DESC"
    )
    assert row["actor"] == "verbindingstest"


async def test_a_blokkade_lets_no_test_leave(here, member, tester):
    async with operator_scope(here.tenants, actor="operator/1"):
        await block(here.tenants, "afnemer", member.account.afnemer_id, reason="Incident", actor="operator/1")
    async with here.gateway():
        test, steps = await tester.run(member)
    assert test.state == "mislukt"
    assert outcomes(steps) == {"gegevens": "fout"}
    assert here.simulator.seen.tokens() == []


async def test_a_blokkade_stops_a_test_between_two_steps(here, member, tester):
    here.simulator.faults.add(FaultRule(FaultKind.SLOW, Match(api="token"), seconds=0.6))
    async with here.gateway():
        number = await tester.ask(member)
        await until(lambda: bool(here.simulator.seen.tokens()))
        async with operator_scope(here.tenants, actor="operator/1"):
            await block(here.tenants, "oin", member.account.oin, reason="Incident", actor="operator/1")

        async def has_ended() -> bool:
            test, _ = await tester.read(member, number)
            return bool(test.state == "mislukt")

        await until(has_ended)
    assert here.seen() == []


async def test_a_staged_certificate_sends_the_probe_and_no_call(here, member, tester):
    issued = here.ground.pki.issue_client(member.account.oin, "Nieuw")
    async with tenant_scope(here.tenants, member.tenant_id, actor="test"):
        certificate_id = await add_certificate(
            here.tenants, member.tenant_id, here.ground.identity, organisation_oin=member.account.oin,
            chain_pem=issued.chain_pem, key_pem=issued.key_pem, state="staged",
        )  # fmt: skip
    async with here.gateway():
        test, steps = await tester.run(member, certificate_id=certificate_id)
    assert test.state == "geslaagd", [step.detail for step in steps]
    assert steps[0].seen["certificaat"] == certificate_id
    assert {one.fingerprint for one in here.seen()} == {steps[0].seen["vingerafdruk"]}


async def test_a_secret_that_was_replaced_since_is_not_what_was_asked(here, member, tester, admin):
    number = await tester.ask(member)
    await admin.execute("UPDATE registry.credential SET secret_sealed = secret_sealed || 'x'")
    async with here.gateway():

        async def has_ended() -> bool:
            test, _ = await tester.read(member, number)
            return bool(test.state == "mislukt")

        await until(has_ended)
    _, (step,) = await tester.read(member, number)
    assert "veranderd" in step.detail
    assert here.simulator.seen.tokens() == []


async def test_only_ones_own_can_be_tested_and_not_without_end(here, member, tester, admin):
    other = await here.add_member()
    with pytest.raises(InputRefused) as caught:
        await tester.ask(member, certificate_id=other.certificate_id, credential_id=other.credential_id, apis=("iets",))
    assert len(caught.value.faults) == 3
    async with tenant_scope(here.tenants, member.tenant_id, actor="test"):
        with pytest.raises(NotFound):
            await ask_test(here.tenants, member.tenant_id, Wish(other.aansluiting_id), asked_by="test")
    async with tenant_scope(here.tenants, member.tenant_id, actor="test"):
        proef = await add_credential(
            here.tenants, member.tenant_id, here.ground.identity, afnemer_id=member.account.afnemer_id,
            environment="proef", client_id="x", secret="y", state="staged",
        )  # fmt: skip
    with pytest.raises(InputRefused, match="omgeving"):
        await tester.ask(member, credential_id=proef)
    await tester.ask(member)
    with pytest.raises(TestUnderway):
        await tester.ask(member)
    await admin.execute("UPDATE registry.verbindingstest SET state = 'afgebroken', ended_at = now()")
    await admin.execute(
        "INSERT INTO registry.verbindingstest (tenant_id, aansluiting_id, certificate_tenant_id, certificate_id, fingerprint, "
        "credential_id, secret_digest, apis, asked_by, state, ended_at) SELECT tenant_id, aansluiting_id, certificate_tenant_id, "
        "certificate_id, fingerprint, credential_id, secret_digest, apis, asked_by, state, ended_at "
        "FROM registry.verbindingstest, generate_series(2, $1)", MOST_AN_HOUR,
    )  # fmt: skip
    with pytest.raises(TooManyTests):
        await tester.ask(member)
