"""Tokens are asked for once, however many processes want them; and only a gateway can read what lies in between."""

import asyncio
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
import pytest

from gateway.errors import IdentityUnavailable, KoppelpuntError, RegisterUnavailable, TokenRefused, TokenUnavailable
from gateway.sharing import SharedFailure, Sharing, Wanted
from gateway.sharing_store import TROUBLE, SharingStore
from gateway.token_box import TokenBox
from gateway.token_request import Token, TokenAsk, make_ask
from tenants.keyring import add_version, drop_version, make_keyring
from tests.e2e.ledgers import unique_question, until
from tests.upstream.stage import PERSONEN, make_aansluiting, make_environment
from tests.world import world

SECRET = "geheim.token.van.rvig"
_TURN = UUID(int=7)


@pytest.fixture
def ask(pki, keyring, tenant_id) -> TokenAsk:
    aansluiting = dataclasses.replace(make_aansluiting(pki, keyring, 1), tenant_id=tenant_id)
    return make_ask(aansluiting, make_environment("https://rvig.example"), PERSONEN)


@pytest.fixture
def sharings(stores, keyring) -> list[Sharing]:
    return [Sharing(one, TokenBox(keyring), trouble=TROUBLE) for one in stores]


@dataclass
class Rvig:
    """RvIG's token endpoint: counts, takes its time, and fails when the test says so."""

    ask: TokenAsk
    seconds: float = 0.0
    life: float = 600.0
    error: Callable[[], BaseException] | None = None
    asked: int = 0
    checked: list[str] = field(default_factory=list)

    async def fetch(self) -> Token:
        self.asked += 1
        number = self.asked
        await asyncio.sleep(self.seconds)
        if self.error is not None:
            raise self.error()
        now = asyncio.get_running_loop().time()
        return Token(f"{SECRET}.{number}", self.ask.key, now, now + self.life)

    async def obtain(self, sharing: Sharing, wanted: Wanted | None = None) -> Token | SharedFailure:
        return await sharing.obtain(
            self.ask,
            wanted or Wanted(),
            fetch=self.fetch,
            check=self.checked.append,
            pause=lambda _error, failures: 10.0 * failures,
        )


@pytest.fixture
def rvig(ask) -> Rvig:
    return Rvig(ask)


async def test_four_processes_that_want_a_token_at_once_ask_rvig_once(sharings, rvig):
    rvig.seconds = 0.2
    found = await asyncio.gather(*(rvig.obtain(one) for one in sharings * 5))
    assert rvig.asked == 1
    assert {(one.value, one.generation) for one in found if isinstance(one, Token)} == {
        (f"{SECRET}.1", found[0].generation)
    }
    assert len(rvig.checked) == 19


async def test_a_token_of_another_is_as_old_as_it_is(sharings, rvig):
    first = await rvig.obtain(sharings[0])
    await asyncio.sleep(0.3)
    second = await rvig.obtain(sharings[1])
    assert second.expires_at == pytest.approx(first.expires_at, abs=0.1)
    assert second.issued_at == pytest.approx(first.issued_at, abs=0.1)


async def test_whoever_renews_is_read_by_the_others(sharings, rvig):
    old = [await rvig.obtain(one) for one in sharings]
    new = [await rvig.obtain(one, Wanted(after=old[0].generation)) for one in sharings]
    assert rvig.asked == 2
    assert {one.value for one in new} == {f"{SECRET}.2"}
    assert new[0].generation > old[0].generation


async def test_a_token_that_rvig_refused_is_read_by_nobody_any_more(sharings, rvig):
    old = await rvig.obtain(sharings[0])
    rvig.error = lambda: TokenUnavailable("tokenStoring", "Gestoord.")
    with pytest.raises(TokenUnavailable):
        await rvig.obtain(sharings[0], Wanted(after=old.generation, refused=True))
    failed = await rvig.obtain(sharings[1])
    assert isinstance(failed, SharedFailure)


async def test_a_token_that_ended_is_read_by_nobody(sharings, rvig):
    rvig.life = 0.2
    await rvig.obtain(sharings[0])
    await asyncio.sleep(0.25)
    await rvig.obtain(sharings[1])
    assert rvig.asked == 2


@pytest.mark.parametrize(("kind", "code"), [(TokenRefused, "tokenGeweigerd"), (TokenUnavailable, "tokenStoring")])
async def test_what_one_was_refused_nobody_asks_again_for_as_long_as_it_says(sharings, rvig, kind, code):
    rvig.error = lambda: kind(code, "Zo is het.")
    with pytest.raises(kind):
        await rvig.obtain(sharings[0])
    for one in sharings:
        found = await rvig.obtain(one)
        assert isinstance(found, SharedFailure)
        assert (type(found.error), found.error.code, found.error.detail) == (kind, code, "Zo is het.")
        assert 9.0 < found.wait <= 10.0
    assert rvig.asked == 1
    # Whoever is told that RvIG may be asked once more asks; when that fails too, the pause is that of two in a row.
    with pytest.raises(kind):
        await rvig.obtain(sharings[1], Wanted(pardoned=True))
    again = await rvig.obtain(sharings[2])
    assert isinstance(again, SharedFailure)
    assert (again.failures, round(again.wait, -1)) == (2, 20.0)


async def test_where_nothing_was_asked_the_next_one_asks(sharings, rvig):
    rvig.error = lambda: IdentityUnavailable("secretGesloten", "Het opent niet.")
    with pytest.raises(IdentityUnavailable):
        await rvig.obtain(sharings[0])
    rvig.error = None
    assert isinstance(await rvig.obtain(sharings[1]), Token)


