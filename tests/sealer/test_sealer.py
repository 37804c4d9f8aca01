"""The sealer works by the clock, one at a time, and sees numbers and dates only."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import aiohttp
import asyncpg
import psycopg
import pytest
from structlog.testing import capture_logs

from tenants.config import SealerConfig
from tenants.pools import WrongRole
from tenants.sealer.app import run_sealer
from tenants.sealer.chores import lead
from tests.databases import Database

OIN = "00000001000000001000"
CALL = "01942f5e-0000-7000-8000-000000000001"
NEXT_MONTHS = (datetime.now(UTC).replace(day=1) + timedelta(days=62)).strftime("%Y%m")


@asynccontextmanager
async def sealer(url: str, **settings: object) -> AsyncIterator[str]:
    """A running sealer; yields the URL of its port for machines."""
    config = SealerConfig.model_validate(
        {"database_url": url, "metrics_bind": "127.0.0.1:0", "every": 0.05, "orphan_after": 0.001, **settings}
    )
    shutdown, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(run_sealer(config, shutdown, ready=port.set_result))
    await asyncio.wait((task, port), return_when=asyncio.FIRST_COMPLETED)
    try:
        if task.done():
            await task
        yield f"http://127.0.0.1:{await port}"
    finally:
        shutdown.set()
        await task


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def until(ask: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await ask():  # noqa: ASYNC110 - what is waited for is in another process
            await asyncio.sleep(0.001)


async def metric(url: str, name: str, fits: Callable[[float | None], bool]) -> float | None:
    """Wait until a metric has a value that fits; None is its absence."""
    found = None
    async with asyncio.timeout(20):
        while True:
            _, text = await get(f"{url}/metrics")
            lines = [row for row in text.splitlines() if row.startswith(name + " ")]
            found = float(lines[0].rsplit(" ", 1)[1]) if lines else None
            if fits(found):
                return found
            await asyncio.sleep(0.02)


def do(database: Database, statement: str, *values: object) -> None:
    with psycopg.connect(database.url("admin"), autocommit=True) as admin:
        admin.execute(statement, values)


@pytest.fixture
def tenant(database: Database) -> int:
    with psycopg.connect(database.url("admin"), autocommit=True) as admin:
        row = admin.execute(
            "INSERT INTO registry.tenant (oin, name, kind) VALUES (%s, 'Voorbeeld', 'gemeente') RETURNING tenant_id",
            (OIN,),
        ).fetchone()
    assert row is not None
    return int(row[0])


async def test_partitions_that_are_missing_ahead_are_made(database: Database):
    do(database, f"DROP TABLE register.opening_{NEXT_MONTHS}")
    async with sealer(database.url("sealer")) as url:
        await metric(url, "koppelpunt_sealer_partitions_made_total", lambda value: value == 1)
    with psycopg.connect(database.url("admin")) as admin:
        row = admin.execute("SELECT to_regclass(%s)", (f"register.opening_{NEXT_MONTHS}",)).fetchone()
    assert row != (None,)


async def test_a_call_without_closing_is_counted_for_its_tenant_and_told_once(database: Database, tenant: int):
    # PostgreSQL of the tests began less than an hour ago.
    do(
        database,
        "INSERT INTO register.running (tenant_id, id, writer_id, aansluiting_id, opened_at, hash) "
        "VALUES (%s, %s, 1, 1, now() - interval '1 hour', '')",
        tenant,
        CALL,
    )
    name = f'koppelpunt_calls_without_closing{{kind="productie",tenant="{tenant}"}}'
    with capture_logs() as lines:
        async with sealer(database.url("sealer")) as url:
            await metric(url, name, lambda value: value == 1)
            cause = 'koppelpunt_unknown_outcomes{cause="database_herstart",kind="productie"}'
            await metric(url, cause, lambda value: value == 1)
            first = await metric(url, "koppelpunt_sealer_last_round_seconds", lambda value: value is not None)
            assert first is not None
            await metric(url, "koppelpunt_sealer_last_round_seconds", lambda value: value is not None and value > first)
            do(database, "DELETE FROM register.running")
            await metric(url, name, lambda value: value is None)
    told = [line for line in lines if line["event"] == "call_without_closing"]
    assert [(line["tenant"], line["transactie"], line["register"], line["cause"]) for line in told] == [
        (tenant, CALL, "productie", "database_herstart")
    ]


async def test_a_fetched_message_is_forgotten_when_rvig_no_longer_has_it(database: Database, tenant: int):
    for message, age in (("oud", "11 days"), ("nieuw", "6 days")):
        do(
            database,
            "INSERT INTO register.fetched_message (tenant_id, aansluiting_id, message_id, id, fetched_at) "
            "VALUES (%s, 1, %s, %s, now() - %s::interval)",
            tenant,
            message,
            CALL,
            age,
        )
    async with sealer(database.url("sealer")) as url:
        await metric(url, "koppelpunt_sealer_messages_forgotten_total", lambda value: value == 1)
    with psycopg.connect(database.url("admin")) as admin:
        assert admin.execute("SELECT message_id FROM register.fetched_message").fetchall() == [("nieuw",)]


async def test_the_days_that_a_certificate_in_use_has_left_are_shown(database: Database, tenant: int):
    for number, (state, days) in enumerate((("active", 30), ("retired", 5))):
        do(
            database,
            "INSERT INTO registry.certificate (tenant_id, organisation_oin, oin, fingerprint, public_key_hash, "
            "chain_pem, key_sealed, not_before, not_after, state) VALUES (%s, %s, %s, %s, %s, '', '', now() - interval "
            "'1 day', now() + %s::interval, %s)",
            *(tenant, OIN, OIN, bytes([number]) * 32, bytes([number]) * 32, f"{days} days", state),
        )
    async with sealer(database.url("sealer")) as url:
        name = f'koppelpunt_certificate_days_left{{certificate="1",state="active",tenant="{tenant}"}}'
        left = await metric(url, name, lambda value: value is not None)
        _, text = await get(f"{url}/metrics")
    assert left == pytest.approx(30, abs=0.1)
    assert 'state="retired"' not in text


async def test_the_days_that_a_secret_of_rvig_has_left_are_shown_and_its_ready_parts(database: Database, tenant: int):
    do(
        database,
        "INSERT INTO registry.afnemer (tenant_id, afnemer_id, oin, name, kind) VALUES (%s, '000001', %s, 'N', 'derde')",
        tenant,
        OIN,
    )
    for number, (state, days) in enumerate((("active", 20), ("retired", 5), ("active", 300))):
        do(
            database,
            "INSERT INTO registry.credential (tenant_id, afnemer_id, environment, account, client_id, secret_sealed, "
            "authentication, secret_digest, secret_digest_version, state, secret_valid_until) "
            "VALUES (%s, '000001', 'productie', %s, 'c', '', 'body', %s, 1, %s, now() + %s::interval)",
            *(tenant, f"a{number}", bytes([number]) * 32, state, f"{days} days"),
        )
    async with sealer(database.url("sealer")) as url:
        name = f'koppelpunt_secret_days_left{{credential="1",tenant="{tenant}"}}'
        left = await metric(url, name, lambda value: value is not None)
        ready = await metric(url, 'koppelpunt_ready{check="database"}', lambda value: value is not None)
        _, text = await get(f"{url}/metrics")
    assert left == pytest.approx(20, abs=0.1)
    assert ready == 1
    assert text.count("koppelpunt_secret_days_left{") == 1


async def test_the_sealer_cannot_read_what_a_certificate_holds(database: Database):
    connection = await asyncpg.connect(database.url("sealer"))
    try:
        for column in ("key_sealed", "chain_pem", "fingerprint"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"SELECT {column} FROM registry.certificate")  # noqa: S608
    finally:
        await connection.close()


async def test_only_one_sealer_works_and_the_other_takes_over_when_its_session_ends(database: Database):
    leader = "koppelpunt_sealer_leader"
    async with sealer(database.url("sealer"), every=1.0) as second:
        first = await asyncpg.connect(database.url("sealer"))
        try:
            # A sealer waits before it connects again; the other one asks all the time, and so is first.
            await metric(second, leader, lambda value: value == 1)
            assert not await lead(first)
            do(
                database,
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = 19265",
            )
            await until(lambda: lead(first))
            await metric(second, leader, lambda value: value == 0)
        finally:
            await first.close()
        await metric(second, leader, lambda value: value == 1)


async def test_an_onboarding_does_not_wait_for_the_sealer_that_leads(database: Database):
    leader, onboarding = await asyncpg.connect(database.url("sealer")), await asyncpg.connect(database.url("tenants"))
    try:
        assert await lead(leader)
        # The lock that keeps two onboardings apart.
        assert await onboarding.fetchval("SELECT pg_try_advisory_xact_lock(19265, 1)")
    finally:
        await leader.close()
        await onboarding.close()


async def test_a_sealer_without_database_is_alive_but_not_ready(database: Database):
    async with sealer("postgresql://nobody:x@127.0.0.1:1/none") as url:
        assert await get(f"{url}/live") == (200, '{"live":true}')
        assert await get(f"{url}/ready") == (503, '{"database":false,"ronde":true}')
        assert (await get(f"{url}/elsewhere"))[0] == 404
    async with sealer(database.url("sealer")) as url:
        await metric(url, "koppelpunt_sealer_last_round_seconds", lambda value: value is not None and value > 0)
        assert await get(f"{url}/ready") == (200, '{"database":true,"ronde":true}')


async def test_a_chore_that_fails_keeps_no_other_from_being_done(database: Database):
    do(database, "REVOKE EXECUTE ON FUNCTION register.ensure_partitions FROM koppelpunt_sealer")
    async with sealer(database.url("sealer")) as url:
        failed = 'koppelpunt_sealer_failures_total{chore="make_partitions"}'
        await metric(url, failed, lambda value: value is not None and value >= 1)
        await metric(url, "koppelpunt_sealer_messages_forgotten_total", lambda value: value == 0)
        assert await get(f"{url}/ready") == (503, '{"database":true,"ronde":false}')


async def test_an_address_that_is_taken_is_told_plainly(database: Database):
    async with sealer(database.url("sealer")) as url:
        with pytest.raises(OSError, match="in use"):
            async with sealer(database.url("sealer"), metrics_bind=url.removeprefix("http://")):
                pass


@pytest.mark.parametrize("role", ["tenants", "admin"])
async def test_a_sealer_whose_user_is_not_in_its_role_alone_ends_and_says_what_is_needed(database: Database, role: str):
    with pytest.raises(WrongRole, match="koppelpunt_sealer"):
        async with asyncio.timeout(3), sealer(database.url(role)):
            await asyncio.Event().wait()


async def test_a_sealer_whose_work_another_took_over_is_ready_to_stand_by(database: Database):
    blocker, heir = [await asyncpg.connect(database.url("admin")) for _ in range(2)]
    try:
        async with sealer(database.url("sealer")) as url:
            await metric(url, "koppelpunt_sealer_leader", lambda value: value == 1)
            # A chore that cannot be done, and a session that is lost to one that waits for its place.
            await blocker.execute("BEGIN; LOCK TABLE register.fetched_message")
            await until(lambda: is_answered(url, 503))
            waiting = asyncio.create_task(heir.execute("SELECT pg_advisory_lock(19265, 3)"))
            await until(lambda: is_awaited(blocker))
            await blocker.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = 19265 "
                "AND objid = 3 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            await waiting
            await blocker.execute("ROLLBACK")
            await until(lambda: is_answered(url, 200))
            await metric(url, "koppelpunt_sealer_leader", lambda value: value == 0)
    finally:
        await blocker.close()
        await heir.close()


async def is_answered(url: str, status: int) -> bool:
    return (await get(f"{url}/ready"))[0] == status


async def is_awaited(connection: asyncpg.Connection) -> bool:
    statement = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND classid = 19265)"
    return bool(await connection.fetchval(statement))
