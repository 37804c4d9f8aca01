"""What one tenant's reports hold, nobody else waits for; and a read that takes too long is told as that."""

import asyncio
from collections import Counter
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tenants.config import TenantsConfig
from tenants.heavy_reads import HeavyReads, NoPlace, places_beside
from tests.admin.conftest import Api
from tests.inzage.asking import check, record
from tests.inzage.regels import ANNA, Register
from tests.worlds import World

SEARCH = "/v1/protocolregels/zoekvraag"


@given(st.integers(1, 8), st.lists(st.tuples(st.integers(1, 4), st.booleans()), max_size=60))
def test_no_tenant_holds_more_than_its_share_and_all_together_no_more_than_there_are(
    most: int, steps: list[tuple[int, bool]]
):
    reads, held = HeavyReads(most), list[tuple[int, Any]]()
    for tenant_id, ends in steps:
        if ends and held:
            held.pop(0)[1].__exit__(None, None, None)
            continue
        counts = Counter(one for one, _ in held)
        place = reads.place(tenant_id)
        if counts[tenant_id] >= reads.share or len(held) >= most:
            with pytest.raises(NoPlace) as refused:
                place.__enter__()
            assert (refused.value.own is not None) == (counts[tenant_id] >= reads.share)
        else:
            place.__enter__()
            held.append((tenant_id, place))


@pytest.mark.parametrize(("connections", "most"), [(1, 1), (2, 1), (3, 2), (10, 7), (100, 67)])
def test_connections_are_left_for_what_is_short(connections: int, most: int):
    places = places_beside(connections)
    assert places.most == most
    assert places.share <= max(1, most / 2)


async def blocked(admin: asyncpg.Connection, count: int) -> None:
    """Until so many wait for the register; the limit of the test bounds it."""
    waiting = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND relation = 'register.opening'::regclass"
    while await admin.fetchval(waiting) < count:  # noqa: ASYNC110 - PostgreSQL tells nobody
        await asyncio.sleep(0.02)


async def test_a_tenant_that_has_its_share_is_refused_at_once_and_others_and_short_reads_go_on(
    api: Api, config: TenantsConfig, world: World, other: World, register: Register, admin: asyncpg.Connection
):
    share = places_beside(config.connections).share
    await register.call(world, ANNA)
    async with admin.transaction():
        await admin.execute("LOCK TABLE register.opening IN ACCESS EXCLUSIVE MODE")
        running = [asyncio.ensure_future(check(api, SEARCH)) for _ in range(share)]
        await blocked(admin, share)
        bodies: dict[str, dict[str, Any]] = {SEARCH: {}, "/v1/gebruiksrapporten": {}, "/v1/steekproeven": {"aantal": 1}}
        for path, body in bodies.items():
            refused = await check(api, path, **body)
            assert (refused.status, refused.json["code"]) == (429, "teVeelTegelijk"), path
            assert refused.headers["Retry-After"] == "30"
        assert (await api.ask("GET", "/v1/inzageverzoeken", by="auditor")).status == 200
        assert await record(api) > 0
        running.append(asyncio.ensure_future(check(api, SEARCH, by="other-auditor")))
        await blocked(admin, share + 1)
    assert [reply.status for reply in await asyncio.gather(*running)] == [200] * (share + 1)
    assert (await check(api, SEARCH)).status == 200


async def test_a_read_that_takes_too_long_is_told_as_that_and_its_place_is_free_again(
    api: Api, world: World, register: Register, admin: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
):
    await register.call(world, ANNA)
    monkeypatch.setattr("tenants.api.heavy.SECONDS", 0.3)
    async with admin.transaction():
        await admin.execute("LOCK TABLE register.opening IN ACCESS EXCLUSIVE MODE")
        for _ in range(4):
            refused = await check(api, SEARCH)
            assert (refused.status, refused.json["code"]) == (503, "leesduurOverschreden")
            assert "kortere periode" in refused.json["detail"]
            assert "wijziging" not in refused.json["detail"]
    monkeypatch.undo()
    assert (await check(api, SEARCH)).status == 200
