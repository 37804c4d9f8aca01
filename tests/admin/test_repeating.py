"""A POST that is sent again with its key does its work once; which ones take no key is written out, with why."""

from typing import Any, Final

import asyncpg
import pytest

from tenants.api.routes import ROUTES
from tests.admin.conftest import Api, Reply
from tests.admin.deciding import IDP, Desk
from tests.admin.regels import Recorder
from tests.databases import Database
from tests.worlds import World

READS: Final = "makes nothing but the record of a reading, and each reading is one"
BY_ITSELF: Final = "is the same when it is done again, and says so"
REFUSED: Final = (
    "is more than one transaction, or holds by its own alone: it refuses a key, and one looks before it is sent again"
)
WITHOUT_KEY: Final = {
    "zoekProtocolregels": READS, "maakUitkomst": READS, "maakCorrectielijst": READS, "leesSteekproef": READS,
    "maakGebruiksrapport": READS, "maakDatalekrapport": READS,
    "blokkeer": BY_ITSELF, "omschrijfDoelbinding": BY_ITSELF, "trekCertificaatIn": BY_ITSELF,
    "trekSteekproef": REFUSED, "zetVernietigingsstop": REFUSED,
}  # fmt: skip


def test_every_post_takes_a_key_or_says_why_not():
    posts = [route for route in ROUTES if route.method == "POST"]
    assert {route.name for route in posts if not route.idempotent} == WITHOUT_KEY.keys()
    assert {route.name for route in posts if route.herhaalt_niet} == {
        name for name, why in WITHOUT_KEY.items() if why is REFUSED
    }
    assert not {route.name for route in posts if route.idempotent} & WITHOUT_KEY.keys()


@pytest.fixture
def desk(api: Api, world: World) -> Desk:
    return Desk(api, world)


async def twice(
    desk: Desk, path: str, body: Any, *, by: str = "beheerder", version: int | None = None, key: str = "een"
) -> list[Reply]:
    headers = {"Idempotency-Key": key} | ({} if version is None else {"If-Match": f'"{version}"'})
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


async def test_a_step_of_a_request_for_inzage_is_one_and_what_it_says_is_read_anew(
    desk: Desk, admin: asyncpg.Connection
):
    body = {"ontvangenOp": "2026-01-01", "betrokkene": {"naam": "Anna Proef", "burgerservicenummer": "999990019"}}
    number = (await desk.api.ask("POST", "/v1/inzageverzoeken", by="auditor", json=body)).json["nummer"]
    step = {"soort": "identiteit", "op": "2026-01-02T09:00:00Z", "wijze": "Paspoort gezien", "door": "K. Bakker"}
    replies = await twice(desk, f"/v1/inzageverzoeken/{number}/stappen", step, by="auditor")
    assert replies[0].status == 201, replies[0].text
    assert same(replies)
    assert await admin.fetchval("SELECT count(*) FROM register.inzageverzoek_stap") == 1
    assert await nothing_kept(admin)


async def nothing_kept(admin: asyncpg.Connection) -> bool:
    """Whether of one answer nothing is kept but that it was given, and where."""
    (kept,) = await admin.fetch("SELECT * FROM registry.answered_request")
    return kept["body"] is None and not any(word in str(dict(kept)) for word in ("Bakker", "Paspoort", "Geen zaak"))


