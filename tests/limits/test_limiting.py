"""A limit holds over all workers and replicas together, refuses nobody below it, and says how it stands."""

import asyncio
import re
from dataclasses import dataclass, field

import asyncpg
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from gateway.catalogue import make_catalogue, read_catalogue
from gateway.config import GatewayConfig
from gateway.errors import RegisterUnavailable, TooMany
from gateway.limiting import Granted, Key, RateLimits
from gateway.sharing_store import SharingStore
from gateway.simulator.faults import FaultKind, FaultRule
from gateway.together import say_what_is_unlimited
from tenants.callers import create_taaksysteem
from tenants.limits import RateLimit
from tenants.rate_limits import add_rate_limit
from tenants.scope import tenant_scope
from tests import values
from tests.e2e.ledgers import unique_question, until
from tests.world import world


@dataclass
class Bucket:
    """PostgreSQL's side of one limit, with a clock of the test."""

    now: float = 0.0
    levels: dict[Key, tuple[float, float]] = field(default_factory=dict)
    asked: int = 0
    away: bool = False

    async def take(self, key: Key, limit: RateLimit, want: int) -> Granted:
        if self.away:
            raise OSError("away")
        self.asked += 1
        level, at = self.levels.get(key, (float(limit.burst), self.now))
        level = min(limit.burst, level + (self.now - at) * limit.per_second)
        count = min(int(level), want)
        self.levels[key] = (level - count, self.now)
        return Granted(count, level - count, max(0.0, 1 - (level - count)) / limit.per_second)


def limits_of(bucket: Bucket, known: dict[Key, RateLimit], **given: object) -> RateLimits:
    return RateLimits(known.get, bucket.take, clock=lambda: bucket.now, **given)  # type: ignore[arg-type]


SYSTEM = values.taaksysteem(1)
OWN: Key = (SYSTEM.tenant_id, SYSTEM.taaksysteem_id)
WHOLE: Key = (SYSTEM.tenant_id, 0)


async def passes(limits: RateLimits) -> bool:
    try:
        await limits.take(SYSTEM)
    except TooMany:
        return False
    return True


async def test_without_a_limit_nothing_is_asked_and_nothing_told():
    bucket = Bucket()
    assert await limits_of(bucket, {}).take(SYSTEM) == []
    assert bucket.asked == 0


@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(0, 0.5)), min_size=1, max_size=150),
    st.floats(0.5, 50),
    st.integers(1, 30),
)
async def test_four_workers_together_let_through_no_more_than_the_limit(calls, per_second, burst):
    bucket, known = Bucket(), {OWN: RateLimit(*OWN, per_second, burst)}
    workers = [limits_of(bucket, known) for _ in range(4)]
    passed = 0
    for worker, pause in calls:
        bucket.now += pause
        passed += await passes(workers[worker])
        assert passed <= burst + per_second * bucket.now + 1e-6


async def test_a_caller_at_one_worker_of_four_gets_its_whole_limit():
    bucket, known = Bucket(), {OWN: RateLimit(*OWN, 10.0, 5)}
    workers = [limits_of(bucket, known) for _ in range(4)]
    passed = 0
    for _ in range(1000):
        bucket.now += 0.01
        passed += await passes(workers[0])
    assert 95 <= passed <= 105


async def test_over_its_limit_a_caller_in_a_loop_costs_the_database_little():
    bucket, known = Bucket(), {OWN: RateLimit(*OWN, 1.0, 1)}
    limits = limits_of(bucket, known)
    results = [await passes(limits) for _ in range(500)]
    assert sum(results) == 1
    assert bucket.asked <= 2


async def test_what_the_tenant_refuses_is_not_taken_of_the_taaksysteem():
    known = {OWN: RateLimit(*OWN, 1.0, 10), WHOLE: RateLimit(WHOLE[0], None, 1.0, 2)}
    bucket = Bucket()
    limits = limits_of(bucket, known)
    assert [await passes(limits) for _ in range(5)] == [True, True, False, False, False]
    with pytest.raises(TooMany) as caught:
        await limits.take(SYSTEM)
    fields = dict(caught.value.headers)
    assert fields[b"ratelimit-policy"] == b'"taaksysteem";q=10;w=10, "tenant";q=2;w=2'
    assert re.fullmatch(rb'"taaksysteem";r=8;t=2, "tenant";r=0;t=2', fields[b"ratelimit"])
    assert (caught.value.code, caught.value.retry_after) == ("limietBereikt", 1)


async def test_a_changed_limit_holds_from_the_next_call_on():
    bucket, known = Bucket(), {OWN: RateLimit(*OWN, 0.001, 1)}
    limits = limits_of(bucket, known)
    assert [await passes(limits), await passes(limits)] == [True, False]
    known[OWN] = RateLimit(*OWN, 1000.0, 100)
    bucket.now += 0.01
    assert await passes(limits)


