"""The gateway keeps what passes by of a mailbox: how many messages wait and since when, and nothing of what they say."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import aiohttp
import asyncpg
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.call import Answered
from gateway.postbus import Count, count_of
from tests.e2e.ledgers import BERICHTEN, Caller, until
from tests.world import Member, World, world

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda one: st.lists(one) | st.dictionaries(st.text(), one),
    max_leaves=8,
)
OLD, NEW = "2027-03-01T10:00:00+00:00", "2027-03-02T10:00:00+00:00"


def answered(document: object, status: int = 200) -> Answered:
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    return replace(ANSWERED, status=status, body=body)


ANSWERED = Answered(status=200, headers={}, body=b"")


def listed(*messages: tuple[bool, str], last: bool = True) -> dict[str, object]:
    return {
        "berichten": [{"opgehaald": fetched, "dtOntvangen": moment} for fetched, moment in messages],
        "paginering": {"eerstePagina": True, "laatstePagina": last},
    }


@pytest.mark.parametrize(
    ("operation", "query", "document", "count"),
    [
        ("list", "", listed((False, NEW), (True, "2020-01-01T00:00:00+00:00"), (False, OLD)), Count(2, datetime(2027, 3, 1, 10, tzinfo=UTC))),
        ("list", "pagina=1&berichtenPerPagina=50", listed(), Count(0)),
        ("list", "status=nieuw", listed((False, NEW)), None),
        ("list", "", listed((False, NEW), last=False), None),
        ("list", "", listed((False, "gisteren")), Count(1)),
        ("telling", "soort=niet-opgehaald", {"aantalBerichten": 3}, Count(3)),
        ("telling", "soort=nieuw", {"aantalBerichten": 3}, None),
        ("telling", "soort=niet-opgehaald", {"aantalBerichten": "3"}, None),
        ("fetch", "", {"opgehaaldeBerichten": [{}]}, Count(0)),
        ("fetch", "", {"opgehaaldeBerichten": []}, None),
        ("delete", "", {"aantalBerichten": 3}, None),
        ("list", "", b"{", None),
    ],
)  # fmt: skip
def test_only_what_is_sure_of_the_whole_mailbox_counts(operation, query, document, count):
    assert count_of(operation, query, answered(document)) == count
    assert count_of(operation, query, answered(document, status=400)) is None


@given(st.sampled_from(["list", "telling", "fetch"]), JSON)
def test_no_answer_whatever_breaks_it(operation, document):
    query = "soort=niet-opgehaald" if operation == "telling" else ""
    found = count_of(operation, query, answered(json.dumps(document).encode()))
    assert found is None or found.waiting >= 0


@pytest.fixture
async def here(database, tmp_path) -> AsyncIterator[World]:
    async with world(database, tmp_path / "world") as made:
        yield made


async def test_a_list_says_what_waits_and_a_fetch_that_somebody_is_at_work(here: World, database):
    member: Member = await here.add_member()
    admin = await asyncpg.connect(database.url("admin"))
    number = here.simulator.postbus.deliver(
        member.account.mailbox_id or "", {"berichtType": "Gv01", "plData": {"c01": [{"e0120": "999990019"}]}}
    )
    async with here.gateway() as url, aiohttp.ClientSession() as session:
        caller = Caller(session)

        async def waits(count: int) -> bool:
            found = await admin.fetchval(
                "SELECT waiting FROM registry.postbus WHERE aansluiting_id = $1", member.aansluiting_id
            )
            return bool(found == count)

        assert (await caller.call(url, member, path=BERICHTEN, method="GET")).status == 200
        await until(lambda: waits(1), 20)
        since = await admin.fetchval("SELECT since FROM registry.postbus")
        assert abs((datetime.now(UTC) - since).total_seconds()) < 60
        assert (await caller.call(url, member, path=f"{BERICHTEN}/{number}", method="GET")).status == 200
        await until(lambda: waits(0), 20)
        kept = await admin.fetchval("SELECT to_jsonb(b)::text FROM registry.postbus b")
        assert "999990019" not in kept
        assert str(number) not in kept
    await admin.close()