async def test_one_that_dies_while_it_asks_holds_the_others_up_for_a_moment_only(
    sharings, stores, rvig, ask, tenant_id
):
    await stores[0].take(tenant_id, ask.key, Wanted(), _TURN, 0.5)
    begun = asyncio.get_running_loop().time()
    assert isinstance(await rvig.obtain(sharings[1]), Token)
    assert 0.9 < asyncio.get_running_loop().time() - begun < 3.0


async def test_one_that_is_ended_while_it_asks_gives_up_its_turn(sharings, rvig):
    rvig.seconds = 30.0
    asking = asyncio.create_task(rvig.obtain(sharings[0]))
    await until(lambda: rvig.asked == 1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    rvig.seconds = 0.0
    async with asyncio.timeout(2):
        assert isinstance(await rvig.obtain(sharings[1]), Token)


async def test_a_turn_lasts_as_long_as_its_holder_does(sharings, rvig):
    rvig.seconds = 4.6
    found = await asyncio.gather(*(rvig.obtain(one) for one in sharings))
    assert rvig.asked == 1
    assert len({one.value for one in found}) == 1


async def test_without_postgresql_nobody_asks(rvig, keyring):
    async def connect():
        raise OSError("away")

    store = SharingStore(connect)
    sharing = Sharing(store, TokenBox(keyring), trouble=TROUBLE)
    with pytest.raises(RegisterUnavailable) as caught:
        await rvig.obtain(sharing)
    assert (caught.value.code, caught.value.sent, rvig.asked) == ("tokenNietGedeeld", False, 0)
    await store.close()


async def test_what_lies_in_the_database_shows_no_token_and_opens_for_its_own_key_and_tenant_alone(
    sharings, rvig, ask, tenant_id, database, keyring
):
    await rvig.obtain(sharings[0])
    admin = await asyncpg.connect(database.url("admin"))
    try:
        row = await admin.fetchrow("SELECT * FROM registry.shared_token")
        assert all(SECRET not in repr(value) for value in row.values())
        sealed, box = row["sealed"], TokenBox(keyring)
        assert SECRET.encode() not in sealed
        assert box.open(tenant_id, ask.key, sealed) == f"{SECRET}.1"
        assert box.open(tenant_id + 1, ask.key, sealed) is None
        assert box.open(tenant_id, bytes(32), sealed) is None
        assert TokenBox(make_keyring("identity")).open(tenant_id, ask.key, sealed) is None
        assert box.open(tenant_id, ask.key, sealed[:-1]) is None
        assert (
            await admin.fetchval("SELECT relpersistence FROM pg_class WHERE oid = 'registry.shared_token'::regclass")
            == b"u"
        )
        # One that somebody put in another row: it does not open there, and RvIG is asked instead.
        other = dataclasses.replace(ask, key=bytes(range(32)))
        await admin.execute(
            "INSERT INTO registry.shared_token SELECT tenant_id, $1, generation, sealed, issued_at, expires_at FROM registry.shared_token",
            other.key,
        )
        there = Rvig(other)
        assert isinstance(await there.obtain(sharings[1]), Token)
        assert there.asked == 1
    finally:
        await admin.close()


async def test_a_token_of_a_keyring_version_that_is_gone_is_asked_for_anew(stores, rvig, keyring):
    newer = add_version(keyring)
    left, _ = drop_version(newer, keyring.current)
    old, new = (
        Sharing(store, TokenBox(ring), trouble=TROUBLE) for store, ring in zip(stores, (keyring, left), strict=False)
    )
    await rvig.obtain(old)
    found = await rvig.obtain(new)
    assert (rvig.asked, isinstance(found, Token)) == (2, True)
    assert isinstance(await rvig.obtain(Sharing(stores[2], TokenBox(newer), trouble=TROUBLE)), Token)
    assert rvig.asked == 2


async def test_a_token_that_contradicts_its_aansluiting_is_not_used_whoever_got_it(sharings, rvig):
    await rvig.obtain(sharings[0])

    def refuse(_value: str) -> None:
        raise TokenRefused("tokenTegenstrijdig", "Nee.")

    with pytest.raises(KoppelpuntError):
        await sharings[1].obtain(rvig.ask, Wanted(), fetch=rvig.fetch, check=refuse, pause=lambda *_: 1.0)
    assert rvig.asked == 1


async def test_the_generation_of_a_token_never_starts_again(sharings, rvig, database):
    first = await rvig.obtain(sharings[0])
    admin = await asyncpg.connect(database.url("admin"))
    # As after a crash or a fail-over: the table is unlogged.
    await admin.execute("TRUNCATE registry.shared_token")
    await admin.close()
    second = await rvig.obtain(sharings[1])
    assert second.generation > first.generation
    assert (await rvig.obtain(sharings[0], Wanted(after=first.generation))).value == second.value


async def test_a_thousand_first_calls_at_four_processes_make_one_token_request(database, tmp_path, caller):
    async with world(database, tmp_path / "world") as here:
        member, other = await here.add_members(2)

        def asked_of(one) -> int:
            return [seen.client_id for seen in here.simulator.seen.tokens()].count(one.account.client_id)

        async with here.gateways(4) as gateways:
            urls = [one.url for one in gateways]
            called = await asyncio.gather(
                *(caller.call(urls[n % 4], member, unique_question()) for n in range(1000)),
                caller.call(urls[0], other, unique_question()),
            )
            assert {one.status for one in called} <= {200, 503, 429}
            assert sum(one.status == 200 for one in called) >= 4 * 32
            assert (asked_of(member), asked_of(other)) == (1, 1)
            # And whoever comes later, after an upgrade for instance, asks for none that another has.
            late = await here.start_gateway("late")
            assert (await caller.call(late.url, member, unique_question())).status == 200
            assert await late.stop() == 0
        assert (asked_of(member), asked_of(other)) == (1, 1)