async def test_a_default_holds_for_a_taaksysteem_without_a_limit_and_for_no_tenant():
    bucket = Bucket()
    limits = limits_of(bucket, {}, default=(1.0, 3))
    assert [await passes(limits) for _ in range(4)] == [True, True, True, False]
    assert set(bucket.levels) == {OWN}
    own = limits_of(Bucket(), {OWN: RateLimit(*OWN, 1.0, 1)}, default=(1.0, 3))
    assert [await passes(own) for _ in range(2)] == [True, False]


async def test_without_postgresql_nothing_is_let_through_over_a_limit():
    limits = limits_of(Bucket(away=True), {OWN: RateLimit(*OWN, 1.0, 1)})
    with pytest.raises(RegisterUnavailable) as caught:
        await limits.take(SYSTEM)
    assert caught.value.code == "limietOnbekend"


async def test_four_processes_take_from_one_bucket_of_postgresql(stores: list[SharingStore], tenants, tenant_id):
    async with tenant_scope(tenants, tenant_id, actor="test"):
        number = await create_taaksysteem(tenants, tenant_id, name="Balie", environment="proef")
    limit, key = RateLimit(tenant_id, number, 20.0, 30), (tenant_id, number)
    begun = asyncio.get_running_loop().time()
    granted = await asyncio.gather(*(one.take_rate(key, limit, 4) for one in stores * 10))
    first = sum(one.count for one in granted)
    assert 30 <= first <= 30 + 20 * (asyncio.get_running_loop().time() - begun) + 1
    assert [one.seconds for one in granted if not one.count] == pytest.approx(
        [0.02] * sum(not g.count for g in granted), abs=0.05
    )
    await asyncio.sleep(0.5)
    more = (await stores[0].take_rate(key, limit, 100)).count
    assert first + more <= 30 + 20 * (asyncio.get_running_loop().time() - begun)
    assert more >= 8


async def test_a_caller_over_its_limit_hears_it_and_its_tenant_sees_it(database, tmp_path, caller):
    async with world(database, tmp_path / "world") as here:
        member, other = await here.add_members(2)
        async with here.gateway() as url:
            free = await caller.call(url, member, unique_question())
            assert (free.status, "ratelimit" in free.headers) == (200, False)
            async with tenant_scope(here.tenants, member.tenant_id, actor="operator"):
                await add_rate_limit(here.tenants, member.tenant_id, member.taaksysteem_id, 0.5, 3)

            async def is_limited() -> bool:
                return "ratelimit" in (await caller.call(url, member, unique_question())).headers

            await until(is_limited)
            called = [await caller.call(url, member, unique_question()) for _ in range(40)]
            refused = [one for one in called if one.status == 429]
            assert 1 <= sum(one.status == 200 for one in called) <= 3 + 5
            assert len(refused) >= 30
            for one in called:
                assert one.headers["ratelimit-policy"] == '"taaksysteem";q=3;w=6'
                assert re.fullmatch(r'"taaksysteem";r=\d;t=\d', one.headers["ratelimit"])
            for one in refused:
                assert (one.code, one.document["status"], one.headers["ratelimit"][:17]) == (
                    "limietBereikt",
                    429,
                    '"taaksysteem";r=0',
                )
                assert 1 <= int(one.headers["retry-after"]) <= 3
            # Who is not over a limit hears nothing of it, and a refusal for another reason tells how the limit stands.
            assert "ratelimit" not in (await caller.call(url, other, unique_question())).headers
        admin = await asyncpg.connect(database.url("admin"))
        stored = await admin.fetchval("SELECT count(*) FROM register.opening WHERE refusal = 'limietBereikt'")
        await admin.close()
        # In the register of its tenant, and few of them.
        assert 1 <= stored <= 6


async def test_rvigs_own_rate_limit_fields_pass_beside_ours(database, tmp_path, caller):
    async with world(database, tmp_path / "world") as here:
        member = await here.add_member()
        theirs = {"X-Rate-Limit-Limit": "500", "X-Rate-Limit-Remaining": "7"}
        here.simulator.faults.add(FaultRule(FaultKind.HEADERS, headers=theirs))
        async with here.gateway(taaksysteem_rate="100", taaksysteem_burst="10") as url:
            called = await caller.call(url, member, unique_question())
    assert called.status == 200
    assert called.headers["ratelimit-policy"] == '"taaksysteem";q=10;w=1'
    assert {name: called.headers[name.lower()] for name in theirs} == theirs


def test_no_limit_by_default_is_said_at_the_start_where_rvig_can_be_asked():
    needed = {"database_url": "postgresql://x", "identity_keyring_file": "/x", "token_keys_file": "/x"}
    shipped = read_catalogue()
    reaching = make_catalogue(
        tuple(one.model_copy(update={"trust_anchors_file": "/pkio.pem"}) for one in shipped.environments.values())
    )
    said = []
    for rate, catalogue in ((0.0, reaching), (5.0, reaching), (0.0, shipped)):
        with structlog.testing.capture_logs() as logs:
            say_what_is_unlimited(GatewayConfig.model_validate(needed | {"taaksysteem_rate": rate}), catalogue)
        said.append([log["event"] for log in logs])
    assert said == [["no_rate_limit"], [], []]
