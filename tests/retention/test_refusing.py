"""The sealer cannot destroy one row that is within its term or held, also when somebody else is at its connection."""

from datetime import UTC, date, datetime

import asyncpg
import pytest

from tests.retention.stage import THIS_YEAR, Past, month_of

NotNow = asyncpg.ObjectNotInPrerequisiteStateError
OLD = date(THIS_YEAR - 4, 3, 1)
RECENT = date(THIS_YEAR - 1, 3, 1)
NOW = month_of(datetime.now(UTC))


@pytest.mark.parametrize("month", [RECENT, NOW, date(THIS_YEAR + 3, 1, 1), date(9999, 12, 1)])
async def test_no_destruction_begins_within_the_term(past: Past, month):
    await past.had(RECENT, 2)
    await past.seal()
    with pytest.raises(NotNow):
        await past.sealing.fetchval(
            "SELECT register.begin_vernietiging($1, $2, 0, 100, 'x')", past.world.tenant_id, month
        )
    for soort in ("lezingen", "inzageverzoeken", "steekproeven"):
        with pytest.raises(NotNow):
            await past.sealing.fetchval(
                "SELECT register.destroy_records($1, $2, $3, 0, 100, 'x')", past.world.tenant_id, soort, month
            )
    with pytest.raises(NotNow):
        await past.sealing.fetchval(
            "SELECT register.destroy_year_key($1, $2, 0, 'x')", past.world.tenant_id, month.year
        )


async def test_a_destruction_that_was_begun_stops_when_the_term_became_longer(past: Past):
    await past.had(OLD, 2)
    await past.seal()
    await past.destroy(rounds=1)
    await past.keeps(20)
    number = await past.admin.fetchval("SELECT number FROM register.vernietiging")
    with pytest.raises(NotNow):
        await past.sealing.fetchval("SELECT register.destroy_rows($1, $2, 100)", past.world.tenant_id, number)
    assert await past.counts(OLD) == (2, 2, 2)


async def test_a_proof_that_names_leaves_of_another_month_takes_none_of_them(past: Past):
    """Whoever could alter the proof itself: rows are taken by the time in their own id."""
    await past.had(OLD, 2)
    recent = await past.had(RECENT, 2)
    await past.seal()
    await past.destroy(rounds=1)
    await past.admin.execute("ALTER TABLE register.vernietiging DISABLE TRIGGER note_change")
    await past.admin.execute("UPDATE register.vernietiging SET leaves = '{[0,100000)}'")
    number = await past.admin.fetchval("SELECT number FROM register.vernietiging")
    for _ in range(3):
        await past.sealing.fetchval("SELECT register.destroy_rows($1, $2, 5000)", past.world.tenant_id, number)
    assert await past.counts(RECENT) == (2, 2, 2)
    assert len(recent) == 2


async def test_a_proof_of_one_tenant_takes_nothing_of_another(past: Past, other):
    await past.keeps(2, other)
    await past.had(OLD, 2)
    await past.had(OLD, 2, world=other)
    await past.seal()
    await past.destroy(rounds=1)
    number = await past.admin.fetchval(
        "SELECT number FROM register.vernietiging WHERE tenant_id = $1", past.world.tenant_id
    )
    with pytest.raises(asyncpg.NoDataFoundError):
        await past.sealing.fetchval("SELECT register.destroy_rows($1, $2, 100)", other.tenant_id, number)


@pytest.mark.parametrize("isolation", ["repeatable_read", "serializable"])
async def test_no_step_works_on_an_older_picture(past: Past, isolation):
    await past.had(OLD, 2)
    await past.seal()
    with pytest.raises(asyncpg.InvalidTransactionStateError):
        async with past.sealing.transaction(isolation=isolation):
            await past.sealing.fetchval(
                "SELECT register.begin_vernietiging($1, $2, 0, 100, 'x')", past.world.tenant_id, OLD
            )


@pytest.mark.parametrize("role", ["gateway", "tenants", "inzage", "owner"])
async def test_nobody_but_the_sealer_can_ask_for_destruction(past: Past, connect, role):
    connection = await connect(role)
    for call in (
        "register.begin_vernietiging(1, '2000-01-01', 0, 1, 'x')",
        "register.destroy_rows(1, 1, 1)",
        "register.destroy_records(1, 'lezingen', '2000-01-01', 0, 1, 'x')",
        "register.destroy_year_key(1, 2020, 0, 'x')",
        "register.forget_proef(1, 1)",
        "register.confirm_vernietigingen()",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetchval(f"SELECT {call}")


async def test_the_sealer_can_write_no_proof_and_no_stop_itself(past: Past):
    for statement in (
        "INSERT INTO register.vernietiging DEFAULT VALUES",
        "UPDATE register.vernietiging SET leaves = '{}'",
        "DELETE FROM register.vernietiging",
        "UPDATE register.vernietiging_stand SET next_leaf = 0",
        "INSERT INTO register.vernietigingsstop DEFAULT VALUES",
        "DELETE FROM register.vernietigingsstop",
        "INSERT INTO register.vernietigingsstop_stap DEFAULT VALUES",
        "INSERT INTO register.contracteinde_stap DEFAULT VALUES",
        "UPDATE registry.tenant SET retention_years = 1",
        "UPDATE registry.tenant_key SET destroyed_at = now()",
        "SELECT register.finish_vernietiging(NULL, NULL)",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await past.sealing.execute(statement)


@pytest.mark.parametrize("actor", ["auditor/1", "beheerder/2 (voorstel 3 van operator/1)", "operator/1"])
async def test_the_sealer_destroys_in_nobodys_name(past: Past, actor: str):
    await past.had(OLD, 1)
    await past.seal()
    tenant_id = past.world.tenant_id
    with pytest.raises(asyncpg.CheckViolationError, match="vernietiging_is_nobodys"):
        await past.sealing.fetchval("SELECT register.begin_vernietiging($1, $2, 35, 9, $3)", tenant_id, OLD, actor)
    assert await past.counts(OLD) == (1, 1, 1)
    assert not await past.admin.fetchval("SELECT count(*) FROM registry.wijziging WHERE object = 'vernietiging'")
