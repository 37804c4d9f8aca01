"""Keys of years, records about the use of the register, and the register of proef go by terms of their own."""

import hashlib
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

import asyncpg
import pytest

from tenants.keyring import public_half
from tenants.recording import Reading, record_reading
from tenants.registry import ensure_tenant_years
from tenants.scope import tenant_scope
from tests.db.calls import uuid7
from tests.retention.stage import THIS_YEAR, Past

YEAR = THIS_YEAR - 4
OLD = date(YEAR, 12, 1)


@pytest.fixture
async def keyed(past: Past, registrar, keyrings) -> Past:
    """The keys of that year, as they were made then; the data keys of its calls are that year's."""
    async with tenant_scope(registrar, past.world.tenant_id, actor="test"):
        await ensure_tenant_years(
            registrar, past.world.tenant_id, public_half(keyrings.identity), public_half(keyrings.register), [YEAR]
        )
    await past.had(OLD, 3)
    await past.admin.execute(
        "UPDATE register.data_key SET year = $1 WHERE data_key_id IN (SELECT data_key_id FROM register.opening)", YEAR
    )
    await past.seal()
    return past


async def year_key(past: Past, year: int = YEAR):
    return await past.admin.fetchrow(
        "SELECT * FROM registry.tenant_key WHERE tenant_id = $1 AND year = $2", past.world.tenant_id, year
    )


async def test_the_key_of_a_year_goes_when_the_last_call_has_gone_and_its_proof_names_it(keyed: Past):
    await keyed.destroy(rounds=1)
    assert (await year_key(keyed))["destroyed_at"] is None
    await keyed.destroy()
    key = await year_key(keyed)
    assert key["destroyed_at"] is not None
    assert (key["private_key_sealed"], key["index_key_for_gateway"], key["index_key_for_register"]) == (None,) * 3
    proof = await keyed.admin.fetchrow("SELECT * FROM register.vernietiging WHERE soort = 'jaarsleutel'")
    assert proof["public_key_sha256"] == hashlib.sha256(key["public_key"]).hexdigest()
    assert (proof["backups_until"] - proof["finished_at"]).days == 35
    assert (await year_key(keyed, THIS_YEAR))["destroyed_at"] is None
    assert (await keyed.verify()).faults == ()


async def test_the_key_stays_while_a_stop_lies_over_its_year(keyed: Past):
    await keyed.destroy(rounds=1)
    began = datetime(YEAR, 2, 1, tzinfo=UTC)
    await keyed.set_stop(period=(began, began + timedelta(days=3)))
    await keyed.destroy()
    assert await keyed.counts(OLD) == (0, 0, 0)
    assert (await year_key(keyed))["destroyed_at"] is None


async def test_the_key_stays_while_a_request_is_sealed_to_it(keyed: Past):
    await keyed.admin.execute(
        "INSERT INTO register.inzageverzoek (tenant_id, actor, received_on, law, period_from, period_until, represented, year, sealed_id, sealed) "
        "VALUES ($1, 'auditor/1', '2026-01-01', 'avg-15', '2020-01-01', '2026-01-01', false, $2, $3, 'x')",
        keyed.world.tenant_id, YEAR, uuid7(),
    )  # fmt: skip
    await keyed.destroy()
    assert await keyed.counts(OLD) == (0, 0, 0)
    assert (await year_key(keyed))["destroyed_at"] is None


async def test_readings_go_after_five_years_and_not_while_a_stop_stands(past: Past):
    for _ in range(3):
        await record_reading(
            past.reader, past.world.tenant_id, Reading("zoekvraag", "Controle", contents=False), actor="auditor/1"
        )
    await past.admin.execute("UPDATE register.reading SET at = at - interval '5 years 40 days' WHERE number <= 2")
    stop = await past.set_stop(period=(datetime(2001, 1, 1, tzinfo=UTC), datetime(2001, 1, 2, tzinfo=UTC)))
    await past.destroy()
    assert await past.admin.fetchval("SELECT count(*) FROM register.reading") == 3
    await past.admin.execute(
        "INSERT INTO register.vernietigingsstop_stap (tenant_id, stop_id, actor, kind, reason) VALUES ($1, $2, 'a', 'opheffing_gevraagd', 'x')",
        past.world.tenant_id, stop,
    )  # fmt: skip
    await past.admin.execute(
        "INSERT INTO register.vernietigingsstop_stap (tenant_id, stop_id, actor, kind, reason) VALUES ($1, $2, 'b', 'opgeheven', 'x')",
        past.world.tenant_id, stop,
    )  # fmt: skip
    await past.destroy()
    assert await past.admin.fetchval("SELECT count(*) FROM register.reading") == 1
    proof = await past.admin.fetchrow("SELECT soort, rows, retention_years FROM register.vernietiging")
    assert tuple(proof) == ("lezingen", 2, 5)


async def test_the_register_of_proef_forgets_after_ninety_days(past: Past, begin_writer, registrar, pki, keyrings):
    from tests.trees.stage import Calls  # noqa: PLC0415
    from tests.worlds import make_world  # noqa: PLC0415

    trial = await make_world(
        registrar, pki, keyrings, oin="00000001007654321000", afnemer_id="990002", environment="proef"
    )
    calls = Calls(await begin_writer("proef"))
    old, young = await calls.record(trial, 3), await calls.record(trial, 2)
    await past.set_stop(trial)
    for schema_table in ("opening", "closing", "person"):
        day = datetime.now(UTC) - timedelta(days=95)
        low = f"{int(day.timestamp() * 1000):012x}"
        # Persons lie by year, so that there may be a place for them already.
        with suppress(asyncpg.InvalidObjectDefinitionError):
            await past.admin.execute(
                f"CREATE TABLE proef.past_{schema_table} PARTITION OF proef.{schema_table} "
                f"FOR VALUES FROM ('{low}00000000000000000000') TO ('{int(low, 16) + 1:012x}00000000000000000000')"
            )
        await past.admin.execute(
            f"UPDATE proef.{schema_table} SET id = ($2 || right(replace(id::text, '-', ''), 20))::uuid WHERE id = ANY ($1)",  # noqa: S608
            old, low,
        )  # fmt: skip
    await past.destroy()
    for schema_table in ("opening", "closing", "person", "data_key"):
        assert await past.admin.fetchval(f"SELECT count(*) FROM proef.{schema_table}") == len(young)  # noqa: S608
