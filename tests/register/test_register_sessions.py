"""A session is trusted with the register only on a server, and as a user, under which a record is worth what it says."""

import pytest

from gateway.errors import RegisterUnavailable
from gateway.register import Permission, RegisterWriter
from tests.register.stage import Stage


@pytest.mark.parametrize("role", ["admin", "tenants", "owner", "sealer"])
async def test_only_a_user_that_is_the_gateway_and_no_more_may_write(stage: Stage, role) -> None:
    writer = RegisterWriter(stage.settings(url=stage.database.url(role)), stage.seal_unsent)
    with pytest.raises(RegisterUnavailable) as refused:
        await writer.start()
    assert refused.value.code == "registerVerkeerdeRol"


@pytest.mark.parametrize(
    ("setting", "code"),
    [
        ("default_transaction_read_only = on", "registerNietDeHoofdserver"),
        ("synchronous_commit = off", None),
        ("default_transaction_isolation = 'repeatable read'", None),
    ],
)
async def test_a_setting_of_the_database_weakens_no_record(stage: Stage, start, setting, code) -> None:
    stage.change(f"ALTER DATABASE {stage.database.name} SET {setting}")
    if code is None:
        writer = await start()
        assert isinstance(await writer.open(stage.opening()), Permission)
        connection = writer._slots[0].session._connection
        assert await connection.fetchval("SHOW synchronous_commit") == "on"
        assert await connection.fetchval("SHOW transaction_isolation") == "read committed"
    else:
        with pytest.raises(RegisterUnavailable) as refused:
            await start()
        assert refused.value.code == code


async def test_a_stronger_commit_is_kept(stage: Stage, start) -> None:
    stage.change(f"ALTER DATABASE {stage.database.name} SET synchronous_commit = remote_apply")
    writer = await start()
    assert await writer._slots[0].session._connection.fetchval("SHOW synchronous_commit") == "remote_apply"


@pytest.mark.parametrize("durability", ["disk", "standby"])
async def test_a_server_that_a_power_cut_would_rob_is_refused(stage: Stage, start, durability) -> None:
    with pytest.raises(RegisterUnavailable) as refused:
        await start(durability=durability)
    assert refused.value.code == "registerNietDuurzaam"


async def test_a_session_bears_its_own_number(stage: Stage, start) -> None:
    writers = [await start(), await start(sessions=2)]
    for writer in writers:
        for _ in range(2):
            await writer.open(stage.opening())
    rows = stage.rows("SELECT writer_id, instance FROM register.writer ORDER BY 1")
    assert [row["instance"] for row in rows] == ["test"] * 3
    stage.assert_gapless()