async def test_a_verdict_is_one_and_is_read_anew(
    desk: Desk, admin: asyncpg.Connection, recorder: Recorder, world: World
):
    await recorder.record(world)
    period = {"van": "2020-01-01T00:00:00Z", "tot": "2100-01-01T00:00:00Z"}
    year = {"van": f"{await year_of(admin)}-01-01T00:00:00Z", "tot": f"{await year_of(admin) + 1}-01-01T00:00:00Z"}
    asking = {"periode": year, "aantal": 1, "reden": "Controle"}
    sample = (await desk.api.ask("POST", "/v1/steekproeven", by="auditor", json=asking)).json
    path = f"/v1/steekproeven/{sample['nummer']}/oordelen"
    body = {"protocolregel": sample["protocolregels"][0], "oordeel": "nee", "toelichting": "Geen zaak gevonden"}
    replies = await twice(desk, path, body, by="auditor")
    assert replies[0].status == 201, replies[0].text
    assert same(replies)
    assert len(replies[1].json["beoordelingen"]) == 1
    assert await nothing_kept(admin)
    # A draw, and a stop, refuse a key and are not made with it.
    for refused, wanted in (
        ("/v1/steekproeven", asking),
        ("/v1/vernietigingsstops", {"reden": "Zaak", "periode": period}),
    ):
        for reply in await twice(desk, refused, wanted, by="auditor"):
            (fault,) = reply.json["errors"]
            assert (reply.status, fault["location"]["name"]) == (400, "Idempotency-Key")
    assert await admin.fetchval("SELECT count(*) FROM register.steekproef") == 1
    assert await admin.fetchval("SELECT count(*) FROM register.vernietigingsstop") == 0


async def year_of(admin: asyncpg.Connection) -> int:
    year: int = await admin.fetchval("SELECT extract(year FROM now() AT TIME ZONE 'UTC')::int")
    return year


async def test_what_is_asked_of_a_stop_and_said_of_an_end_is_said_once(desk: Desk, admin: asyncpg.Connection):
    stop = (await desk.api.ask("POST", "/v1/vernietigingsstops", by="auditor", json={"reden": "Zaak"})).json["nummer"]
    lifting = {"soort": "opheffing_gevraagd", "reden": "Gesloten"}
    replies = await twice(desk, f"/v1/vernietigingsstops/{stop}/stappen", lifting, by="auditor")
    assert [one.status for one in replies] == [204, 204]
    assert await admin.fetchval("SELECT count(*) FROM register.vernietigingsstop_stap") == 1
    # What the operator did before, as if it had.
    await admin.execute("ALTER TABLE register.contracteinde_stap DISABLE TRIGGER USER")
    await admin.executemany(
        "INSERT INTO register.contracteinde_stap (tenant_id, actor, kind, digest, tree_size) VALUES ($1, 'x', $2, $3, $4)",
        [
            (
                desk.world.tenant_id,
                kind,
                None if kind == "begonnen" else b"d" * 32,
                1 if kind == "geexporteerd" else None,
            )
            for kind in ("begonnen", "geexporteerd", "ontvangen")
        ],
    )
    await admin.execute("ALTER TABLE register.contracteinde_stap ENABLE TRIGGER USER")
    body = {"besluit": "bevestigd", "archief": (b"d" * 32).hex(), "reden": "Akkoord"}
    for by, besluit in (("auditor", "bevestigd"), ("beheerder", "meebevestigd")):
        replies = await twice(desk, "/v1/contracteinde/besluiten", body | {"besluit": besluit}, by=by, key=besluit)
        assert replies[0].status == 201, replies[0].text
        assert same(replies)
    assert await admin.fetchval("SELECT count(*) FROM register.contracteinde_stap") == 5


async def test_an_answer_to_faults_is_decided_on_once(desk: Desk, database: Database):
    sealer = await asyncpg.connect(database.url("sealer"))
    try:
        tenant_id = desk.world.tenant_id
        await sealer.execute("SELECT register.note_seal_fault($1, 'row_altered', 'leaf 3', true)", tenant_id)
        await sealer.fetchval("SELECT register.resolve_seal_faults($1, 'command line (root)', 'Schijf')", tenant_id)
    finally:
        await sealer.close()
    (answer,) = (await desk.api.ask("GET", "/v1/registerfouten/antwoorden", by="auditor")).json["antwoorden"]
    path = f"/v1/registerfouten/antwoorden/{answer['nummer']}/besluiten"
    replies = await twice(desk, path, {"besluit": "ingestemd", "reden": "Onderzocht"}, by="auditor")
    assert (replies[0].status, replies[0].json) == (201, {"beantwoordeFouten": 1})
    assert same(replies)
