"""From caller to RvIG and back under a machtiging: what is refused never reaches RvIG, and the register tells what went on."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import orjson

from tenants.callers import NewMachtiging, create_machtiging, grant_policy, withdraw_machtiging
from tenants.model import Bsn
from tenants.protocolregels import Protocolregel
from tenants.reading import search
from tenants.rights import Policy
from tenants.scope import tenant_scope
from tenants.searches import Zoekvraag
from tests.databases import Database
from tests.e2e.ledgers import Called, Caller
from tests.world import Member, World, question, world

ANNA, SECRET = "999941112", "999942712"
"""A test person of the simulator, and one with geheimhouding."""
BEWONING = "9102010000000011"
EVERYTHING: dict[str, Any] = {"personen": {}, "bewoningen": {}, "verblijfplaatshistorie": {}, "reisdocumenten": {}}


Make = Callable[..., Awaitable[int]]


async def add_machtiging(here: World, member: Member, **terms: Any) -> int:
    made = NewMachtiging(
        member.aansluiting_id, (member.tenant_id, member.taaksysteem_id), "doel", terms.pop("grondslag", "Wet BRP 3.5"),
        "ontvanger", "https://example.org/1", terms.pop("rights", EVERYTHING), **terms,
    )  # fmt: skip
    async with tenant_scope(here.tenants, member.tenant_id, actor="beheerder"):
        return await create_machtiging(here.tenants, member.tenant_id, made)


async def add_note_policy(here: World, member: Member) -> int:
    """Ask to be without a note. The registry's functions give this to an overheidsorgaan alone; the gateway serves any."""
    async with tenant_scope(here.tenants, member.tenant_id, actor="beheerder"):
        number: int = await here.tenants.fetchval(
            "INSERT INTO registry.machtiging (tenant_id, aansluiting_id, taaksysteem_tenant_id, taaksysteem_id, doelbinding, "
            "  grondslag, ontvanger, verwerkingsactiviteit, rights, protocol_note, protocol_note_article) "
            "VALUES ($1, $2, $1, $3, 'd', 'Wet BRP 3.2', 'o', 'v', $4, 'no', 'Besluit BRP art. 42') RETURNING machtiging_id",
            member.tenant_id, member.aansluiting_id, member.taaksysteem_id, '{"personen": {"fields": ["naam"]}}',
        )  # fmt: skip
    return number


@contextlib.asynccontextmanager
async def standing(
    database: Database, directory: Path, make: Make = add_machtiging, **terms: Any
) -> AsyncIterator[tuple[World, Member, str]]:
    """A world with one gemeente, whose only machtiging has these terms."""
    async with world(database, directory / "world", keep_bodies=True) as here:
        member = await here.add_member()
        async with tenant_scope(here.tenants, member.tenant_id, actor="beheerder"):
            await withdraw_machtiging(here.tenants, member.tenant_id, member.machtiging_id)
        member.machtiging_id = await make(here, member, **terms)
        async with here.gateway() as url:
            yield here, member, url


async def regels(here: World, member: Member, bsn: str | None = None) -> list[Protocolregel]:
    """The rows of the register with what they hold, oldest first, as the auditor reads them."""
    connection = await asyncpg.connect(here.database.url("inzage"))
    now = datetime.now(UTC)
    asked = Zoekvraag(
        bsn=None if bsn is None else Bsn(bsn),
        period=(now - timedelta(hours=1), now + timedelta(hours=1)),
        contents=True,
    )
    try:
        found = await search(connection, here.ground.register, member.tenant_id, asked, actor="auditor", reason="toets")
    finally:
        await connection.close()
    return list(reversed(found.regels))


