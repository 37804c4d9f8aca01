"""When RvIG says that a client-secret ends: recorded, told in naleving, and nothing of the secret with it."""

from tests.admin.conftest import Api
from tests.worlds import World

END = "2026-12-31T23:00:00Z"


async def test_the_end_of_a_secret_comes_in_with_it_or_later_and_may_be_taken_away(api: Api, world: World):
    new = {"afnemerId": world.afnemer_id, "omgeving": "productie", "clientId": "nieuw", "secret": "geheim-1"}
    made = await api.ask("POST", "/v1/credentials", by="beheerder", json=new | {"secretGeldigTot": END})
    assert (made.status, made.json["secretGeldigTot"]) == (201, END)
    where = made.headers["Location"]
    etag = made.headers["ETag"]
    gone = await api.ask("PATCH", where, by="beheerder", json={"secretGeldigTot": None}, headers={"If-Match": etag})
    assert (gone.status, gone.json["secretGeldigTot"]) == (200, None)
    stale = await api.ask("PATCH", where, by="beheerder", json={"secretGeldigTot": END}, headers={"If-Match": etag})
    assert stale.status == 412
    asked = {"json": {"secretGeldigTot": "2026-12-31"}, "headers": {"If-Match": gone.headers["ETag"]}}
    assert (await api.ask("PATCH", where, by="beheerder", **asked)).status == 400
    nothing = await api.ask("PATCH", where, by="beheerder", json={}, headers={"If-Match": gone.headers["ETag"]})
    assert nothing.headers["ETag"] == gone.headers["ETag"]


async def test_naleving_warns_of_the_secret_that_is_in_use(api: Api, world: World, admin):
    await admin.execute("UPDATE registry.credential SET secret_valid_until = now() + interval '20 days'")
    (afnemer,) = (await api.ask("GET", "/v1/naleving", by="auditor")).json["afnemers"]
    assert [(one["code"], one["ernst"], one["dagen"]) for one in afnemer["bevindingen"]] == [
        ("clientSecretLooptAf", "waarschuwt", 30)
    ]
    await admin.execute("UPDATE registry.credential SET secret_valid_until = now() - interval '1 day'")
    (afnemer,) = (await api.ask("GET", "/v1/naleving", by="auditor")).json["afnemers"]
    assert [(one["code"], one["ernst"]) for one in afnemer["bevindingen"]] == [("clientSecretVerlopen", "waarschuwt")]
