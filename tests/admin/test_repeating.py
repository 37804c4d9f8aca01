"""A POST that is sent again with its key does its work once; which ones take no key is written out, with why."""

from typing import Any, Final

import asyncpg
import pytest

from tenants.api.routes import ROUTES
from tests.admin.conftest import Api, Reply
from tests.admin.deciding import IDP, Desk
from tests.worlds import World

READS: Final = "makes nothing but the record of a reading, and each reading is one"
BY_ITSELF: Final = "is the same when it is done again, and says so"
IN_REGISTER: Final = "is written in the register's own transaction: look before it is sent again"
WITHOUT_KEY: Final = {
    "zoekProtocolregels": READS, "maakUitkomst": READS, "maakCorrectielijst": READS, "leesSteekproef": READS,
    "maakGebruiksrapport": READS, "maakDatalekrapport": READS,
    "blokkeer": BY_ITSELF, "omschrijfDoelbinding": BY_ITSELF, "trekCertificaatIn": BY_ITSELF,
    "zetStap": IN_REGISTER, "trekSteekproef": IN_REGISTER, "oordeel": IN_REGISTER,
    "zetVernietigingsstop": IN_REGISTER, "zetVernietigingsstopStap": IN_REGISTER, "besluitContracteinde": IN_REGISTER,
    "antwoordOpFouten": IN_REGISTER, "besluitFoutantwoord": IN_REGISTER,
}  # fmt: skip


def test_every_post_takes_a_key_or_says_why_not():
    posts = [route for route in ROUTES if route.method == "POST"]
    assert {route.name for route in posts if not route.idempotent} <= WITHOUT_KEY.keys()
    assert not {route.name for route in posts if route.idempotent} & WITHOUT_KEY.keys()


@pytest.fixture
def desk(api: Api, world: World) -> Desk:
    return Desk(api, world)


async def twice(desk: Desk, path: str, body: Any, *, by: str = "beheerder", version: int | None = None) -> list[Reply]:
    headers = {"Idempotency-Key": "een"} | ({} if version is None else {"If-Match": f'"{version}"'})
    return [await desk.api.ask("POST", path, by=by, headers=headers, json=body) for _ in range(2)]


def same(replies: list[Reply]) -> bool:
    """Whether the second answer is the first: status, body, place and version."""
    one, other = (
        (reply.status, reply.json, reply.headers.get("Location"), reply.headers.get("ETag")) for reply in replies
    )
    return one == other


async def test_a_voorstel_is_decided_on_once_and_its_second_answer_is_the_first(desk: Desk, admin: asyncpg.Connection):
    number = await desk.propose("POST", "/v1/beheer-idps", "operator", IDP)
    replies = await twice(desk, f"/v1/voorstellen/{number}/besluit", {"besluit": "aanvaard"}, version=1)
    assert replies[0].status == 200, replies[0].text
    assert same(replies)
    assert await admin.fetchval("SELECT count(*) FROM registry.beheer_idp") == 1


async def test_a_secret_that_an_acceptance_showed_is_not_shown_again(desk: Desk, admin: asyncpg.Connection):
    body = {"rol": "beheerder", "naam": "Koppeling", "dagen": 30, "routes": ["tenants"]}
    number = await desk.propose("POST", "/v1/beheersleutels", "operator", body)
    first, second = await twice(desk, f"/v1/voorstellen/{number}/besluit", {"besluit": "aanvaard"}, version=1)
    assert first.json["antwoord"]["geheim"].startswith("kpa_")
    assert (second.status, second.json["code"]) == (409, "alGetoond")
    kept = await admin.fetch("SELECT * FROM registry.answered_request")
    assert first.json["antwoord"]["geheim"] not in str([dict(row) for row in kept])


async def test_a_verbindingstest_is_asked_for_once(desk: Desk, admin: asyncpg.Connection):
    replies = await twice(desk, f"/v1/aansluitingen/{desk.world.aansluiting_id}/verbindingstesten", {})
    assert replies[0].status == 202, replies[0].text
    assert same(replies)
    assert await admin.fetchval("SELECT count(*) FROM registry.verbindingstest") == 1


async def test_a_step_that_is_ticked_again_with_its_key_is_no_conflict(desk: Desk):
    path = f"/v1/aansluitingen/{desk.world.aansluiting_id}/stappenplan"
    version = int((await desk.ask("GET", path, "beheerder")).headers["ETag"].strip('"'))
    replies = await twice(desk, path, {"stap": "inloggegevens_ontvangen", "op": "2026-02-01"}, version=version)
    assert replies[0].status == 200, replies[0].text
    assert same(replies)


async def test_a_request_for_inzage_is_one_and_nothing_of_the_person_is_kept_for_its_key(
    desk: Desk, admin: asyncpg.Connection
):
    body = {"ontvangenOp": "2026-01-01", "betrokkene": {"naam": "Anna Proef", "burgerservicenummer": "999990019"}}
    replies = await twice(desk, "/v1/inzageverzoeken", body, by="auditor")
    assert replies[0].status == 201, replies[0].text
    assert same(replies)
    assert replies[1].json["betrokkene"]["naam"] == "Anna Proef"
    assert await admin.fetchval("SELECT count(*) FROM register.inzageverzoek") == 1
    (kept,) = await admin.fetch("SELECT * FROM registry.answered_request")
    assert kept["body"] is None
    for told in ("Anna", "999990019"):
        assert told not in str(dict(kept))
    # Another request under the same key is told so, and another's key is another.
    other = body | {"ontvangenOp": "2026-01-02"}
    assert (await twice(desk, "/v1/inzageverzoeken", other, by="auditor"))[0].status == 422
    assert (await twice(desk, "/v1/inzageverzoeken", body, by="other-auditor"))[0].status == 201
    may = "SELECT has_column_privilege('koppelpunt_inzage', 'registry.answered_request', 'body', 'INSERT')"
    assert await admin.fetchval(may) is False