def sealed(regel: Protocolregel) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the opening and the closing of a row hold."""
    assert regel.contents is not None
    return dict(regel.contents.opening or {}), dict(regel.contents.closing or {})


async def test_a_question_outside_the_machtiging_never_reaches_rvig_and_is_recorded(database, tmp_path, caller: Caller):
    rights = {
        "personen": {
            "types": ["RaadpleegMetBurgerservicenummer"],
            "fields": ["naam", "burgerservicenummer"],
            "restrict": {"gemeenteVanInschrijving": ["9101"]},
            "inclusiefOverledenPersonen": False,
        }
    }
    async with standing(database, tmp_path, rights=rights) as (here, member, url):
        own = question(ANNA) | {"gemeenteVanInschrijving": "9101"}
        refused = [
            (await caller.call(url, member, own | {"fields": ["naam", "geboorte"]}), "unauthorizedField"),
            (await caller.call(url, member, own | {"gemeenteVanInschrijving": "9102"}), "unauthorizedParameter"),
            (await caller.call(url, member, question(ANNA)), "parameterVerplicht"),
            (await caller.call(url, member, {"type": "BewoningMetPeildatum", "peildatum": "2020-01-01",
              "adresseerbaarObjectIdentificatie": BEWONING}, "/api/bewoning/bewoningen"), "apiNietToegestaan"),
        ]  # fmt: skip
        for called, code in refused:
            assert (called.status, called.code) == (403, code)
        assert here.seen() == []
        assert (await caller.call(url, member, own)).status == 200
        assert len(here.seen()) == 1
        recorded = await regels(here, member)
        assert [regel.refusal for regel in recorded] == [*(code for _, code in refused), None]


async def test_conditions_stop_a_call_before_it_leaves(database, tmp_path, caller: Caller):
    yesterday = ("ma", "di", "wo", "do", "vr", "za", "zo")[(datetime.now(UTC).weekday() - 2) % 7]
    hours = [{"days": [yesterday], "from": "00:00", "until": "24:00"}]
    async with standing(database, tmp_path, conditions={"hours": hours}) as (here, member, url):
        called = await caller.call(url, member)
        assert (called.status, called.code) == (403, "buitenTijden")
        assert here.seen() == []


async def test_a_call_without_user_is_refused_where_a_user_is_demanded(database, tmp_path, caller: Caller):
    async with standing(database, tmp_path, conditions={"user": True}) as (here, member, url):
        called = await caller.call(url, member)
        assert (called.status, called.code) == (403, "gebruikerVerplicht")
        assert here.seen() == []


async def test_a_daily_quota_is_spent_by_what_leaves_and_ends_with_429(database, tmp_path, caller: Caller):
    rights = {"personen": {"fields": ["naam", "burgerservicenummer"]}}
    async with standing(database, tmp_path, rights=rights, conditions={"daily_quota": 3}) as (here, member, url):
        # Refused by the machtiging: costs nothing of the quota.
        assert (await caller.call(url, member, question(ANNA, fields=["geboorte"]))).status == 403
        assert [(await caller.call(url, member)).status for _ in range(5)] == [200, 200, 200, 429, 429]
        called = await caller.call(url, member)
        assert called.code == "dagquotumBereikt"
        assert int(called.headers["retry-after"]) > 0
        assert len(here.seen()) == 3


async def test_a_token_that_rvig_refuses_costs_the_quota_no_second_call(database, tmp_path, caller: Caller):
    async with standing(database, tmp_path, conditions={"daily_quota": 2}) as (here, member, url):
        assert (await caller.call(url, member)).status == 200
        here.simulator.tokens.expire()
        assert (await caller.call(url, member)).status == 200
        assert len(here.seen()) == 3
        assert (await caller.call(url, member)).status == 429


async def test_the_number_is_asked_for_the_register_and_does_not_go_back(database, tmp_path, caller: Caller):
    async with standing(database, tmp_path, add_bsn=True) as (here, member, url):
        plain = question(ANNA, SECRET, fields=["naam.voornamen"])
        called = await caller.call(url, member, plain)
        (seen,) = here.seen()
        assert orjson.loads(seen.body or b"")["fields"] == ["naam.voornamen", "burgerservicenummer"]
        assert called.status == 200
        assert len(called.document["personen"]) == 2
        assert all("burgerservicenummer" not in person for person in called.document["personen"])
        (regel,) = await regels(here, member, ANNA)
        opening, closing = sealed(regel)
        assert orjson.loads(opening["question"]) == plain
        assert regel.rubrieken == "010120, 010210"
        assert set(closing["persons"]) == {ANNA, SECRET}
        assert closing["withheld"] == {"persons": [], "unidentified": 0, "fields": ["burgerservicenummer"]}
        assert closing["answer"].encode() == called.body


async def test_persons_with_geheimhouding_stay_behind_and_are_recorded_as_received(database, tmp_path, caller: Caller):
    terms: dict[str, Any] = {
        "add_bsn": True,
        "grondslag": "Wet BRP 3.9",
        "policy": Policy(leave_out_geheimhouding=True),
    }
    async with standing(database, tmp_path, **terms) as (here, member, url):
        called = await caller.call(url, member, question(ANNA, SECRET, fields=["naam.voornamen"]))
        assert len(called.document["personen"]) == 1
        for bsn in (ANNA, SECRET):
            (regel,) = await regels(here, member, bsn)
            _, closing = sealed(regel)
            assert closing["persons"] == [ANNA]
            assert closing["withheld"]["persons"] == [SECRET]
            assert closing["answer"].encode() == called.body
            assert regel.closing is not None
            assert regel.closing.persons == 2


async def test_without_that_policy_geheimhouding_takes_nobody_out(database, tmp_path, caller: Caller):
    async with standing(database, tmp_path) as (here, member, url):
        called = await caller.call(url, member, question(ANNA, SECRET))
        assert len(called.document["personen"]) == 2
        (regel,) = await regels(here, member, SECRET)
        assert "withheld" not in sealed(regel)[1]


async def test_without_note_the_row_stays_and_tells_nothing_of_whom_it_was_about(database, tmp_path, caller: Caller):
    async with standing(database, tmp_path, make=add_note_policy) as (here, member, url):
        number = member.machtiging_id
        asked = question(ANNA, fields=["naam.voornamen"])
        assert (await caller.call(url, member, asked)).status == 200
        (full,) = await regels(here, member, ANNA)
        async with tenant_scope(here.tenants, member.tenant_id, actor="fg"):
            await grant_policy(here.tenants, member.tenant_id, number)
        called: Called = await caller.call(url, member, asked)
        assert (called.status, len(called.document["personen"])) == (200, 1)
        assert (await caller.call(url, member, question(ANNA, fields=["geboorte"]))).status == 403
        # Asked is not granted: the first row is whole, and it is the only one by which the person is found.
        assert [regel.id for regel in await regels(here, member, ANNA)] == [full.id]
        _, kept, attempt = await regels(here, member)
        assert (kept.outcome, kept.rubrieken, kept.machtiging_version) == ("beantwoord", "010210", 2)
        assert kept.closing is not None
        assert (kept.closing.persons, kept.closing.unidentified) == (0, 1)
        for regel in (kept, attempt):
            opening, closing = sealed(regel)
            assert ANNA not in str(opening) + str(closing)
            assert opening["question"] is None
        assert sealed(kept)[1] == {"persons": [], "headers": {}, "answer": None}


async def test_refused_inzage_is_told_of_the_rows_since_it_was_granted_and_of_no_others(
    database, tmp_path, caller: Caller
):
    policy = Policy(inzage="refused", inzage_article="Besluit BRP art. 46, onder b")
    async with standing(database, tmp_path, policy=policy) as (here, member, url):
        assert (await caller.call(url, member)).status == 200
        async with tenant_scope(here.tenants, member.tenant_id, actor="fg"):
            await grant_policy(here.tenants, member.tenant_id, member.machtiging_id)
        assert (await caller.call(url, member)).status == 200
        before, after = await regels(here, member)
        assert (before.inzage_refused, after.inzage_refused) == (None, policy.inzage_article)
        assert set(sealed(after)[1]) == set(sealed(before)[1])
